//! Which events count: not too late for their source, and not seen before.
//!
//! Each source partition has a bound, its own highest event time less the lateness of the feed. The bound before an event
//! decides about it, so what is accepted hangs on the order inside the partition alone, never on how partitions
//! interleave or on the cut into batches. The horizon is the lowest of all bounds and never goes back.

use crate::faults::{Fault, on};
use crate::seen::Seen;
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// What admission says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It counts.
    Yes,
    /// An event of the same id was accepted before.
    Duplicate,
    /// Later than its source's bound allows, by so many microseconds.
    Late(i64),
}

/// Does the horizon wait for a source partition that has not yet sent anything?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has events: the horizon stands still until they come.
    Expected,
    /// It may stay empty. Should it begin to send, then what lies before the horizon is too late.
    Optional,
}

#[derive(Debug)]
pub(crate) struct Admission {
    presence: Vec<Presence>,
    bounds: Vec<i64>,
    seen: Seen,
    horizon: i64,
}

/// What is saved of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedAdmission {
    bounds: Vec<i64>,
    horizon: i64,
    seen: Vec<(i64, Vec<String>)>,
}

impl Admission {
    pub(crate) fn new(presence: &[Presence]) -> Self {
        let bounds = vec![i64::MIN; presence.len()];
        Admission { presence: presence.to_vec(), bounds, seen: Seen::default(), horizon: i64::MIN }
    }

    /// The time before which nothing can change any more.
    pub(crate) fn horizon(&self) -> i64 {
        self.horizon
    }

    pub(crate) fn seen_count(&self) -> usize {
        self.seen.len()
    }

    /// Hashes of ids for [`Admission::admit`], with their look-ups begun.
    pub(crate) fn begin<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<u64> {
        let hashes: Vec<u64> = ids.map(|id| self.seen.hash(id)).collect();
        for hash in &hashes {
            black_box(self.seen.guess(*hash));
        }
        hashes
    }

    /// Says of an event whether it counts. `hash` is that of [`Admission::begin`].
    pub(crate) fn admit(&mut self, partition: usize, id: (&str, u64), time: i64, lateness_us: i64) -> Admitted {
        let (event_id, hash) = id;
        let bound = self.bound(partition);
        if time < bound {
            return Admitted::Late(bound - time);
        }
        if !self.seen.insert(event_id, hash, time) && !on(Fault::NoDedupe) {
            return Admitted::Duplicate;
        }
        let raised = time.saturating_sub(lateness_us);
        self.bounds[partition] = self.bounds[partition].max(raised);
        Admitted::Yes
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

    /// The bound that silent partitions may be raised to: the lowest of all others that have sent something.
    pub(crate) fn tick(&self, silent: &[usize]) -> Option<i64> {
        let others = self.bounds.iter().enumerate().filter(|(p, bound)| !silent.contains(p) && **bound > i64::MIN);
        others.map(|(_, bound)| *bound).min()
    }

    /// Raises a silent partition's bound. Should it send again, then it is judged by this bound.
    pub(crate) fn raise(&mut self, partition: usize, bound: i64) {
        self.bounds[partition] = self.bounds[partition].max(bound);
    }

    /// Moves the horizon after a batch and forgets ids that can no longer come again.
    pub(crate) fn advance(&mut self) {
        let counts = |(bound, presence): (&i64, &Presence)| {
            (*presence == Presence::Expected || *bound > i64::MIN).then_some(*bound)
        };
        let lowest = self.bounds.iter().zip(&self.presence).filter_map(counts).min().unwrap_or(i64::MIN);
        self.horizon = self.horizon.max(lowest);
        self.seen.forget_before(self.horizon);
    }

    pub(crate) fn save(&self) -> SavedAdmission {
        SavedAdmission { bounds: self.bounds.clone(), horizon: self.horizon, seen: self.seen.save() }
    }

    pub(crate) fn load(&mut self, saved: SavedAdmission) -> Result<(), String> {
        if saved.bounds.len() != self.bounds.len() {
            return Err(format!(
                "it has {} source partitions, now there are {}",
                saved.bounds.len(),
                self.bounds.len()
            ));
        }
        (self.bounds, self.horizon, self.seen) = (saved.bounds, saved.horizon, Seen::load(saved.seen));
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
        let hash = admission.begin(std::iter::once(id))[0];
        admission.admit(partition, (id, hash), time, 10)
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
    fn an_event_exactly_at_the_bound_is_in_time_and_a_second_one_is_a_duplicate() {
        let mut admission = Admission::new(&[Presence::Expected]);
        assert_eq!(admit(&mut admission, 0, "a", 100), Admitted::Yes);
        assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Yes);
        assert_eq!(admit(&mut admission, 0, "b", 90), Admitted::Duplicate);
        assert_eq!(admit(&mut admission, 0, "c", 89), Admitted::Late(1));
    }
}
