//! Payments that count, so that another bank's report of one is known for what it is.
//!
//! Beside each report that counts stands what it says (a [`Claim`]). A report is a confirmation when a claim of another
//! reporter is of the same payment with the same facts. A report has one claim at most, which is found by its event: a
//! correction need not say of which payment its fact was. Claims are forgotten by event time. Most payments have one claim;
//! where many reports name one payment, each question still takes a few steps.

use crate::payment::Payment;
use foreshock_core::time::SECOND_US;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A report of a payment that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Event time of the report.
    pub(crate) time: i64,
    /// See [`Payment`]. In two halves, for an `u128` asks for an alignment that would cost 16 bytes.
    facts: (u64, u64),
    reporter: u64,
    event: u64,
}

/// A claim as it is saved, with the payment.
pub(crate) type SavedClaim = (u128, Claim);

impl Claim {
    pub(crate) fn new(payment: &Payment, time: i64) -> Self {
        Claim { time, facts: halves(payment.facts), reporter: payment.reporter, event: payment.event }
    }

    /// Of a state that was saved without what the report says: any other report confirms it.
    pub(crate) fn unknown(uetr: u128, time: i64) -> Self {
        Claim { time, facts: UNKNOWN, reporter: 0, event: stand_in(uetr) }
    }

    fn is_confirmed_by(&self, other: &Claim) -> bool {
        self.facts == UNKNOWN || self.facts == other.facts && self.reporter != other.reporter
    }

    fn second(&self) -> i64 {
        self.time.div_euclid(SECOND_US)
    }
}

/// No digest is this.
const UNKNOWN: (u64, u64) = (0, 0);

/// In the place of the event of an unknown claim: of a random id, so another one for each payment.
fn stand_in(uetr: u128) -> u64 {
    uetr as u64
}

#[derive(Debug)]
enum Claims {
    One(Claim),
    Many(Box<Many>),
}

/// Several claims to one payment.
#[derive(Debug, Default)]
struct Many {
    by_event: HashMap<u64, Claim>,
    /// Facts, reporter, time, event.
    by_facts: BTreeSet<((u64, u64), u64, i64, u64)>,
    /// Time, event.
    by_time: BTreeSet<(i64, u64)>,
}

impl Many {
    fn put(&mut self, claim: Claim) {
        self.take(claim.event);
        self.by_event.insert(claim.event, claim);
        self.by_facts.insert((claim.facts, claim.reporter, claim.time, claim.event));
        self.by_time.insert((claim.time, claim.event));
    }

    fn take(&mut self, event: u64) {
        if let Some(claim) = self.by_event.remove(&event) {
            self.by_facts.remove(&(claim.facts, claim.reporter, claim.time, event));
            self.by_time.remove(&(claim.time, event));
        }
    }

    /// The youngest claim that the report confirms. Looks at the youngest one of each reporter.
    fn confirmed(&self, report: &Claim) -> Option<Claim> {
        let of_facts = |facts| {
            let youngest = move |reporter: u64| {
                let claims = self.by_facts.range((facts, 0, i64::MIN, 0)..=(facts, reporter, i64::MAX, u64::MAX));
                claims.copied().next_back()
            };
            std::iter::successors(youngest(u64::MAX), move |claim| youngest(claim.1.checked_sub(1)?))
        };
        let claims = [report.facts, UNKNOWN].into_iter().flat_map(of_facts).map(|claim| self.by_event[&claim.3]);
        claims.filter(|claim| claim.is_confirmed_by(report)).max_by_key(|claim| claim.time)
    }
}

/// The claims to all payments.
#[derive(Debug, Default)]
pub(crate) struct Payments {
    claims: HashMap<u128, Claims>,
    /// By event: the payment that its claim is to, in two halves as the facts are.
    uetrs: HashMap<u64, (u64, u64)>,
    /// By second of event time: events with claims of it. Such a claim may have been taken back.
    seconds: BTreeMap<i64, Vec<u64>>,
}

impl Payments {
    /// Claims remembered.
    pub(crate) fn len(&self) -> usize {
        self.uetrs.len()
    }

    /// The time of a claim, not older than `since`, of another bank to the payment that the report has with the same facts.
    pub(crate) fn confirmed_at(&self, uetr: u128, report: &Claim, since: i64) -> Option<i64> {
        let claim = match self.claims.get(&uetr)? {
            Claims::One(claim) => Some(*claim).filter(|claim| claim.is_confirmed_by(report)),
            Claims::Many(many) => many.confirmed(report),
        };
        claim.map(|claim| claim.time).filter(|time| *time >= since)
    }

    /// Is there any claim to the payment, not older than `since`, but the report's own?
    pub(crate) fn is_claimed(&self, uetr: u128, report: &Claim, since: i64) -> bool {
        match self.claims.get(&uetr) {
            None => false,
            Some(Claims::One(claim)) => claim.time >= since && claim.event != report.event,
            Some(Claims::Many(many)) => {
                many.by_time.iter().rev().take(2).any(|(time, event)| *time >= since && *event != report.event)
            }
        }
    }

