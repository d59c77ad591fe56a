//! Which events count: not too late for their source, and not seen before.
//!
//! Each source partition has a bound, its own highest event time less the lateness of the feed. The bound before an event
//! decides about it, so what is accepted hangs on the order inside the partition alone, never on how partitions
//! interleave or on the cut into batches. The horizon is the lowest of all bounds and never goes back.

use crate::faults::{Fault, on};
use crate::seen::{Known, SavedId, Seen};
use foreshock_core::limits::CONFIRMATION_US;
use foreshock_core::{Presence, ReportAction};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// What admission says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It counts.
    Yes,
    /// An event of the same id was accepted before.
    Duplicate,
    /// The payment was reported before under another id: by the other bank.
    Confirmation,
    /// It counts, and the earlier fact of its id no longer does.
    Replaces,
    /// It is a withdrawal; the fact of its id, if there was one, no longer counts.
    Withdraws,
    /// A correction that would move its fact in time.
    Moves,
    /// Later than its source's bound allows, by so many microseconds.
    Late(i64),
}

/// An event as admission sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) id: &'a str,
    /// Of [`Admission::begin`].
    pub(crate) hash: u64,
    pub(crate) time: i64,
    pub(crate) action: ReportAction,
    /// The payment's own id (UETR), that both banks report.
    pub(crate) payment: Option<[u8; 16]>,
}

#[derive(Debug)]
pub(crate) struct Admission {
    presence: Vec<Presence>,
    bounds: Vec<i64>,
    seen: Seen,
    /// Payments by their own id.
    payments: Seen,
    horizon: i64,
    /// Another engine has admitted the events: all count, and it says where the horizon is.
    given: Option<i64>,
    /// It begins in the midst of the events.
    cut: Option<Cut>,
    is_uncertain: bool,
}

/// Where in event time an engine begins that takes events again from some batch on, in the midst of the log. What it says
/// of the events from then on is what an engine says that had all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Events before this do not count.
    pub from: i64,
    /// While the bound of a source is before this, what counts of it may hang on events that are not taken again.
    pub certain_from: i64,
}

/// What is saved of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedAdmission {
    bounds: Vec<i64>,
    horizon: i64,
    seen: Vec<(i64, Vec<SavedId>)>,
    payments: Vec<(i64, Vec<SavedId>)>,
}

impl SavedAdmission {
    pub(crate) fn horizon(&self) -> i64 {
        self.horizon
    }
}

impl Admission {
    pub(crate) fn new(presence: &[Presence]) -> Self {
        let bounds = vec![i64::MIN; presence.len()];
        let (seen, payments) = (Seen::default(), Seen::default());
        Admission {
            presence: presence.to_vec(),
            bounds,
            seen,
            payments,
            horizon: i64::MIN,
            given: None,
            cut: None,
            is_uncertain: false,
        }
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.bounds.len()
    }

    pub(crate) fn add_partitions(&mut self, presence: &[Presence]) {
        self.presence.extend(presence);
        self.bounds.resize(self.presence.len(), i64::MIN);
    }

    pub(crate) fn bound_of(&self, partition: usize) -> i64 {
        self.bounds[partition]
    }

    /// Behind the admission of another engine.
    pub(crate) fn behind() -> Self {
        Admission { given: Some(i64::MIN), ..Admission::new(&[Presence::Expected]) }
    }

    /// Begins in the midst of the events, to come to where the saved one is. Who has sent something by then is waited for.
    pub(crate) fn begin_at(&mut self, cut: Cut, saved: &SavedAdmission) {
        self.cut = Some(cut);
        let has_sent = self.presence.iter_mut().zip(&saved.bounds).filter(|(_, bound)| **bound > i64::MIN);
        has_sent.for_each(|(presence, _)| *presence = Presence::Expected);
    }

    /// Is it not sure that what counted is what counts for an engine that had all events?
    pub(crate) fn is_uncertain(&self) -> bool {
        self.is_uncertain
    }

    /// Has another engine admitted the events?
    pub(crate) fn is_behind(&self) -> bool {
        self.given.is_some()
    }

