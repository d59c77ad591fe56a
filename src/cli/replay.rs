//! `replay` and `backtest`: one rule text, two executors.

use crate::cli::Exit;
use crate::cli::options::RuleOptions;
use crate::cli::output::decided;
use crate::offline::files::{Files, for_each_batch};
use crate::offline::kept::Kept;
use crate::offline::net::Net;
use crate::offline::standing::{FactFiles, FactTables};
use crate::ops::leaders::{Leader, Leaders};
use crate::ops::pool::Pool;
use crate::rules::currencies::Currencies;
use anyhow::Context;
use foreshock_compiler::Pack;
use foreshock_core::Presence;
use foreshock_core::time::{SECOND_US, parse_rfc3339};
use foreshock_engine::{Engine, Output, PackPlan, Sizes, StepFacts};
use hdrhistogram::Histogram;
use std::io::{BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `foreshock replay`
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Event files: NDJSON, `.gz`, Parquet.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleOptions,
    /// Key ranges per window group, and threads.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Events in a micro-batch.
    #[arg(long, default_value_t = foreshock_core::limits::BATCH_EVENTS_MAX)]
    batch: usize,
    /// How late an event may come, in seconds.
    #[arg(long, default_value_t = 120)]
    lateness: u32,
    /// Write the net result here, as NDJSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Run the batch too and compare.
    #[arg(long)]
    compare: bool,
}

/// `foreshock backtest`
#[derive(Debug, clap::Args)]
pub struct Backtest {
    /// Event files: NDJSON, `.gz`, Parquet.
    #[arg(required_unless_present = "history", conflicts_with = "history")]
    files: Vec<PathBuf>,
    /// In their place the history that `serve` keeps (`history.dir`).
    #[arg(long, value_name = "DIR")]
    history: Option<String>,
    /// Detections from this event time on, such as 2026-11-01T00:00:00Z; what the windows need of before is read too.
    #[arg(long, value_name = "TIME", requires = "history", value_parser = time)]
    from: Option<i64>,
    /// Detections before this event time.
    #[arg(long, value_name = "TIME", requires = "history", value_parser = time)]
    to: Option<i64>,
    #[command(flatten)]
    rules: RuleOptions,
    /// Write the result here, as NDJSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a live run over files gives.
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
    let mut engine = engine_for(pack.plan.clone(), conditions.shards, files, conditions.lateness_us);
    let pool = Pool { threads: conditions.shards };
    let latency = Histogram::new_with_bounds(1, 60 * 1_000_000, 3).expect("fixed bounds are valid");
    let mut run = LiveRun {
        net: Net::default(),
        facts: StepFacts::default(),
        retractions: 0,
        revisions: 0,
        facts_that_count: conditions.keep_accepted.then(FactFiles::new).transpose()?,
        latency,
        engine_seconds: 0.0,
        sizes: Sizes::default(),
        weight: (0, 0),
        currencies: Currencies::of(pack),
        leaps: Vec::new(),
    };
    let mut leaders = Leaders::default();
    for_each_batch(files, |batches, ended| {
        let events: usize = batches.iter().map(|b| b.batch.num_rows()).sum();
        let start = Instant::now();
        let output = engine.step(&batches, &pool);
        let taken = start.elapsed();
        run.engine_seconds += taken.as_secs_f64();
        let micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX).max(1);
        run.latency.saturating_record_n(micros, events as u64);
        for batch in &batches {
            leaders.note(batch);
            run.currencies.note(batch);
        }
        for (batch, _, _) in &output.late {
            note_leap(&mut run.leaps, leaders.of(batches[*batch].partition));
        }
        if let Some(facts) = &mut run.facts_that_count {
            facts.take(&output)?;
        }
        take(pack, output, &mut run);
        go_past_ended(&mut engine, &ended);
        progress(events as u64);
        Ok(())
    })?;
    (run.sizes, run.weight) = (engine.sizes(), engine.weigh_windows());
    let output = engine.finish();
    take(pack, output, &mut run);
    Ok(run)
}

