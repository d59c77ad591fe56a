//! The law `live == batch` cannot see what DataFusion itself gets wrong: both executors plan by it. A third engine, DuckDB,
//! answers random rules and the shipped ones over the same events; what differs is a fault, or is refused by name.
//!
//! `FORESHOCK_DUCKDB_CASES=2000 cargo test --test duckdb` for more; a seed that fails is printed. Needs Python with `duckdb`.
#![allow(clippy::unwrap_used)]

#[path = "support/process.rs"]
mod process;
mod support;

use foreshock::offline::files::Files;
use foreshock::offline::net::Net;
use foreshock::offline::standing::Standing;
use foreshock::rules::files::{Choice, load};
use foreshock_compiler::{Pack, RuleFile, Settings, compile};
use foreshock_core::time::SECOND_US;
use foreshock_core::{Detection, Feed, Presence, Value};
use foreshock_engine::{Engine, Inline};
use foreshock_feeds::Event;
use parquet::arrow::ArrowWriter;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use support::{Arrival, Random, VIEWS, arrivals, decoded, rule};

type Facts = BTreeMap<Feed, Vec<arrow::array::RecordBatch>>;

/// DuckDB in a Python process.
struct Oracle {
    child: Child,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Oracle {
    /// `None`, with a notice, where Python or DuckDB is missing (in CI that is a failure).
    fn start() -> Option<Oracle> {
        let has_duckdb = Command::new("python3").args(["-c", "import duckdb"]).stderr(Stdio::null()).status();
        if !has_duckdb.is_ok_and(|status| status.success()) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "Python with duckdb is required in CI");
            println!("SKIPPED: no Python with duckdb");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/duckdb/oracle.py");
        let mut python = Command::new("python3");
        let mut child = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Oracle { child, answers, folder: tempfile::tempdir().unwrap() })
    }

    /// The rows of a rule by event id.
    fn ask(&mut self, pack: &Pack, facts: &Facts) -> Result<BTreeMap<String, Json>, String> {
        let mut tables = BTreeMap::new();
        for feed in Feed::ALL {
            let path = self.folder.path().join(format!("{}.parquet", feed.table()));
            let schema = foreshock_compiler::feed_schema(feed);
            let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema, None).unwrap();
            facts.get(&feed).into_iter().flatten().for_each(|rows| writer.write(rows).unwrap());
            writer.close().unwrap();
            tables.insert(feed.table(), path.display().to_string());
        }
        let rule = &pack.rules[0];
        let params: BTreeMap<&String, String> =
            rule.params.iter().map(|(name, value)| (name, value.to_string())).collect();
        let params: BTreeMap<&String, Json> = params
            .into_iter()
            .map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or(Json::String(text))))
            .collect();
        let case = json!({ "sql": rule.sql, "views": pack.views, "tables": tables, "params": params });
        writeln!(self.child.stdin.as_mut().unwrap(), "{case}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        let Some(rows) = answer["rows"].as_array() else { return Err(answer["error"].to_string()) };
        Ok(rows.iter().map(|row| (row["event_id"].as_str().unwrap().to_owned(), row.clone())).collect())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Sums of floats depend on their order, so statistics agree up to that.
fn is_same(ours: &Value, theirs: &Json) -> bool {
    match ours {
        Value::Null => theirs.is_null(),
        Value::Int(v) | Value::Time(v) => theirs.as_i64() == Some(*v),
        Value::Text(v) => theirs.as_str() == Some(v),
        Value::Bool(v) => theirs.as_bool() == Some(*v),
        Value::Double(v) => theirs.as_f64().is_some_and(|t| (t - v).abs() <= 1e-9 * v.abs().max(1.0)),
    }
}

fn difference(ours: &Net, theirs: &BTreeMap<String, Json>) -> Option<String> {
    let ours: BTreeMap<&String, &Detection> = ours.rows.values().map(|(d, _)| (&d.event_id, d)).collect();
    if let Some(id) = theirs.keys().find(|id| !ours.contains_key(id)) {
        return Some(format!("only DuckDB has {id}: {}", theirs[id]));
    }
    for (id, detection) in ours {
        let Some(row) = theirs.get(id) else { return Some(format!("DuckDB does not have {id}: {detection:?}")) };
        let wrong = detection.values.iter().find(|(name, value)| !is_same(value, &row[name.as_str()]));
        if let Some((name, value)) = wrong {
            return Some(format!("{id}: `{name}` is {value:?}, in DuckDB {}", row[name.as_str()]));
        }
    }
    None
}

/// The facts that count of events, one partition for each of `partitions`.
fn facts(events: Vec<(usize, Event)>) -> Facts {
    let mut files: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
    events.into_iter().for_each(|(partition, event)| files.entry(partition).or_default().push(event));
    let files = Files::of_events(files.into_values(), 1_000).unwrap();
    let presence = vec![Presence::Expected; files.firsts().len()];
    let mut engine = Engine::new(foreshock_engine::PackPlan::default(), 1, &presence, |_| 400 * 86_400 * SECOND_US);
    let mut standing = Standing::default();
    for batches in files.batches().unwrap().map(Result::unwrap) {
        standing.take(&engine.step(&batches, &Inline));
    }
    standing.facts()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn duckdb_gives_the_same_answers_to_random_rules_in_every_spelling_of_their_windows() {
    let Some(mut oracle) = Oracle::start() else { return };
    let (cases, first) = (number("FORESHOCK_DUCKDB_CASES", 200), number("FORESHOCK_DUCKDB_SEED", 1));
    let (mut rows, mut named) = (0, 0);
    for seed in first..first + cases {
        let mut random = Random(seed);
        let text = rule(&mut random);
        named += u64::from(text.contains("WINDOW "));
        let file = |path: &str, text: &str| RuleFile { path: path.into(), text: text.into() };
        let views = VIEWS.map(|view| file("view.sql", view));
        let pack = compile(&[file("R.sql", &text)], &views, &Settings::default())
            .unwrap_or_else(|problems| panic!("seed {seed}: {}\n{text}", problems[0]));
        let sent = arrivals(&mut random).into_iter().filter_map(|arrival| match arrival {
            Arrival::Record(partition, json) => Some((partition, decoded(&json))),
            Arrival::Silent(_) => None,
        });
        let facts = facts(sent.collect());
        let ours = Net::of_batch(&pack, &facts).unwrap();
        rows += ours.rows.len();
        let theirs = oracle.ask(&pack, &facts).unwrap_or_else(|error| panic!("seed {seed}: DuckDB: {error}\n{text}"));
        if let Some(difference) = difference(&ours, &theirs) {
            panic!("seed {seed}: {difference}\n{text}");
        }
    }
    println!("{cases} rules, {named} with named windows, {rows} rows: no difference");
    assert!(rows > 0 && (cases < 50 || named > cases / 8));
}

#[test]
fn duckdb_gives_the_same_answers_to_the_shipped_rules_over_a_citys_day() {
    let Some(mut oracle) = Oracle::start() else { return };
    let city = foreshock_generator::generate(1, 1);
    let feeds = |feed: Feed| Feed::ALL.iter().position(|f| *f == feed).unwrap();
    let events = city.history.iter().chain(&city.day).map(|line| (feeds(line.feed), decoded(&line.json))).collect();
    let facts = facts(events);
    let all = load(Path::new("sql"), &Choice::default(), &Settings::default()).unwrap().unwrap();
    let mut said = 0;
    for rule in &all.rules {
        let pack = all.only(std::slice::from_ref(&rule.header.id), &Settings::default()).unwrap();
        let ours = Net::of_batch(&pack, &facts).unwrap();
        said += ours.rows.len();
        let theirs = oracle.ask(&pack, &facts).unwrap_or_else(|error| panic!("{}: DuckDB: {error}", rule.header.id));
        if let Some(difference) = difference(&ours, &theirs) {
            panic!("{}: {difference}", rule.header.id);
        }
        println!("{}: {} rows, no difference", rule.header.id, ours.rows.len());
    }
    assert!(said > 100, "the rules find something");
}