    /// Where the horizon is once the events of the next step are in.
    pub(crate) fn give(&mut self, horizon: i64) {
        self.given = self.given.map(|given| given.max(horizon));
    }

    /// The time before which nothing can change any more.
    pub(crate) fn horizon(&self) -> i64 {
        self.horizon
    }

    pub(crate) fn seen_count(&self) -> usize {
        self.seen.len()
    }

    pub(crate) fn payment_count(&self) -> usize {
        self.payments.len()
    }

    /// Hashes of ids for [`Admission::admit`], with their look-ups begun.
    pub(crate) fn begin<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<u64> {
        let hashes: Vec<u64> = ids.map(|id| self.seen.hash(id.as_bytes())).collect();
        for hash in &hashes {
            black_box(self.seen.guess(*hash));
        }
        hashes
    }

    /// Says of an event whether it counts. All that is in time raises the bound of its source.
    pub(crate) fn admit(&mut self, partition: usize, report: &Report<'_>, lateness_us: i64) -> Admitted {
        let bound = self.bound(partition);
        let is_cut = self.is_cut(partition, report.time);
        if !self.is_behind() {
            if report.time < bound {
                return Admitted::Late(bound - report.time);
            }
            let raised = report.time.saturating_sub(lateness_us);
            // One that begins late begins at the horizon: its own lateness must not reach behind it.
            self.bounds[partition] = bound.max(raised);
        }
        // What is before the cut does not count, but a payment's second report after it must find it.
        let verdict = self.judge(report, bound);
        if is_cut { Admitted::Late(0) } else { verdict }
    }

    /// Says of an event in time whether it counts.
    fn judge(&mut self, report: &Report<'_>, bound: i64) -> Admitted {
        let Report { id, hash, time, action, .. } = *report;
        let known = self.seen.find(id.as_bytes(), hash);
        match (action, known) {
            (ReportAction::New, Some(_)) if !on(Fault::NoDedupe) => Admitted::Duplicate,
            (ReportAction::Update | ReportAction::Withdraw, Some(known)) if known.time != time => Admitted::Moves,
            (ReportAction::Withdraw, known) => {
                self.withdraw(report, known);
                Admitted::Withdraws
            }
            (ReportAction::Update, Some(known)) => {
                // While it was withdrawn, the other bank's report of the payment may have come to count. One of the same time
                // may as well be its own, when the withdrawal did not name the payment: rather twice than not at all.
                let other = report.payment.and_then(|p| self.payments.find(&p, self.payments.hash(&p)));
                let is_own = other.is_none_or(|other| other.time == time);
                if known.is_withdrawn && !is_own && self.is_confirmation(report, bound) && !on(Fault::NoConfirmation) {
                    return Admitted::Confirmation;
                }
                if let Some(own) = other.filter(|_| is_own) {
                    self.payments.withdraw(own, false);
                }
                self.seen.withdraw(known, false);
                Admitted::Replaces
            }
            (_, known) => {
                if self.is_confirmation(report, bound) && !on(Fault::NoConfirmation) {
                    return Admitted::Confirmation;
                }
                if known.is_none() {
                    self.seen.insert(id.as_bytes(), hash, time);
                }
                Admitted::Yes
            }
        }
    }

    /// Is an event before the cut? Notes when one after it cannot be judged for certain: while it is not known how far its
    /// source was before, it may be too late, or a payment that was reported before the first event taken again.
    fn is_cut(&mut self, partition: usize, time: i64) -> bool {
        let Some(cut) = self.cut else { return false };
        if time >= cut.from && !self.is_behind() {
            self.is_uncertain |= self.bounds[partition] < cut.certain_from;
        }
        time < cut.from
    }

    fn withdraw(&mut self, report: &Report<'_>, known: Option<Known>) {
        let Some(known) = known else {
            // Nothing to take back; should the fact still come, it does not count.
            self.seen.insert(report.id.as_bytes(), report.hash, report.time);
            let known = self.seen.find(report.id.as_bytes(), report.hash);
            return known.into_iter().for_each(|known| self.seen.withdraw(known, true));
        };
        self.seen.withdraw(known, true);
        // The other bank's report of the payment may count from now on.
        if let Some(payment) = report.payment.filter(|_| !known.is_withdrawn) {
            let known = self.payments.find(&payment, self.payments.hash(&payment));
            known.into_iter().for_each(|known| self.payments.withdraw(known, true));
        }
    }

