//! `evaluate`: detections against labels: the truth of a generated day, or those of others by a mapping.

use crate::cli::Exit;
use crate::cli::options::RuleOptions;
use crate::cli::output::{Output, OutputOption, print, print_json};
use crate::offline::quality::judge::{Report, RuleFacts, judge};
use crate::offline::quality::labels::{LabelMapping, of_truth};
use crate::offline::quality::{By, Case, Row, plot, table};
use crate::offline::reading::open;
use crate::offline::rules_page::word;
use anyhow::{Context, bail};
use foreshock_compiler::{Pack, header};
use foreshock_core::time::parse_rfc3339;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// `foreshock evaluate`
#[derive(Debug, clap::Args)]
pub struct Evaluate {
    /// Net detections: `--out` of replay or backtest.
    detections: PathBuf,
    /// Truth: truth.ndjson of `gen`.
    #[arg(long, conflicts_with_all = ["labels", "mapping"])]
    truth: Option<PathBuf>,
    /// Labels of others: CSV, packed with gzip or not.
    #[arg(long, requires = "mapping")]
    labels: Option<PathBuf>,
    /// What the columns of the labels are (docs/mappings.md).
    #[arg(long, requires = "labels")]
    mapping: Option<PathBuf>,
    /// Detections before this time do not count, nor cases that end before it: the first days of a feed.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Least share of frauds found, in percent; below it the command exits 1.
    #[arg(long, default_value_t = 0)]
    min_recall: usize,
    /// Writes found.svg and delay.svg into this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleOptions,
    #[command(flatten)]
    output: OutputOption,
}

impl Evaluate {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let (by, cases) = self.cases()?;
        let from_us = match &self.from {
            Some(text) => parse_rfc3339(text).with_context(|| format!("--from {text}: write 2026-03-02T10:00:00Z"))?,
            None => i64::MIN,
        };
        let Some(pack) = self.rules.load()? else { return Ok(Exit::Findings) };
        let facts = facts(&pack);
        let report = judge(by, &cases, &rows(&self.detections)?, &facts, from_us);
        if let Some(dir) = &self.svg {
            plot::write(&report, dir)?;
        }
        let (found, all) = report.frauds.values().fold((0, 0), |(f, a), kind| (f + kind.found, a + kind.cases));
        show(self.output.output, &report, &facts, (found, all));
        Ok(if found * 100 < self.min_recall * all { Exit::Findings } else { Exit::Ok })
    }

    fn cases(&self) -> anyhow::Result<(By, Vec<Case>)> {
        match (&self.truth, &self.labels, &self.mapping) {
            (Some(truth), ..) => Ok((By::Event, of_truth(truth)?)),
            (None, Some(labels), Some(mapping)) => LabelMapping::read(mapping)?.cases(labels),
            _ => bail!("name what is right: --truth of `gen`, or --labels with --mapping"),
        }
    }
}

/// What is known of the rules.
fn facts(pack: &Pack) -> BTreeMap<String, RuleFacts> {
    let of = |rule: &foreshock_compiler::Rule| {
        let h = &rule.header;
        let acts = h.status == header::Status::Live && h.action != header::Action::Detect;
        (h.id.clone(), RuleFacts { status: word(&h.status), acts })
    };
    pack.rules.iter().map(of).collect()
}

fn show(output: Output, report: &Report, facts: &BTreeMap<String, RuleFacts>, (found, all): (usize, usize)) {
    if output == Output::Json {
        return print_json(report);
    }
    let (names, rows) = table::kinds(report);
    print(output, &names, &rows);
    println!();
    let (names, rows) = table::rules(report, facts);
    print(output, &names, &rows);
    let acted: usize = report.frauds.values().map(|kind| kind.acted).sum();
    println!("\nfrauds found: {found} of {all}; by rules that act: {acted}");
}

fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let parse = |(n, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("{}:{}", path.display(), n + 1))
    };
    open(path)?.lines().enumerate().map(parse).collect()
}
