//! `demo`: a labelled day through the real Kafka client path, on a broker inside this process.

use crate::cli::options::load_pack;
use crate::cli::stop::stop_flag;
use crate::cli::{Exit, demo_requests};
use crate::kafka::settings::Delivery;
use crate::ops::config::{Config, DAYS_KEPT};
use crate::ops::health::Health;
use crate::ops::latency::Stage;
use crate::rules::files::{Choice, origin};
use crate::rules::work::Work;
use crate::serve::follow::Followed;
use crate::serve::process::{Reader, Since};
use crate::writer::pipeline::Turn;
use crate::writer::standby::{Begin, become_writer};
use anyhow::{Context, bail};
use foreshock_core::Feed;
use foreshock_generator::{Generated, Line, generate};
use foreshock_log::{self as log, Message, OUT_TOPICS, PROGRESS};
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The embedded broker keeps 5 MiB for each partition and drops the rest without a word: never be further ahead.
const AHEAD_MAX: usize = 4_000;
const LOOK: Duration = Duration::from_millis(20);
/// How long a reader that takes nothing in is waited for.
const STANDSTILL: Duration = Duration::from_secs(10);
/// What the summary says of how long records took.
const STAGES: [(&str, Stage); 4] = [
    ("decoded", Stage::Decode),
    ("judged", Stage::Judge),
    ("delivered", Stage::Deliver),
    ("record to committed", Stage::Record),
];

/// `foreshock demo`
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Folder with `rules/` and `views/`; without it `sql`, or the rules that are built in.
    #[arg(long = "rules", value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Seed of the generated city.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after this time, for example `30s`; without it the demo stays up until Ctrl-C.
    #[arg(long = "for", value_name = "TIME")]
    for_: Option<String>,
    /// Keep a history of it in this folder, which must be empty: its log is a new one.
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
}

