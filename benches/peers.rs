//! FEW-1 from a real broker by Foreshock and by others, in turn on one topic: `cargo bench --bench peers -- drain 3000000 5` (events,
//! rounds), `.. -- sql 100000` (Flink SQL once, beside the rest). Whoever finds other payments than DuckDB's batch does not count.
//! What it prints stands in docs/benchmarks.md with its conditions. Needs Java 17, Maven and Python with `duckdb`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a broken bench may panic; rates are for people

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "corridor/setup.rs"]
#[allow(dead_code)]
mod setup;

use broker::jars::{jars, java};
use foreshock_generator::{Few1, few1};
use foreshock_log::DETECTIONS;
use process::text;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode::QueueFull;
use serde::Deserialize;
use setup::{Corridor, TOPIC, create_topic, drained};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const FLINK: &str = "org.apache.flink:flink-streaming-java:2.3.0 org.apache.flink:flink-clients:2.3.0 \
    org.apache.flink:flink-runtime:2.3.0 org.apache.flink:flink-connector-base:2.3.0 \
    org.apache.flink:flink-connector-kafka:5.0.0-2.2 org.apache.flink:flink-json:2.3.0 \
    org.apache.flink:flink-table-api-java-bridge:2.3.0 org.apache.flink:flink-table-planner-loader:2.3.0 \
    org.apache.flink:flink-table-runtime:2.3.0 com.fasterxml.jackson.core:jackson-core:2.18.2 org.slf4j:slf4j-simple:1.7.36";
/// Both JVM and state need room; the rest of the machine is the broker's.
const HEAP: &str = "6g";
const SILENCE: Duration = Duration::from_secs(10);

/// What a run took. Seconds are from the first record to the last result that the broker has acknowledged.
#[derive(Deserialize)]
struct Outcome {
    seconds: f64,
    cpu_seconds: f64,
    peak_mb: u64,
    /// Payments that were found.
    #[serde(default)]
    found: BTreeSet<String>,
}

/// A topic full of payments, the same as a file, and those who take them.
struct Contest {
    corridor: Corridor,
    file: PathBuf,
    events: usize,
    flink: PathBuf,
    classes: PathBuf,
    checkpoints: PathBuf,
    _folder: tempfile::TempDir,
}

#[derive(Clone, Copy)]
enum Entrant {
    Foreshock,
    /// Parallelism, milliseconds between checkpoints.
    Flink(u32, u32),
    FlinkSql,
    /// Threads.
    DuckDb(u32),
    /// Reads the topic and does nothing: what the broker and a client can give.
    OnlyRead,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    let usual =
        [Entrant::OnlyRead, Entrant::Foreshock, Entrant::Flink(1, 0), Entrant::Flink(2, 0), Entrant::Flink(2, 10_000)];
    match words.first().map(String::as_str) {
        Some("drain") => run(number(1).unwrap_or(3_000_000), number(2).unwrap_or(5), &usual),
        Some("sql") => {
            run(number(1).unwrap_or(100_000), 1, &[Entrant::Foreshock, Entrant::Flink(2, 0), Entrant::FlinkSql])
        }
        // `cargo test --benches` runs it so: there is nothing to measure.
        _ => println!("say `drain EVENTS ROUNDS` or `sql EVENTS`"),
    }
}

