//! Reads one partition of a topic of ours from its beginning to its end, and on.

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use anyhow::{Context, bail};
use foreshock_log::{Log, OWNER, PROGRESS, Progress};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use serde::de::DeserializeOwned;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);
/// A step back from the end of the topic when the last record is looked for: a transaction takes two offsets.
const STEP_BACK: i64 = 64;

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

    /// At the beginning of a log.
    ///
    /// # Errors
    /// As [`Tail::open`].
    pub fn of(kafka: &Kafka, log: Log) -> anyhow::Result<Tail> {
        Tail::open_one(kafka, log.topic(), log.partition(), log.partitions())
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
        let (high, mut back) = (self.high()?, STEP_BACK);
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