    /// Was the payment of this report counted before? If not, it is noted. How far back is decided by the source's own
    /// bound, so that it does not hang on how sources interleave.
    fn is_confirmation(&mut self, report: &Report<'_>, bound: i64) -> bool {
        let Some(payment) = report.payment else { return false };
        let hash = self.payments.hash(&payment);
        match self.payments.find(&payment, hash) {
            Some(known) if !known.is_withdrawn && known.time >= bound.saturating_sub(CONFIRMATION_US) => return true,
            // Too old or withdrawn: from now on this report is the one that counts.
            Some(known) => self.payments.move_to(known, &payment, hash, report.time),
            None => self.payments.insert(&payment, hash, report.time),
        }
        false
    }

    fn bound(&self, partition: usize) -> i64 {
        if on(Fault::GlobalBound) {
            return self.bounds.iter().copied().max().unwrap_or(i64::MIN);
        }
        match (self.bounds[partition], self.presence[partition]) {
            (i64::MIN, Presence::Optional) => self.horizon,
            (bound, _) => bound,
        }
    }

    /// Partitions whose bound is more than this above the lowest one of those that have sent something and still do.
    pub(crate) fn ahead(&self, skew_us: i64, still_sends: impl Fn(usize) -> bool) -> Vec<usize> {
        let behind = self.bounds.iter().enumerate().filter(|(p, bound)| **bound > i64::MIN && still_sends(*p));
        let Some(lowest) = behind.map(|(_, bound)| *bound).min() else { return Vec::new() };
        let limit = lowest.saturating_add(skew_us);
        self.bounds.iter().enumerate().filter(|(_, bound)| **bound > limit).map(|(p, _)| p).collect()
    }

    /// All partitions but those that hold the horizon back.
    pub(crate) fn all_but_last(&self) -> Vec<usize> {
        let counts = |p: &usize| self.presence[*p] == Presence::Expected || self.bounds[*p] > i64::MIN;
        let lowest = (0..self.bounds.len()).filter(counts).map(|p| self.bounds[p]).min().unwrap_or(i64::MIN);
        (0..self.bounds.len()).filter(|p| self.bounds[*p] > lowest).collect()
    }

    /// The bound that silent partitions may be raised to: the lowest of all others that have sent something.
    pub(crate) fn tick(&self, silent: &[usize]) -> Option<i64> {
        let others = self.bounds.iter().enumerate().filter(|(p, bound)| !silent.contains(p) && **bound > i64::MIN);
        others.map(|(_, bound)| *bound).min()
    }

    /// Raises a silent partition's bound. Should it send again, then it is judged by this bound. One that the horizon does
    /// not wait for stays as it is: a bound would make the horizon wait.
    pub(crate) fn raise(&mut self, partition: usize, bound: i64) {
        if self.presence[partition] == Presence::Expected || self.bounds[partition] > i64::MIN {
            self.bounds[partition] = self.bounds[partition].max(bound);
        }
    }

    /// Moves the horizon after a batch and forgets ids that can no longer come again.
    pub(crate) fn advance(&mut self) {
        let counts = |(bound, presence): (&i64, &Presence)| {
            (*presence == Presence::Expected || *bound > i64::MIN).then_some(*bound)
        };
        let lowest = self.bounds.iter().zip(&self.presence).filter_map(counts).min().unwrap_or(i64::MIN);
        self.horizon = self.horizon.max(self.given.unwrap_or(lowest));
        self.seen.forget_before(self.horizon);
        self.payments.forget_before(self.horizon.saturating_sub(CONFIRMATION_US));
    }

    pub(crate) fn save(&self) -> SavedAdmission {
        let (seen, payments) = (self.seen.save(), self.payments.save());
        SavedAdmission { bounds: self.bounds.clone(), horizon: self.horizon, seen, payments }
    }

