//! Which events count: not too late for their source, not seen before, not another bank's report of a payment that counts.
//!
//! Each source partition has a bound, its own highest event time less the lateness of the feed. The bound before an event
//! decides about it, so what is accepted hangs on the order inside the partition alone, never on how partitions
//! interleave or on the cut into batches. The horizon is the lowest of all bounds and never goes back.
//!
//! **What is remembered.** An event knows of those before it with an event time of at least its partition's bound less
//! [`REMEMBERED_US`], and of no older ones: an id that such an event had is a duplicate, or what a correction is of; an id that
//! only older ones had is a new event; and so for payments. The rule asks the bound, not the memory. The memory lets go by the
//! horizon, at the end of a batch, and the horizon is at no bound's far side: so it holds all that the rule can ask for,
//! wherever the cut is. Of one id that comes through several partitions, the first to arrive counts. A partition
//! that the horizon did not wait for is judged by the horizon until its first event is in.

use crate::faults::{Fault, on};
use crate::payment::{Payment, event_digest};
use crate::payments::{Claim, Payments, SavedClaim};
use crate::seen::{Known, SavedId, Seen};
use foreshock_core::limits::CONFIRMATION_US;
use foreshock_core::time::SECOND_US;
use foreshock_core::{Presence, ReportAction};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// How far before the bound of its partition an event knows of others, in microseconds.
pub(crate) const REMEMBERED_US: i64 = CONFIRMATION_US;

/// What admission says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It counts.
    Yes,
    /// It counts, although it names a payment that another report counts of: another one by what it says, or the same bank's.
    Clash,
    /// An event of the same id was accepted before.
    Duplicate,
    /// The payment was reported before with the same facts: by another bank, and by this one not yet.
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
    pub(crate) payment: Option<Payment>,
}

#[derive(Debug)]
pub(crate) struct Admission {
    presence: Vec<Presence>,
    bounds: Vec<i64>,
    seen: Seen,
    payments: Payments,
    horizon: i64,
    /// Another engine has admitted the events: all count, and it says where the horizon is.
    given: Option<i64>,
    /// It begins in the midst of the events.
    cut: Option<Cut>,
    is_uncertain: bool,
    /// Youngest event of which it is not sure whether it counts, for its partition was not at the certain part of the cut.
    doubtful_until: i64,
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
    payments: Vec<SavedClaim>,
}

/// The same as it was saved before: of a payment only its id was known.
#[derive(Debug, Deserialize)]
pub(crate) struct SavedAdmissionV1 {
    bounds: Vec<i64>,
    horizon: i64,
    seen: Vec<(i64, Vec<SavedId>)>,
    payments: Vec<(i64, Vec<SavedId>)>,
}

impl From<SavedAdmissionV1> for SavedAdmission {
    fn from(old: SavedAdmissionV1) -> Self {
        let SavedAdmissionV1 { bounds, horizon, seen, payments } = old;
        let claim = |second: i64, (uetr, micros, is_withdrawn): SavedId| {
            let time = second.saturating_mul(SECOND_US).saturating_add(i64::from(micros));
            let uetr = uetr.try_into().ok().filter(|_| !is_withdrawn);
            uetr.map(u128::from_be_bytes).map(|uetr| (uetr, Claim::unknown(uetr, time), Vec::new()))
        };
        let of = |(second, ids): (i64, Vec<SavedId>)| ids.into_iter().filter_map(move |id| claim(second, id));
        SavedAdmission { bounds, horizon, seen, payments: payments.into_iter().flat_map(of).collect() }
    }
}

impl SavedAdmission {
    pub(crate) fn horizon(&self) -> i64 {
        self.horizon
    }
}

