//! From findings to acts: finds the episode a finding belongs to and says what follows.
//!
//! An episode closes only when the horizon passes its deadline, when all its detections are taken back, when its rule
//! leaves force, or when a limit is reached. So a detection that comes late, but before the horizon, still finds its episode, and where an
//! episode ends does not depend on how the stream was cut into batches.

use crate::drafts::{Draft, Drafts};
use crate::episode::{Added, Episode};
use crate::limits::{DETECTIONS_TRACKED_TOTAL_MAX, EPISODES_OPEN_MAX};
use crate::message::{AlertState, EndReason};
use crate::warning::Desk;
use crate::{Act, Finding, FollowUp, Issuer, Tally, blocking, ids};
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
    pub(crate) drafts: Drafts,
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
            drafts: Drafts::default(),
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
        let key = (finding.rule.id.clone(), finding.detection.subject.clone());
        let open = self.by_subject.get(&key).cloned().unwrap_or_default();
        let detection = ids::member_key(finding.detection_id);
        let at_us = finding.detection.event_time;
        let holder = open.iter().copied().find(|alert| self.is_in(*alert, |episode| episode.has(detection, at_us)));
        if !finding.detected {
            return self.take_back(&open, holder, detection, finding);
        }
        if let Some(alert) = holder {
            self.tally.revisions_unsaid += 1; // the alert carries no values
            return self.draft_now(alert, finding).into_iter().collect();
        }
        // The first event of an episode names it, also after its detection was taken back and the episode has shrunk.
        let own = ids::alert_id(&key.0, &key.1, &finding.detection.event_id);
        let is_its = |alert: &u128| *alert == own || self.is_in(*alert, |episode| episode.covers(at_us));
        let Some(alert) = open.iter().copied().find(is_its) else {
            return self.open(key, detection, finding);
        };
        self.add(alert, detection, finding);
        let mut acts = self.change(alert, |episode| episode.say(AlertState::Updated));
        acts.extend(self.draft_now(alert, finding));
        acts
    }

    /// When its episode opened nothing was left to be stopped, and so nothing was asked for; now something is, by another detection or by
    /// new values of one that it has.
    fn draft_now(&mut self, alert: u128, finding: &Finding) -> Option<Act> {
        if finding.rule.follow_up != FollowUp::Block || self.is_in(alert, |episode| episode.draft.is_some()) {
            return None;
        }
        let (draft, act) = self.draft(alert, finding)?;
        self.episodes.get_mut(&alert)?.draft = Some(draft);
        Some(act)
    }

    fn open(&mut self, key: Key, detection: u128, finding: &Finding) -> Vec<Act> {
        let mut acts = self.make_room(&key);
        let at = finding.detection;
        let alert = ids::alert_id(&key.0, &key.1, &at.event_id);
        debug_assert!(!self.episodes.contains_key(&alert), "`take` found no open episode of this name");
        let mut episode = Episode::new(alert, finding.rule, &at.subject, at.event_time);
        let (draft, act) = match self.drafts.remove(alert) {
            Some(draft) => (Some(draft), None), // it was closed early, and what it drafted stands
            None => self.draft(alert, finding).unzip(),
        };
        episode.draft = draft;
        self.deadlines.insert((episode.deadline(), alert));
        self.episodes.insert(alert, episode);
        self.by_subject.entry(key).or_default().push(alert);
        self.add(alert, detection, finding);
        acts.extend(self.change(alert, |episode| episode.say(AlertState::Opened)));
        acts.extend(act);
        acts
    }

    /// What a new episode leads to besides its alert.
    fn draft(&mut self, alert: u128, finding: &Finding) -> Option<(Draft, Act)> {
        match finding.rule.follow_up {
            FollowUp::AlertOnly => None,
            FollowUp::Block if blocking::is_gone(finding.detection) => {
                self.tally.drafts_without_money += 1;
                None
            }
            FollowUp::Block => {
                let draft = Box::new(blocking::draft(alert, finding, &mut self.tally));
                Some((Draft::Blocking(draft.clone()), Act::BlockingDraft(draft)))
            }
            FollowUp::Warn => {
                let (draft, act) = self.desk.draft(finding, &mut self.tally)?;
                Some((Draft::Warning(Box::new(draft)), act))
            }
        }
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
