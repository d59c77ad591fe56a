//! The corridor of a live process: records in, engine, acts, messages out. Delivery is between [`Pipeline::judge`] and
//! [`Pipeline::done`]; offsets come last.

use crate::config::Config;
use crate::health::Health;
use crate::identity::{acts_name, base_hash, rule_name, rule_names, rules_hash};
use crate::pool::Pool;
use crate::progress::{Progress, Tick, check_order, ranges};
use crate::sinks::wire::{self, Message};
use crate::snapshot::Snapshot;
use crate::sources::{Source, SourceRecord};
use anyhow::Context;
use arrow::array::{AsArray, StringArray};
use foreshock_actions::{Act, Action, Actions, RuleFacts, Settings, detection_id};
use foreshock_compiler::{Pack, Status, feed_schema, header};
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{Cut, Engine, FeedBatch, Output, Routed, Router, RulePlan, SavedState, State};
use foreshock_feeds::{CORRECTION_TIME, Counts, Event, Record, Reject, decode, to_record_batch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The rules of a process. Those of the pack of a partition get events that were admitted before.
#[derive(Debug, Clone)]
pub struct Work {
    /// The rules.
    pub pack: Pack,
    /// Where events go whose rules other processes have.
    pub router: Option<Arc<Router>>,
}

impl Work {
    /// All rules of a pack, in this process.
    pub fn of(pack: Pack) -> Work {
        Work { pack, router: None }
    }
}

/// Records in, messages out. The same batches give the same state and the same messages.
pub struct Pipeline<S> {
    config: Config,
    pack: Pack,
    router: Option<Arc<Router>>,
    engine: Engine,
    actions: Actions,
    facts: BTreeMap<String, RuleFacts>,
    source: S,
    health: Arc<Health>,
    /// Number of the next batch.
    number: u64,
    /// Hash of the rules.
    rules: String,
    /// Id and version of each.
    names: BTreeSet<String>,
    /// Rules in force with the last batch: only these speak. `None` while it is not known: then all do.
    in_force: Option<BTreeSet<String>>,
    /// It makes a state for another one and never speaks.
    is_silent: bool,
    /// There are as many events as may be that are not final.
    is_full: bool,
    /// Name of this process.
    owner: String,
    /// Name of the one that took the last batch.
    last_owner: String,
}

/// Where in the log a pipeline begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// Number of its first batch.
    pub number: u64,
    /// The event time from which on its state is meant to be whole; `None` for all there ever was.
    pub cut: Option<Cut>,
}

/// What one turn did.
#[derive(Debug, Default, Clone)]
pub struct Turn {
    /// Records taken.
    pub records: usize,
    /// Messages delivered.
    pub messages: Vec<Message>,
    /// Records the broker lost before we read them, in all.
    pub lost: u64,
}

/// A micro-batch, judged and not yet delivered.
pub struct Judged {
    /// How many records.
    pub records: usize,
    /// All that it causes, in order.
    pub messages: Vec<Message>,
    /// Its record for the log.
    pub progress: Progress,
}

impl<S: Source> Pipeline<S> {
    /// Puts the parts together.
    pub fn new(config: Config, work: Work, source: S, owner: String, health: Arc<Health>) -> Pipeline<S> {
        let Work { pack, router } = work;
        let lateness = |feed| i64::from(config.engine.lateness_s(feed)) * SECOND_US;
        let (shards, limits) = (config.engine.shards, config.engine.limits());
        let engine = match pack.part {
            None => Engine::bounded(pack.plan.clone(), shards, source.presence(), lateness, limits),
            Some(_) => Engine::behind(pack.plan.clone(), shards, limits),
        };
        let facts = pack.rules.iter().map(|r| (r.header.id.clone(), rule_facts(r))).collect();
        let w = config.warnings.clone();
        let actions = Actions::new(Settings {
            sender: w.sender,
            agency_zh: w.agency_zh,
            agency_en: w.agency_en,
            web: w.web,
            contact: w.contact,
            place_code: w.place_code,
            agency_code: w.agency_code,
        });
        let (rules, names) = (rules_hash(&pack, &config.engine), rule_names(&pack));
        Pipeline {
            config,
            pack,
            router,
            engine,
            actions,
            facts,
            source,
            health,
            number: 0,
            rules,
            names,
            in_force: None,
            is_silent: false,
            is_full: false,
            owner,
            last_owner: String::new(),
        }
    }

