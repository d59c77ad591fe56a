//! The corridor of a live process: records in, engine, acts, messages out. Delivery is between [`Pipeline::judge`] and
//! [`Pipeline::done`]; offsets come last. The next batch may be judged while one is delivered: where that fails, so does the
//! process, and nothing of the next is delivered.

use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::ops::latency::Timing;
use crate::ops::pool::Pool;
use crate::rules::identity::rules_hash;
use crate::rules::work::Work;
use crate::state::snapshot::Snapshot;
use crate::writer::decode::Decoder;
use crate::writer::flow::{Flow, raise};
use crate::writer::outcome::Outcome;
use crate::writer::register::Desk;
use anyhow::Context;
use foreshock_core::Fate;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{Cut, Engine, Routed, Router, SavedState};
use foreshock_log::{
    BATCH, EVENTS, Kind, Log, Message, Progress, Source, SourceRecord, check_order, event, horizon, ranges,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Most records of a batch of the register: more commands than people give while it is away.
const REGISTER_BATCH_MAX: usize = 50_000;

/// Records in, messages out. The same batches give the same state and the same messages.
pub struct Pipeline<S> {
    config: Config,
    router: Option<Arc<Router>>,
    decoder: Decoder,
    flow: Flow,
    engine: Engine,
    outcome: Outcome,
    /// Only of the register of blocking requests: then there are no rules.
    desk: Option<Desk>,
    source: S,
    health: Arc<Health>,
    /// Number of the next batch.
    number: u64,
    log: Log,
    /// Hash of what snapshots hang on, and of the rules.
    base: String,
    rules: String,
    /// Name of this process.
    owner: String,
    /// Name of the one that took the last batch.
    last_owner: String,
    /// Kafka's ids of the topics, as the log has them.
    topics: BTreeMap<String, String>,
    /// How long the records of this batch were decoded.
    decoding: Duration,
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
    /// When what was done.
    timing: Timing,
}

impl<S: Source> Pipeline<S> {
    /// Puts the parts together.
    pub fn new(config: Config, work: Work, source: S, owner: String, health: Arc<Health>) -> Pipeline<S> {
        let (log, base) = (work.log(), work.base(&config.engine));
        let Work { pack, router, keys } = work;
        let lateness = |feed| i64::from(config.engine.lateness_s(feed)) * SECOND_US;
        let (shards, limits) = (config.engine.shards, config.engine.limits());
        let is_behind = pack.part.is_some();
        let engine = if is_behind {
            Engine::behind(pack.plan.clone(), shards, limits)
        } else {
            Engine::bounded(pack.plan.clone(), shards, &source.presence(), lateness, limits)
        };
        let rules = rules_hash(&pack, &config.engine);
        Pipeline {
            decoder: Decoder::new(&config, &pack, health.clone()),
            flow: Flow::new(&config.engine, is_behind, health.clone()),
            outcome: Outcome::new(pack, config.warnings.issuer(), health.clone()),
            config,
            router,
            engine,
            desk: keys.map(Desk::new),
            source,
            health,
            number: 0,
            log,
            base,
            rules,
            owner,
            last_owner: String::new(),
            topics: BTreeMap::new(),
            decoding: Duration::ZERO,
        }
    }

    /// Begins with a saved state of the same rules.
    ///
    /// # Errors
    /// When it does not fit: the pipeline must not be used then.
    pub fn restore(&mut self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let state = SavedState::read_format(&snapshot.engine, snapshot.engine_format).map_err(anyhow::Error::msg)?;
        self.restore_with(snapshot, state)?;
        // A state of an earlier form is another one now: its bytes were checked when the snapshot was read.
        let is_same = snapshot.engine_format < SavedState::FORMAT || self.state_hash() == snapshot.state_hash;
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
        match &mut self.desk {
            Some(desk) => desk.load(&snapshot.actions).map_err(anyhow::Error::msg).with_context(place)?,
            None => {
                let restored = self.outcome.restore(&snapshot.actions, &snapshot.in_force);
                restored.map_err(anyhow::Error::msg).with_context(place)?;
            }
        }
        self.source.topics_in_log(&snapshot.topics)?;
        self.topics.clone_from(&snapshot.topics);
        self.source.mark_done(&snapshot.partitions, &snapshot.topics);
        self.number = snapshot.number + 1;
        self.last_owner.clone_from(&snapshot.owner);
        Ok(())
    }

    /// This one only makes what a state of other rules lacks, from this batch on.
    pub fn fill(&mut self, state: &SavedState, start: &Start) {
        state.lend(&mut self.engine, start.cut);
        self.outcome.is_silent = true;
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
            if !progress.topics.is_empty() {
                self.topics.clone_from(&progress.topics);
                self.source.topics_in_log(&progress.topics)?;
            }
            let records = self.source.take_again(&progress.ranges)?;
            self.check_whole()?;
            self.take_new_partitions();
            if let Some(in_force) = &progress.in_force {
                // Said when it was written.
                let before = progress.in_force_before.as_ref();
                drop(self.outcome.come_into_force(in_force, before, &mut self.engine));
            }
            raise(&mut self.engine, &self.source, &progress.ticks);
            if let (Some(desk), Some(policy)) = (&mut self.desk, &progress.policy) {
                desk.set_policy(serde_json::from_value(policy.clone()).context("the policy of a batch")?);
            }
            // Said when it was done.
            self.process(&records, progress.clock_us, &mut Vec::new());
            self.source.mark_done(&progress.ranges, &self.topics);
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
        self.check_whole()?;
        self.health.forget_counts();
        self.outcome.forget_counts();
        self.answered();
        Ok(())
    }

    /// A register that lacks records would refuse to lift what is in force, and stop an account a third time: it does not begin.
    fn check_whole(&self) -> anyhow::Result<()> {
        let lost = self.source.lost();
        anyhow::ensure!(
            self.desk.is_none() || lost == 0,
            "the register of blocking requests lacks {lost} records that the broker no longer has: restore them or a snapshot after them. \
             To begin with nothing, knowing that what is in force can then not be lifted from here, make topic `{}` anew",
            self.log.topic()
        );
        Ok(())
    }

    /// Records that the source no longer had when they were asked for.
    pub fn lost(&self) -> u64 {
        self.source.lost()
    }

    /// Most records of a batch. One of the register takes whatever waits, so that a lift is out with it.
    pub fn batch_max(&self) -> usize {
        if self.desk.is_some() { REGISTER_BATCH_MAX } else { self.config.engine.batch_events_max }
    }

    /// Number of the next batch.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Of the same state the same: see `Engine::state_hash`.
    pub fn state_hash(&self) -> [u8; 32] {
        let of_register = |desk: &Desk| *blake3::hash(&desk.save()).as_bytes();
        self.desk.as_ref().map_or_else(|| self.engine.state_hash(), of_register)
    }

    /// The state as it is now; `None` when there is none yet. Only when every batch that was judged is done is it one that the log
    /// leads to.
    pub fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            meaning: Snapshot::MEANING,
            base: self.base.clone(),
            rules: self.outcome.names.clone(),
            in_force: self.outcome.in_force.as_ref().unwrap_or(&self.outcome.names).clone(),
            number: self.number.checked_sub(1)?,
            owner: self.last_owner.clone(),
            waits_for: self.source.waits_for(),
            partitions: self.source.places(),
            topics: self.topics.clone(),
            state_hash: self.state_hash(),
            engine_format: SavedState::FORMAT,
            engine: self.engine.save(),
            actions: self.desk.as_ref().map_or_else(|| self.outcome.actions.save(), Desk::save),
        })
    }

    /// Partitions that were added to the topics.
    fn take_new_partitions(&mut self) {
        let presence = self.source.presence();
        self.engine.add_partitions(&presence[self.engine.partition_count().min(presence.len())..]);
    }

    /// Takes what has arrived and judges it: `None` when nothing has. What comes out must be delivered and then marked by
    /// [`Pipeline::done`], or this process ends.
    ///
    /// # Errors
    /// When the source cannot go on: a topic was made anew, an end of a partition was lost.
    pub fn judge(&mut self, wait: Duration) -> anyhow::Result<Option<Judged>> {
        self.flow.hold_back(&self.engine, &mut self.source);
        let mut records = self.source.take(self.batch_max(), wait);
        if self.desk.is_some() {
            // In the order in which a process that takes the batch again gets them.
            records.sort_by_key(|record| record.partition);
            self.check_whole()?;
        }
        let taken = Instant::now();
        if let Some(fault) = self.source.fault() {
            return Err(fault);
        }
        self.take_new_partitions();
        if let Some(error) = self.source.take_error() {
            self.health.set("kafka source", false, &error);
        }
        let clock_us = self.desk.as_mut().map(|desk| desk.clock(self.source.now_us(), &records));
        let is_due = self.desk.as_ref().zip(clock_us).is_some_and(|(desk, clock_us)| desk.is_due(clock_us));
        if records.is_empty() && !self.flow.needs_ticks() && !is_due {
            return Ok(None);
        }
        let ticks = if self.desk.is_some() { Vec::new() } else { self.flow.ticks(&self.engine, &mut self.source) };
        if records.is_empty() && ticks.is_empty() && !is_due {
            return Ok(None);
        }
        let in_force = self.outcome.is_changed().then(|| self.outcome.names.clone());
        let in_force_before = in_force.as_ref().and(self.outcome.in_force.clone());
        let mut messages = match &in_force {
            Some(names) => self.outcome.come_into_force(names, None, &mut self.engine),
            None => Vec::new(),
        };
        self.topics = self.source.topics();
        raise(&mut self.engine, &self.source, &ticks);
        let newest = self.engine.newest();
        self.decoding = Duration::ZERO;
        let policy = self.desk.as_mut().and_then(|desk| {
            let policy = desk.new_policy()?;
            desk.set_policy(policy.clone());
            serde_json::to_value(policy).ok()
        });
        let fates = self.process(&records, clock_us, &mut messages);
        let (results, horizon) = (self.mark(&mut messages), self.engine.horizon());
        let (ranges, fates) = ranges(&records, &fates);
        let progress = Progress {
            number: self.number,
            ranges,
            // Another log has them.
            fates: if self.log == Log::Engine { fates } else { Vec::new() },
            ticks,
            messages: messages.len(),
            results,
            horizon_us: (horizon > i64::MIN).then_some(horizon),
            newest_us: (newest > i64::MIN).then_some(newest),
            waits_for: if self.number == 0 { self.source.waits_for() } else { Vec::new() },
            clock_us,
            policy,
            rules: self.rules.clone(),
            in_force,
            in_force_before,
            owner: self.owner.clone(),
            topics: self.topics.clone(),
        };
        self.number += 1;
        self.last_owner.clone_from(&self.owner);
        let record_times_us = records.iter().filter_map(|record| record.time_us).collect();
        let (judged, count) = (Instant::now(), records.len() as u64);
        let timing = Timing { taken, decoding: self.decoding, judged, record_times_us, records: count };
        Ok(Some(Judged { records: records.len(), messages, progress, timing }))
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
        self.answered();
        self.source.go_on();
        self.source.mark_done(&judged.progress.ranges, &judged.progress.topics);
        self.source.commit(false)?;
        self.health.lost.store(self.source.lost(), Ordering::Relaxed);
        self.health.latency.note(&judged.timing);
        Ok(Turn { records: judged.records, messages: judged.messages, lost: self.source.lost() })
    }

    /// The last act before an orderly end.
    ///
    /// # Errors
    /// When the source does not take what is done.
    pub fn end(&mut self) -> anyhow::Result<()> {
        self.source.commit(true)
    }

    /// Judges a batch: everything it causes, in order, and what became of each record of the last step. The same batches in
    /// the same order give the same messages.
    fn process(&mut self, records: &[SourceRecord], clock_us: Option<i64>, messages: &mut Vec<Message>) -> Vec<Fate> {
        let mut fates = Vec::new();
        if let Some(desk) = &mut self.desk {
            desk.take(records, clock_us.unwrap_or_default(), messages);
            self.health.note_requests(&desk.take_tally(), desk.counts());
            return fates;
        }
        // Where the horizon moves, the engine that admitted the events ended a step: so does this one.
        for step in records.split_inclusive(|record| matches!(record.kind, Kind::Horizon(_))) {
            match step.split_last() {
                Some((SourceRecord { kind: Kind::Horizon(horizon), .. }, events)) => {
                    self.engine.move_horizon(*horizon);
                    self.step(events, messages);
                }
                _ => fates = self.step(step, messages),
            }
        }
        fates
    }

    /// Says in each result of which batch it is, and counts them by topic.
    fn mark(&self, messages: &mut [Message]) -> BTreeMap<String, usize> {
        let (log, mut results) = (self.log.name(), BTreeMap::new());
        for (place, message) in messages.iter_mut().enumerate().filter(|(_, message)| message.topic != EVENTS) {
            message.headers.push((BATCH, format!("{log}/{}/{place}", self.number)));
            *results.entry(message.topic.clone().into_owned()).or_insert(0) += 1;
        }
        results
    }

    fn step(&mut self, records: &[SourceRecord], messages: &mut Vec<Message>) -> Vec<Fate> {
        let start = Instant::now();
        let decoded = self.decoder.decode(records, messages);
        self.decoding += start.elapsed();
        let before = self.engine.horizon();
        let bounds: Vec<i64> = (0..self.engine.partition_count()).map(|p| self.engine.bound(p)).collect();
        let output = self.engine.step(&decoded.batches, &Pool { threads: self.config.engine.shards });
        for (partition, _) in bounds.iter().enumerate().filter(|(p, bound)| self.engine.bound(*p) > **bound) {
            self.source.moved(partition);
        }
        let after = self.engine.horizon();
        self.health.note(&output.facts, &self.engine.sizes(), after);
        self.decoder.not_admitted(&decoded, &output, messages);
        self.outcome.of(&output, after, messages);
        if let Some(router) = &self.router {
            for Routed { batch, row, partition } in router.route(&decoded.batches, &output.fates) {
                messages.push(event(decoded.record(batch, row), decoded.event_id(batch, row), partition));
            }
            if after > before {
                messages.extend((0..router.partitions()).map(|partition| horizon(after, partition)));
            }
        }
        decoded.fates(&output)
    }
}
