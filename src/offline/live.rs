//! A live run over micro-batches that do not come from Kafka: those of files, or of a history.

use crate::offline::files::{Files, for_each_batch};
use crate::offline::net::Net;
use crate::offline::standing::FactFiles;
use crate::ops::leaders::{Leader, Leaders};
use crate::ops::pool::Pool;
use crate::rules::currencies::Currencies;
use foreshock_compiler::Pack;
use foreshock_core::Presence;
use foreshock_engine::{Engine, FeedBatch, Output, PackPlan, Sizes, State, StepFacts};
use hdrhistogram::Histogram;
use std::time::Instant;

/// What a live run gives.
pub struct LiveRun {
    /// Detections that stand at the end.
    pub net: Net,
    /// Counts.
    pub facts: StepFacts,
    /// Retractions published on the way.
    pub retractions: u64,
    /// Revisions published on the way.
    pub revisions: u64,
    /// Accepted events, for the batch, where they were asked for.
    pub facts_that_count: Option<FactFiles>,
    /// Microseconds from batch to verdicts, one entry for each event.
    pub latency: Histogram<u64>,
    /// Time spent in the engine.
    pub engine_seconds: f64,
    /// What the engine held after the last event.
    pub sizes: Sizes,
    /// Entries of all window logs then, and the bytes of the windows' state.
    pub weight: (u64, usize),
    /// Payments that no rule asks for.
    pub currencies: Currencies,
    /// Who made events late, by a leap: how many.
    pub leaps: Vec<(Leader, u64)>,
}

/// How a live run is made.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// Key ranges and threads.
    pub shards: usize,
    /// Lateness in microseconds.
    pub lateness_us: i64,
    /// Keep the accepted events for a comparison.
    pub keep_accepted: bool,
}

/// Runs the live engine over files.
///
/// # Errors
/// When they cannot be read, or the accepted events not be kept.
pub fn run_live(
    pack: &Pack,
    files: &Files,
    conditions: Conditions,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<LiveRun> {
    let engine = engine_for(pack.plan.clone(), conditions.shards, &files.firsts(), conditions.lateness_us);
    let mut running = Running::new(pack, engine, conditions.shards);
    running.run.facts_that_count = conditions.keep_accepted.then(FactFiles::new).transpose()?;
    for_each_batch(files, |batches, ended| {
        let events = running.step(&batches)?;
        running.go_past_ended(&ended);
        progress(events);
        Ok(())
    })?;
    Ok(running.finish())
}

/// A live run under way.
pub struct Running<'a> {
    pack: &'a Pack,
    engine: Engine,
    pool: Pool,
    leaders: Leaders,
    run: LiveRun,
}

impl Running<'_> {
    /// With an engine that has judged nothing, in so many threads.
    pub fn new(pack: &Pack, engine: Engine, threads: usize) -> Running<'_> {
        let latency = Histogram::new_with_bounds(1, 60 * 1_000_000, 3).expect("fixed bounds are valid");
        let run = LiveRun {
            net: Net::default(),
            facts: StepFacts::default(),
            retractions: 0,
            revisions: 0,
            facts_that_count: None,
            latency,
            engine_seconds: 0.0,
            sizes: Sizes::default(),
            weight: (0, 0),
            currencies: Currencies::of(pack),
            leaps: Vec::new(),
        };
        Running { pack, engine, pool: Pool { threads }, leaders: Leaders::default(), run }
    }

    /// Judges a micro-batch; how many events it had.
    ///
    /// # Errors
    /// When the accepted events cannot be kept.
    pub fn step(&mut self, batches: &[FeedBatch]) -> anyhow::Result<u64> {
        let events = batches.iter().map(|b| b.batch.num_rows()).sum::<usize>() as u64;
        let start = Instant::now();
        let output = self.engine.step(batches, &self.pool);
        let taken = start.elapsed();
        let run = &mut self.run;
        run.engine_seconds += taken.as_secs_f64();
        run.latency.saturating_record_n(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX).max(1), events);
        for batch in batches {
            self.leaders.note(batch);
            run.currencies.note(batch);
        }
        for (batch, _, _) in &output.late {
            note_leap(&mut run.leaps, self.leaders.of(batches[*batch].partition));
        }
        if let Some(facts) = &mut run.facts_that_count {
            facts.take(&output)?;
        }
        take(self.pack, output, run);
        Ok(events)
    }

    /// No event before this time comes any more, for an engine behind another one.
    pub fn move_horizon(&mut self, horizon_us: i64) {
        self.engine.move_horizon(horizon_us);
    }

    /// Nothing waits for a source partition that is at its end.
    fn go_past_ended(&mut self, ended: &[usize]) {
        let Some(bound_us) = self.engine.tick(ended) else { return };
        ended.iter().for_each(|partition| self.engine.raise(*partition, bound_us));
    }

    /// Nothing more comes.
    pub fn finish(mut self) -> LiveRun {
        (self.run.sizes, self.run.weight) = (self.engine.sizes(), self.engine.weigh_windows());
        take(self.pack, self.engine.finish(), &mut self.run);
        self.run
    }
}

/// An engine whose horizon waits for no source partition that has not begun: its first event says how far back it reaches.
pub fn engine_for(plan: PackPlan, shards: usize, firsts: &[i64], lateness_us: i64) -> Engine {
    let mut engine = Engine::new(plan, shards, &vec![Presence::Expected; firsts.len()], |_| lateness_us);
    for (partition, first_us) in firsts.iter().enumerate() {
        engine.raise(partition, first_us.saturating_sub(lateness_us));
    }
    engine
}

fn note_leap(leaps: &mut Vec<(Leader, u64)>, leader: Option<&Leader>) {
    let Some(leader) = leader.filter(|leader| leader.is_a_leap()) else { return };
    match leaps.iter_mut().find(|(known, _)| known == leader) {
        Some((_, count)) => *count += 1,
        None => leaps.push((leader.clone(), 1)),
    }
}

fn take(pack: &Pack, output: Output, run: &mut LiveRun) {
    for verdict in &output.verdicts {
        match verdict.state {
            State::Retracted => run.retractions += 1,
            State::Detected => run.revisions += u64::from(verdict.revision > 1),
        }
        run.net.apply(pack, verdict);
    }
    run.facts.accepted += output.facts.accepted;
    run.facts.duplicates += output.facts.duplicates;
    run.facts.confirmations += output.facts.confirmations;
    run.facts.payment_clashes += output.facts.payment_clashes;
    run.facts.replaced += output.facts.replaced;
    run.facts.withdrawn += output.facts.withdrawn;
    run.facts.moved += output.facts.moved;
    run.facts.late += output.facts.late;
    run.facts.faults += output.facts.faults;
}
