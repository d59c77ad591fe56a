//! `replay` and `backtest`: one rule text, two executors.

use crate::cli::Exit;
use crate::cli::options::RuleOptions;
use crate::cli::output::decided;
use crate::offline::files::{Files, for_each_batch};
use crate::offline::kept::Kept;
use crate::offline::live::{Conditions, LiveRun, engine_for, run_live};
use crate::offline::net::Net;
use crate::offline::standing::{FactFiles, FactTables};
use crate::ops::pool::Pool;
use crate::rules::currencies::Currencies;
use anyhow::Context;
use foreshock_compiler::Pack;
use foreshock_core::time::{SECOND_US, parse_rfc3339};
use foreshock_engine::PackPlan;
use std::io::{BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `foreshock replay`
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Event files: NDJSON, `.gz`, Parquet.
    #[arg(required_unless_present = "history", conflicts_with = "history")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    history: HistoryOption,
    #[command(flatten)]
    rules: RuleOptions,
    /// Key ranges per window group, and threads.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Events in a micro-batch.
    #[arg(long, default_value_t = foreshock_core::limits::BATCH_EVENTS_MAX, conflicts_with = "history")]
    batch: usize,
    /// How late an event may come, in seconds.
    #[arg(long, default_value_t = 120, conflicts_with = "history")]
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
    #[command(flatten)]
    history: HistoryOption,
    #[command(flatten)]
    rules: RuleOptions,
    /// Write the result here, as NDJSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// A history in place of files.
#[derive(Debug, clap::Args)]
struct HistoryOption {
    /// In place of files the history that `serve` keeps (`history.dir`).
    #[arg(long, value_name = "DIR")]
    history: Option<String>,
    /// Detections from this event time on, such as 2026-11-01T00:00:00Z; what the windows need of before is read too.
    #[arg(long, value_name = "TIME", requires = "history", value_parser = time)]
    from: Option<i64>,
    /// Detections before this event time.
    #[arg(long, value_name = "TIME", requires = "history", value_parser = time)]
    to: Option<i64>,
}

impl HistoryOption {
    fn open(&self, pack: &Pack) -> anyhow::Result<Option<Kept>> {
        let open = |place| Kept::open(place, pack.plan.reach_us(), (self.from, self.to)).context(Exit::Invalid);
        self.history.as_deref().map(open).transpose()
    }
}

impl Replay {
    /// Runs the command.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let Some(pack) = self.rules.load()? else { return Ok(Exit::Invalid) };
        anyhow::ensure!(self.batch > 0 && self.shards > 0, "--batch and --shards must be at least 1");
        if let Some(kept) = self.history.open(&pack)? {
            return self.over_history(&pack, &kept);
        }
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
        compare(&run, &batch, exit)
    }

    fn over_history(&self, pack: &Pack, kept: &Kept) -> anyhow::Result<Exit> {
        let run = kept.run_live(pack, self.shards)?;
        write_out(self.out.as_deref(), &run.net)?;
        println!("{kept}");
        if self.compare {
            return compare(&run, &kept.detections(pack)?, Exit::Ok);
        }
        summary(&run);
        Ok(Exit::Ok)
    }
}

/// Says what the run gave and the batch did not, or the other way round.
fn compare(run: &LiveRun, batch: &Net, exit: Exit) -> anyhow::Result<Exit> {
    let differences = run.net.differences(batch);
    let exit = decided(if differences.is_empty() { exit } else { Exit::Findings });
    summary(run);
    for difference in differences.iter().take(50) {
        println!("{difference}");
    }
    println!("compare: {} live, {} batch, {} differences", run.net.rows.len(), batch.rows.len(), differences.len());
    Ok(exit)
}

impl Backtest {
    /// Runs the command.
    ///
    /// # Errors
    /// When files cannot be read or written, or a rule fails.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let Some(pack) = self.rules.load()? else { return Ok(Exit::Invalid) };
        if let Some(kept) = self.history.open(&pack)? {
            return self.over_history(&pack, &kept);
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
    fn over_history(&self, pack: &Pack, kept: &Kept) -> anyhow::Result<Exit> {
        let start = Instant::now();
        let net = kept.detections(pack)?;
        let seconds = start.elapsed().as_secs_f64();
        write_out(self.out.as_deref(), &net)?;
        println!("{kept}, {} rules, {seconds:.2} s", pack.rules.len());
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
    let mut engine = engine_for(PackPlan::default(), 1, &files.firsts(), i64::MAX);
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
