//! A broker, the rule of the workload FEW-1 in force, and what a run of it took.

use crate::broker::{self, Broker};
use crate::process::{Running, foreshock, text};
use foreshock_log::{PROGRESS, Progress};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::types::RDKafkaErrorCode::QueueFull;
use std::path::Path;
use std::time::{Duration, Instant};

pub const TOPIC: &str = "report.transaction.v1";

/// A process over FEW-1 and its broker.
pub struct Corridor {
    pub broker: Broker,
    pub config: String,
    /// Where a reader answers.
    pub sql: u16,
    _folder: tempfile::TempDir,
}

impl Corridor {
    pub fn new(partitions: u32) -> Corridor {
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

    pub fn run(&self) -> Running {
        Running::start(&["run", "--config", &self.config])
    }

    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.broker.address());
        client
    }

    /// Reads a topic from its beginning, as a group of its own.
    pub fn reader(&self, group: &str, topic: &str, isolation: &str) -> BaseConsumer {
        let mut client = self.client();
        client.set("group.id", group).set("isolation.level", isolation);
        client.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = client.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        consumer
    }
}

/// Makes a topic of one partition.
pub fn create_topic(corridor: &Corridor, name: &str) {
    let admin: AdminClient<_> = corridor.client().create().unwrap();
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
}

/// The rule of the workload, which is a draft for everybody else.
fn put_in_force(to: &Path) {
    let rule = include_str!("../few1/rules/FEW1.sql").replace("status:   draft", "status:   shadow");
    std::fs::create_dir_all(to.join("views")).unwrap();
    std::fs::create_dir_all(to.join("rules")).unwrap();
    std::fs::write(to.join("rules/FEW1.sql"), rule).unwrap();
}

pub fn send(producer: &BaseProducer, line: &str) {
    while let Err((error, _)) = producer.send(BaseRecord::<(), str>::to(TOPIC).payload(line)) {
        assert!(matches!(error, KafkaError::MessageProduction(QueueFull)), "{error}");
        producer.poll(Duration::from_millis(1));
    }
}

/// The next batch that was committed.
pub fn next_batch(running: &mut Running, progress: &BaseConsumer) -> Option<Progress> {
    assert!(running.0.try_wait().unwrap().is_none(), "foreshock has ended");
    let message = progress.poll(Duration::from_millis(100))?.unwrap();
    serde_json::from_slice(message.payload()?).ok()
}

/// User and system time of a process. Linux counts it in hundredths.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

pub fn peak_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// What a process took to take all that waited.
pub struct Drained {
    pub rate: f64,
    pub batches: usize,
    pub results: usize,
    pub cpu_seconds: f64,
    pub peak_mb: u64,
}

/// Foreshock takes so many events that wait, from its first committed batch to its last.
pub fn drained(corridor: &Corridor, events: usize) -> Drained {
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
    let (cpu_seconds, peak_mb) = (cpu_seconds(running.0.id()), peak_mb(running.0.id()));
    running.stop();
    Drained { rate: (events as f64 - not_counted as f64) / seconds, batches, results, cpu_seconds, peak_mb }
}