impl Admission {
    pub(crate) fn new(presence: &[Presence]) -> Self {
        let bounds = vec![i64::MIN; presence.len()];
        let (seen, payments) = (Seen::default(), Payments::default());
        Admission {
            presence: presence.to_vec(),
            bounds,
            seen,
            payments,
            horizon: i64::MIN,
            given: None,
            cut: None,
            is_uncertain: false,
            doubtful_until: i64::MIN,
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

    /// Event ids remembered: of events that are not final, and of those that are.
    pub(crate) fn seen_counts(&self) -> (usize, usize) {
        (self.seen.young_count(), self.seen.final_count())
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
                return Admitted::Late(bound.saturating_sub(report.time));
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
        let since = known_since(bound);
        let held = self.seen.find(id.as_bytes(), hash);
        // Behind another admission that one's bounds are not known. But what it let pass is of its fact's time, or of another
        // fact.
        let is_known = |known: &Known| if self.is_behind() { known.time == time } else { known.time >= since };
        let known = held.filter(is_known);
        known.into_iter().for_each(|known| self.rely_on(known.time, time));
        match (action, known) {
            (ReportAction::New, Some(_)) if !on(Fault::NoDedupe) => Admitted::Duplicate,
            (ReportAction::Update | ReportAction::Withdraw, Some(known)) if known.time != time => Admitted::Moves,
            (ReportAction::Withdraw, Some(known)) => {
                self.seen.withdraw(known, true);
                // Another bank's report of the payment may count from now on.
                self.disclaim(report);
                Admitted::Withdraws
            }
            (ReportAction::Withdraw, None) => {
                // Nothing to take back; should the fact still come, it does not count.
                self.note(report, held);
                let known = self.seen.find(id.as_bytes(), hash);
                known.into_iter().for_each(|known| self.seen.withdraw(known, true));
                // But it may have confirmed another one.
                self.payments.unconfirm(event_digest(id));
                Admitted::Withdraws
            }
            (ReportAction::Update, Some(known)) => {
                // While it was withdrawn, another bank's report of the payment may have come to count.
                if known.is_withdrawn && self.is_confirmation(report, bound) {
                    return Admitted::Confirmation;
                }
                match report.payment {
                    Some(payment) => self.payments.put(payment.uetr, Claim::new(&payment, time)),
                    None => self.disclaim(report),
                }
                self.seen.withdraw(known, false);
                Admitted::Replaces
            }
            _ => self.count(report, held, bound),
        }
    }

    /// An event whose id is not known counts, unless it is a confirmation.
    fn count(&mut self, report: &Report<'_>, held: Option<Known>, bound: i64) -> Admitted {
        if self.is_confirmation(report, bound) {
            return Admitted::Confirmation;
        }
        self.note(report, held);
        let Some(payment) = report.payment else {
            if report.action == ReportAction::Update {
                // It may be of one that confirmed another.
                self.payments.unconfirm(event_digest(report.id));
            }
            return Admitted::Yes;
        };
        let claim = Claim::new(&payment, report.time);
        let clashes = self.payments.is_claimed(payment.uetr, &claim, known_since(bound));
        self.payments.put(payment.uetr, claim);
        if clashes { Admitted::Clash } else { Admitted::Yes }
    }

    /// Remembers the id of an event. One that is still held is that of an event too old to be known.
    fn note(&mut self, report: &Report<'_>, held: Option<Known>) {
        let Report { id, hash, time, .. } = *report;
        match held {
            Some(held) if on(Fault::NoDedupe) && held.time == time => {}
            Some(held) => self.seen.move_to(held, id.as_bytes(), hash, time),
            None => self.seen.insert(id.as_bytes(), hash, time),
        }
    }

    /// The fact of a report no longer stands for a payment. The report itself need not name it.
    fn disclaim(&mut self, report: &Report<'_>) {
        self.payments.take(event_digest(report.id));
        report.payment.into_iter().for_each(|payment| self.payments.take_unknown(payment.uetr, report.time));
    }

    /// Is it another bank's report of a payment that counts?
    fn is_confirmation(&mut self, report: &Report<'_>, bound: i64) -> bool {
        let Some(payment) = report.payment.filter(|_| !on(Fault::NoConfirmation)) else { return false };
        let claim = Claim::new(&payment, report.time);
        let finding = self.payments.confirm(payment.uetr, &claim, known_since(bound));
        self.rely_on(finding.rests_on, report.time);
        finding.confirms
    }

    /// Is an event before the cut? Notes when one after it cannot be judged for certain: while it is not known how far its
    /// source was before, it may be too late, or another one's that was reported before the first event taken again.
    fn is_cut(&mut self, partition: usize, time: i64) -> bool {
        let Some(cut) = self.cut else { return false };
        if self.bounds[partition] < cut.certain_from && !self.is_behind() {
            self.doubtful_until = self.doubtful_until.max(time);
            self.is_uncertain |= time >= cut.from;
        }
        time < cut.from
    }

    /// What is said of an event of the time `now` hangs on an earlier one.
    fn rely_on(&mut self, earlier: i64, now: i64) {
        self.is_uncertain |= self.cut.is_some_and(|cut| now >= cut.from) && earlier <= self.doubtful_until;
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

    /// Moves the horizon after a batch and forgets what no event can know of any more.
    pub(crate) fn advance(&mut self) {
        let counts = |(bound, presence): (&i64, &Presence)| {
            (*presence == Presence::Expected || *bound > i64::MIN).then_some(*bound)
        };
        let lowest = self.bounds.iter().zip(&self.presence).filter_map(counts).min().unwrap_or(i64::MIN);
        self.horizon = self.horizon.max(self.given.unwrap_or(lowest));
        let since = self.horizon.saturating_sub(REMEMBERED_US);
        self.seen.advance(self.horizon);
        self.seen.forget_before(since);
        self.payments.forget_before(since);
    }

    pub(crate) fn save(&self) -> SavedAdmission {
        let (seen, payments) = (self.seen.save(), self.payments.save());
        // Partitions at the end that have sent nothing may have been added since: a state is the same with and without them.
        let sent = self.bounds.iter().rposition(|bound| *bound > i64::MIN).map_or(0, |last| last + 1);
        SavedAdmission { bounds: self.bounds[..sent].to_vec(), horizon: self.horizon, seen, payments }
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
        (self.seen, self.payments) = (Seen::load(saved.seen), Payments::load(saved.payments));
        self.seen.advance(self.horizon);
        Ok(())
    }

    /// Nothing more will come: everything is final.
    pub(crate) fn close(&mut self) {
        self.horizon = i64::MAX;
    }
}

/// From when on an event knows of others whose partition has this bound before it.
fn known_since(bound: i64) -> i64 {
    bound.saturating_sub(REMEMBERED_US)
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
