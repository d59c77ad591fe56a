//! A share of the rules that spread: the partitions that the consumer group gives this process, each a pipeline of its own,
//! with its own log, transactions and snapshots.
//!
//! Kafka's group decides who has which partition; that nobody else writes its log any more is decided by the broker, by the
//! name of its transactions. So a process that has not yet heard that it lost a partition can do no harm.

use crate::kafka::client::client_config;
use crate::kafka::tail::{Tail, check_partitions};
use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::rules::files::Files;
use crate::rules::work::Work;
use crate::writer::beside::write_beside;
use anyhow::{Context, bail};
use foreshock_core::Part;
use foreshock_log::{EVENTS, Log};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a look at the group or at a partition waits when there is nothing new.
const LOOK: Duration = Duration::from_millis(100);
const WAIT: Duration = Duration::from_secs(10);

/// What every partition's pipeline needs.
struct Common {
    config: Config,
    files: Files,
    health: Arc<Health>,
}

/// A pipeline at work.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// This process as a member of the group.
struct Member {
    common: Arc<Common>,
    running: Mutex<BTreeMap<u32, Running>>,
}

/// Are the topics there, with the partitions they must have?
///
/// # Errors
/// What is missing, or that the broker does not answer.
pub fn check_topics(config: &Config) -> anyhow::Result<()> {
    let of = config.spread.partitions;
    Tail::of(&config.kafka, Log::Part(Part { number: 0, of }))?;
    let consumer: BaseConsumer = client_config(&config.kafka, &[]).create().context("cannot make a Kafka consumer")?;
    let metadata = consumer.fetch_metadata(Some(EVENTS), WAIT).context("the broker does not answer")?;
    check_partitions(EVENTS, metadata.topics().first().map_or(0, |t| t.partitions().len()), of)
}

/// Takes the partitions that the group gives this process, until `stop` is set.
///
/// # Errors
/// When a partition's pipeline ends: the broker cannot be reached, or another process has taken it over.
pub fn share(config: &Config, files: Files, health: &Arc<Health>, stop: &AtomicBool) -> anyhow::Result<()> {
    let group = format!("{}-events", config.kafka.group_id);
    let defaults = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // The least that brokers accept by default.
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "1000"),
    ];
    // A pipeline has one thread and one key range: the partitions are the key ranges of all processes.
    let mut config = config.clone();
    config.engine.shards = 1;
    let common = Arc::new(Common { config, files, health: health.clone() });
    let member = Member { common: common.clone(), running: Mutex::default() };
    let consumer: BaseConsumer<Member> = client_config(&common.config.kafka, &defaults)
        .create_with_context(member)
        .context("cannot make the Kafka consumer of the group")?;
    health.set("group", false, "not yet a member");
    consumer.subscribe(&[EVENTS]).context("cannot enter the group")?;
    let mut result = Ok(());
    while !stop.load(Ordering::Acquire) && result.is_ok() {
        // A record may come before its partition is paused: its pipeline reads it.
        if let Some(Err(error)) = consumer.poll(LOOK) {
            tracing::warn!(%error, "the group does not answer");
        }
        result = consumer.context().check();
    }
    let all = consumer.context().numbers();
    // Before the group gives them away.
    let ended = consumer.context().end(&all);
    result.and(ended)
}

impl Member {
    fn numbers(&self) -> Vec<u32> {
        self.running.lock().expect("nobody panics with this lock").keys().copied().collect()
    }

    fn begin(&self, number: u32) {
        let part = Part { number, of: self.common.config.spread.partitions };
        let (common, stop) = (self.common.clone(), Arc::new(AtomicBool::new(false)));
        let flag = stop.clone();
        let thread = std::thread::Builder::new().name(format!("part-{number}"));
        let thread = thread.spawn(move || run(&common, part, &flag)).expect("the system gives a thread");
        tracing::info!(part = number, "the group gives this process a partition");
        self.running.lock().expect("nobody panics with this lock").insert(number, Running { stop, thread });
    }

    /// Ends these pipelines: what they took is delivered, and a snapshot written, for whoever comes next.
    fn end(&self, numbers: &[u32]) -> anyhow::Result<()> {
        let mut running = self.running.lock().expect("nobody panics with this lock");
        let ending: Vec<(u32, Running)> = numbers.iter().filter_map(|n| Some((*n, running.remove(n)?))).collect();
        drop(running);
        ending.iter().for_each(|(_, one)| one.stop.store(true, Ordering::Release));
        let mut result = Ok(());
        for (number, one) in ending {
            result = result.and(outcome(number, one));
            self.common.health.parts.remove(&format!("part {number}"));
        }
        result
    }

    /// Has one ended by itself?
    fn check(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().expect("nobody panics with this lock");
        let ended = running.iter().find(|(_, one)| one.thread.is_finished()).map(|(number, _)| *number);
        match ended.and_then(|number| Some((number, running.remove(&number)?))) {
            Some((number, one)) => outcome(number, one),
            None => Ok(()),
        }
    }
}

fn outcome(number: u32, one: Running) -> anyhow::Result<()> {
    match one.thread.join() {
        Ok(result) => result.with_context(|| format!("partition {number} of `{EVENTS}`")),
        Err(_) => bail!("partition {number} of `{EVENTS}`: its thread ended by a fault of the program"),
    }
}

impl ClientContext for Member {}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        let numbers: Vec<u32> = list.elements().iter().map(|e| e.partition().cast_unsigned()).collect();
        tracing::info!(parts = ?numbers, "the group takes partitions back");
        if let Err(error) = self.end(&numbers) {
            tracing::error!(error = format!("{error:#}"), "a partition that was given back had not ended well");
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else { return };
        self.common.health.set("group", true, "");
        // The pipelines have consumers of their own, from other offsets.
        if let Err(error) = consumer.pause(list) {
            tracing::warn!(%error, "partitions are read twice");
        }
        list.elements().iter().for_each(|element| self.begin(element.partition().cast_unsigned()));
    }
}

/// The pipeline of a partition, until `stop` is set.
fn run(common: &Common, part: Part, stop: &AtomicBool) -> anyhow::Result<()> {
    let work = Work::of(common.files.of_part(part)?);
    write_beside(&common.config, &work, format!("part {}", part.number), &common.health, stop)
}