/// An engine whose horizon waits for no file that has not begun: its first event says how far back it reaches.
fn engine_for(plan: PackPlan, shards: usize, files: &Files, lateness_us: i64) -> Engine {
    let firsts = files.firsts();
    let mut engine = Engine::new(plan, shards, &vec![Presence::Expected; firsts.len()], |_| lateness_us);
    for (partition, first_us) in firsts.into_iter().enumerate() {
        engine.raise(partition, first_us.saturating_sub(lateness_us));
    }
    engine
}

/// Nothing waits for a file that is at its end.
fn go_past_ended(engine: &mut Engine, ended: &[usize]) {
    let Some(bound_us) = engine.tick(ended) else { return };
    ended.iter().for_each(|partition| engine.raise(*partition, bound_us));
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
            foreshock_engine::State::Retracted => run.retractions += 1,
            foreshock_engine::State::Detected => run.revisions += u64::from(verdict.revision > 1),
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

impl Replay {
    /// Runs the command.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let Some(pack) = self.rules.load()? else { return Ok(Exit::Invalid) };
        anyhow::ensure!(self.batch > 0 && self.shards > 0, "--batch and --shards must be at least 1");
        let files = Files::read(&self.files, self.batch)?;
        report_refused(&files);
        let bar = indicatif::ProgressBar::new(files.events);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let lateness_us = i64::from(self.lateness) * SECOND_US;
        let conditions = Conditions { shards: self.shards, lateness_us, keep_accepted: self.compare };
        let mut run = run_live(&pack, &files, conditions, |n| bar.inc(n))?;
        bar.finish_and_clear();
        // Before anything is printed: who reads that may go away.
        write_out(self.out.as_deref(), &run.net)?;
        let is_refused = files.findings.refused > 0 || !run.leaps.is_empty();
        let exit = decided(if is_refused { Exit::Refused } else { Exit::Ok });
        let Some(facts) = run.facts_that_count.take() else {
            summary(&run);
            return Ok(exit);
        };
        let batch = Net::of_tables(&pack, &facts.finish()?.tables)?;
        let differences = run.net.differences(&batch);
        let exit = decided(if differences.is_empty() { exit } else { Exit::Findings });
        summary(&run);
        for difference in differences.iter().take(50) {
            println!("{difference}");
        }
        println!("compare: {} live, {} batch, {} differences", run.net.rows.len(), batch.rows.len(), differences.len());
        Ok(exit)
    }
}

impl Backtest {
    /// Runs the command.
    ///
    /// # Errors
    /// When files cannot be read or written, or a rule fails.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let Some(pack) = self.rules.load()? else { return Ok(Exit::Invalid) };
        if let Some(place) = &self.history {
            return self.over_history(&pack, place);
        }
        let files = Files::read(&self.files, foreshock_core::limits::BATCH_EVENTS_MAX)?;
        report_refused(&files);
        let mut currencies = Currencies::of(&pack);
        let facts = all_facts(&files, &mut currencies)?;
        let start = Instant::now();
        let net = Net::of_tables(&pack, &facts.tables)?;
        let seconds = start.elapsed().as_secs_f64();
        write_out(self.out.as_deref(), &net)?;
        let exit = decided(if files.findings.refused == 0 { Exit::Ok } else { Exit::Refused });
        println!("{} events, {} rules, {seconds:.2} s", files.events, pack.rules.len());
        print_counts(&net);
        currencies.hint().into_iter().for_each(|hint| println!("{hint}"));
        Ok(exit)
    }
}

impl Backtest {
    fn over_history(&self, pack: &Pack, place: &str) -> anyhow::Result<Exit> {
        let start = Instant::now();
        let kept = Kept::open(place, pack.plan.reach_us(), (self.from, self.to)).context(Exit::Invalid)?;
        let net = kept.detections(pack)?;
        let seconds = start.elapsed().as_secs_f64();
        write_out(self.out.as_deref(), &net)?;
        let batch = kept.batch.map_or("no batch".into(), |number| format!("batch {number}"));
        println!("history up to {batch}, {} events in all, {} rules, {seconds:.2} s", kept.events, pack.rules.len());
        print_counts(&net);
        Ok(Exit::Ok)
    }
}