    /// Begins with a saved state of the same rules.
    ///
    /// # Errors
    /// When it does not fit: the pipeline must not be used then.
    pub fn restore(&mut self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let state = SavedState::read(&snapshot.engine).map_err(anyhow::Error::msg)?;
        self.restore_with(snapshot, state)?;
        let is_same = self.engine.state_hash() == snapshot.state_hash;
        anyhow::ensure!(is_same, "snapshot {}: another state than was saved", snapshot.number);
        Ok(())
    }

    /// Begins with a snapshot whose state was carried over to these rules.
    ///
    /// # Errors
    /// As [`Pipeline::restore`].
    pub fn restore_with(&mut self, snapshot: &Snapshot, state: SavedState) -> anyhow::Result<()> {
        let place = || format!("snapshot {}", snapshot.number);
        self.engine.load_state(state).map_err(anyhow::Error::msg).with_context(place)?;
        self.actions.load(&snapshot.actions).map_err(anyhow::Error::msg).with_context(place)?;
        self.actions.keep_rules(|id, version| self.names.contains(&acts_name(id, version)));
        self.source.mark_done(&snapshot.partitions);
        self.number = snapshot.number + 1;
        self.last_owner.clone_from(&snapshot.owner);
        self.in_force = Some(snapshot.in_force.clone());
        Ok(())
    }

    /// This one only makes what a state of other rules lacks, from this batch on.
    pub fn fill(&mut self, state: &SavedState, start: &Start) {
        state.lend(&mut self.engine, start.cut);
        self.is_silent = true;
        self.number = start.number;
    }

    /// The state of the windows.
    ///
    /// # Errors
    /// When it began in the midst of the events and cannot be sure of all that counts.
    pub fn saved_state(&self) -> Result<SavedState, String> {
        if self.engine.is_uncertain() {
            return Err("the batches taken again do not tell for certain which events count".into());
        }
        SavedState::read(&self.engine.save())
    }

    /// From the next batch on these rules speak. Those that did not before begin to: what is noted of them was never said.
    fn come_into_force(&mut self, rules: &BTreeSet<String>) {
        if let Some(before) = self.in_force.replace(rules.clone()) {
            let begins = |rule: &RulePlan| {
                let name = rule_name(&rule.id, &rule.version);
                rules.contains(&name) && !before.contains(&name)
            };
            self.engine.begin_rules(begins);
            self.actions.keep_rules(|id, version| rules.contains(&acts_name(id, version)));
        }
    }

    /// Makes the state that the batches of the log led to, and says nothing meanwhile. Ends early when asked to stop: then
    /// the pipeline must not be used.
    ///
    /// # Errors
    /// When the source does not give the records again.
    pub fn follow(&mut self, log: &[Progress], stop: &AtomicBool) -> anyhow::Result<()> {
        if log.last().is_some_and(|last| last.rules != self.rules) {
            tracing::warn!(
                "rules, parameters or lateness differ from the last run's: what new ones would have said in the past is not said"
            );
        }
        check_order(log, self.number)?;
        for progress in log {
            if stop.load(Ordering::Acquire) {
                return Ok(());
            }
            let records = self.source.take_again(&progress.ranges)?;
            if !progress.in_force.is_empty() {
                self.come_into_force(&progress.in_force);
            }
            self.raise(&progress.ticks);
            self.process(&records);
            self.source.mark_done(&progress.ranges);
            self.number = progress.number + 1;
            self.last_owner.clone_from(&progress.owner);
        }
        Ok(())
    }

    /// The state is whole and this process writes the log from now on.
    ///
    /// # Errors
    /// When the source does not go on.
    pub fn lead(&mut self) -> anyhow::Result<()> {
        self.source.end_again()?;
        self.health.forget_counts();
        self.answered();
        Ok(())
    }

    /// Records that the source no longer had when they were asked for.
    pub fn lost(&self) -> u64 {
        self.source.lost()
    }

    /// Number of the next batch.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// See `Engine::state_hash`.
    pub fn state_hash(&self) -> [u8; 32] {
        self.engine.state_hash()
    }

