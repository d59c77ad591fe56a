//! One blocking request that waits: all detections of one target within its time, and what follows from them together.

use crate::blocking::{BlockingDraft, DraftState, Evidence, RuleRef, Target};
use crate::limits::{BLOCKING_HOURS, LEGAL_BASIS_MAX, REASONS_MAX};
use crate::message::Bilingual;
use crate::reason::Reason;
use crate::{RuleFacts, ids};
use foreshock_core::money;
use foreshock_core::time::SECOND_US;
use std::collections::BTreeMap;

const LIFE_US: i64 = BLOCKING_HOURS * 3_600 * SECOND_US;

/// A request in the making.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The episode of the detection that came first: it names the request.
    pub alert: u128,
    /// Event time of that detection.
    pub created_at: i64,
    /// The detections that stand, in the order of their times.
    pub reasons: Vec<Reason>,
    /// Further ones that are counted only.
    pub further: u64,
    /// The only one named was taken back while further ones stand: it stays for what it says, as nothing else can be said for them.
    pub is_stale: bool,
}

impl Request {
    /// Named by a detection that is still to be taken in.
    pub fn new(rule: &RuleFacts, subject: &str, event_id: &str, at_us: i64) -> Self {
        let alert = ids::alert_id(&rule.id, subject, event_id);
        Request { alert, created_at: at_us, reasons: Vec::new(), further: 0, is_stale: false }
    }

    /// Event time at which nobody waits for it any more.
    pub fn expires_at(&self) -> i64 {
        self.created_at.saturating_add(LIFE_US)
    }

    /// Does a detection at that time belong to it? Earlier ones count too: events come out of order.
    pub fn covers(&self, at_us: i64) -> bool {
        (self.created_at.saturating_sub(LIFE_US)..=self.expires_at()).contains(&at_us)
    }

    /// Where a detection is among its reasons.
    pub fn position(&self, detection: u128) -> Option<usize> {
        self.reasons.iter().position(|reason| reason.detection == detection && !self.is_stale)
    }

    /// Takes in a detection, or new values of one that is known. One that was counted only is named from then on, if there is room.
    pub fn put(&mut self, reason: Reason, is_known: bool, is_room_left: bool) {
        if std::mem::take(&mut self.is_stale) {
            self.reasons.clear();
        }
        let known = self.position(reason.detection).map(|at| self.reasons.remove(at));
        if known.is_none() && is_known {
            self.further = self.further.saturating_sub(1);
        }
        let has_room = self.reasons.is_empty() || (is_room_left && self.reasons.len() < REASONS_MAX);
        if known.is_some() || has_room {
            let at = self.reasons.partition_point(|other| order(other) < order(&reason));
            self.reasons.insert(at, reason);
        } else {
            self.further = self.further.saturating_add(1);
        }
    }

    /// Takes out a detection; one that is not named is taken for one of those that are counted only.
    pub fn take_back(&mut self, detection: u128) {
        match self.position(detection) {
            Some(_) if self.reasons.len() == 1 && self.further > 0 => self.is_stale = true,
            Some(at) => drop(self.reasons.remove(at)),
            None => self.further = self.further.saturating_sub(1),
        }
        if self.is_stale && self.further == 0 {
            self.is_stale = false;
            self.reasons.clear();
        }
    }

    /// Takes out all of some rules. Those that are counted only cannot be told apart by rule: they count while another one is named.
    pub fn keep_rules(&mut self, is_kept: impl Fn(&RuleRef) -> bool) {
        self.reasons.retain(|reason| is_kept(&reason.said.rule));
        if self.reasons.is_empty() {
            (self.further, self.is_stale) = (0, false);
        }
    }

    /// Has nobody left who asks for it.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// By all that is known nothing is left that could be stopped.
    pub fn is_gone(&self) -> bool {
        self.asked().0.is_some_and(|minor| minor <= 0)
    }

