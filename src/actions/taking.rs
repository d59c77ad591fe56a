//! From findings to acts: finds the episode a finding belongs to and says what follows.
//!
//! An episode closes only when the horizon passes its deadline, when all its detections are taken back, when its rule
//! leaves force, or when a limit is reached. So a detection that comes late, but before the horizon, still finds its episode, and where an
//! episode ends does not depend on how the stream was cut into batches.

use crate::episode::{Added, Episode};
use crate::limits::{DETECTIONS_TRACKED_TOTAL_MAX, EPISODES_OPEN_MAX};
use crate::message::{AlertState, EndReason};
use crate::requests::Requests;
use crate::warning::{Desk, WarningDraft};
use crate::warnings::Warnings;
use crate::{Act, Finding, FollowUp, Issuer, Tally, ids};
use std::collections::{BTreeMap, BTreeSet};

/// Rule id and subject: what an episode is of.
pub(crate) type Key = (String, String);

/// The open episodes.
#[derive(Debug)]
pub struct Actions {
    pub(crate) desk: Desk,
    pub(crate) tally: Tally,
    pub(crate) episodes: BTreeMap<u128, Episode>,
    /// Open episodes of one rule and subject, in the order they opened.
    pub(crate) by_subject: BTreeMap<Key, Vec<u128>>,
    pub(crate) deadlines: BTreeSet<(i64, u128)>,
    pub(crate) warnings: Warnings,
    pub(crate) requests: Requests,
    pub(crate) tracked_count: usize,
    tracked_max: usize,
    pub(crate) open_max: usize,
}

impl Actions {
    /// Without episodes. Ask [`Issuer::check`] first: under an issuer with a fault every warning is withheld.
    pub fn new(issuer: Issuer) -> Self {
        Actions {
            desk: Desk::new(issuer),
            tally: Tally::default(),
            episodes: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            warnings: Warnings::default(),
            requests: Requests::default(),
            tracked_count: 0,
            tracked_max: DETECTIONS_TRACKED_TOTAL_MAX,
            open_max: EPISODES_OPEN_MAX,
        }
    }

    /// What did not go the usual way since this was asked last.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// What follows from a finding.
    pub fn take(&mut self, finding: &Finding) -> Vec<Act> {
        let (mut acts, is_known) = self.alert(finding);
        if finding.rule.follow_up == FollowUp::Block {
            let said = match finding.detected {
                true => self.requests.take(finding, is_known, &mut self.tally),
                false => self.requests.take_back(finding, &mut self.tally),
            };
            acts.extend(said);
        }
        acts
    }

    /// What follows for the alert, and for the warning it leads to; and whether the alert had the detection before.
    fn alert(&mut self, finding: &Finding) -> (Vec<Act>, bool) {
        let key = (finding.rule.id.clone(), finding.detection.subject.clone());
        let open = self.by_subject.get(&key).cloned().unwrap_or_default();
        let detection = ids::member_key(finding.detection_id);
        let at_us = finding.detection.event_time;
        let holder = open.iter().copied().find(|alert| self.is_in(*alert, |episode| episode.has(detection, at_us)));
        if !finding.detected {
            return (self.take_back(&open, holder, detection, finding), holder.is_some());
        }
        if holder.is_some() {
            self.tally.revisions_unsaid += u64::from(finding.rule.follow_up != FollowUp::Block);
            return (Vec::new(), true);
        }
        // The first event of an episode names it, also after its detection was taken back and the episode has shrunk.
        let own = ids::alert_id(&key.0, &key.1, &finding.detection.event_id);
        let is_its = |alert: &u128| *alert == own || self.is_in(*alert, |episode| episode.covers(at_us));
        let Some(alert) = open.iter().copied().find(is_its) else {
            return (self.open(key, detection, finding), false);
        };
        self.add(alert, detection, finding);
        (self.change(alert, |episode| episode.say(AlertState::Updated)), false)
    }

    fn open(&mut self, key: Key, detection: u128, finding: &Finding) -> Vec<Act> {
        let mut acts = self.make_room(&key);
        let at = finding.detection;
        let alert = ids::alert_id(&key.0, &key.1, &at.event_id);
        debug_assert!(!self.episodes.contains_key(&alert), "`take` found no open episode of this name");
        let mut episode = Episode::new(alert, finding.rule, &at.subject, at.event_time);
        let (warning, act) = match self.warnings.remove(alert) {
            Some(warning) => (Some(warning), None), // it was closed early, and what it drafted stands
            None => self.warning(finding).unzip(),
        };
        episode.warning = warning.map(Box::new);
        self.deadlines.insert((episode.deadline(), alert));
        self.episodes.insert(alert, episode);
        self.by_subject.entry(key).or_default().push(alert);
        self.add(alert, detection, finding);
        acts.extend(self.change(alert, |episode| episode.say(AlertState::Opened)));
        acts.extend(act);
        acts
    }

    /// The public warning that a new episode leads to.
    fn warning(&mut self, finding: &Finding) -> Option<(WarningDraft, Act)> {
        (finding.rule.follow_up == FollowUp::Warn).then(|| self.desk.draft(finding, &mut self.tally))?
    }

    fn take_back(&mut self, open: &[u128], holder: Option<u128>, detection: u128, finding: &Finding) -> Vec<Act> {
        let at_us = finding.detection.event_time;
        let may_hold = |episode: &Episode| episode.has_untracked() && episode.covers(at_us);
        let counted_by = || open.iter().copied().find(|alert| self.is_in(*alert, may_hold));
        let Some(alert) = holder.or_else(counted_by) else {
            self.tally.retractions_unmatched += 1; // its episode is closed
            return Vec::new();
        };
        self.tracked_count -= usize::from(holder.is_some());
        self.change_times(alert, |episode| episode.remove(detection, finding.detection_id, at_us));
        if self.is_in(alert, |episode| episode.message.count > 0) {
            return self.change(alert, |episode| episode.say(AlertState::Updated));
        }
        self.close(alert, EndReason::Retracted, at_us)
    }

    fn add(&mut self, alert: u128, detection: u128, finding: &Finding) {
        let is_room_left = self.tracked_count < self.tracked_max;
        let at_us = finding.detection.event_time;
        let mut added = Added::default();
        self.change_times(alert, |episode| {
            added = episode.add(detection, finding.detection_id, at_us, is_room_left);
        });
        self.tracked_count += usize::from(added.is_tracked);
        self.tally.detections_untracked += u64::from(!added.is_tracked);
        self.tally.detections_unlisted += u64::from(!added.is_listed);
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
