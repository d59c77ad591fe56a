//! Records of a partition between two offsets, read once more.

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::subscription::{Place, Received};
use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads them, without a group.
pub struct Stretches {
    consumer: BaseConsumer,
}

impl Stretches {
    /// Of this broker.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn open(kafka: &Kafka) -> anyhow::Result<Stretches> {
        let group = format!("{}-reader", kafka.group_id);
        let defaults = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("enable.partition.eof", "true"),
            ("fetch.wait.max.ms", "50"),
            ("isolation.level", "read_committed"),
        ];
        let consumer = client_config(kafka, &defaults).create().context("cannot make a Kafka consumer")?;
        Ok(Stretches { consumer })
    }

    /// The records from an offset up to another one, as far as the broker still has them.
    ///
    /// # Errors
    /// When it does not answer, or not until then.
    pub fn read(&self, place: &Place, (from, to): (i64, i64), until: Instant) -> anyhow::Result<Vec<Received>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&place.0, place.1, Offset::Offset(from))?;
        self.consumer.assign(&list)?;
        let (mut records, mut heard) = (Vec::new(), Instant::now());
        loop {
            match self.consumer.poll(POLL) {
                // Of the partition that was read before.
                Some(Ok(message)) if (message.topic(), message.partition()) != (place.0.as_str(), place.1) => {}
                Some(Ok(message)) if message.offset() >= to => break,
                // A topic that was made anew is shorter: its beginning is none of these.
                Some(Ok(message)) if message.offset() < from => break,
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let is_last = message.offset() + 1 == to;
                    records.push(Received::of(&message));
                    if is_last {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) if partition == place.1 => break,
                Some(Err(error)) => tracing::warn!(%error, topic = place.0, "reading records once more"),
                None => {}
            }
            if heard.elapsed() > PATIENCE || Instant::now() > until {
                bail!("{}/{}: the broker gives nothing from offset {from} on", place.0, place.1);
            }
        }
        Ok(records)
    }
}
