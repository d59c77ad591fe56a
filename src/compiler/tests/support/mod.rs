//! Rules of one line, and the files that are shipped.
#![allow(dead_code, clippy::unwrap_used)]

use arrow::array::RecordBatch;
use foreshock_compiler::batch::run_rule;
use foreshock_compiler::{Pack, Problem, RuleFile, Settings, compile};
use foreshock_core::Presence;
use foreshock_core::{Detection, Feed};
use foreshock_engine::{Engine, FeedBatch, Inline, Output, State};
use proptest::prelude::ProptestConfig;
use std::collections::BTreeMap;
use std::path::Path;

/// The SQL files of a folder of `sql/`.
pub fn shipped(folder: &str) -> Vec<RuleFile> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql").join(folder);
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<RuleFile> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .map(|path| file(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

pub fn file(path: &str, text: &str) -> RuleFile {
    RuleFile { path: path.into(), text: text.into() }
}

const HEADER: &str = "/*---\nid: R\ntitle: { zh: 规则, en: rule }\ncategory: flow\nseverity: low\naction: detect\n\
    subject: payer_account\nfraud_type: OTHER\nlegal_basis: [regulation-30]\nowner: test\nstatus: draft\n\
    params:\n  n: { default: 8, min: 1, max: 9 }\n---*/\n";

/// Line of a body's first line.
pub const FIRST: u64 = 15;

/// The file `R.sql` of a rule with this body.
pub fn rule(body: &str) -> RuleFile {
    file("R.sql", &format!("{HEADER}{body}"))
}

/// The header alone, with some text replaced.
pub fn header(from: &str, to: &str) -> String {
    HEADER.replace(from, to)
}

pub const HEAD: &str = "SELECT event_id, event_time, payer_account AS subject";
pub const FRAME: &str = "RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW";

pub fn compiled(body: &str) -> Result<Pack, Vec<Problem>> {
    compile(&[rule(body)], &[], &Settings::default())
}

/// With a view.
pub fn compiled_over(view: &str, body: &str) -> Result<Pack, Vec<Problem>> {
    compile(&[rule(body)], &[file("view.sql", view)], &Settings::default())
}

pub fn problems(body: &str) -> Vec<Problem> {
    compiled(body).err().unwrap_or_default()
}

pub fn text(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{p}\n")).collect()
}

/// The rule is refused with this word, at this line and column.
pub fn assert_refused_at(body: &str, word: &str, line: u64, column: u64) {
    let found = problems(body);
    let told =
        found.iter().any(|p| p.message.contains(word) && (p.line, p.column) == (line, column) && p.file == "R.sql");
    assert!(told, "{body}\nis not refused for `{word}` at {line}:{column}:\n{}", text(&found));
}

/// The rows of a case file's first case.
pub fn rows(yaml: &str) -> BTreeMap<Feed, RecordBatch> {
    foreshock_compiler::cases::read(yaml).unwrap()[0].batches().unwrap()
}

/// What the first rule of a pack says as a batch.
pub fn batch(pack: &Pack, rows: &BTreeMap<Feed, RecordBatch>) -> Result<Vec<Detection>, String> {
    let rows = rows.iter().map(|(feed, rows)| (*feed, vec![rows.clone()])).collect();
    let rows = foreshock_compiler::batch::tables(&rows).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let found = runtime.block_on(run_rule(pack, &pack.rules[0], &rows, 1));
    found.map_err(|e| e.to_string())
}

/// What it says live, with so many rows in a step; and the faults that were counted.
pub fn live(pack: &Pack, rows: &BTreeMap<Feed, RecordBatch>, cut: usize) -> (Vec<Detection>, u64) {
    let mut engine = Engine::new(pack.plan.clone(), 1, &vec![Presence::Expected; rows.len()], |_| i64::MAX / 4);
    let mut standing = BTreeMap::new();
    let mut faults = 0;
    let mut take = |output: Output| {
        faults += output.facts.faults;
        for verdict in output.verdicts {
            let key = (verdict.detection.event_time, verdict.detection.event_id.clone());
            match verdict.state {
                State::Detected => standing.insert(key, verdict.detection),
                State::Retracted => standing.remove(&key),
            };
        }
    };
    for (partition, (feed, rows)) in rows.iter().enumerate() {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = cut.min(rows.num_rows() - from);
            let batch = rows.slice(from, count);
            take(engine.step(&[FeedBatch { feed: *feed, partition, batch, actions: Vec::new() }], &Inline));
            from += count;
        }
    }
    take(engine.finish());
    (standing.into_values().collect(), faults)
}

/// So many random tries, or as many as `PROPTEST_CASES` says.
pub fn tries(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { default } else { ProptestConfig { cases, ..default } }
}
