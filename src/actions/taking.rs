//! From findings to acts: finds the episode a finding belongs to and says what follows.
//!
//! An episode closes only when the horizon passes its deadline, when all its detections are taken back, or when a
//! limit is reached. So a detection that comes late, but before the horizon, still finds its episode, and where an
//! episode ends does not depend on how the stream was cut into batches.

use crate::episode::Episode;
use crate::limits::{DETECTIONS_TRACKED_TOTAL_MAX, EPISODES_OPEN_MAX, EPISODES_PER_SUBJECT_MAX};
use crate::message::AlertState;
use crate::warning::{Identifiers, warning};
use crate::{Act, DraftState, Finding, FollowUp, Issuer, blocking, ids};
use std::collections::{BTreeMap, BTreeSet};

/// What did not go the usual way; for metrics.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Warnings that were not drafted: a text failed the filter, or the issuer makes no valid message.
    pub warnings_withheld: u64,
    /// Episodes closed early because there were too many.
    pub episodes_evicted: u64,
}

/// The open episodes.
#[derive(Debug)]
pub struct Actions {
    issuer: Issuer,
    pub(crate) identifiers: Identifiers,
    tally: Tally,
    pub(crate) episodes: BTreeMap<u128, Episode>,
    /// Open episodes of one rule and subject, in the order they opened.
    pub(crate) by_subject: BTreeMap<(String, String), Vec<u128>>,
    pub(crate) deadlines: BTreeSet<(i64, u128)>,
    pub(crate) tracked_count: usize,
    tracked_max: usize,
    open_max: usize,
}

impl Actions {
    /// Without episodes.
    pub fn new(issuer: Issuer) -> Self {
        Actions {
            issuer,
            identifiers: Identifiers::default(),
            tally: Tally::default(),
            episodes: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            tracked_count: 0,
            tracked_max: DETECTIONS_TRACKED_TOTAL_MAX,
            open_max: EPISODES_OPEN_MAX,
        }
    }

    /// What did not go the usual way so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What follows from a finding.
    pub fn take(&mut self, finding: &Finding) -> Vec<Act> {
        let key = (finding.rule.id.clone(), finding.detection.subject.clone());
        let open = self.by_subject.get(&key).cloned().unwrap_or_default();
        let detection = ids::member_key(finding.detection_id);
        let at_us = finding.detection.event_time;
        let holder = open.iter().copied().find(|alert| self.is_in(*alert, |episode| episode.has(detection, at_us)));
        if !finding.detected {
            return self.take_back(&open, holder, detection, finding);
        }
        if holder.is_some() {
            return Vec::new(); // a revision of its values: the alert carries none
        }
        // The first event of an episode names it, also after its detection was taken back and the episode has shrunk.
        let own = ids::alert_id(&key.0, &key.1, &finding.detection.event_id);
        let is_its = |alert: &u128| *alert == own || self.is_in(*alert, |episode| episode.covers(at_us));
        let Some(alert) = open.iter().copied().find(is_its) else {
            return self.open(key, detection, finding);
        };
        self.add(alert, detection, finding);
        self.change(alert, |episode| Act::Alert(episode.say(AlertState::Updated)))
    }

    /// Closes the episodes that event time has left behind: nothing at or before their deadline will come any more.
    pub fn close_before(&mut self, horizon_us: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some(&(deadline, alert)) = self.deadlines.first() {
            if deadline >= horizon_us {
                break;
            }
            self.deadlines.remove(&(deadline, alert));
            acts.extend(self.close(alert));
        }
        acts
    }

    fn open(&mut self, key: (String, String), detection: u128, finding: &Finding) -> Vec<Act> {
        let mut acts = self.make_room(&key);
        let at = finding.detection;
        let alert = ids::alert_id(&key.0, &key.1, &at.event_id);
        debug_assert!(!self.episodes.contains_key(&alert), "`take` found no open episode of this name");
        let mut episode = Episode::new(alert, finding.rule, &at.subject, at.event_time);
        let mut follows = None;
        match finding.rule.follow_up {
            FollowUp::AlertOnly => {}
            FollowUp::Block => {
                let draft = Box::new(blocking::draft(alert, finding));
                episode.draft = Some(draft.clone());
                follows = Some(Act::BlockingDraft(draft));
            }
            FollowUp::Warn => {
                follows = warning(&self.issuer, &mut self.identifiers, alert, finding)
                    .map(|(key, xml)| Act::WarningDraft { key, xml });
                self.tally.warnings_withheld += u64::from(follows.is_none());
            }
        }
        self.deadlines.insert((episode.deadline(), alert));
        self.episodes.insert(alert, episode);
        self.by_subject.entry(key).or_default().push(alert);
        self.add(alert, detection, finding);
        acts.extend(self.change(alert, |episode| Act::Alert(episode.say(AlertState::Opened))));
        acts.extend(follows);
        acts
    }

