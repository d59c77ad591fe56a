//! Payments that count, so that another bank's report of one is known for what it is.
//!
//! Beside each report that counts stands what it says (a [`Claim`]). A report is a confirmation when a claim of another
//! reporter is of the same payment with the same facts, and no other event of its own reporter has confirmed that claim. A report
//! has one claim at most, which is found by its event: a correction need not say of which payment its fact was. Claims are
//! forgotten by event time. Most payments have one claim; where many reports name one payment, each question still takes a few
//! steps.

use crate::confirmations::{Confirmation, Confirmations};
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

/// A claim as it is saved, with the payment and what has confirmed it.
pub(crate) type SavedClaim = (u128, Claim, Vec<Confirmation>);

/// Whether a report is a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) confirms: bool,
    /// Time of the oldest event on which the answer hangs; `i64::MAX` when it hangs on none.
    pub(crate) rests_on: i64,
}

/// Claims that say the same of one payment: so many, the oldest, are looked at for one that a report may confirm.
const LOOKED_AT: usize = 64;

impl Claim {
    pub(crate) fn new(payment: &Payment, time: i64) -> Self {
        Claim { time, facts: halves(payment.facts), reporter: payment.reporter, event: payment.event }
    }

    /// Of a state that was saved without what the report says: any other report confirms it.
    pub(crate) fn unknown(uetr: u128, time: i64) -> Self {
        Claim { time, facts: UNKNOWN, reporter: 0, event: stand_in(uetr) }
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
    /// Facts, time, event.
    by_facts: BTreeSet<((u64, u64), i64, u64)>,
    /// Time, event.
    by_time: BTreeSet<(i64, u64)>,
}

impl Many {
    fn put(&mut self, claim: Claim) {
        self.take(claim.event);
        self.by_event.insert(claim.event, claim);
        self.by_facts.insert((claim.facts, claim.time, claim.event));
        self.by_time.insert((claim.time, claim.event));
    }

    fn take(&mut self, event: u64) {
        if let Some(claim) = self.by_event.remove(&event) {
            self.by_facts.remove(&(claim.facts, claim.time, event));
            self.by_time.remove(&(claim.time, event));
        }
    }
}

impl Claims {
    fn get(&self, event: u64) -> Option<Claim> {
        match self {
            Claims::One(claim) => Some(*claim).filter(|claim| claim.event == event),
            Claims::Many(many) => many.by_event.get(&event).copied(),
        }
    }

    /// Those with these facts that are not older than `since`, oldest first.
    fn alike<'c>(&'c self, facts: (u64, u64), since: i64) -> impl Iterator<Item = Claim> + 'c {
        let (one, many) = match self {
            Claims::One(claim) => (Some(*claim), None),
            Claims::Many(many) => (None, Some(many)),
        };
        let from = move |many: &'c Many| {
            let alike = many.by_facts.range((facts, since, 0)..=(facts, i64::MAX, u64::MAX));
            alike.map(|(_, _, event)| many.by_event[event])
        };
        let one = one.into_iter().filter(move |claim| claim.facts == facts && claim.time >= since);
        one.chain(many.into_iter().map(|many| &**many).flat_map(from))
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
    confirmations: Confirmations,
}

impl Payments {
    /// Claims remembered.
    pub(crate) fn len(&self) -> usize {
        self.uetrs.len()
    }