    pub(crate) fn load(&mut self, saved: SavedAdmission) -> Result<(), String> {
        let (saved_count, count) = (saved.bounds.len(), self.bounds.len());
        if saved_count > count {
            return Err(format!("it has {saved_count} source partitions, now there are {count}"));
        }
        (self.bounds, self.horizon) = (saved.bounds, saved.horizon);
        // Partitions that were added since come last.
        self.bounds.resize(count, i64::MIN);
        self.give(saved.horizon);
        (self.seen, self.payments) = (Seen::load(saved.seen), Seen::load(saved.payments));
        Ok(())
    }

    /// Nothing more will come: everything is final.
    pub(crate) fn close(&mut self) {
        self.horizon = i64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &mut Admission, partition: usize, id: &str, time: i64) -> Admitted {
        report(admission, partition, id, time, ReportAction::New, None)
    }

    fn report(
        admission: &mut Admission,
        partition: usize,
        id: &str,
        time: i64,
        action: ReportAction,
        payment: Option<u8>,
    ) -> Admitted {
        let hash = admission.begin(std::iter::once(id))[0];
        let payment = payment.map(|p| [p; 16]);
        admission.admit(partition, &Report { id, hash, time, action, payment }, 10)
    }

    #[test]
    fn a_correction_replaces_or_withdraws_its_fact_and_what_is_withdrawn_counts_again_only_by_an_update() {
        use ReportAction::{New, Update, Withdraw};
        let mut admission = Admission::new(&[Presence::Expected]);
        let mut say = |id, time, action| report(&mut admission, 0, id, time, action, None);
        assert_eq!(say("a", 100, New), Admitted::Yes);
        assert_eq!(say("a", 100, Update), Admitted::Replaces);
        assert_eq!(say("a", 101, Update), Admitted::Moves);
        assert_eq!(say("a", 100, Withdraw), Admitted::Withdraws);
        assert_eq!(say("a", 100, New), Admitted::Duplicate);
        assert_eq!(say("a", 100, Update), Admitted::Replaces);
        assert_eq!(say("b", 95, Update), Admitted::Yes, "an update of what never came is the fact");
        assert_eq!(say("c", 95, Withdraw), Admitted::Withdraws);
        assert_eq!(say("c", 95, New), Admitted::Duplicate, "withdrawn before it came");
        assert_eq!(say("a", 80, Update), Admitted::Late(11));
    }

    #[test]
    fn a_payment_counts_once_whichever_bank_is_first_and_again_when_that_report_is_withdrawn() {
        use ReportAction::{New, Update, Withdraw};
        let mut admission = Admission::new(&[Presence::Expected]);
        let mut say = |id, time, action| report(&mut admission, 0, id, time, action, Some(7));
        assert_eq!(say("payer", 100, New), Admitted::Yes);
        assert_eq!(say("payee", 103, New), Admitted::Confirmation);
        assert_eq!(say("payee", 103, Update), Admitted::Confirmation);
        assert_eq!(say("payee", 103, Withdraw), Admitted::Withdraws);
        assert_eq!(say("third", 103, New), Admitted::Confirmation, "the payer's report still stands");
        assert_eq!(say("payer", 100, Withdraw), Admitted::Withdraws);
        assert_eq!(say("fourth", 103, New), Admitted::Yes);
        assert_eq!(say("fifth", 103 + CONFIRMATION_US, New), Admitted::Confirmation);
        assert_eq!(say("sixth", 120 + CONFIRMATION_US, New), Admitted::Confirmation, "by the bound before itself");
        assert_eq!(say("seventh", 120 + CONFIRMATION_US, New), Admitted::Yes, "too long after");
        assert_eq!(say("eighth", 120 + CONFIRMATION_US, New), Admitted::Confirmation, "of the seventh");
    }

    #[test]
    fn a_report_that_counts_again_is_the_one_of_its_payment_only_when_no_other_has_come() {
        use ReportAction::{New, Update, Withdraw};
        for other_comes_first in [false, true] {
            let mut admission = Admission::new(&[Presence::Expected]);
            let time = |id: &str| if id == "payee" { 101 } else { 100 };
            let mut say = |id: &str, action| report(&mut admission, 0, id, time(id), action, Some(7));
            assert_eq!(say("payer", New), Admitted::Yes);
            assert_eq!(say("payer", Withdraw), Admitted::Withdraws);
            if other_comes_first {
                assert_eq!(say("payee", New), Admitted::Yes);
                assert_eq!(say("payer", Update), Admitted::Confirmation);
            } else {
                assert_eq!(say("payer", Update), Admitted::Replaces);
                assert_eq!(say("payee", New), Admitted::Confirmation);
                assert_eq!(say("payee", Withdraw), Admitted::Withdraws);
                assert_eq!(say("payee", Update), Admitted::Confirmation, "the payer's report stands");
            }
        }
    }

