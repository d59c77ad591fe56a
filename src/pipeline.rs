//! The corridor of a live process: records in, engine, acts, delivery, and offsets last.

use crate::config::{self, Config};
use crate::health::Health;
use crate::pool::Pool;
use crate::progress::{Progress, Resume, Tick, ranges};
use crate::sinks::kafka::KafkaSink;
use crate::sinks::wire::{self, Message, Position};
use crate::snapshot::Snapshot;
use crate::sources::kafka::{KafkaRecord, KafkaSource};
use foreshock_actions::{Act, Action, Actions, RuleFacts, Settings, detection_id};
use foreshock_compiler::{Pack, Status, feed_schema, header};
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{Engine, FeedBatch, Output, State};
use foreshock_feeds::{CORRECTION_TIME, Counts, Event, Record, Reject, decode, to_record_batch};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A live process.
pub struct Pipeline {
    config: Config,
    pack: Pack,
    engine: Engine,
    actions: Actions,
    facts: BTreeMap<String, RuleFacts>,
    source: KafkaSource,
    sink: KafkaSink,
    health: Arc<Health>,
    /// Number of the next batch.
    number: u64,
    rules: String,
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

impl Pipeline {
    /// Puts the parts together.
    pub fn new(config: Config, pack: Pack, source: KafkaSource, sink: KafkaSink, health: Arc<Health>) -> Pipeline {
        let lateness = |feed| i64::from(config.engine.lateness_s(feed)) * SECOND_US;
        let engine = Engine::new(pack.plan.clone(), config.engine.shards, source.presence(), lateness);
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
        let rules = rules_hash(&pack, &config.engine);
        Pipeline { config, pack, engine, actions, facts, source, sink, health, number: 0, rules }
    }

    /// Makes the state again that the batches of the log led to, and says nothing meanwhile. Ends early when asked to
    /// stop: then the state is not whole and the pipeline must not run.
    ///
    /// # Errors
    /// When the broker does not give the records again.
    pub fn recover(&mut self, resume: &Resume, stop: &AtomicBool) -> anyhow::Result<()> {
        if let Some(snapshot) = &resume.snapshot {
            let broken = |error: String| anyhow::anyhow!("snapshot {}: {error}; remove it", snapshot.number);
            self.engine.load(&snapshot.engine).map_err(broken)?;
            self.actions.load(&snapshot.actions).map_err(broken)?;
            self.source.mark_done(&snapshot.partitions);
            self.number = snapshot.number + 1;
        }
        let log = &resume.log;
        if log.last().is_some_and(|last| last.rules != self.rules) {
            tracing::warn!(
                "rules, parameters or lateness differ from the last run's: windows are made again for the new ones; \
                 what they would have said in the past is not said"
            );
        }
        for progress in log {
            if stop.load(Ordering::Acquire) {
                return Ok(());
            }
            let records = self.source.take_again(&progress.ranges)?;
            self.raise(&progress.ticks);
            self.process(&records);
            self.source.mark_done(&progress.ranges);
            self.number = progress.number + 1;
        }
        self.source.end_again()?;
        self.health.forget_counts();
        Ok(())
    }

    /// Records that the broker no longer had when they were asked for.
    pub fn lost(&self) -> u64 {
        self.source.lost
    }

