//! The blocking requests that wait, by whom they are for. One target has one request for all detections within
//! [`crate::limits::BLOCKING_HOURS`], whatever rules say them: an account is stopped once, for all its reasons.

use crate::blocking::{RuleRef, Target};
use crate::limits::{REASONS_TOTAL_MAX, REQUESTS_STANDING_MAX};
use crate::message::EndReason;
use crate::reason::Reason;
use crate::request::Request;
use crate::{Act, Finding, Tally, ids};
use std::collections::{BTreeMap, BTreeSet};

/// All requests that wait.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Those of one target in the order they were made.
    by_target: BTreeMap<Target, Vec<Request>>,
    by_expiry: BTreeSet<(i64, Target, u128)>,
    reason_count: usize,
    pub count_max: usize,
    pub reasons_max: usize,
}

/// Why something changes.
#[derive(Clone, Copy)]
struct Cause {
    /// Said when nobody is left who asks for the request.
    why: EndReason,
    /// Newest event time when rules change.
    at_us: Option<i64>,
}

impl Default for Requests {
    fn default() -> Self {
        Requests {
            by_target: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            reason_count: 0,
            count_max: REQUESTS_STANDING_MAX,
            reasons_max: REASONS_TOTAL_MAX,
        }
    }
}

impl Requests {
    /// All of them, in the order of their targets.
    pub fn iter(&self) -> impl Iterator<Item = (&Target, &Request)> {
        self.by_target.iter().flat_map(|(target, requests)| requests.iter().map(move |request| (target, request)))
    }

    /// Takes back one that was saved.
    pub fn keep(&mut self, target: Target, request: Request, tally: &mut Tally) {
        self.by_expiry.insert((request.expires_at(), target.clone(), request.alert));
        self.reason_count += request.reasons.len();
        self.by_target.entry(target).or_default().push(request);
        while self.by_expiry.len() > self.count_max
            && let Some((_, target, alert)) = self.by_expiry.pop_first()
        {
            tally.drafts_forgotten += 1;
            self.remove(&target, alert);
        }
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        *self = Requests { count_max: self.count_max, reasons_max: self.reasons_max, ..Requests::default() };
    }

    /// Lets go of those that expire before a time.
    pub fn expire_before(&mut self, horizon_us: i64) {
        while self.by_expiry.first().is_some_and(|(expires, ..)| *expires < horizon_us)
            && let Some((_, target, alert)) = self.by_expiry.pop_first()
        {
            self.remove(&target, alert);
        }
    }

    /// A detection of a rule that blocks, or new values of one that is known.
    pub fn take(&mut self, finding: &Finding, is_known: bool, tally: &mut Tally) -> Option<Act> {
        let (at, rule) = (finding.detection, finding.rule);
        let target = Target::new(rule.target, &at.subject);
        let reason = Reason::of(finding, tally);
        let of_target = self.by_target.get(&target).map_or(&[][..], Vec::as_slice);
        let holder = of_target.iter().find(|request| request.position(reason.detection).is_some());
        let open = holder.or_else(|| of_target.iter().find(|request| request.covers(at.event_time)));
        let alert = open.map(|request| request.alert).unwrap_or_else(|| {
            let request = Request::new(rule, &at.subject, &at.event_id, at.event_time);
            let alert = request.alert;
            self.keep(target.clone(), request, tally);
            alert
        });
        let is_room_left = self.reason_count < self.reasons_max;
        let cause = Cause { why: EndReason::Retracted, at_us: None };
        let further = |requests: &Self| requests.find(&target, alert).map_or(0, |request| request.further);
        let before = further(self);
        let act = self.change(&target, alert, cause, tally, |request| request.put(reason, is_known, is_room_left));
        tally.reasons_unlisted += further(self).saturating_sub(before);
        let is_gone = self.find(&target, alert).is_none_or(Request::is_gone);
        tally.drafts_without_money += u64::from(is_gone);
        act
    }

    /// A detection is taken back.
    pub fn take_back(&mut self, finding: &Finding, tally: &mut Tally) -> Option<Act> {
        let detection = ids::member_key(finding.detection_id);
        let target = Target::new(finding.rule.target, &finding.detection.subject);
        let of_target = self.by_target.get(&target)?;
        let at_us = finding.detection.event_time;
        let holder = of_target.iter().find(|request| request.position(detection).is_some());
        let counted_by = || of_target.iter().find(|request| request.further > 0 && request.covers(at_us));
        let alert = holder.or_else(counted_by)?.alert;
        let cause = Cause { why: EndReason::Retracted, at_us: None };
        self.change(&target, alert, cause, tally, |request| request.take_back(detection))
    }

    /// Drops the reasons of all rules but these (id, version), in the order of the targets.
    pub fn keep_rules(&mut self, at_us: i64, is_kept: impl Fn(&str, &str) -> bool, tally: &mut Tally) -> Vec<Act> {
        let is_kept = |rule: &RuleRef| is_kept(&rule.id, &rule.version);
        let touched =
            self.iter().filter(|(_, request)| !request.reasons.iter().all(|reason| is_kept(&reason.said.rule)));
        let touched: Vec<(Target, u128)> = touched.map(|(target, request)| (target.clone(), request.alert)).collect();
        let cause = Cause { why: EndReason::RuleChanged, at_us: Some(at_us) };
        let acts = touched.into_iter().filter_map(|(target, alert)| {
            self.change(&target, alert, cause, tally, |request| request.keep_rules(is_kept))
        });
        acts.collect()
    }

    /// Changes a request, and says what a reader has to know of it.
    fn change(
        &mut self,
        target: &Target,
        alert: u128,
        cause: Cause,
        tally: &mut Tally,
        change: impl FnOnce(&mut Request),
    ) -> Option<Act> {
        let requests = self.by_target.get_mut(target)?;
        let request = requests.iter_mut().find(|request| request.alert == alert)?;
        let before = request.draft(target);
        self.reason_count -= request.reasons.len();
        change(request);
        self.reason_count += request.reasons.len();
        let (after, is_empty, expires_at) = (request.draft(target), request.is_empty(), request.expires_at());
        if is_empty {
            self.remove(target, alert);
            self.by_expiry.remove(&(expires_at, target.clone(), alert));
        }
        let said = match (before, after) {
            (before, Some(after)) => (before.as_ref() != Some(&after)).then_some(after)?,
            (None, None) => return None,
            (Some(before), None) => {
                let why = if is_empty { cause.why } else { EndReason::Gone };
                let withdrawn_at = cause.at_us.filter(|_| is_empty).map(|at_us| at_us.max(before.created_at));
                *count_of(why, tally) += 1;
                before.withdraw(why, withdrawn_at)
            }
        };
        Some(Act::BlockingDraft(Box::new(said)))
    }

    fn find(&self, target: &Target, alert: u128) -> Option<&Request> {
        self.by_target.get(target)?.iter().find(|request| request.alert == alert)
    }

    fn remove(&mut self, target: &Target, alert: u128) {
        let Some(requests) = self.by_target.get_mut(target) else { return };
        requests.retain(|request| {
            let is_it = request.alert == alert;
            self.reason_count -= if is_it { request.reasons.len() } else { 0 };
            !is_it
        });
        if requests.is_empty() {
            self.by_target.remove(target);
        }
    }
}

fn count_of(why: EndReason, tally: &mut Tally) -> &mut u64 {
    match why {
        EndReason::RuleChanged => &mut tally.drafts_rule_changed,
        EndReason::Gone => &mut tally.drafts_gone,
        EndReason::Retracted | EndReason::Quiet | EndReason::Evicted => &mut tally.drafts_retracted,
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
