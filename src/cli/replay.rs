//! `replay` and `backtest`: one rule text, two executors.

use crate::cli::Exit;
use crate::cli::options::RuleOptions;
use crate::cli::output::decided;
use crate::offline::files::Loaded;
use crate::offline::net::Net;
use crate::offline::standing::Standing;
use crate::ops::leaders::{Leader, Leaders};
use crate::ops::pool::Pool;
use crate::rules::currencies::Currencies;
use anyhow::Context;
use arrow::array::RecordBatch;
use foreshock_compiler::Pack;
use foreshock_core::time::SECOND_US;
use foreshock_core::{Feed, Presence};
use foreshock_engine::{Engine, Output, PackPlan, Sizes, StepFacts};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
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
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleOptions,
    /// Write the result here, as NDJSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a live run over files gives.
#[derive(Debug)]
pub struct Run {
    /// Detections that stand at the end.
    pub net: Net,
    /// Counts.
    pub facts: StepFacts,
    /// Retractions published on the way.
    pub retractions: u64,
    /// Revisions published on the way.
    pub revisions: u64,
    /// Accepted events, for the batch.
    pub standing: Standing,
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

/// How a live run is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Key ranges and threads.
    pub shards: usize,
    /// Events of a micro-batch.
    pub batch: usize,
    /// Lateness in microseconds.
    pub lateness_us: i64,
    /// Keep the accepted events for a comparison.
    pub keep_accepted: bool,
}

/// Runs the live engine over loaded files.
pub fn run_live(pack: &Pack, loaded: &Loaded, cut: Cut, mut progress: impl FnMut(u64)) -> Run {
    let mut engine =
        Engine::new(pack.plan.clone(), cut.shards, &vec![Presence::Expected; loaded.partition_count()], |_| {
            cut.lateness_us
        });
    let pool = Pool { threads: cut.shards };
    let latency = Histogram::new_with_bounds(1, 60 * 1_000_000, 3).expect("fixed bounds are valid");
    let mut run = Run {
        net: Net::default(),
        facts: StepFacts::default(),
        retractions: 0,
        revisions: 0,
        standing: Standing::default(),
        latency,
        engine_seconds: 0.0,
        sizes: Sizes::default(),
        weight: (0, 0),
        currencies: Currencies::of(pack),
        leaps: Vec::new(),
    };
    let mut leaders = Leaders::default();
    for batches in loaded.batches(cut.batch) {
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
        if cut.keep_accepted {
            run.standing.take(&output);
        }
        take(pack, output, &mut run);
        progress(events as u64);
    }
    (run.sizes, run.weight) = (engine.sizes(), engine.weigh_windows());
    let output = engine.finish();
    take(pack, output, &mut run);
    run
}

fn note_leap(leaps: &mut Vec<(Leader, u64)>, leader: Option<&Leader>) {
    let Some(leader) = leader.filter(|leader| leader.is_a_leap()) else { return };
    match leaps.iter_mut().find(|(known, _)| known == leader) {
        Some((_, count)) => *count += 1,
        None => leaps.push((leader.clone(), 1)),
    }
}

fn take(pack: &Pack, output: Output, run: &mut Run) {
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
        let loaded = Loaded::read(&self.files)?;
        report_refused(&loaded);
        let bar = indicatif::ProgressBar::new(loaded.event_count() as u64);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let lateness_us = i64::from(self.lateness) * SECOND_US;
        let cut = Cut { shards: self.shards, batch: self.batch, lateness_us, keep_accepted: self.compare };
        let mut run = run_live(&pack, &loaded, cut, |n| bar.inc(n));
        bar.finish_and_clear();
        // Before anything is printed: who reads that may go away.
        write_out(self.out.as_deref(), &run.net)?;
        let is_refused = !loaded.refused.is_empty() || !run.leaps.is_empty();
        let exit = decided(if is_refused { Exit::Refused } else { Exit::Ok });
        if !self.compare {
            summary(&run);
            return Ok(exit);
        }
        let batch = Net::of_batch(&pack, &std::mem::take(&mut run.standing).facts())?;
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
        let loaded = Loaded::read(&self.files)?;
        report_refused(&loaded);
        let start = Instant::now();
        let net = Net::of_batch(&pack, &all_facts(&loaded))?;
        let seconds = start.elapsed().as_secs_f64();
        write_out(self.out.as_deref(), &net)?;
        let exit = decided(if loaded.refused.is_empty() { Exit::Ok } else { Exit::Refused });
        let mut currencies = Currencies::of(&pack);
        for batch in loaded.batches(foreshock_core::limits::BATCH_EVENTS_MAX).flatten() {
            currencies.note(&batch);
        }
        println!("{} events, {} rules, {seconds:.2} s", loaded.event_count(), pack.rules.len());
        print_counts(&net);
        currencies.hint().into_iter().for_each(|hint| println!("{hint}"));
        Ok(exit)
    }
}

/// What counts when nothing is too late: an engine without rules settles duplicates and corrections.
fn all_facts(loaded: &Loaded) -> BTreeMap<Feed, Vec<RecordBatch>> {
    let partitions = vec![Presence::Expected; loaded.partition_count()];
    let mut engine = Engine::new(PackPlan::default(), 1, &partitions, |_| i64::MAX);
    let mut standing = Standing::default();
    for batches in loaded.batches(foreshock_core::limits::BATCH_EVENTS_MAX) {
        standing.take(&engine.step(&batches, &Pool { threads: 1 }));
    }
    standing.facts()
}

fn report_refused(loaded: &Loaded) {
    for refused in loaded.refused.iter().take(20) {
        eprintln!("refused {} {} {}: {}", refused.place, refused.code, refused.pointer, refused.reason);
    }
    if !loaded.refused.is_empty() {
        eprintln!("refused in all: {} of {}", loaded.refused.len(), loaded.refused.len() + loaded.event_count());
    }
    let counts = &loaded.counts;
    if counts.unknown_codes + counts.unknown_fields > 0 {
        eprintln!(
            "{} codes of open lists were not known and became OTHER; {} fields are read by no feed",
            counts.unknown_codes, counts.unknown_fields
        );
    }
}

fn summary(run: &Run) {
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