/// Counts while the demo runs.
#[derive(Debug, Default)]
struct Seen {
    records: usize,
    told: BTreeSet<(String, String)>,
    by_topic: BTreeMap<String, usize>,
    by_rule: BTreeMap<String, usize>,
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker loses records or something cannot be delivered.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let limit = match &self.for_ {
            None => None,
            Some(text) => Some(
                foreshock_compiler::header::parse_span(text)
                    .filter(|us| *us > 0)
                    .context("--for: write for example 30s or 2m")?,
            ),
        };
        let choice = Choice { ids: Vec::new(), no_drafts: true };
        let mut config = Config::default();
        config.rules.dir = self.rules.clone().unwrap_or_default();
        config.engine.refuse_future = false;
        // The embedded broker knows no transactions worth the name.
        config.kafka.delivery = Delivery::Idempotent;
        config.engine.batch_events_max = 2_000;
        // Nobody but this machine reaches it.
        (config.serve.postgres, config.serve.plaintext) = ("127.0.0.1:5640".into(), true);
        if let Some(folder) = &self.history {
            let is_empty = std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
            anyhow::ensure!(is_empty, "--history: {} is not empty", folder.display());
            config.history.dir = folder.display().to_string();
            // Its day is long over.
            config.history.days = DAYS_KEPT.map(|(table, _)| (table.to_owned(), 0)).into();
        }
        let Some(pack) = load_pack(&config.rules.dir, &choice, &config.settings())? else { return Ok(Exit::Invalid) };
        println!("making a city's day (seed {}) ..", self.seed);
        let city = generate(self.seed, 1);
        let cluster = cluster()?;
        config.kafka.brokers = cluster.bootstrap_servers();
        println!("broker   {} (inside this process)", config.kafka.brokers);
        println!("topics   in:  {}", Feed::ALL.map(Feed::topic).join(", "));
        println!("         out: {}, {}", OUT_TOPICS.join(", "), log::ACTS);
        println!("rules    {} from {}", pack.rules.len(), origin(&self.rules.clone().unwrap_or_default()));
        println!("playing  {} events of history, then {} of the day\n", city.history.len(), city.day.len());
        self.play(config, pack, &city, limit)
    }

    fn play(
        &self,
        config: Config,
        pack: foreshock_compiler::Pack,
        city: &Generated,
        limit: Option<i64>,
    ) -> anyhow::Result<Exit> {
        let total = city.history.len() + city.day.len();
        let feeds: Vec<Feed> =
            Feed::ALL.into_iter().filter(|f| city.history.iter().chain(&city.day).any(|l| l.feed == *f)).collect();
        let health = Arc::new(Health::default());
        let brokers = config.kafka.brokers.clone();
        let stop = stop_flag()?;
        // The usual address, or where another process has it any other one.
        let reader = Reader::start(&config, &pack, Since::Beginning).or_else(|_| {
            let mut other = config.clone();
            other.serve.listen = "127.0.0.1:0".into();
            other.serve.postgres = "127.0.0.1:0".into();
            Reader::start(&other, &pack, Since::Beginning)
        })?;
        let answers = (reader.address, reader.postgres);
        let Some(mut writer) = become_writer(&config, &Work::of(pack), &feeds, Begin::TakeOver, &health, &stop)? else {
            return Ok(Exit::Ok);
        };
        let (start, consumed, mut seen) = (Instant::now(), AtomicUsize::new(0), Seen::default());
        let deadline = limit.map(|us| Duration::from_micros(us.unsigned_abs()));
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let lines = city.history.iter().chain(&city.day);
            demo_requests::play(scope, &config, &health, &stop)?;
            let player = scope.spawn(|| feed(&brokers, lines, &consumed, &reader.followed, &stop));
            let mut told = false;
            let result = writer.run(&stop, Duration::ZERO, |turn| {
                seen.take(turn, total)?;
                consumed.store(seen.records, Ordering::Release);
                if seen.records >= total && !told {
                    told = true;
                    seen.summary(start, &health, &brokers, limit.is_none().then_some(&answers));
                }
                let is_over = deadline.is_some_and(|d| start.elapsed() >= d);
                if is_over {
                    stop.store(true, Ordering::Release);
                }
                Ok(())
            });
            stop.store(true, Ordering::Release);
            player.join().expect("the player does not panic")?;
            result
        })?;
        // Its log ends with this process: what the history lacks now it lacks for ever.
        let is_read = self.history.is_none() || catch_up(&reader, seen.records);
        anyhow::ensure!(reader.end() && is_read, "--history: it lacks what came last");
        if seen.records < total {
            println!("stopped after {} of {total} events", seen.records);
        }
        Ok(if seen.by_topic.contains_key(log::DETECTIONS) { Exit::Ok } else { Exit::Findings })
    }
}

/// Waits until the reader has so many records; has it them?
fn catch_up(reader: &Reader, records: usize) -> bool {
    let has = || reader.followed.records.load(Ordering::Acquire) as usize;
    let (mut last, mut moved) = (has(), Instant::now());
    while last < records && moved.elapsed() < STANDSTILL {
        std::thread::sleep(LOOK);
        let now = has();
        if now > last {
            (last, moved) = (now, Instant::now());
        }
    }
    last >= records
}

/// Where statements are answered: over HTTP, and for PostgreSQL clients.
type Answers = (SocketAddr, Option<SocketAddr>);

fn cluster() -> anyhow::Result<MockCluster<'static, DefaultProducerContext>> {
    let cluster = MockCluster::new(1).context("cannot start the embedded broker")?;
    let topics = Feed::ALL.map(Feed::topic).into_iter().chain(OUT_TOPICS).chain([PROGRESS]).map(str::to_owned);
    for topic in topics.chain(demo_requests::topics()) {
        cluster.create_topic(&topic, 1, 1).with_context(|| format!("cannot make topic {topic}"))?;
    }
    Ok(cluster)
}