    /// The state as it is now; `None` when there is none yet.
    pub fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            base: base_hash(&self.pack, &self.config.engine),
            rules: self.names.clone(),
            in_force: self.in_force.as_ref().unwrap_or(&self.names).clone(),
            number: self.number.checked_sub(1)?,
            owner: self.last_owner.clone(),
            waits_for: self.source.waits_for(),
            partitions: self.source.places(),
            state_hash: self.engine.state_hash(),
            engine: self.engine.save(),
            actions: self.actions.save(),
        })
    }

    /// Takes what has arrived and judges it: `None` when nothing has. What comes out must be delivered and then marked by
    /// [`Pipeline::done`], or this process ends.
    pub fn judge(&mut self, wait: Duration) -> Option<Judged> {
        self.hold_back();
        let records = self.source.take(self.config.engine.batch_events_max, wait);
        if let Some(error) = self.source.take_error() {
            self.health.set("kafka source", false, &error);
        }
        // Who waits for a silent partition has no records: its tick is a batch of its own, or all would wait for ever.
        if records.is_empty() && !self.is_full {
            return None;
        }
        let ticks = self.ticks();
        if records.is_empty() && ticks.is_empty() {
            return None;
        }
        let is_changed = self.in_force.as_ref() != Some(&self.names);
        let in_force = if is_changed { self.names.clone() } else { BTreeSet::new() };
        if is_changed {
            self.come_into_force(&in_force);
        }
        self.raise(&ticks);
        let newest = self.engine.newest();
        let messages = self.process(&records);
        let progress = Progress {
            number: self.number,
            ranges: ranges(&records),
            ticks,
            messages: messages.len(),
            newest_us: (newest > i64::MIN).then_some(newest),
            waits_for: if self.number == 0 { self.source.waits_for() } else { Vec::new() },
            rules: self.rules.clone(),
            in_force,
            owner: self.owner.clone(),
        };
        Some(Judged { records: records.len(), messages, progress })
    }

    /// While a delivery takes long.
    pub fn hold(&mut self) {
        self.health.set("kafka sink", false, "waiting for acknowledgements");
        self.source.hold();
    }

    /// The broker has taken something: both ways are open.
    pub fn answered(&self) {
        self.health.set("kafka source", true, "");
        self.health.set("kafka sink", true, "");
    }

    /// The batch is delivered.
    ///
    /// # Errors
    /// When the source does not take that it is done.
    pub fn done(&mut self, judged: Judged) -> anyhow::Result<Turn> {
        self.number += 1;
        self.last_owner = judged.progress.owner;
        self.answered();
        self.source.go_on();
        self.source.mark_done(&judged.progress.ranges);
        self.source.commit(false)?;
        Ok(Turn { records: judged.records, messages: judged.messages, lost: self.source.lost() })
    }

    /// The last act before an orderly end.
    ///
    /// # Errors
    /// When the source does not take what is done.
    pub fn end(&mut self) -> anyhow::Result<()> {
        self.source.commit(true)
    }

    /// Partitions far ahead in event time wait for the others; when memory is full, all that are ahead.
    fn hold_back(&mut self) {
        if self.pack.part.is_some() {
            return;
        }
        let sizes = self.engine.sizes();
        let is_full = sizes.young_rows.max(sizes.event_ids) >= self.config.engine.young_max;
        let skew_us = i64::from(self.config.engine.skew_s) * SECOND_US;
        let ahead = if is_full {
            self.engine.all_but_last()
        } else if skew_us > 0 {
            self.engine.ahead(skew_us, |number| self.source.still_sends(number))
        } else {
            Vec::new()
        };
        if std::mem::replace(&mut self.is_full, is_full) != is_full {
            let why = if is_full { "engine.young_max is reached: waiting for the partitions most behind" } else { "" };
            self.health.set("memory", !is_full, why);
            tracing::warn!(is_full, rows = sizes.young_rows, event_ids = sizes.event_ids, "events that are not final");
        }
        self.health.held_back.store(ahead.len() as u64, Ordering::Relaxed);
        self.source.hold_back(&ahead);
    }

    /// Partitions that have been silent for long, with the bound to raise them to.
    fn ticks(&mut self) -> Vec<Tick> {
        if self.config.engine.idle_s == 0 || self.pack.part.is_some() {
            return Vec::new();
        }
        let silent = self.source.silent(Duration::from_secs(u64::from(self.config.engine.idle_s)));
        let numbers: Vec<usize> = silent.iter().map(|s| s.2).collect();
        let Some(bound_us) = self.engine.tick(&numbers).filter(|_| !silent.is_empty()) else { return Vec::new() };
        silent.into_iter().map(|(topic, partition, _)| Tick { topic, partition, bound_us }).collect()
    }

    fn raise(&mut self, ticks: &[Tick]) {
        for tick in ticks {
            if let Some(number) = self.source.number(&tick.topic, tick.partition) {
                self.engine.raise(number, tick.bound_us);
            }
        }
    }

    /// Judges a batch: everything it causes, in order. The same batches in the same order give the same messages.
    fn process(&mut self, records: &[SourceRecord]) -> Vec<Message> {
        let mut messages = Vec::new();
        // Where the horizon moves, the engine that admitted the events ended a step: so does this one.
        for step in records.split_inclusive(|record| record.horizon_us.is_some()) {
            match step.split_last() {
                Some((SourceRecord { horizon_us: Some(horizon), .. }, events)) => {
                    self.engine.move_horizon(*horizon);
                    self.step(events, &mut messages);
                }
                _ => self.step(step, &mut messages),
            }
        }
        messages
    }

    fn step(&mut self, records: &[SourceRecord], messages: &mut Vec<Message>) {
        let (batches, places) = self.decode(records, messages);
        let before = self.engine.horizon();
        let output = self.engine.step(&batches, &Pool { threads: self.config.engine.shards });
        self.note(&output);
        self.refused(records, &batches, &places, &output, messages);
        self.verdicts(&output, messages);
        if let Some(router) = &self.router {
            for Routed { batch, row, partition } in router.route(&batches, &output.fates) {
                let event_id = event_ids(&batches[batch]).value(row);
                messages.push(wire::event(&records[places[batch][row]], event_id, partition));
            }
            let after = self.engine.horizon();
            if after > before {
                messages.extend((0..router.partitions()).map(|partition| wire::horizon(after, partition)));
            }
        }
    }

    /// Batches, with the place of each of their rows among the records.
    fn decode(&self, records: &[SourceRecord], messages: &mut Vec<Message>) -> (Vec<FeedBatch>, Vec<Vec<usize>>) {
        let mut events: BTreeMap<(usize, Feed), (Vec<Event>, Vec<usize>)> = BTreeMap::new();
        // An event that was admitted before was in time then.
        let checks_future = self.config.engine.refuse_future && self.pack.part.is_none();
        for (place, record) in records.iter().enumerate() {
            let reporter = self.config.kafka.default_reporter.get(record.feed.topic());
            let decoded = decode(
                &Record {
                    bytes: &record.bytes,
                    feed: Some(record.feed),
                    source: record.source.as_deref(),
                    default_reporter: reporter.map(String::as_str),
                    record_time: record.time_us.filter(|_| checks_future),
                },
                &mut Counts::default(),
            );
            match decoded {
                Ok(event) => {
                    let entry = events.entry((record.partition, record.feed)).or_default();
                    entry.0.push(event);
                    entry.1.push(place);
                }
                Err(reject) => {
                    self.health.rejected.fetch_add(1, Ordering::Relaxed);
                    messages.push(wire::rejected(&record.position, &record.bytes, &reject));
                }
            }
        }
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for ((partition, feed), (rows, at)) in events {
            let actions = rows.iter().map(|event| event.action).collect();
            let batch = to_record_batch(feed, feed_schema(feed), &rows);
            batches.push(FeedBatch { feed, partition, batch, actions });
            places.push(at);
        }
        (batches, places)
    }

    fn note(&self, output: &Output) {
        let add = |counter: &std::sync::atomic::AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
        add(&self.health.accepted, output.facts.accepted);
        add(&self.health.duplicates, output.facts.duplicates);
        add(&self.health.confirmations, output.facts.confirmations);
        add(&self.health.replaced, output.facts.replaced);
        add(&self.health.withdrawn, output.facts.withdrawn);
        add(&self.health.late, output.facts.late);
        add(&self.health.faults, output.facts.faults);
        add(&self.health.shed, output.facts.shed);
        let sizes = self.engine.sizes();
        let set = |gauge: &std::sync::atomic::AtomicU64, n: usize| gauge.store(n as u64, Ordering::Relaxed);
        set(&self.health.young_rows, sizes.young_rows);
        set(&self.health.keys, sizes.keys);
        set(&self.health.entries, sizes.entries);
        set(&self.health.event_ids, sizes.event_ids);
        set(&self.health.payments, sizes.payments);
        set(&self.health.texts, sizes.texts);
        self.health.horizon_us.store(self.engine.horizon(), Ordering::Relaxed);
    }

    /// Events that came too late, and corrections that are not accepted.
    fn refused(
        &self,
        records: &[SourceRecord],
        batches: &[FeedBatch],
        places: &[Vec<usize>],
        output: &Output,
        messages: &mut Vec<Message>,
    ) {
        for (batch, row, by_us) in &output.late {
            let (at, of) = (&records[places[*batch][*row]].position, &batches[*batch]);
            messages.push(wire::late(at, of.feed, event_ids(of).value(*row), *by_us));
        }
        for (batch, row) in &output.moved {
            self.health.rejected.fetch_add(1, Ordering::Relaxed);
            let record = &records[places[*batch][*row]];
            let pointer = format!("/{}", record.feed.columns()[1].path);
            messages.push(wire::rejected(&record.position, &record.bytes, &Reject { code: CORRECTION_TIME, pointer }));
        }
    }

    fn verdicts(&mut self, output: &Output, messages: &mut Vec<Message>) {
        for verdict in &output.verdicts {
            let rule = self.pack.rule_at(&verdict.stream, verdict.rule).expect("verdicts come from this pack");
            let is_in_force = |name: String| self.in_force.as_ref().is_none_or(|rules| rules.contains(&name));
            if self.is_silent || !is_in_force(rule_name(&rule.header.id, &rule.version)) {
                continue;
            }
            let detection = &verdict.detection;
            let id = detection_id(&rule.header.id, &rule.version, &detection.event_id, &detection.subject);
            let is_live = rule.header.status == Status::Live;
            messages.push(wire::detection(rule, &id, verdict, !is_live));
            let detected = verdict.state == State::Detected;
            let counter = if detected { &self.health.detections } else { &self.health.retractions };
            counter.fetch_add(1, Ordering::Relaxed);
            // What may miss events must not block anybody or warn the public.
            let acts = is_live && is_in_force(acts_name(&rule.header.id, &rule.version));
            if acts && !(detected && verdict.is_incomplete) {
                let facts = &self.facts[&rule.header.id];
                let verdict = foreshock_actions::Verdict {
                    detection_id: &id,
                    detected,
                    rule: facts,
                    detection: &verdict.detection,
                };
                let acts = self.actions.take(&verdict);
                messages.extend(acts.into_iter().map(|act| act_message(act, &self.health)));
            }
        }
        let acts = self.actions.close_before(self.engine.horizon());
        messages.extend(acts.into_iter().map(|act| act_message(act, &self.health)));
    }
}