    #[test]
    fn what_is_too_late_does_not_hang_on_the_other_partition() {
        let order_one = [(0, "a", 100), (1, "b", 500), (0, "c", 80), (0, "d", 95)];
        let order_two = [(1, "b", 500), (0, "a", 100), (0, "c", 80), (0, "d", 95)];
        for order in [order_one, order_two] {
            let mut admission = Admission::new(&[Presence::Expected; 2]);
            let answer: Vec<_> = order.iter().map(|(p, id, t)| (*id, admit(&mut admission, *p, id, *t))).collect();
            assert!(answer.contains(&("c", Admitted::Late(10))));
            assert!(answer.contains(&("d", Admitted::Yes)));
        }
    }

    #[test]
    fn the_horizon_waits_for_an_expected_partition_and_not_for_an_optional_one() {
        for (presence, horizon) in [(Presence::Expected, i64::MIN), (Presence::Optional, 90)] {
            let mut admission = Admission::new(&[Presence::Expected, presence]);
            admit(&mut admission, 0, "a", 100);
            admission.advance();
            assert_eq!(admission.horizon(), horizon);
        }
    }

    #[test]
    fn a_silent_partition_is_raised_to_the_lowest_bound_of_the_others_and_judged_by_it_when_it_returns() {
        let mut admission = Admission::new(&[Presence::Expected; 3]);
        admit(&mut admission, 0, "a", 100);
        admit(&mut admission, 1, "b", 500);
        admit(&mut admission, 2, "c", 400);
        admission.advance();
        assert_eq!(admission.horizon(), 90);
        let bound = admission.tick(&[0]).unwrap();
        assert_eq!(bound, 390);
        admission.raise(0, bound);
        admission.advance();
        assert_eq!(admission.horizon(), 390);
        assert_eq!(admit(&mut admission, 0, "d", 389), Admitted::Late(1));
        assert_eq!(admit(&mut admission, 0, "e", 390), Admitted::Yes);
        assert_eq!(admission.tick(&[0, 1, 2]), None);
    }

    #[test]
    fn partitions_are_ahead_of_the_lowest_that_still_sends() {
        let mut admission = Admission::new(&[Presence::Expected; 4]);
        for (partition, time) in [(0, 100), (1, 500), (2, 700)] {
            admit(&mut admission, partition, &format!("e{partition}"), time);
        }
        assert_eq!(admission.ahead(300, |_| true), [1, 2], "the fourth has not sent anything yet");
        assert_eq!(admission.ahead(400, |_| true), [2], "exactly so far is not ahead");
        assert_eq!(admission.ahead(100, |partition| partition > 0), [2], "nobody waits for one that is silent");
        assert!(admission.ahead(0, |_| false).is_empty());
    }

    #[test]
    fn a_partition_that_begins_late_never_reaches_behind_the_horizon() {
        let mut admission = Admission::new(&[Presence::Expected, Presence::Optional]);
        admit(&mut admission, 0, "a", 100);
        admission.advance();
        assert_eq!(admission.horizon(), 90);
        assert_eq!(admit(&mut admission, 1, "b", 95), Admitted::Yes);
        assert_eq!(admit(&mut admission, 1, "c", 89), Admitted::Late(1));
    }

    #[test]
    fn an_event_exactly_at_the_bound_is_in_time_and_a_second_one_is_a_duplicate() {
        let mut admission = Admission::new(&[Presence::Expected]);
        assert_eq!(admit(&mut admission, 0, "a", 100), Admitted::Yes);
        assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Yes);
        assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Duplicate);
        assert_eq!(admit(&mut admission, 0, "c", 89), Admitted::Late(1));
    }
}
