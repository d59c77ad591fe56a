//! What has been done: one record for each micro-batch, written together with everything the batch caused.
//!
//! A record names the offsets of its batch. State is a pure function of the input and of these cuts: a process that
//! starts takes the same batches again, says nothing, and so comes to the state of the one before it, revision numbers
//! included. What the last record names is done; what comes after it is not.

use crate::config::Kafka;
use crate::sinks::kafka::client_config;
use crate::snapshot::Snapshot;
use crate::sources::SourceRecord;
use anyhow::{Context, bail, ensure};
use foreshock_compiler::Part;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The topic. One partition: its order is the order of the batches.
pub const PROGRESS: &str = "foreshock.progress";
/// The same for the partitions of [`crate::sinks::wire::EVENTS`], each in the partition of its number.
pub const PARTS_PROGRESS: &str = "foreshock.events.progress";
/// Where the process that writes shows that it lives while it has nothing to write, and others that they would take over.
/// One partition.
pub const OWNER: &str = "foreshock.owner";

const WAIT: Duration = Duration::from_secs(10);
/// A step back from the end of the topic when the last record is looked for: a transaction takes two offsets.
const TAIL: i64 = 64;

/// A log of batches: that of the one process that reads the incoming topics, or that of a partition of the rules that spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log(pub Option<Part>);

impl Log {
    /// Its topic.
    pub fn topic(self) -> &'static str {
        if self.0.is_some() { PARTS_PROGRESS } else { PROGRESS }
    }

    /// Its partition.
    pub fn partition(self) -> i32 {
        self.0.map_or(0, |part| part.number.cast_signed())
    }

    /// Its name among those of a group.
    pub fn name(self) -> String {
        self.0.map_or("engine".into(), |part| format!("part-{}", part.number))
    }

    /// To be read, from its beginning.
    ///
    /// # Errors
    /// As [`Tail::open`].
    pub fn open(self, kafka: &Kafka) -> anyhow::Result<Tail> {
        Tail::open_one(kafka, self.topic(), self.partition(), self.0.map_or(1, |part| part.of))
    }
}

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

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The process.
    pub owner: String,
    /// Number of the next batch: a sign is younger than a batch when this is more than the batch's number.
    #[serde(default)]
    pub next: u64,
    /// It ends in good order: another one may take over at once.
    pub is_gone: bool,
    /// It does not write but would take over ([`crate::election`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_candidate: bool,
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
    /// Newest event time before it, in microseconds; `None` before the first event that was in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_us: Option<i64>,
    /// Partitions that the horizon waits for, as `topic/partition`: decided at the first start, kept for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Hash of rules, their parameters and the lateness.
    pub rules: String,
    /// Id and version of each rule, in the first batch with these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub in_force: BTreeSet<String>,
    /// The process that took it.
    #[serde(default)]
    pub owner: String,
}

/// How to go on from what was done.
#[derive(Debug)]
pub struct Resume {
    /// Partitions that the horizon waits for.
    pub waits_for: Vec<String>,
    /// The state to begin with.
    pub snapshot: Option<Snapshot>,
    /// The batches after it that are known so far.
    pub log: Vec<Progress>,
}

impl Resume {
    /// From the log after a snapshot, or all of it; `None` when nothing was done yet.
    ///
    /// # Errors
    /// When the log misses a batch.
    pub fn new(log: Vec<Progress>, snapshot: Option<Snapshot>) -> anyhow::Result<Option<Resume>> {
        let first = snapshot.as_ref().map_or(0, |s| s.number + 1);
        check_order(&log, first)?;
        let waits_for = match (&snapshot, log.first()) {
            (Some(snapshot), _) => snapshot.waits_for.clone(),
            (None, Some(first)) => first.waits_for.clone(),
            (None, None) => return Ok(None),
        };
        Ok(Some(Resume { waits_for, snapshot, log }))
    }

    /// The first offset of a partition that the state still needs.
    pub fn offset(&self, topic: &str, partition: i32) -> Option<i64> {
        let is_it = |r: &&Range| r.topic == topic && r.partition == partition;
        let saved = self.snapshot.iter().flat_map(|s| &s.partitions).find(is_it).map(|r| r.to);
        saved.or_else(|| self.log.iter().flat_map(|p| &p.ranges).find(is_it).map(|r| r.from))
    }
}

/// Do the records follow each other, from this number on?
///
/// # Errors
/// With the first batch that is missing.
pub fn check_order(log: &[Progress], first: u64) -> anyhow::Result<()> {
    for (record, number) in log.iter().zip(first..) {
        ensure!(
            record.number == number,
            "the log misses batch {number}: was its retention changed? It must keep all since the last snapshot"
        );
    }
    Ok(())
}