fn event_ids(batch: &FeedBatch) -> &StringArray {
    batch.batch.column(0).as_string()
}

fn act_message(act: Act, health: &Health) -> Message {
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.expect("acts are plain data");
    match act {
        Act::Alert(alert) => {
            let (key, payload) = (alert.alert_id.clone(), json(serde_json::to_vec(&alert)));
            Message::new(wire::ALERTS, key, payload)
        }
        Act::BlockingDraft(draft) => {
            health.blocking_drafts.fetch_add(1, Ordering::Relaxed);
            let (key, payload) = (draft.subject.clone(), json(serde_json::to_vec(&draft)));
            Message::new(wire::BLOCKING_DRAFTS, key, payload)
        }
        Act::WarningDraft { key, xml } => {
            health.warning_drafts.fetch_add(1, Ordering::Relaxed);
            Message::new(wire::WARNING_DRAFTS, key, xml.into_bytes())
        }
    }
}

fn rule_facts(rule: &foreshock_compiler::Rule) -> RuleFacts {
    let h = &rule.header;
    RuleFacts {
        id: h.id.clone(),
        version: rule.version.clone(),
        title_zh: h.title.zh.clone(),
        title_en: h.title.en.clone(),
        severity: format!("{:?}", h.severity).to_lowercase(),
        action: match h.action {
            header::Action::Detect => Action::Detect,
            header::Action::Warn => Action::Warn,
            header::Action::Block => Action::Block,
        },
        measure: h.measure.clone(),
        fraud_type: h.fraud_type.clone(),
        legal_basis: h.legal_basis.clone(),
        quiet_us: h.quiet_us(),
    }
}
