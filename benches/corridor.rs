//! The whole corridor, from a real broker to acknowledged results: `cargo bench --bench corridor -- drain 3000000`, how fast it
//! takes what waits; `.. -- open 1000 60`, how long a record takes that comes at a steady rate (an open loop: records a second,
//! seconds), beside a consumer that does nothing but read them. What it prints stands in docs/benchmarks.md with its conditions.
//! `FORESHOCK_BINARY` names another binary to measure, `PROPERTIES` holds lines for its `[kafka.properties]`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a broken bench may panic; rates are for people

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/process.rs"]
mod process;

use broker::Broker;
use foreshock_generator::{Few1, few1};
use foreshock_log::{PROGRESS, Progress};
use hdrhistogram::Histogram;
use process::{Running, foreshock, text, wait_for};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode::QueueFull;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TOPIC: &str = "report.transaction.v1";
/// An open loop runs for so long before it counts: a broker that has just been started compiles itself first.
const WARM_UP: Duration = Duration::from_secs(20);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    match words.first().map(String::as_str) {
        Some("drain") => drain(number(1).unwrap_or(3_000_000)),
        Some("open") => open_loop(number(1).unwrap_or(1_000), number(2).unwrap_or(60)),
        // `cargo test --benches` runs it so: there is nothing to measure.
        _ => println!("say `drain EVENTS` or `open RATE SECONDS`"),
    }
}

/// A process over FEW-1 and its broker.
struct Corridor {
    broker: Broker,
    config: String,
    metrics: u16,
    _folder: tempfile::TempDir,
}

impl Corridor {
    fn new(partitions: u32) -> Corridor {
        let broker = Broker::start().expect("Java and Maven are needed");
        let folder = tempfile::tempdir().unwrap();
        let (path, rules) = (folder.path().join("foreshock.toml"), folder.path().join("sql"));
        put_in_force(&rules);
        let metrics = broker::free_port();
        let text_of = format!(
            "[kafka]\nbrokers = \"{}\"\npartitions = {partitions}\n[engine]\nrefuse_future = false\n[kafka.properties]\n{}\n[http]\nlisten = \"127.0.0.1:{metrics}\"\n[rules]\ndir = {:?}\n",
            broker.address(),
            std::env::var("PROPERTIES").unwrap_or_default(),
            rules.display().to_string()
        );
        std::fs::write(&path, text_of).unwrap();
        let config = path.display().to_string();
        let made = foreshock(&["topics", "create", "--config", &config]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        Corridor { broker, config, metrics, _folder: folder }
    }

    fn run(&self) -> Running {
        Running::start(&["run", "--config", &self.config])
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.broker.address());
        client
    }

    /// Reads a topic from its beginning.
    fn reader(&self, topic: &str, isolation: &str) -> BaseConsumer {
        let mut client = self.client();
        client.set("group.id", format!("bench-{topic}")).set("isolation.level", isolation);
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
    let progress = corridor.reader(PROGRESS, "read_committed");
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

fn open_loop(rate: usize, seconds: usize) {
    let corridor = Corridor::new(1);
    let mut running = corridor.run();

    let producer: BaseProducer = corridor.client().create().unwrap();
    let count = rate * (seconds + usize::try_from(WARM_UP.as_secs()).unwrap());
    let lines: Vec<String> = few1(Few1 { events: count, ..Few1::default() }).map(|line| line.json).collect();
    let (control, progress) = (corridor.reader(TOPIC, "read_uncommitted"), corridor.reader(PROGRESS, "read_committed"));
    // One record before the clock starts: everybody is connected then.
    send(&producer, &lines[0]);
    wait_for("the first batch", || next_batch(&mut running, &progress));
    let (is_over, gap) = (AtomicBool::new(false), Duration::from_secs(1) / u32::try_from(rate).unwrap());
    let start = Instant::now() + Duration::from_millis(100);
    // A record counts from the moment it should have been sent, whether the sender was in time or not.
    let due = |offset: i64| start + gap * u32::try_from(offset).unwrap();
    let taken = |histogram: &mut Histogram<u64>, offset: i64| {
        if due(offset) >= start + WARM_UP {
            histogram.record(u64::try_from(due(offset).elapsed().as_micros()).unwrap()).unwrap();
        }
    };
    let (own, others) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for (offset, line) in lines.iter().enumerate().skip(1) {
                std::thread::sleep(due(i64::try_from(offset).unwrap()).saturating_duration_since(Instant::now()));
                send(&producer, line);
                producer.poll(Duration::ZERO);
            }
            producer.flush(Duration::from_secs(10)).unwrap();
        });
        let reads = scope.spawn(|| {
            let mut histogram = Histogram::new(3).unwrap();
            while !is_over.load(Ordering::Acquire) {
                if let Some(Ok(message)) = control.poll(Duration::from_millis(20)) {
                    taken(&mut histogram, message.offset());
                }
            }
            histogram
        });
        let (mut histogram, mut done) = (Histogram::new(3).unwrap(), 1);
        while done < count {
            let Some(batch) = next_batch(&mut running, &progress) else { continue };
            for offset in batch.ranges.iter().flat_map(|range| range.from..range.to) {
                taken(&mut histogram, offset);
                done += 1;
            }
        }
        is_over.store(true, Ordering::Release);
        (histogram, reads.join().unwrap())
    });
    let cpu = cpu_seconds(running.0.id());
    println!("mean of a record, all of the run: {}", means(corridor.metrics).join(", "));
    running.stop();
    for (name, histogram) in [("control", others), ("foreshock", own)] {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "open loop, {rate}/s, {name}: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms over {} records",
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0),
            histogram.len()
        );
    }
    println!("{cpu:.1} CPU seconds");
}

/// Mean times by stage, as the process itself tells them.
fn means(port: u16) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let mean = |name: &str, labels: &str| {
        let [sum, count] = ["sum", "count"].map(|of| value(&format!("foreshock_{name}_{of}{labels} ")).unwrap());
        1_000.0 * sum / count
    };
    let stages = ["decode", "judge", "deliver"].map(|stage| (stage, "stage_seconds", format!("{{stage=\"{stage}\"}}")));
    let whole = ["taken_to_committed", "record_to_committed"].map(|name| (name, name, String::new()));
    let whole = whole.map(|(shown, name, labels)| (shown, format!("{name}_seconds"), labels));
    let stages = stages.map(|(shown, name, labels)| (shown, name.to_owned(), labels));
    stages
        .into_iter()
        .chain(whole)
        .map(|(shown, name, labels)| format!("{shown} {:.1} ms", mean(&name, &labels)))
        .collect()
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
