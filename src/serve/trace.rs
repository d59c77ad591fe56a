//! Where money went: first in, first out, by amount.
//!
//! The money is what an account pays from some time on. Who receives of it holds it in a queue with all else that comes to him from
//! then on, in the order of the log's event times; what he pays is taken from the front of that queue. What he had before is not
//! known and is not in the queue, unless his bank says with his next payment what he had: the difference stands in front.

use std::collections::{HashMap, VecDeque};

/// Most hops that are followed.
pub const HOPS_MAX: u32 = 5;

/// A payment. They come in the order of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment<'a> {
    /// Who pays; `None` where no account does.
    pub payer: Option<&'a str>,
    /// Who receives; `None` for cash.
    pub payee: Option<&'a str>,
    /// Minor units.
    pub amount: i64,
    /// Money of different currencies does not mix.
    pub currency: &'a str,
    /// What the payer had before it, where his bank says so.
    pub payer_had: Option<i64>,
}

/// A part of a payment that is of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which payment, counted from 0.
    pub payment: usize,
    /// How often the money has changed hands with it.
    pub hop: u32,
    /// How much of the payment.
    pub amount: i64,
}

/// What lies in an account: amounts, each with the number of hops it has behind it; 0 for other money.
#[derive(Debug, Default)]
struct Queue {
    parts: VecDeque<(i64, u32)>,
    held: i64,
    has_paid: bool,
}

impl Queue {
    fn push(&mut self, amount: i64, hop: u32) {
        self.held = self.held.saturating_add(amount);
        match self.parts.back_mut() {
            Some((last, of)) if *of == hop => *last = last.saturating_add(amount),
            _ => self.parts.push_back((amount, hop)),
        }
    }

    /// Takes an amount from the front: the parts, in order. What is not there comes from what is not known.
    fn take(&mut self, mut amount: i64) -> Vec<(i64, u32)> {
        let mut taken = Vec::new();
        while amount > 0 {
            let Some((first, hop)) = self.parts.front_mut() else {
                taken.push((amount, 0));
                break;
            };
            let part = amount.min(*first);
            taken.push((part, *hop));
            (amount, self.held) = (amount - part, self.held - part);
            *first -= part;
            if *first == 0 {
                self.parts.pop_front();
            }
        }
        taken
    }
}

/// The steps that the money of an account takes, in the order of the payments; at most `most` of them: `None` when there are more.
pub fn trace<'a>(
    payments: impl Iterator<Item = Payment<'a>>,
    account: &str,
    hops: u32,
    most: usize,
) -> Option<Vec<Step>> {
    let (mut queues, mut steps): (HashMap<(&str, &str), Queue>, Vec<Step>) = (HashMap::new(), Vec::new());
    for (number, payment) in payments.enumerate() {
        let parts = match payment.payer {
            Some(payer) if payer == account => vec![(payment.amount, 1)],
            Some(payer) => queues.get_mut(&(payer, payment.currency)).map_or(Vec::new(), |queue| paid(queue, &payment)),
            None => Vec::new(),
        };
        for (amount, hop) in merged(&parts).into_iter().filter(|(_, hop)| *hop > 0) {
            steps.push(Step { payment: number, hop, amount });
        }
        if steps.len() > most {
            return None;
        }
        let Some(payee) = payment.payee.filter(|payee| *payee != account) else { continue };
        let key = (payee, payment.currency);
        let is_of_it = parts.iter().any(|(_, hop)| (1..hops).contains(hop));
        if !is_of_it && !queues.contains_key(&key) {
            continue;
        }
        let queue = queues.entry(key).or_default();
        let known: i64 = parts.iter().map(|(amount, _)| *amount).fold(0, i64::saturating_add);
        for (amount, hop) in &parts {
            queue.push(*amount, if *hop < hops { *hop } else { 0 });
        }
        if known < payment.amount {
            queue.push(payment.amount - known, 0);
        }
    }
    Some(steps)
}

/// What a payer takes from his queue, each part with the hops that it has with this payment.
fn paid(queue: &mut Queue, payment: &Payment<'_>) -> Vec<(i64, u32)> {
    // His bank says what he had: what is more than came since was there before.
    let before = payment.payer_had.map_or(0, |had| had.saturating_sub(queue.held));
    if !queue.has_paid && before > 0 {
        queue.parts.push_front((before, 0));
        queue.held = queue.held.saturating_add(before);
    }
    queue.has_paid = true;
    let next = |(amount, hop): (i64, u32)| (amount, if hop == 0 { 0 } else { hop + 1 });
    queue.take(payment.amount).into_iter().map(next).collect()
}