fn run(events: usize, rounds: usize, entrants: &[Entrant]) {
    let mut outcomes: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for round in 0..rounds {
        let contest = Contest::new(events);
        // The right answer first: by another engine, in one go, over a file.
        let batch: Vec<_> = [1, 2].map(|threads| (Entrant::DuckDb(threads), contest.duckdb(threads))).into();
        let right = batch[0].1.found.clone();
        let mut order = entrants.to_vec();
        order.rotate_left(round % entrants.len());
        let streamed = order.into_iter().map(|entrant| (entrant, contest.enter(entrant, round)));
        for (entrant, outcome) in batch.into_iter().chain(streamed) {
            let is_equal = matches!(entrant, Entrant::OnlyRead) || outcome.found == right;
            println!(
                "round {round}, {}: {:.1} s, {:.1} CPU seconds, {} MB, {} found of {}{}",
                entrant.name(),
                outcome.seconds,
                outcome.cpu_seconds,
                outcome.peak_mb,
                outcome.found.len(),
                right.len(),
                if is_equal { "" } else { ": NOT EQUAL, does not count" }
            );
            if is_equal {
                outcomes.entry(entrant.name()).or_default().push(outcome);
            }
        }
    }
    print(events, &outcomes);
}

/// Medians, beside the lowest and the highest.
fn print(events: usize, outcomes: &BTreeMap<String, Vec<Outcome>>) {
    let median = |of: &[Outcome], what: &dyn Fn(&Outcome) -> f64| {
        let mut values: Vec<f64> = of.iter().map(what).collect();
        values.sort_by(f64::total_cmp);
        (values[0], values[values.len() / 2], values[values.len() - 1])
    };
    let rate = |outcome: &Outcome| events as f64 / outcome.seconds;
    let own = outcomes.get(&Entrant::Foreshock.name()).map_or(f64::NAN, |own| median(own, &rate).1);
    println!(
        "\n| | events/s: median (lowest to highest) | of Foreshock's | CPU seconds a million events | most memory |\n|---|---:|---:|---:|---:|"
    );
    for (name, of) in outcomes {
        let (low, middle, high) = median(of, &rate);
        let cpu = median(of, &|outcome| outcome.cpu_seconds * 1e6 / events as f64).1;
        let peak = median(of, &|outcome| outcome.peak_mb as f64).1;
        println!("| {name} | {middle:.0} ({low:.0} to {high:.0}) | {:.2} | {cpu:.1} | {peak:.0} MB |", middle / own);
    }
}

impl Entrant {
    fn name(self) -> String {
        match self {
            Entrant::Foreshock => "Foreshock, transactions".into(),
            Entrant::Flink(parallelism, 0) => {
                format!("Flink, process function, parallelism {parallelism}, no checkpoints")
            }
            Entrant::Flink(parallelism, every) => {
                format!(
                    "Flink, process function, parallelism {parallelism}, exactly once, checkpoints every {every} ms"
                )
            }
            Entrant::FlinkSql => "Flink SQL, OVER, parallelism 2, start included".into(),
            Entrant::DuckDb(threads) => format!("DuckDB, batch from a file, {threads} threads"),
            Entrant::OnlyRead => "a client that only reads".into(),
        }
    }
}

impl Contest {
    fn new(events: usize) -> Contest {
        let flink = jars("flink-2.3.0", FLINK).expect("Java and Maven are needed");
        let folder = tempfile::tempdir().unwrap();
        let (file, classes) = (folder.path().join("payments.ndjson"), folder.path().join("classes"));
        let checkpoints = folder.path().join("checkpoints");
        let sources = ["Few1", "Few1Sql", "Outcome"].map(|name| format!("benches/peers/{name}.java"));
        let javac = Command::new("javac")
            .arg("-cp")
            .arg(flink.join("*"))
            .arg("-d")
            .arg(&classes)
            .args(sources)
            .output()
            .unwrap();
        assert!(javac.status.success(), "{}", text(&javac.stderr));
        let corridor = Corridor::new(2);
        fill(&corridor, &file, events);
        Contest { corridor, file, events, flink, classes, checkpoints, _folder: folder }
    }

    fn enter(&self, entrant: Entrant, round: usize) -> Outcome {
        match entrant {
            Entrant::Foreshock => self.foreshock(),
            Entrant::Flink(parallelism, every) => {
                let topic = format!("peer-{round}-{parallelism}-{every}");
                self.java(
                    "Few1",
                    &topic,
                    &[parallelism.to_string(), every.to_string(), self.checkpoints.display().to_string()],
                )
            }
            Entrant::FlinkSql => self.java("Few1Sql", "peer-sql", &["2".to_owned()]),
            Entrant::DuckDb(threads) => self.duckdb(threads),
            Entrant::OnlyRead => self.only_read(),
        }
    }

