//! The whole corridor, from a real broker to acknowledged results: `cargo bench --bench corridor -- drain 3000000`, how fast it
//! takes what waits; `.. -- open 1000 60`, how long a record takes that comes at a steady rate (an open loop: records a second,
//! seconds), beside a consumer that does nothing but read them, and beside a client that does nothing but pass on in
//! transactions; `.. -- beside 1000 60`, the same beside a reader that is asked for more than there is. What it prints stands in docs/benchmarks.md with its conditions.
//! `FORESHOCK_BINARY` names another binary to measure, `PROPERTIES` holds lines for its `[kafka.properties]`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a broken bench may panic; rates are for people

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "corridor/open_loop.rs"]
mod open_loop;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "../tests/support/statements.rs"]
mod statements;

use broker::Broker;
use foreshock_generator::{Few1, few1};
use foreshock_log::{PROGRESS, Progress};
use process::{Running, foreshock, text};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode::QueueFull;
use std::path::Path;
use std::time::{Duration, Instant};

const TOPIC: &str = "report.transaction.v1";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    match words.first().map(String::as_str) {
        Some("drain") => drain(number(1).unwrap_or(3_000_000)),
        Some("open") => open_loop::run(number(1).unwrap_or(1_000), number(2).unwrap_or(60)),
        Some("beside") => open_loop::beside_statements(number(1).unwrap_or(1_000), number(2).unwrap_or(60)),
        // `cargo test --benches` runs it so: there is nothing to measure.
        _ => println!("say `drain EVENTS`, `open RATE SECONDS` or `beside RATE SECONDS`"),
    }
}

/// A process over FEW-1 and its broker.
struct Corridor {
    broker: Broker,
    config: String,
    /// Where a reader answers.
    sql: u16,
    _folder: tempfile::TempDir,
}

impl Corridor {
    fn new(partitions: u32) -> Corridor {
        let broker = Broker::start().expect("Java and Maven are needed");
        let folder = tempfile::tempdir().unwrap();
        let (path, rules) = (folder.path().join("foreshock.toml"), folder.path().join("sql"));
        put_in_force(&rules);
        let sql = broker::free_port();
        let text_of = format!(
            "[kafka]\nbrokers = \"{}\"\npartitions = {partitions}\n[engine]\nrefuse_future = false\n[kafka.properties]\n{}\n[http]\nlisten = \"\"\n[serve]\nlisten = \"127.0.0.1:{sql}\"\n[rules]\ndir = {:?}\n",
            broker.address(),
            std::env::var("PROPERTIES").unwrap_or_default(),
            rules.display().to_string()
        );
        std::fs::write(&path, text_of).unwrap();
        let config = path.display().to_string();
        let made = foreshock(&["topics", "create", "--config", &config]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        Corridor { broker, config, sql, _folder: folder }
    }

    fn run(&self) -> Running {
        Running::start(&["run", "--config", &self.config])
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.broker.address());
        client
    }

    /// Reads a topic from its beginning, as a group of its own.
    fn reader(&self, group: &str, topic: &str, isolation: &str) -> BaseConsumer {
        let mut client = self.client();
        client.set("group.id", group).set("isolation.level", isolation);
        client.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = client.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        consumer
    }
}

/// The rule of the workload, which is a draft for everybody else.
fn put_in_force(to: &Path) {
    let rule = include_str!("few1/rules/FEW1.sql").replace("status:   draft", "status:   shadow");
    std::fs::create_dir_all(to.join("views")).unwrap();
    std::fs::create_dir_all(to.join("rules")).unwrap();
    std::fs::write(to.join("rules/FEW1.sql"), rule).unwrap();
}

fn send(producer: &BaseProducer, line: &str) {
    while let Err((error, _)) = producer.send(BaseRecord::<(), str>::to(TOPIC).payload(line)) {
        assert!(matches!(error, KafkaError::MessageProduction(QueueFull)), "{error}");
        producer.poll(Duration::from_millis(1));
    }
}

/// The next batch that was committed.
fn next_batch(running: &mut Running, progress: &BaseConsumer) -> Option<Progress> {
    assert!(running.0.try_wait().unwrap().is_none(), "foreshock has ended");
    let message = progress.poll(Duration::from_millis(100))?.unwrap();
    serde_json::from_slice(message.payload()?).ok()
}

fn drain(events: usize) {
    let corridor = Corridor::new(2);
    let mut client = corridor.client();
    client.set("compression.type", "lz4").set("linger.ms", "20");
    let producer: BaseProducer = client.create().unwrap();
    let workload = Few1 { events, ..Few1::default() };
    few1(workload).for_each(|line| send(&producer, &line.json));
    producer.flush(Duration::from_secs(60)).unwrap();
    let progress = corridor.reader("progress", PROGRESS, "read_committed");
    let mut running = corridor.run();
    let (mut done, mut first, mut results, mut batches) = (0, None, 0, 0);
    while done < events {
        let Some(batch) = next_batch(&mut running, &progress) else { continue };
        batches += 1;
        let records: i64 = batch.ranges.iter().map(|range| range.to - range.from).sum();
        results += batch.results.values().sum::<usize>();
        // The first batch says when it began; its own records are not counted.
        first.get_or_insert_with(|| (Instant::now(), records));
        done += usize::try_from(records).unwrap();
    }
    let (start, not_counted) = first.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds(running.0.id());
    let peak = peak_mb(running.0.id());
    running.stop();
    let rate = (events as f64 - not_counted as f64) / seconds;
    println!(
        "drain: {events} events in {batches} batches, {results} results: {rate:.0} events/s, {cpu:.1} CPU seconds in all, peak {peak} MB"
    );
}

/// User and system time of a process. Linux counts it in hundredths.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn peak_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
