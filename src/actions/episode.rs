//! One alert episode: which detections stand, from when to when.

use crate::limits::{DETECTIONS_LISTED_MAX, DETECTIONS_TRACKED_MAX};
use crate::message::{AlertMessage, AlertState, EndReason};
use crate::warning::WarningDraft;
use crate::{Act, RuleFacts, ids};
use std::collections::BTreeSet;

/// What became of a detection that was taken in.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Added {
    /// It is told apart from others.
    pub is_tracked: bool,
    /// The alert lists its id.
    pub is_listed: bool,
}

/// An open episode.
#[derive(Debug, Clone)]
pub(crate) struct Episode {
    /// What is published of it, as it stands.
    pub message: AlertMessage,
    /// The warning that it led to.
    pub warning: Option<Box<WarningDraft>>,
    pub quiet_us: i64,
    /// Event time and key of the detections that are told apart. An event keeps its time, so both find it.
    pub tracked: BTreeSet<(i64, u128)>,
    /// Times of the others: first and last that ever were, for they cannot be told apart.
    pub untracked: Option<(i64, i64)>,
    pub untracked_count: u64,
}

impl Episode {
    /// An episode without detections yet.
    pub fn new(alert: u128, rule: &RuleFacts, subject: &str, at_us: i64) -> Self {
        Episode {
            message: AlertMessage::new(ids::uuid_text(alert), rule, subject, at_us),
            warning: None,
            quiet_us: rule.quiet_us.max(0),
            tracked: BTreeSet::new(),
            untracked: None,
            untracked_count: 0,
        }
    }

    /// The last event time at which the episode goes on.
    pub fn deadline(&self) -> i64 {
        self.message.last.saturating_add(self.quiet_us)
    }

    /// Would a detection at that time belong to it? Earlier ones count too: events come out of order.
    pub fn covers(&self, at_us: i64) -> bool {
        (self.message.first.saturating_sub(self.quiet_us)..=self.deadline()).contains(&at_us)
    }

    /// Is the detection one of those that are told apart?
    pub fn has(&self, detection: u128, at_us: i64) -> bool {
        self.tracked.contains(&(at_us, detection))
    }

    /// Are there detections that are counted only?
    pub fn has_untracked(&self) -> bool {
        self.untracked_count > 0
    }

    /// How many are told apart.
    pub fn tracked_count(&self) -> usize {
        self.tracked.len()
    }

    /// Takes in a detection that is not in it yet.
    pub fn add(&mut self, detection: u128, detection_id: &str, at_us: i64, is_room_left: bool) -> Added {
        debug_assert!(!self.has(detection, at_us), "a revision of a detection is not a further one");
        let is_tracked = is_room_left && self.tracked.len() < DETECTIONS_TRACKED_MAX;
        let is_listed = is_tracked && self.message.detection_ids.len() < DETECTIONS_LISTED_MAX;
        if is_tracked {
            self.tracked.insert((at_us, detection));
        } else {
            let (first, last) = self.untracked.unwrap_or((at_us, at_us));
            self.untracked = Some((first.min(at_us), last.max(at_us)));
            self.untracked_count = self.untracked_count.saturating_add(1);
        }
        if is_listed {
            self.message.detection_ids.push(detection_id.to_owned());
        }
        self.message.first = self.message.first.min(at_us);
        self.message.last = self.message.last.max(at_us);
        self.recount();
        Added { is_tracked, is_listed }
    }

    /// Takes a detection out; one that is not told apart is taken for one of those that are counted only.
    pub fn remove(&mut self, detection: u128, detection_id: &str, at_us: i64) {
        if self.tracked.remove(&(at_us, detection)) {
            self.message.detection_ids.retain(|listed| listed != detection_id);
        } else {
            self.untracked_count = self.untracked_count.saturating_sub(1);
            if self.untracked_count == 0 {
                self.untracked = None;
            }
        }
        self.recount();
        self.shrink();
    }

    /// The message after a change.
    pub fn say(&mut self, state: AlertState) -> Act {
        self.message.state = state;
        Act::Alert(Box::new(self.message.clone()))
    }

    /// The last message.
    pub fn end(mut self, why: EndReason, closed_at: Option<i64>) -> AlertMessage {
        self.message.state = AlertState::Closed;
        self.message.reason = Some(why);
        self.message.closed_at = closed_at;
        self.message
    }

    /// Counts what stands.
    pub fn recount(&mut self) {
        let tracked = u64::try_from(self.tracked.len()).unwrap_or(u64::MAX);
        self.message.count = tracked.saturating_add(self.untracked_count);
    }

    /// First and last of what is left; when nothing is, they stay as they were.
    fn shrink(&mut self) {
        let ends = [self.tracked.first(), self.tracked.last()];
        let tracked = ends.into_iter().flatten().map(|(at_us, _)| *at_us);
        let untracked = self.untracked.into_iter().flat_map(|(first, last)| [first, last]);
        let times = tracked.chain(untracked);
        if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
            (self.message.first, self.message.last) = (first, last);
        }
    }
}