    /// The report counts: its claim, in the place of an earlier one of the same event.
    pub(crate) fn put(&mut self, uetr: u128, claim: Claim) {
        self.take_unknown(uetr, claim.time);
        if self.claim(claim.event) == Some((uetr, claim)) {
            return;
        }
        self.take(claim.event);
        self.seconds.entry(claim.second()).or_default().push(claim.event);
        self.uetrs.insert(claim.event, halves(uetr));
        match self.claims.get_mut(&uetr) {
            None => {
                self.claims.insert(uetr, Claims::One(claim));
            }
            Some(Claims::Many(many)) => many.put(claim),
            Some(one) => {
                let mut many = Box::<Many>::default();
                if let Claims::One(other) = one {
                    many.put(*other);
                }
                many.put(claim);
                *one = Claims::Many(many);
            }
        }
    }

    /// The report of this event counts no more, or names no payment any more.
    pub(crate) fn take(&mut self, event: u64) {
        let Some((high, low)) = self.uetrs.remove(&event) else { return };
        let uetr = whole(high, low);
        if let Some(Claims::Many(many)) = self.claims.get_mut(&uetr) {
            many.take(event);
            if !many.by_event.is_empty() {
                return;
            }
        }
        self.claims.remove(&uetr);
    }

    /// The same of a claim that is not known by its event: it is the one of this payment and time.
    pub(crate) fn take_unknown(&mut self, uetr: u128, time: i64) {
        let own = self.claim(stand_in(uetr)).filter(|(of, claim)| *of == uetr && claim.facts == UNKNOWN);
        own.filter(|(_, claim)| claim.time == time).into_iter().for_each(|(_, claim)| self.take(claim.event));
    }

    /// The claim of an event, and the payment.
    fn claim(&self, event: u64) -> Option<SavedClaim> {
        let uetr = self.uetrs.get(&event).map(|(high, low)| whole(*high, *low))?;
        let claim = match self.claims.get(&uetr)? {
            Claims::One(claim) => *claim,
            Claims::Many(many) => *many.by_event.get(&event)?,
        };
        Some((uetr, claim))
    }

    /// Forgets the claims of seconds that lie wholly before `time`.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let end = time.div_euclid(SECOND_US);
        while let Some(first) = self.seconds.first_entry().filter(|second| *second.key() < end) {
            let (second, events) = first.remove_entry();
            for event in events {
                if self.claim(event).is_some_and(|(_, claim)| claim.second() <= second) {
                    self.take(event);
                }
            }
        }
    }

    /// All claims, in one order.
    pub(crate) fn save(&self) -> Vec<SavedClaim> {
        let mut saved = Vec::with_capacity(self.len());
        for (uetr, claims) in &self.claims {
            match claims {
                Claims::One(claim) => saved.push((*uetr, *claim)),
                Claims::Many(many) => saved.extend(many.by_event.values().map(|claim| (*uetr, *claim))),
            }
        }
        saved.sort_unstable_by_key(|(uetr, claim)| (claim.time, *uetr, claim.event));
        saved
    }

    pub(crate) fn load(saved: Vec<SavedClaim>) -> Self {
        let mut payments = Payments::default();
        saved.into_iter().for_each(|(uetr, claim)| payments.put(uetr, claim));
        payments
    }
}

fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

fn whole(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a list that is walked.
    #[derive(Default)]
    struct Naive(Vec<SavedClaim>);

    impl Naive {
        fn others<'a>(&'a self, uetr: u128, report: &'a Claim, since: i64) -> impl Iterator<Item = &'a Claim> {
            let of = move |(payment, claim): &&'a SavedClaim| {
                *payment == uetr && claim.time >= since && claim.event != report.event
            };
            self.0.iter().filter(of).map(|(_, claim)| claim)
        }

        fn take(&mut self, event: u64) {
            self.0.retain(|(_, claim)| claim.event != event);
        }
    }

    proptest! {
        #[test]
        fn they_answer_as_a_list_of_all_claims_does(
            steps in prop::collection::vec((0_u8..8, 0_u128..3, 0_u128..2, 0_u64..3, 0_u64..6, 0_i64..6), 1..120)
        ) {
            let (mut payments, mut naive, mut horizon) = (Payments::default(), Naive::default(), 0);
            for (kind, uetr, facts, reporter, event, second) in steps {
                // An event has one reporter.
                let payment = Payment { uetr, facts: facts + 1, reporter: 1 + event % 3, event: 1 + event };
                let report = Claim::new(&payment, horizon + (event as i64 % 4) * SECOND_US);
                let since = horizon + (reporter as i64 - 1) * SECOND_US;
                let confirms = |c: &&Claim| c.facts == report.facts && c.reporter != report.reporter;
                let confirmed = naive.others(uetr, &report, since).filter(confirms).map(|c| c.time).max();
                prop_assert_eq!(payments.confirmed_at(uetr, &report, since), confirmed);
                let claimed = naive.others(uetr, &report, since).next().is_some();
                prop_assert_eq!(payments.is_claimed(uetr, &report, since), claimed);
                match kind {
                    0..5 => {
                        payments.put(uetr, report);
                        naive.take(report.event);
                        naive.0.push((uetr, report));
                    }
                    5 => {
                        payments.take(report.event);
                        naive.take(report.event);
                    }
                    6 => {
                        horizon += second * SECOND_US / 3;
                        payments.forget_before(horizon);
                        naive.0.retain(|(_, claim)| claim.second() >= horizon.div_euclid(SECOND_US));
                    }
                    _ => payments = Payments::load(payments.save()),
                }
                naive.0.sort_unstable_by_key(|(uetr, claim)| (claim.time, *uetr, claim.event));
                prop_assert_eq!(payments.save(), naive.0.clone());
                prop_assert_eq!(payments.len(), naive.0.len());
            }
        }
    }
}