    fn foreshock(&self) -> Outcome {
        let drained = drained(&self.corridor, self.events);
        let found = self.read(DETECTIONS, "found", |payload| {
            let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
            value["event_id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
        });
        // Its first batch begins the clock and is not in the rate.
        let seconds = self.events as f64 / drained.rate;
        Outcome { seconds, cpu_seconds: drained.cpu_seconds, peak_mb: drained.peak_mb, found }
    }

    fn java(&self, class: &str, topic: &str, words: &[String]) -> Outcome {
        create_topic(&self.corridor, topic);
        let mut command = java(&self.flink, HEAP);
        let opened = [
            "java.base/java.util=ALL-UNNAMED",
            "java.base/java.lang=ALL-UNNAMED",
            "java.base/java.util.concurrent.atomic=ALL-UNNAMED",
        ];
        command.args(opened.iter().flat_map(|opened| ["--add-opens", opened]));
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
        command.arg("-cp").arg(format!("{}:{}/*", self.classes.display(), self.flink.display()));
        command.args([class, &self.corridor.broker.address(), TOPIC, topic]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{class}: {}", text(&output.stderr));
        let mut outcome = last_line(&output.stdout);
        outcome.found = self.read(topic, topic, text);
        outcome
    }

    fn duckdb(&self, threads: u32) -> Outcome {
        let mut command = Command::new("python3");
        let output = command.arg("benches/peers/few1.py").arg(&self.file).arg(threads.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        last_line(&output.stdout)
    }

    fn only_read(&self) -> Outcome {
        let consumer = self.corridor.reader("only-read", TOPIC, "read_committed");
        let (mut start, mut count) = (None, 0);
        while count < self.events {
            if consumer.poll(Duration::from_millis(100)).is_some_and(|record| record.is_ok()) {
                start.get_or_insert_with(Instant::now);
                count += 1;
            }
        }
        let seconds = start.unwrap().elapsed().as_secs_f64();
        Outcome { seconds, cpu_seconds: f64::NAN, peak_mb: 0, found: BTreeSet::new() }
    }

    /// All that was committed to a topic.
    fn read(&self, topic: &str, group: &str, id: impl Fn(&[u8]) -> String) -> BTreeSet<String> {
        let consumer: BaseConsumer = self.corridor.reader(group, topic, "read_committed");
        let mut found = BTreeSet::new();
        let mut last = Instant::now();
        // Nobody says where a topic ends whose last records were given up: ten seconds of silence do.
        while last.elapsed() < SILENCE {
            if let Some(record) = consumer.poll(Duration::from_millis(100)) {
                found.insert(id(record.unwrap().payload().unwrap()));
                last = Instant::now();
            }
        }
        found
    }
}

fn last_line(output: &[u8]) -> Outcome {
    let output = text(output);
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// By payer, so that the payments of one come in order to those who judge in order of arrival.
fn fill(corridor: &Corridor, file: &Path, events: usize) {
    let mut client = corridor.client();
    client.set("compression.type", "lz4").set("linger.ms", "20");
    let producer: BaseProducer = client.create().unwrap();
    let mut file = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    for line in few1(Few1 { events, ..Few1::default() }) {
        writeln!(file, "{}", line.json).unwrap();
        let (_, after) = line.json.split_once(r#""debtor":{"accountToken":""#).unwrap();
        let payer = after.split('"').next().unwrap();
        while let Err((error, _)) = producer.send(BaseRecord::to(TOPIC).key(payer).payload(&line.json)) {
            assert!(matches!(error, KafkaError::MessageProduction(QueueFull)), "{error}");
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    file.flush().unwrap();
}