/// Sends the lines, never too far ahead of what has been consumed, by the writer and by the reader.
fn feed<'a>(
    brokers: &str,
    lines: impl Iterator<Item = &'a Line>,
    consumed: &AtomicUsize,
    followed: &Followed,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let is_ahead = |sent: usize| {
        let written = consumed.load(Ordering::Acquire);
        let read = followed.records.load(Ordering::Acquire) as usize;
        sent >= written + AHEAD_MAX || sent >= read + 2 * AHEAD_MAX
    };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "5").create()?;
    for (sent, line) in lines.enumerate() {
        while is_ahead(sent) {
            if stop.load(Ordering::Acquire) {
                return Ok(());
            }
            producer.poll(Duration::from_millis(5));
        }
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(line.feed.topic()).payload(line.json.as_str());
        while let Err((error, back)) = producer.send(record) {
            record = back;
            if stop.load(Ordering::Acquire) {
                return Ok(());
            }
            if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::QueueFull) {
                bail!("the player cannot send: {error}");
            }
            producer.poll(Duration::from_millis(5));
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(30)).context("the player cannot deliver")
}

impl Seen {
    fn take(&mut self, turn: &Turn, total: usize) -> anyhow::Result<()> {
        if turn.lost > 0 {
            bail!("the embedded broker dropped {} records: this run does not count", turn.lost);
        }
        let before = self.records * 10 / total.max(1);
        self.records += turn.records;
        for message in &turn.messages {
            *self.by_topic.entry(message.topic.clone().into_owned()).or_insert(0) += 1;
            self.show(message);
        }
        if self.records * 10 / total.max(1) > before {
            let count = |topic: &str| self.by_topic.get(topic).copied().unwrap_or(0);
            println!(
                "  {:>6} events · {} detections · {} alerts",
                self.records,
                count(log::DETECTIONS),
                count(log::ALERTS)
            );
        }
        Ok(())
    }

    fn show(&mut self, message: &Message) {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&message.payload) else {
            println!("  WARNING   draft for area {}: CAP 1.2 in zh-CN and en-US on {}", message.key, message.topic);
            return;
        };
        let text = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        match &*message.topic {
            log::DETECTIONS => {
                *self.by_rule.entry(text("rule_id")).or_insert(0) += 1;
                if self.told.insert((text("rule_id"), text("subject"))) {
                    println!(
                        "  {:<9} {:<9} {:<16} at {}",
                        text("state"),
                        text("rule_id"),
                        text("subject"),
                        text("event_time")
                    );
                }
            }
            log::BLOCKING_DRAFTS => {
                let (amount, currency) = (text("amount"), text("currency"));
                println!(
                    "  BLOCK     draft {}: {} {amount} {currency} of {}",
                    text("requestId"),
                    text("measure"),
                    message.key
                );
            }
            _ => {}
        }
    }

    fn summary(&self, start: Instant, health: &Health, brokers: &str, answers: Option<&Answers>) {
        println!("\n{} events in {:.1} s", self.records, start.elapsed().as_secs_f64());
        for (topic, count) in &self.by_topic {
            println!("  {topic:<20} {count} messages");
        }
        for (rule, count) in &self.by_rule {
            println!("  {rule:<10} {count} detections and revisions");
        }
        for (name, stage) in STAGES {
            let Some(of) = health.latency.quantiles(stage) else { continue };
            println!("  {name:<20} {of}");
        }
        println!("  late {}, refused {}", health.late.load(Ordering::Relaxed), health.rejected.load(Ordering::Relaxed));
        if let Some((address, postgres)) = answers {
            println!("\nThe broker stays up until Ctrl-C. In another terminal, from this folder:");
            if let Some(postgres) = postgres {
                println!(
                    "  psql -h {} -p {} -U analyst foreshock -c \"SELECT * FROM detections ORDER BY seq DESC LIMIT 5\"",
                    postgres.ip(),
                    postgres.port()
                );
            }
            println!(
                "  cargo run -- sql --server http://{address} \"SELECT rule_id, count(*) AS found FROM detections GROUP BY rule_id ORDER BY found DESC\""
            );
            println!(
                "  cargo run -- sql --server http://{address} \"SELECT event_time, state, command, actor, reason FROM acts WHERE actor IS NOT NULL ORDER BY seq\""
            );
            println!("  cargo run -- tail detections --brokers {brokers}");
            println!("  cargo run -- tail blocking   --brokers {brokers}");
            println!("  cargo run -- tail warnings   --brokers {brokers}");
            println!("  cargo run -- tail acts       --brokers {brokers}");
            println!("Any client on librdkafka, and kafkajs, can read these topics too; kafka-python cannot.");
        }
    }
}
