//! What verdicts lead to: detections, alerts, drafts.

use crate::ops::health::Health;
use crate::rules::identity::{acts_name, rule_name, rule_names};
use crate::writer::messages::{act_message, detection, rule_facts};
use foreshock_actions::{Act, Actions, Finding, Issuer, RuleFacts, detection_id};
use foreshock_compiler::{Pack, Rule, Status};
use foreshock_engine::{Engine, Output, RulePlan, State, Verdict};
use foreshock_log::{Message, bounded};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Says what the rules in force found, and acts.
pub(super) struct Outcome {
    pub(super) pack: Arc<Pack>,
    pub(super) actions: Actions,
    facts: BTreeMap<String, RuleFacts>,
    /// Id and version of each rule.
    pub(super) names: BTreeSet<String>,
    /// Rules in force with the last batch: only these speak. `None` while it is not known: then all do.
    pub(super) in_force: Option<BTreeSet<String>>,
    /// It makes a state for another one and never speaks.
    pub(super) is_silent: bool,
    health: Arc<Health>,
}

impl Outcome {
    pub(super) fn new(pack: Pack, issuer: Issuer, health: Arc<Health>) -> Outcome {
        let facts = pack.rules.iter().map(|r| (r.header.id.clone(), rule_facts(r))).collect();
        let (actions, names) = (Actions::new(issuer), rule_names(&pack));
        Outcome { pack: Arc::new(pack), actions, facts, names, in_force: None, is_silent: false, health }
    }

    /// Begins with what was saved.
    pub(super) fn restore(&mut self, actions: &[u8], in_force: &BTreeSet<String>) -> Result<(), String> {
        self.actions.load(actions)?;
        self.in_force = Some(in_force.clone());
        Ok(())
    }

    /// Are other rules in force than those of this process?
    pub(super) fn is_changed(&self) -> bool {
        self.in_force.as_ref() != Some(&self.names)
    }

    /// From the next batch on these rules speak. Those that did not before begin to: what is noted of them was never said.
    /// What rules that no longer act have left open is closed and withdrawn: the messages. `before`: what the log says was in
    /// force, for a process that begins in the midst of it.
    pub(super) fn come_into_force(
        &mut self,
        rules: &BTreeSet<String>,
        before: Option<&BTreeSet<String>>,
        engine: &mut Engine,
    ) -> Vec<Message> {
        let Some(before) = self.in_force.replace(rules.clone()).or_else(|| before.cloned()) else { return Vec::new() };
        let begins = |rule: &RulePlan| {
            let name = rule_name(&rule.id, &rule.version);
            rules.contains(&name) && !before.contains(&name)
        };
        engine.begin_rules(begins);
        let acts = self.actions.keep_rules(engine.newest(), |id, version| rules.contains(&acts_name(id, version)));
        self.messages_of(acts)
    }

    fn messages_of(&self, acts: Vec<Act>) -> Vec<Message> {
        acts.into_iter().map(|act| act_message(act, &self.health)).collect()
    }

    /// Forgets what was counted while a state was made again.
    pub(super) fn forget_counts(&mut self) {
        self.actions.take_tally();
    }

    fn is_in_force(&self, name: &str) -> bool {
        self.in_force.as_ref().is_none_or(|rules| rules.contains(name))
    }

    /// The messages of a step, in order.
    pub(super) fn of(&mut self, output: &Output, horizon: i64, messages: &mut Vec<Message>) {
        let pack = self.pack.clone();
        for verdict in &output.verdicts {
            let rule = pack.rule_at(&verdict.stream, verdict.rule).expect("verdicts come from this pack");
            if !self.is_silent && self.is_in_force(&rule_name(&rule.header.id, &rule.version)) {
                self.speak(rule, verdict, messages);
            }
        }
        let acts = self.actions.close_before(horizon);
        messages.extend(self.messages_of(acts));
        self.health.note_acts(&self.actions.take_tally());
    }

    fn speak(&mut self, rule: &Rule, verdict: &Verdict, messages: &mut Vec<Message>) {
        let found = bounded(&verdict.detection);
        let id = detection_id(&rule.header.id, &rule.version, &found.event_id, &found.subject);
        let is_live = rule.header.status == Status::Live;
        messages.push(detection(rule, &id, verdict, &found, !is_live).message());
        let detected = verdict.state == State::Detected;
        let counter = if detected { &self.health.detections } else { &self.health.retractions };
        counter.fetch_add(1, Ordering::Relaxed);
        // What may miss events must not block anybody or warn the public.
        let acts = is_live && self.is_in_force(&acts_name(&rule.header.id, &rule.version));
        if acts && !(detected && verdict.is_incomplete) {
            let facts = &self.facts[&rule.header.id];
            let finding = Finding { detection_id: &id, detected, rule: facts, detection: &found };
            let acts = self.actions.take(&finding);
            messages.extend(self.messages_of(acts));
        }
    }
}