/// A time of an event, in microseconds.
fn time(text: &str) -> Result<i64, String> {
    parse_rfc3339(text).ok_or_else(|| "write a time like 2026-11-01T00:00:00Z".to_owned())
}

/// What counts when nothing is too late: an engine without rules settles duplicates and corrections.
fn all_facts(files: &Files, currencies: &mut Currencies) -> anyhow::Result<FactTables> {
    let mut engine = engine_for(PackPlan::default(), 1, files, i64::MAX);
    let mut facts = FactFiles::new()?;
    for_each_batch(files, |batches, _| {
        for batch in &batches {
            currencies.note(batch);
        }
        facts.take(&engine.step(&batches, &Pool { threads: 1 }))
    })?;
    facts.finish()
}

fn report_refused(files: &Files) {
    let findings = &files.findings;
    for refused in &findings.first_refused {
        eprintln!("refused {} {} {}: {}", refused.place, refused.code, refused.pointer, refused.reason);
    }
    if findings.refused > 0 {
        eprintln!("refused in all: {} of {}", findings.refused, findings.refused + files.events);
    }
    let counts = &findings.counts;
    if counts.unknown_codes + counts.unknown_fields > 0 {
        eprintln!(
            "{} codes of open lists were not known and became OTHER; {} fields are read by no feed",
            counts.unknown_codes, counts.unknown_fields
        );
    }
}

fn summary(run: &LiveRun) {
    let facts = &run.facts;
    #[allow(clippy::cast_precision_loss)] // a rate for people
    let rate = facts.accepted as f64 / run.engine_seconds.max(1e-9);
    println!(
        "{} events accepted, {} duplicates, {} late, {} faults; {:.2} s in the engine, {rate:.0} events/s",
        facts.accepted, facts.duplicates, facts.late, facts.faults, run.engine_seconds
    );
    if facts.payment_clashes > 0 {
        println!(
            "{} payments name another one's UETR and are not its confirmation (a bank's repeats too): they count",
            facts.payment_clashes
        );
    }
    if facts.confirmations + facts.replaced + facts.withdrawn + facts.moved > 0 {
        println!(
            "{} confirmations by the other bank, {} facts replaced, {} withdrawn, {} corrections refused for another time",
            facts.confirmations, facts.replaced, facts.withdrawn, facts.moved
        );
    }
    let at = |quantile| run.latency.value_at_quantile(quantile);
    println!(
        "batch to verdict: p50 {} us, p99 {} us, p99.9 {} us, max {} us",
        at(0.5),
        at(0.99),
        at(0.999),
        run.latency.max()
    );
    println!(
        "{} detections stand; on the way {} retractions, {} revisions",
        run.net.rows.len(),
        run.retractions,
        run.revisions
    );
    let s = &run.sizes;
    println!(
        "held at the end: {} young rows, {} keys with {} entries, {} event ids, {} texts",
        s.young_rows, s.keys, s.entries, s.event_ids, s.texts
    );
    let (entries, bytes) = run.weight;
    println!("windows: {entries} live entries in {} MB", bytes >> 20);
    print_counts(&run.net);
    run.currencies.hint().into_iter().for_each(|hint| println!("{hint}"));
    for (leader, count) in &run.leaps {
        println!("{count} events came too late because of {leader} ({}): a wrong clock?", leader.event_id);
    }
}

fn print_counts(net: &Net) {
    for (rule, count) in net.counts() {
        println!("  {rule:<10} {count}");
    }
}

fn write_out(path: Option<&Path>, net: &Net) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut writer = BufWriter::new(file);
    net.write(&mut writer)?;
    std::io::Write::flush(&mut writer)?;
    Ok(())
}
