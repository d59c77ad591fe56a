//! How episodes end: event time leaves them behind, their rule leaves force, or there are too many.

use crate::limits::EPISODES_PER_SUBJECT_MAX;
use crate::message::EndReason;
use crate::taking::{Actions, Key};
use crate::warning::WarningDraft;
use crate::{Act, episode::Episode};

impl Actions {
    /// Closes the episodes that event time has left behind: nothing at or before their deadline will come any more.
    pub fn close_before(&mut self, horizon_us: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some(&(deadline, alert)) = self.deadlines.first() {
            if deadline >= horizon_us {
                break;
            }
            self.deadlines.remove(&(deadline, alert));
            acts.extend(self.close(alert, EndReason::Quiet, horizon_us));
        }
        self.warnings.expire_before(horizon_us);
        self.requests.expire_before(horizon_us);
        acts
    }

    /// Closes the episodes of all rules but these (id, version), and withdraws their warnings, also those of closed episodes
    /// that have not expired; takes what they said out of the blocking drafts, and withdraws those that nothing else asks for.
    /// `at_us` is the newest event time. The acts belong to the first batch under the new rules: at most two for each open episode, in the
    /// order of their ids, one for each warning, and one for each blocking draft, in the order of their targets.
    #[must_use = "alerts and drafts of rules that are gone stay open for whoever reads the topics"]
    pub fn keep_rules(&mut self, at_us: i64, is_kept: impl Fn(&str, &str) -> bool) -> Vec<Act> {
        let of_others = |episode: &Episode| !is_kept(&episode.message.rule_id, &episode.message.rule_version);
        let gone: Vec<u128> = self.episodes.iter().filter(|(_, e)| of_others(e)).map(|(alert, _)| *alert).collect();
        let mut acts = Vec::new();
        for alert in gone {
            self.tally.alerts_rule_changed += 1;
            acts.extend(self.close(alert, EndReason::RuleChanged, at_us));
        }
        let of_others = |draft: &WarningDraft| !is_kept(&draft.rule.id, &draft.rule.version);
        let gone: Vec<u128> = self.warnings.iter().filter(|(_, d)| of_others(d)).map(|(alert, _)| *alert).collect();
        for alert in gone {
            let draft = self.warnings.remove(alert);
            acts.extend(draft.and_then(|draft| self.withdraw(&draft, EndReason::RuleChanged, at_us)));
        }
        acts.extend(self.requests.keep_rules(at_us, is_kept, &mut self.tally));
        acts
    }

    /// Closes what would close first until there is room for one more episode.
    pub(crate) fn make_room(&mut self, key: &Key) -> Vec<Act> {
        let mut acts = Vec::new();
        let of_subject = self.by_subject.get(key).map_or(&[][..], Vec::as_slice);
        if of_subject.len() >= EPISODES_PER_SUBJECT_MAX {
            let deadline = |alert: &&u128| self.episodes.get(*alert).map(Episode::deadline);
            if let Some(alert) = of_subject.iter().min_by_key(deadline).copied() {
                self.tally.episodes_evicted_subject += 1;
                acts.extend(self.close(alert, EndReason::Evicted, i64::MIN));
            }
        }
        while self.episodes.len() >= self.open_max {
            let Some(&(_, alert)) = self.deadlines.first() else { break };
            self.tally.episodes_evicted_full += 1;
            acts.extend(self.close(alert, EndReason::Evicted, i64::MIN));
        }
        acts
    }

    /// What is said of an episode that ends, and what becomes of its warning.
    pub(crate) fn close(&mut self, alert: u128, why: EndReason, at_us: i64) -> Vec<Act> {
        let Some(mut episode) = self.episodes.remove(&alert) else { return Vec::new() };
        self.deadlines.remove(&(episode.deadline(), alert));
        self.tracked_count -= episode.tracked_count();
        let warning = episode.warning.take();
        let is_rule_changed = why == EndReason::RuleChanged;
        let closed_at = is_rule_changed.then(|| at_us.max(episode.message.last));
        let message = episode.end(why, closed_at);
        let key = (message.rule_id.clone(), message.subject.clone());
        if let Some(open) = self.by_subject.get_mut(&key) {
            open.retain(|other| *other != alert);
            if open.is_empty() {
                self.by_subject.remove(&key);
            }
        }
        debug_assert_eq!(self.episodes.len(), self.deadlines.len());
        let mut acts = vec![Act::Alert(Box::new(message))];
        match (warning, why) {
            (Some(warning), EndReason::Quiet | EndReason::Evicted) => {
                self.tally.drafts_forgotten += u64::from(self.warnings.keep(alert, *warning));
            }
            (Some(warning), EndReason::Retracted | EndReason::RuleChanged | EndReason::Gone) => {
                acts.extend(self.withdraw(&warning, why, at_us));
            }
            (None, _) => {}
        }
        acts
    }

    fn withdraw(&mut self, warning: &WarningDraft, why: EndReason, at_us: i64) -> Option<Act> {
        let act = self.desk.withdraw(warning, at_us, why, &mut self.tally)?;
        let is_rule_changed = why == EndReason::RuleChanged;
        let count =
            if is_rule_changed { &mut self.tally.drafts_rule_changed } else { &mut self.tally.drafts_retracted };
        *count += 1;
        Some(act)
    }
}

#[cfg(test)]
#[path = "ending_tests.rs"]
mod tests;