/// The offsets that some records take up.
pub fn ranges(records: &[SourceRecord]) -> Vec<Range> {
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

/// Reads one partition of a topic, from where it stopped the last time.
pub struct Tail {
    consumer: BaseConsumer<Quiet>,
    topic: &'static str,
    partition: i32,
    low: i64,
    next: i64,
}

impl Tail {
    /// At the beginning of a topic of one partition.
    ///
    /// # Errors
    /// When the broker does not answer, or the topic is not there or has several partitions.
    pub fn open(kafka: &Kafka, topic: &'static str) -> anyhow::Result<Tail> {
        Tail::open_one(kafka, topic, 0, 1)
    }

    /// At the beginning of a partition of a topic that must have so many.
    fn open_one(kafka: &Kafka, topic: &'static str, partition: i32, partitions: u32) -> anyhow::Result<Tail> {
        let group = format!("{}-progress", kafka.group_id);
        // Signs count before they are committed: the process that died may have left one open, before the others' own.
        let isolation = if topic == OWNER { "read_uncommitted" } else { "read_committed" };
        let defaults = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", isolation),
            ("fetch.wait.max.ms", "10"),
        ];
        let consumer = client_config(kafka, &defaults).create_with_context(Quiet);
        let consumer: BaseConsumer<Quiet> = consumer.context("cannot make a Kafka consumer")?;
        let metadata = consumer.fetch_metadata(Some(topic), WAIT).context("the broker does not answer")?;
        check_partitions(topic, metadata.topics().first().map_or(0, |t| t.partitions().len()), partitions)?;
        let low = consumer.fetch_watermarks(topic, partition, WAIT).context("the broker does not answer")?.0;
        Ok(Tail { consumer, topic, partition, low, next: low })
    }

    fn high(&self) -> anyhow::Result<i64> {
        Ok(self.consumer.fetch_watermarks(self.topic, self.partition, WAIT).context("the broker does not answer")?.1)
    }

    /// The records up to the end of the topic as it is now.
    ///
    /// # Errors
    /// When the topic cannot be read or holds something else.
    pub fn read<T: DeserializeOwned>(&mut self) -> anyhow::Result<Vec<T>> {
        self.read_some(usize::MAX)
    }

    /// The next ones, at most so many; none at the end.
    ///
    /// # Errors
    /// As [`Tail::read`].
    pub fn read_some<T: DeserializeOwned>(&mut self, max: usize) -> anyhow::Result<Vec<T>> {
        let topic = self.topic;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, self.partition, Offset::Offset(self.next))?;
        self.consumer.assign(&list)?;
        let (mut records, mut next) = (Vec::new(), self.next);
        while records.len() < max {
            match self.consumer.poll(WAIT) {
                Some(Ok(message)) => {
                    let bytes = message.payload().unwrap_or_default();
                    let place = || format!("topic `{topic}`, offset {}: not a record of ours", message.offset());
                    records.push(serde_json::from_slice(bytes).with_context(place)?);
                    next = message.offset() + 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => return Err(error).context(format!("cannot read topic `{topic}`")),
                None => bail!("topic `{topic}`: the broker does not answer"),
            }
        }
        // Only now: what is read before an error is read again.
        self.next = next;
        Ok(records)
    }

    /// The last record; the next [`Tail::read`] goes on after it.
    ///
    /// # Errors
    /// As [`Tail::read`].
    pub fn last<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        let (high, mut back) = (self.high()?, TAIL);
        loop {
            self.next = self.low.max(high - back);
            let is_all = self.next == self.low;
            match self.read()?.pop() {
                Some(last) => return Ok(Some(last)),
                None if is_all => return Ok(None),
                None => back *= 8,
            }
        }
    }

    /// Goes to the first progress record of this number or a higher one.
    ///
    /// # Errors
    /// As [`Tail::read`].
    pub fn go_to(&mut self, number: u64) -> anyhow::Result<()> {
        self.go_past(|record| record.number < number)
    }

    /// Goes to the first progress record that is not of the earlier ones; whoever asks knows that these come first.
    ///
    /// # Errors
    /// As [`Tail::read`].
    pub fn go_past(&mut self, is_earlier: impl Fn(&Progress) -> bool) -> anyhow::Result<()> {
        let (mut low, mut high) = (self.low, self.high()?);
        while low < high {
            let middle = low + (high - low) / 2;
            self.next = middle;
            match self.read_some::<Progress>(1)?.pop() {
                Some(found) if is_earlier(&found) => low = self.next,
                _ => high = middle,
            }
        }
        self.next = low;
        Ok(())
    }
}

/// Has a topic as many partitions as it must have?
///
/// # Errors
/// When not.
pub fn check_partitions(topic: &str, found: usize, expected: u32) -> anyhow::Result<()> {
    match found {
        0 => bail!("topic `{topic}` is not there; `foreshock topics create` makes it"),
        n if n == expected as usize => Ok(()),
        n if expected == 1 => bail!("topic `{topic}` has {n} partitions; it must have one, for its order counts"),
        n => bail!(
            "topic `{topic}` has {n} partitions and `spread.partitions` is {expected}: the number cannot change, for keys \
             would be looked for where they are not"
        ),
    }
}

/// Every progress record, oldest first.
///
/// # Errors
/// When the topic cannot be read.
pub fn read_all(kafka: &Kafka) -> anyhow::Result<Vec<Progress>> {
    Tail::open(kafka, PROGRESS)?.read()
}

/// Errors come back from `poll`; the end of the partition, which is one of them, is no news for a log.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}