    /// Is the report a confirmation of one that is not older than `since`? Then it is noted: the oldest that its bank has not
    /// confirmed, or the one that it has confirmed before.
    pub(crate) fn confirm(&mut self, uetr: u128, report: &Claim, since: i64) -> Finding {
        let mut finding = Finding { confirms: false, rests_on: i64::MAX };
        let Some(claims) = self.claims.get(&uetr) else { return finding };
        let own = self.confirmations.confirmed_by(report.event).and_then(|event| claims.get(event));
        let is_told_again = |claim: &Claim| claim.facts == report.facts && claim.time >= since;
        if let Some(claim) = own.filter(is_told_again) {
            return Finding { confirms: true, rests_on: claim.time };
        }
        for claim in claims.alike(report.facts, since).take(LOOKED_AT).filter(|c| c.reporter != report.reporter) {
            if let Some(other) = self.confirmations.of(claim.event, report.reporter) {
                finding.rests_on = finding.rests_on.min(other.rests_on);
                continue;
            }
            finding = Finding { confirms: true, rests_on: finding.rests_on.min(claim.time) };
            let rests_on = finding.rests_on.min(report.time);
            let by = Confirmation { reporter: report.reporter, event: report.event, rests_on };
            self.confirmations.put(claim.event, by);
            return finding;
        }
        let unknown = claims.alike(UNKNOWN, since).next();
        unknown.map_or(finding, |claim| Finding { confirms: true, rests_on: claim.time })
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

    /// The report counts: its claim, in the place of an earlier one of the same event. One that says the same stays, with
    /// what has confirmed it.
    pub(crate) fn put(&mut self, uetr: u128, claim: Claim) {
        self.take_unknown(uetr, claim.time);
        self.unconfirm(claim.event);
        if self.claim(claim.event) == Some((uetr, claim)) {
            return;
        }
        self.remove(claim.event);
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
        self.unconfirm(event);
        self.remove(event);
    }

    /// Takes out the claim of an event, which may have confirmed another one since.
    fn remove(&mut self, event: u64) {
        let Some((high, low)) = self.uetrs.remove(&event) else { return };
        let uetr = whole(high, low);
        self.confirmations.end(event);
        if let Some(Claims::Many(many)) = self.claims.get_mut(&uetr) {
            many.take(event);
            if !many.by_event.is_empty() {
                return;
            }
        }
        self.claims.remove(&uetr);
    }

    /// The report of this event confirms no other one any more.
    pub(crate) fn unconfirm(&mut self, event: u64) {
        self.confirmations.take(event);
    }

    /// As [`Payments::take`], of a claim that is not known by its event: it is the one of this payment and time.
    pub(crate) fn take_unknown(&mut self, uetr: u128, time: i64) {
        let unknown = self.claims.get(&uetr).and_then(|claims| claims.get(stand_in(uetr)));
        let own = unknown.filter(|claim| claim.facts == UNKNOWN && claim.time == time);
        own.into_iter().for_each(|claim| self.take(claim.event));
    }

    /// The claim of an event, and the payment.
    fn claim(&self, event: u64) -> Option<(u128, Claim)> {
        let uetr = self.uetrs.get(&event).map(|(high, low)| whole(*high, *low))?;
        Some((uetr, self.claims.get(&uetr)?.get(event)?))
    }

    /// Forgets the claims of seconds that lie wholly before `time`.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let end = time.div_euclid(SECOND_US);
        while let Some(first) = self.seconds.first_entry().filter(|second| *second.key() < end) {
            let (second, events) = first.remove_entry();
            for event in events {
                if self.claim(event).is_some_and(|(_, claim)| claim.second() <= second) {
                    self.remove(event);
                }
            }
        }
    }

    /// All claims, in one order.
    pub(crate) fn save(&self) -> Vec<SavedClaim> {
        let with = |uetr: &u128, claim: &Claim| (*uetr, *claim, self.confirmations.all(claim.event).collect());
        let mut saved: Vec<SavedClaim> = Vec::with_capacity(self.len());
        for (uetr, claims) in &self.claims {
            match claims {
                Claims::One(claim) => saved.push(with(uetr, claim)),
                Claims::Many(many) => saved.extend(many.by_event.values().map(|claim| with(uetr, claim))),
            }
        }
        saved.sort_unstable_by_key(|(uetr, claim, _)| (claim.time, *uetr, claim.event));
        saved
    }

    pub(crate) fn load(saved: Vec<SavedClaim>) -> Self {
        let mut payments = Payments::default();
        // The claims first: an event of an old one may have confirmed another since.
        saved.iter().for_each(|(uetr, claim, _)| payments.put(*uetr, *claim));
        for (_, claim, confirmations) in saved {
            confirmations.into_iter().for_each(|by| payments.confirmations.put(claim.event, by));
        }
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
#[path = "payments_tests.rs"]
mod tests;