    /// What is published while it stands; `None` when nothing is left that could be stopped, or nobody asks for it.
    pub fn draft(&self, target: &Target) -> Option<BlockingDraft> {
        let earliest = self.reasons.first()?;
        let (amount, currency) = self.asked();
        if amount.is_some_and(|minor| minor <= 0) {
            return None;
        }
        let rules = self.by_rule(|reason| reason.said.rule.clone());
        let texts = self.by_rule(|reason| reason.text.clone());
        let join =
            |part: fn(&Bilingual) -> &str, between: &str| texts.iter().map(part).collect::<Vec<_>>().join(between);
        let digits = currency.as_deref().and_then(money::minor_digits);
        let mut event_ids: Vec<String> = Vec::new();
        for reason in &self.reasons {
            if !event_ids.contains(&reason.said.event_id) {
                event_ids.push(reason.said.event_id.clone());
            }
        }
        Some(BlockingDraft {
            request_id: ids::request_id(self.alert),
            state: DraftState::Draft,
            rule: earliest.said.rule.clone(),
            rules,
            measure: self.reasons.iter().find_map(|reason| reason.measure.clone()),
            target: target.clone(),
            institution: self.reasons.iter().find_map(|reason| reason.institution.clone()),
            amount: amount.zip(digits).map(|(minor, digits)| money::format_minor(minor, digits)),
            currency,
            reason: Bilingual { zh: join(|text| &text.zh, "；"), en: join(|text| &text.en, "; ") },
            legal_basis: self.legal_basis(),
            fraud_type: earliest.said.fraud_type.clone(),
            evidence: Evidence {
                detection_id: earliest.said.detection_id.clone(),
                event_ids,
                values: earliest.said.values.clone(),
                detections: self.reasons.iter().map(|reason| reason.said.clone()).collect(),
                further: self.further,
            },
            created_at: self.created_at,
            expires_at: self.expires_at(),
            withdrawn_because: None,
            withdrawn_at: None,
        })
    }

    /// What was traced into the target and is still there, in minor units, and in which currency: that of the newest detection that names
    /// one. Detections of one victim see the same money, those of two do not; a balance binds what came before it.
    fn asked(&self) -> (Option<i64>, Option<String>) {
        let newest_first = || self.reasons.iter().rev();
        let Some(currency) = newest_first().find_map(|reason| reason.currency.clone()) else { return (None, None) };
        let is_of = |reason: &&Reason| reason.currency.as_ref() == Some(&currency);
        let all = traced(self.reasons.iter().filter(is_of));
        let known = newest_first().filter(is_of).find_map(|r| Some((r.balance?, r.said.event_time)));
        let left = known.map(|(balance, at_us)| {
            let later = self.reasons.iter().filter(is_of).filter(|reason| reason.said.event_time > at_us);
            balance.max(0).saturating_add(traced(later).unwrap_or(0))
        });
        (all.map(|all| left.map_or(all, |left| all.min(left))), Some(currency))
    }

    fn legal_basis(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for article in self.reasons.iter().flat_map(|reason| &reason.legal_basis) {
            if all.len() < LEGAL_BASIS_MAX && !all.contains(article) {
                all.push(article.clone());
            }
        }
        all
    }

    /// Something of the first detection of each rule.
    fn by_rule<T>(&self, of: impl Fn(&Reason) -> T) -> Vec<T> {
        let mut seen: Vec<&RuleRef> = Vec::new();
        let mut all = Vec::new();
        for reason in &self.reasons {
            if !seen.contains(&&reason.said.rule) {
                seen.push(&reason.said.rule);
                all.push(of(reason));
            }
        }
        all
    }
}

/// By time; equal times by what does not hang on the order in which they came.
fn order(reason: &Reason) -> (i64, &str, &str, u128) {
    (reason.said.event_time, &reason.said.event_id, &reason.said.rule.id, reason.detection)
}

/// Minor units that came into the target by these detections; `None` when none says.
fn traced<'a>(reasons: impl Iterator<Item = &'a Reason>) -> Option<i64> {
    let mut of_victims: BTreeMap<&str, i64> = BTreeMap::new();
    let mut of_nobody: Option<i64> = None;
    for reason in reasons {
        let Some(minor) = reason.traced else { continue };
        match &reason.victim {
            Some(victim) => {
                let most = of_victims.entry(victim).or_insert(minor);
                *most = minor.max(*most);
            }
            None => of_nobody = of_nobody.max(Some(minor)),
        }
    }
    let of_victims = of_victims.into_values().reduce(i64::saturating_add);
    of_victims.max(of_nobody)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
