//! `evaluate`: detections against the truth of a generated day.

use crate::cli::Exit;
use crate::offline::reading::open;
use anyhow::Context;
use foreshock_core::time::{SECOND_US, parse_rfc3339};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// `foreshock evaluate`
#[derive(Debug, clap::Args)]
pub struct Evaluate {
    /// Net detections: `--out` of replay or backtest.
    detections: PathBuf,
    /// Truth: truth.ndjson of `gen`.
    #[arg(long)]
    truth: PathBuf,
    /// Least share of fraud stories found, in percent; below it the command exits 1.
    #[arg(long, default_value_t = 0)]
    min_recall: usize,
}

#[derive(Debug, Deserialize)]
struct Story {
    scenario: String,
    fraud: bool,
    event_ids: Vec<String>,
    first: String,
}

#[derive(Debug, Deserialize)]
struct Row {
    rule_id: String,
    event_id: String,
    event_time: String,
    values: BTreeMap<String, serde_json::Value>,
}

impl Row {
    /// The event itself, also where a view made two rows of it.
    fn source(&self) -> &str {
        let named = self.values.get("source_event_id").and_then(serde_json::Value::as_str);
        named.unwrap_or_else(|| self.event_id.split('#').next().unwrap_or_default())
    }
}

#[derive(Debug, Default)]
struct Tally {
    stories: usize,
    found: usize,
    delays_s: Vec<i64>,
    rules: BTreeSet<String>,
}

impl Evaluate {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let stories: Vec<Story> = read(&self.truth)?;
        let rows: Vec<Row> = read(&self.detections)?;
        let mut by_event: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &rows {
            by_event.entry(row.source()).or_default().push(row);
        }
        let mut tallies: BTreeMap<(bool, &str), Tally> = BTreeMap::new();
        let mut fraud_events = BTreeSet::new();
        for story in &stories {
            let tally = tallies.entry((!story.fraud, &story.scenario)).or_default();
            tally.stories += 1;
            let hits: Vec<&Row> =
                story.event_ids.iter().filter_map(|id| by_event.get(id.as_str())).flatten().copied().collect();
            tally.rules.extend(hits.iter().map(|r| r.rule_id.clone()));
            let first_hit = hits.iter().filter_map(|r| parse_rfc3339(&r.event_time)).min();
            if let (Some(hit), Some(first)) = (first_hit, parse_rfc3339(&story.first)) {
                tally.found += 1;
                tally.delays_s.push((hit - first) / SECOND_US);
            }
            if story.fraud {
                fraud_events.extend(story.event_ids.iter().map(String::as_str));
            }
        }
        print_stories(&tallies);
        print_rules(&rows, &fraud_events);
        let fraud = tallies.iter().filter(|((honest, _), _)| !honest);
        let (found, all) = fraud.fold((0, 0), |(f, a), (_, t)| (f + t.found, a + t.stories));
        println!("fraud stories found: {found} of {all}");
        Ok(if found * 100 < self.min_recall * all { Exit::Findings } else { Exit::Ok })
    }
}

fn print_stories(tallies: &BTreeMap<(bool, &str), Tally>) {
    println!("{:<22} {:>7} {:>6} {:>16}  rules that spoke", "story", "told", "hit", "median seconds");
    for ((honest, scenario), tally) in tallies {
        let mut delays = tally.delays_s.clone();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2).map_or("-".into(), ToString::to_string);
        let name = if *honest { format!("(honest) {scenario}") } else { (*scenario).to_owned() };
        let rules: Vec<&str> = tally.rules.iter().map(String::as_str).collect();
        println!("{name:<22} {:>7} {:>6} {median:>16}  {}", tally.stories, tally.found, rules.join(" "));
    }
}

fn print_rules(rows: &[Row], fraud_events: &BTreeSet<&str>) {
    let mut rules: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let entry = rules.entry(&row.rule_id).or_default();
        entry.1 += 1;
        entry.0 += usize::from(fraud_events.contains(row.source()));
    }
    println!("{:<10} {:>10} {:>10} {:>10}", "rule", "detections", "in fraud", "precision");
    for (rule, (right, all)) in rules {
        println!("{rule:<10} {all:>10} {right:>10} {:>9}%", right * 100 / all);
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<Vec<T>> {
    let parse = |(n, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("{}:{}", path.display(), n + 1))
    };
    open(path)?.lines().enumerate().map(parse).collect()
}
