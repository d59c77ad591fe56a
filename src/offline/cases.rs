//! Runs a rule's test cases: as a stream in two cuts, and as a batch; all three must be as expected.

use crate::offline::net::Net;
use crate::ops::pool::Pool;
use crate::rules::files::cases_of;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use foreshock_compiler::cases::{Case, lacking, read_file};
use foreshock_compiler::{Pack, RuleFile, Settings, compile};
use foreshock_core::time::DAY_US;
use foreshock_core::{Detection, Feed, Presence};
use foreshock_engine::{Engine, FeedBatch};
use std::collections::BTreeMap;
use std::path::Path;

/// The outcome of a rule's cases.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Cases that hold.
    pub passed: usize,
    /// What does not, by case.
    pub failures: Vec<String>,
    /// Cases that expect a detection.
    pub firing: usize,
    /// Cases that expect none.
    pub silent: usize,
}

/// Runs the cases beside a rule file.
///
/// # Errors
/// When the case file cannot be read.
pub fn run(rule: &RuleFile, views: &[RuleFile]) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let (path, text) = cases_of(rule);
    let Some(text) = text else {
        outcome.failures.push(format!("{} is not there: a rule needs a firing and a silent case", path.display()));
        return Ok(outcome);
    };
    let cases = match read_file(&path.display().to_string(), &text) {
        Ok(cases) => cases,
        Err(problem) => {
            outcome.failures.push(problem.to_string());
            return Ok(outcome);
        }
    };
    outcome.failures.extend(lacking(&cases).into_iter().map(|what| format!("{}: {what}", path.display())));
    for case in &cases {
        *(if case.expect.is_empty() { &mut outcome.silent } else { &mut outcome.firing }) += 1;
        match check(rule, views, case) {
            Ok(()) => outcome.passed += 1,
            Err(problems) => {
                outcome.failures.push(format!("{}: {}\n    {}", path.display(), case.name, problems.join("\n    ")))
            }
        }
    }
    Ok(outcome)
}

fn check(rule: &RuleFile, views: &[RuleFile], case: &Case) -> Result<(), Vec<String>> {
    let one = |text: String| vec![text];
    let mut settings = Settings::default();
    let stem = Path::new(&rule.path).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    for (name, value) in &case.params {
        settings.of_rule.insert((stem.clone(), name.clone()), value.to_string());
    }
    let pack = compile(std::slice::from_ref(rule), views, &settings)
        .map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let events = case.batches().map_err(one)?;
    let all = events.iter().map(|(feed, rows)| (*feed, vec![rows.clone()])).collect();
    let by_batch = Net::of_batch(&pack, &all).map_err(|e| one(format!("{e:#}")))?;
    let by_batch: Vec<Detection> = by_batch.rows.into_values().map(|(detection, _)| detection).collect();
    case.compare(&by_batch).map_err(|p| label(p, "batch"))?;
    for cut in [1, usize::MAX] {
        let live = run_live(&pack, &events, cut);
        case.compare(&live).map_err(|p| label(p, if cut == 1 { "live, one by one" } else { "live, in one batch" }))?;
        if live != by_batch {
            return Err(one("live and batch differ in a value that the case does not name".into()));
        }
    }
    Ok(())
}

fn label(problems: Vec<String>, side: &str) -> Vec<String> {
    problems.into_iter().map(|p| format!("{side}: {p}")).collect()
}

/// What stands after the live engine has seen some events, so many at once. Feeds are played one after the other: the lateness
/// covers them all.
pub fn run_live(pack: &Pack, events: &BTreeMap<Feed, RecordBatch>, cut: usize) -> Vec<Detection> {
    let times = |rows: &RecordBatch| {
        let times = rows.column_by_name("event_time").expect("every feed has it");
        times.as_primitive::<TimestampMicrosecondType>().values().to_vec()
    };
    let all: Vec<i64> = events.values().flat_map(times).collect();
    let span = all.iter().max().zip(all.iter().min()).map_or(0, |(last, first)| last.saturating_sub(*first));
    let mut engine =
        Engine::new(pack.plan.clone(), 1, &vec![Presence::Expected; events.len()], |_| span.saturating_add(DAY_US));
    let mut net = Net::default();
    let pool = Pool { threads: 1 };
    let mut take = |output: foreshock_engine::Output| output.verdicts.iter().for_each(|v| net.apply(pack, v));
    for (partition, (feed, rows)) in events.iter().enumerate() {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = cut.min(rows.num_rows() - from);
            take(engine.step(
                &[FeedBatch { feed: *feed, partition, batch: rows.slice(from, count), actions: Vec::new() }],
                &pool,
            ));
            from += count;
        }
    }
    take(engine.finish());
    net.rows.into_values().map(|(detection, _)| detection).collect()
}