/// One amount for each hop.
fn merged(parts: &[(i64, u32)]) -> Vec<(i64, u32)> {
    let mut merged: Vec<(i64, u32)> = Vec::new();
    for (amount, hop) in parts {
        match merged.iter_mut().find(|(_, of)| of == hop) {
            Some((sum, _)) => *sum = sum.saturating_add(*amount),
            None => merged.push((*amount, *hop)),
        }
    }
    merged.sort_unstable_by_key(|(_, hop)| *hop);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pay<'a>(payer: &'a str, payee: &'a str, amount: i64) -> Payment<'a> {
        let named = |name: &'a str| Some(name).filter(|name| !name.is_empty());
        Payment { payer: named(payer), payee: named(payee), amount, currency: "CNY", payer_had: None }
    }

    fn steps(payments: &[Payment<'_>], hops: u32) -> Vec<(usize, u32, i64)> {
        let steps = trace(payments.iter().copied(), "v", hops, 1_000).expect("few steps");
        steps.into_iter().map(|step| (step.payment, step.hop, step.amount)).collect()
    }

    #[test]
    fn money_goes_on_by_amount_first_in_first_out() {
        let payments =
            [pay("v", "m", 100), pay("x", "m", 50), pay("m", "n", 120), pay("m", "", 30), pay("n", "o", 110)];
        assert_eq!(steps(&payments, 5), [(0, 1, 100), (2, 2, 100), (4, 3, 100)]);
        assert_eq!(steps(&payments, 2), [(0, 1, 100), (2, 2, 100)]);
    }

    #[test]
    fn what_was_there_before_is_paid_first_where_the_bank_says_what_there_was() {
        let had = |had: i64| Payment { payer_had: Some(had), ..pay("m", "n", 80) };
        assert_eq!(steps(&[pay("v", "m", 100), had(150)], 5), [(0, 1, 100), (1, 2, 30)]);
        assert_eq!(steps(&[pay("v", "m", 100), had(100), had(20)], 5), [(0, 1, 100), (1, 2, 80), (2, 2, 20)]);
    }

    #[test]
    fn other_currencies_other_payments_and_what_comes_back_are_not_of_it() {
        let other = Payment { currency: "XTS", ..pay("m", "n", 100) };
        assert_eq!(
            steps(&[pay("v", "m", 100), other, pay("x", "y", 5), pay("m", "v", 10)], 5),
            [(0, 1, 100), (3, 2, 10)]
        );
    }

    /// The same, coin by coin: each unit of money has a place of its own in its account's queue.
    fn by_coins(payments: &[(u8, u8, u8)], hops: u32) -> Vec<(usize, u32, i64)> {
        let mut queues: HashMap<u8, VecDeque<u32>> = HashMap::new();
        let mut steps = Vec::new();
        for (number, (payer, payee, amount)) in payments.iter().enumerate() {
            let mut by_hop: HashMap<u32, i64> = HashMap::new();
            let coins: Vec<u32> = (0..*amount)
                .map(|_| match queues.get_mut(payer).filter(|_| *payer != 0).and_then(VecDeque::pop_front) {
                    _ if *payer == 0 => 1,
                    Some(hop) if hop > 0 => hop + 1,
                    _ => 0,
                })
                .collect();
            coins.iter().filter(|hop| **hop > 0).for_each(|hop| *by_hop.entry(*hop).or_default() += 1);
            let mut of_payment: Vec<_> = by_hop.into_iter().map(|(hop, amount)| (number, hop, amount)).collect();
            of_payment.sort_unstable();
            steps.extend(of_payment);
            if *payee != 0 {
                let is_of_it = coins.iter().any(|hop| (1..hops).contains(hop));
                if is_of_it || queues.contains_key(payee) {
                    let queue = queues.entry(*payee).or_default();
                    queue.extend(coins.into_iter().map(|hop| if hop < hops { hop } else { 0 }));
                }
            }
        }
        steps
    }

    proptest! {
        #[test]
        fn it_is_what_coins_would_do(payments in proptest::collection::vec((0_u8..6, 0_u8..6, 1_u8..20), 0..60), hops in 1_u32..=5) {
            let names = ["v", "a", "b", "c", "d", "e"];
            let of = |(payer, payee, amount): &(u8, u8, u8)| {
                pay(names[*payer as usize], names[*payee as usize], i64::from(*amount))
            };
            let all: Vec<Payment<'_>> = payments.iter().map(of).collect();
            prop_assert_eq!(steps(&all, hops), by_coins(&payments, hops));
        }
    }
}