    /// Runs until `stop` is set; what was taken is finished first.
    ///
    /// # Errors
    /// When something cannot be delivered.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        mut on_turn: impl FnMut(&Turn) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let every = Duration::from_secs(u64::from(self.config.snapshots.every_s));
        let mut last = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let turn = self.turn()?;
            on_turn(&turn)?;
            if last.elapsed() >= every {
                self.snapshot();
                last = Instant::now();
            }
        }
        self.snapshot();
        self.source.commit_last()
    }

    /// Writes the state down. A failure is loud, but detection goes on: the log still has everything.
    fn snapshot(&self) {
        let folder = &self.config.snapshots.dir;
        if folder.as_os_str().is_empty() || self.number == 0 {
            return;
        }
        let start = Instant::now();
        let snapshot = Snapshot {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            rules: self.rules.clone(),
            number: self.number - 1,
            partitions: self.source.places(),
            engine: self.engine.save(),
            actions: self.actions.save(),
        };
        match snapshot.write(folder) {
            Ok(bytes) => {
                let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(batch = snapshot.number, bytes, millis, "snapshot");
                self.health.set("snapshots", true, "");
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "no snapshot: a start will take longer");
                self.health.set("snapshots", false, &format!("{error:#}"));
            }
        }
    }

    /// One micro-batch: take, judge, act, deliver, commit.
    fn turn(&mut self) -> anyhow::Result<Turn> {
        let records = self.source.take(self.config.engine.batch_events_max, Duration::from_millis(100));
        match self.source.take_error() {
            Some(error) => self.health.set("kafka source", false, &error),
            None => self.health.set("kafka source", true, ""),
        }
        if records.is_empty() {
            return Ok(Turn { lost: self.source.lost, ..Turn::default() });
        }
        let ticks = self.ticks();
        self.raise(&ticks);
        let messages = self.process(&records);
        let progress = Progress {
            number: self.number,
            ranges: ranges(&records),
            ticks,
            messages: messages.len(),
            waits_for: if self.number == 0 { self.source.waits_for() } else { Vec::new() },
            rules: self.rules.clone(),
        };
        let (source, health) = (&mut self.source, &self.health);
        self.sink.deliver(&messages, &progress, || {
            health.set("kafka sink", false, "waiting for acknowledgements");
            source.hold();
        })?;
        self.number += 1;
        health.set("kafka sink", true, "");
        source.go_on();
        source.commit(&records)?;
        Ok(Turn { records: records.len(), messages, lost: self.source.lost })
    }

    /// Partitions that have been silent for long, with the bound to raise them to.
    fn ticks(&mut self) -> Vec<Tick> {
        if self.config.engine.idle_s == 0 {
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
    fn process(&mut self, records: &[KafkaRecord]) -> Vec<Message> {
        let mut messages = Vec::new();
        let (batches, positions) = self.decode(records, &mut messages);
        let output = self.engine.step(&batches, &Pool { threads: self.config.engine.shards });
        self.note(&output);
        self.messages(records, &batches, &positions, &output, &mut messages);
        messages
    }

    #[allow(clippy::type_complexity)] // batches with the position of each of their rows
    fn decode(&self, records: &[KafkaRecord], messages: &mut Vec<Message>) -> (Vec<FeedBatch>, Vec<Vec<Position>>) {
        let mut events: BTreeMap<(usize, Feed), (Vec<Event>, Vec<Position>)> = BTreeMap::new();
        for record in records {
            let reporter = self.config.kafka.default_reporter.get(&record.position.topic);
            let decoded = decode(
                &Record {
                    bytes: &record.bytes,
                    feed: Some(record.feed),
                    source: record.source.as_deref(),
                    default_reporter: reporter.map(String::as_str),
                    record_time: record.time_us.filter(|_| self.config.engine.refuse_future),
                },
                &mut Counts::default(),
            );
            match decoded {
                Ok(event) => {
                    let entry = events.entry((record.partition, record.feed)).or_default();
                    entry.0.push(event);
                    entry.1.push(record.position.clone());
                }
                Err(reject) => {
                    self.health.rejected.fetch_add(1, Ordering::Relaxed);
                    messages.push(wire::rejected(&record.position, &record.bytes, &reject));
                }
            }
        }
        let (mut batches, mut positions) = (Vec::new(), Vec::new());
        for ((partition, feed), (rows, at)) in events {
            let actions = rows.iter().map(|event| event.action).collect();
            let batch = to_record_batch(feed, feed_schema(feed), &rows);
            batches.push(FeedBatch { feed, partition, batch, actions });
            positions.push(at);
        }
        (batches, positions)
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
        let sizes = self.engine.sizes();
        let set = |gauge: &std::sync::atomic::AtomicU64, n: usize| gauge.store(n as u64, Ordering::Relaxed);
        set(&self.health.young_rows, sizes.young_rows);
        set(&self.health.keys, sizes.keys);
        set(&self.health.event_ids, sizes.event_ids);
        set(&self.health.payments, sizes.payments);
        set(&self.health.texts, sizes.texts);
        self.health.horizon_us.store(self.engine.horizon(), Ordering::Relaxed);
    }

    fn messages(
        &mut self,
        records: &[KafkaRecord],
        batches: &[FeedBatch],
        positions: &[Vec<Position>],
        output: &Output,
        messages: &mut Vec<Message>,
    ) {
        for (batch, row, by_us) in &output.late {
            let ids = arrow::array::AsArray::as_string::<i32>(batches[*batch].batch.column(0));
            messages.push(wire::late(&positions[*batch][*row], ids.value(*row), *by_us));
        }
        for (batch, row) in &output.moved {
            self.health.rejected.fetch_add(1, Ordering::Relaxed);
            let (at, feed) = (&positions[*batch][*row], batches[*batch].feed);
            let record = records.iter().find(|r| r.position == *at).expect("positions are those of the records");
            let pointer = format!("/{}", feed.columns()[1].path);
            messages.push(wire::rejected(at, &record.bytes, &Reject { code: CORRECTION_TIME, pointer }));
        }
        for verdict in &output.verdicts {
            let rule = self.pack.rule_at(&verdict.stream, verdict.rule).expect("verdicts come from this pack");
            let id = detection_id(&rule.header.id, &rule.version, &verdict.detection.event_id);
            let is_live = rule.header.status == Status::Live;
            messages.push(wire::detection(rule, &id, verdict, !is_live));
            let detected = verdict.state == State::Detected;
            let counter = if detected { &self.health.detections } else { &self.health.retractions };
            counter.fetch_add(1, Ordering::Relaxed);
            if is_live {
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

/// Hash of all that changes what the same events lead to.
pub fn rules_hash(pack: &Pack, engine: &config::Engine) -> String {
    let mut hasher = Sha256::new();
    Feed::ALL.into_iter().for_each(|feed| hasher.update(engine.lateness_s(feed).to_le_bytes()));
    for rule in &pack.rules {
        hasher.update(format!("{}={};", rule.header.id, rule.version));
    }
    hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn act_message(act: Act, health: &Health) -> Message {
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.expect("acts are plain data");
    match act {
        Act::Alert(alert) => {
            let (key, payload) = (alert.alert_id.clone(), json(serde_json::to_vec(&alert)));
            Message { topic: wire::ALERTS, key, payload }
        }
        Act::BlockingDraft(draft) => {
            health.blocking_drafts.fetch_add(1, Ordering::Relaxed);
            let (key, payload) = (draft.subject.clone(), json(serde_json::to_vec(&draft)));
            Message { topic: wire::BLOCKING_DRAFTS, key, payload }
        }
        Act::WarningDraft { key, xml } => {
            health.warning_drafts.fetch_add(1, Ordering::Relaxed);
            Message { topic: wire::WARNING_DRAFTS, key, payload: xml.into_bytes() }
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
