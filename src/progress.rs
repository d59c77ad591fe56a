//! What has been done: one record for each micro-batch, written together with everything the batch caused.
//!
//! A record names the offsets of its batch. State is a pure function of the input and of these cuts: a process that
//! starts takes the same batches again, says nothing, and so comes to the state of the one before it, revision numbers
//! included. What the last record names is done; what comes after it is not.

use crate::config::Kafka;
use crate::sinks::kafka::client_config;
use crate::snapshot::Snapshot;
use crate::sources::kafka::KafkaRecord;
use anyhow::{Context, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The topic. One partition: its order is the order of the batches.
pub const PROGRESS: &str = "foreshock.progress";

const WAIT: Duration = Duration::from_secs(10);
/// A step back from the end of the topic when the last record is looked for: a transaction takes two offsets.
const TAIL: i64 = 64;

/// Offsets of one partition in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
}

/// A partition that had sent nothing for long, and the bound it was raised to before the batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Event time in microseconds: what comes from it and is older is too late.
    pub bound_us: i64,
}

/// One micro-batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0, 1, 2, ..
    pub number: u64,
    /// What it took.
    pub ranges: Vec<Range>,
    /// Partitions raised before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
    /// How many messages it caused.
    pub messages: usize,
    /// Partitions that the horizon waits for, as `topic/partition`: decided at the first start, kept for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Hash of rules, their parameters and the lateness.
    pub rules: String,
}

/// How to go on from what was done.
#[derive(Debug)]
pub struct Resume {
    /// Partitions that the horizon waits for.
    pub waits_for: Vec<String>,
    /// The state to begin with.
    pub snapshot: Option<Snapshot>,
    /// The batches after it.
    pub log: Vec<Progress>,
}

impl Resume {
    /// From the log and a snapshot; `None` when nothing was done yet.
    pub fn new(mut log: Vec<Progress>, snapshot: Option<Snapshot>) -> Option<Resume> {
        let waits_for = log.first()?.waits_for.clone();
        if let Some(snapshot) = &snapshot {
            log.retain(|p| p.number > snapshot.number);
        }
        Some(Resume { waits_for, snapshot, log })
    }

    /// The first offset of a partition that the state still needs.
    pub fn offset(&self, topic: &str, partition: i32) -> Option<i64> {
        let is_it = |r: &&Range| r.topic == topic && r.partition == partition;
        let saved = self.snapshot.iter().flat_map(|s| &s.partitions).find(is_it).map(|r| r.to);
        saved.or_else(|| self.log.iter().flat_map(|p| &p.ranges).find(is_it).map(|r| r.from))
    }
}

/// The offsets that some records take up.
pub fn ranges(records: &[KafkaRecord]) -> Vec<Range> {
    let mut ranges: BTreeMap<usize, Range> = BTreeMap::new();
    for record in records {
        let at = &record.position;
        let range = ranges.entry(record.partition).or_insert_with(|| Range {
            topic: at.topic.clone(),
            partition: at.partition,
            from: at.offset,
            to: at.offset,
        });
        range.to = at.offset + 1;
    }
    ranges.into_values().collect()
}

/// Every record, oldest first. Call it when no other process can write any more.
///
/// # Errors
/// When the topic cannot be read, or misses a record.
pub fn read_all(kafka: &Kafka) -> anyhow::Result<Vec<Progress>> {
    let (consumer, low, _) = open(kafka)?;
    let records = read_from(&consumer, low)?;
    for (nth, record) in records.iter().enumerate() {
        ensure!(
            record.number == nth as u64,
            "topic `{PROGRESS}` misses batch {nth}: was its retention changed? It must keep everything"
        );
    }
    Ok(records)
}

/// The number of the last record.
///
/// # Errors
/// When the topic cannot be read.
pub fn last_number(kafka: &Kafka) -> anyhow::Result<Option<u64>> {
    let (consumer, low, high) = open(kafka)?;
    let mut back = TAIL;
    loop {
        let from = low.max(high - back);
        match read_from(&consumer, from)?.last() {
            Some(last) => return Ok(Some(last.number)),
            None if from == low => return Ok(None),
            None => back *= 8,
        }
    }
}

/// Errors come back from `poll`; the end of the partition, which is one of them, is no news for a log.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

fn open(kafka: &Kafka) -> anyhow::Result<(BaseConsumer<Quiet>, i64, i64)> {
    let group = format!("{}-progress", kafka.group_id);
    let defaults = [
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_committed"),
        ("fetch.wait.max.ms", "10"),
    ];
    let consumer = client_config(kafka, &defaults).create_with_context(Quiet);
    let consumer: BaseConsumer<Quiet> = consumer.context("cannot make a Kafka consumer")?;
    let metadata = consumer.fetch_metadata(Some(PROGRESS), WAIT).context("the broker does not answer")?;
    match metadata.topics().first().map_or(0, |t| t.partitions().len()) {
        1 => {}
        0 => bail!("topic `{PROGRESS}` is not there; `foreshock topics create` makes it"),
        n => bail!("topic `{PROGRESS}` has {n} partitions; it must have one, for its order counts"),
    }
    let (low, high) = consumer.fetch_watermarks(PROGRESS, 0, WAIT).context("the broker does not answer")?;
    Ok((consumer, low, high))
}

fn read_from(consumer: &BaseConsumer<Quiet>, from: i64) -> anyhow::Result<Vec<Progress>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(PROGRESS, 0, Offset::Offset(from))?;
    consumer.assign(&list)?;
    let mut records = Vec::new();
    loop {
        match consumer.poll(WAIT) {
            Some(Ok(message)) => {
                let bytes = message.payload().unwrap_or_default();
                let place = || format!("topic `{PROGRESS}`, offset {}: not a progress record", message.offset());
                records.push(serde_json::from_slice(bytes).with_context(place)?);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
            Some(Err(error)) => return Err(error).context(format!("cannot read topic `{PROGRESS}`")),
            None => bail!("topic `{PROGRESS}`: the broker does not answer"),
        }
    }
}