    fn take_back(&mut self, open: &[u128], holder: Option<u128>, detection: u128, finding: &Finding) -> Vec<Act> {
        let at_us = finding.detection.event_time;
        let may_hold = |episode: &Episode| episode.has_untracked() && episode.covers(at_us);
        let counted_by = || open.iter().copied().find(|alert| self.is_in(*alert, may_hold));
        let Some(alert) = holder.or_else(counted_by) else {
            return Vec::new(); // its episode is closed
        };
        self.tracked_count -= usize::from(holder.is_some());
        self.change_times(alert, |episode| episode.remove(detection, finding.detection_id, at_us));
        if self.is_in(alert, |episode| episode.message.count > 0) {
            return self.change(alert, |episode| Act::Alert(episode.say(AlertState::Updated)));
        }
        let draft = self.episodes.get_mut(&alert).and_then(|episode| episode.draft.take());
        let mut acts = self.close(alert);
        acts.extend(draft.map(|mut draft| {
            draft.state = DraftState::Withdrawn;
            Act::BlockingDraft(draft)
        }));
        acts
    }

    fn add(&mut self, alert: u128, detection: u128, finding: &Finding) {
        let is_room_left = self.tracked_count < self.tracked_max;
        let at_us = finding.detection.event_time;
        let before = self.episodes.get(&alert).map_or(0, Episode::tracked_count);
        self.change_times(alert, |episode| episode.add(detection, finding.detection_id, at_us, is_room_left));
        self.tracked_count += self.episodes.get(&alert).map_or(0, Episode::tracked_count) - before;
    }

    /// Closes what would close first until there is room for one more episode.
    fn make_room(&mut self, key: &(String, String)) -> Vec<Act> {
        let mut acts = Vec::new();
        let of_subject = self.by_subject.get(key).map_or(&[][..], Vec::as_slice);
        if of_subject.len() >= EPISODES_PER_SUBJECT_MAX {
            let deadline = |alert: &&u128| self.episodes.get(*alert).map(Episode::deadline);
            if let Some(alert) = of_subject.iter().min_by_key(deadline).copied() {
                self.tally.episodes_evicted += 1;
                acts.extend(self.close(alert));
            }
        }
        while self.episodes.len() >= self.open_max {
            let Some(&(_, alert)) = self.deadlines.first() else { break };
            self.tally.episodes_evicted += 1;
            acts.extend(self.close(alert));
        }
        acts
    }

    pub(crate) fn close(&mut self, alert: u128) -> Vec<Act> {
        let Some(mut episode) = self.episodes.remove(&alert) else { return Vec::new() };
        self.deadlines.remove(&(episode.deadline(), alert));
        self.tracked_count -= episode.tracked_count();
        let message = episode.say(AlertState::Closed);
        let key = (message.rule_id.clone(), message.subject.clone());
        if let Some(open) = self.by_subject.get_mut(&key) {
            open.retain(|other| *other != alert);
            if open.is_empty() {
                self.by_subject.remove(&key);
            }
        }
        debug_assert_eq!(self.episodes.len(), self.deadlines.len());
        vec![Act::Alert(message)]
    }

    fn change(&mut self, alert: u128, act: impl FnOnce(&mut Episode) -> Act) -> Vec<Act> {
        self.episodes.get_mut(&alert).map(act).into_iter().collect()
    }

    /// A change that may move the deadline.
    fn change_times(&mut self, alert: u128, change: impl FnOnce(&mut Episode)) {
        let Some(episode) = self.episodes.get_mut(&alert) else { return };
        self.deadlines.remove(&(episode.deadline(), alert));
        change(episode);
        self.deadlines.insert((episode.deadline(), alert));
    }

    fn is_in(&self, alert: u128, test: impl FnOnce(&Episode) -> bool) -> bool {
        self.episodes.get(&alert).is_some_and(test)
    }
}

#[cfg(test)]
#[path = "taking_tests.rs"]
mod tests;
