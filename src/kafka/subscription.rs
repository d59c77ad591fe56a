//! Topics as they go on, for a process that only reads: some from a time on, partitions of others from an offset on.

use crate::kafka::client::{QUEUE_LOOK, QUEUE_MAX, client_config, patiently};
use crate::kafka::settings::Kafka;
use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

/// A partition by its topic and number.
pub type Place = (String, i32);

/// A record, copied out of its client.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its partition.
    pub place: Place,
    /// Offset.
    pub offset: i64,
    /// Record timestamp, microseconds.
    pub time_us: Option<i64>,
    /// Key.
    pub key: Vec<u8>,
    /// Headers; one without a value has no bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Content.
    pub bytes: Vec<u8>,
}

impl Received {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Received {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
        });
        Received {
            place: (message.topic().to_owned(), message.partition()),
            offset: message.offset(),
            time_us: message.timestamp().to_millis().map(|ms| ms.saturating_mul(1_000)),
            key: message.key().unwrap_or_default().to_vec(),
            headers,
            bytes: message.payload().unwrap_or_default().to_vec(),
        }
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

/// Reads without a group: any number of processes may, and none is known to the broker.
pub struct Subscription {
    consumer: BaseConsumer,
}

impl Subscription {
    /// All partitions of these topics, from a time on (milliseconds) or from their beginning.
    ///
    /// # Errors
    /// When the broker does not answer or lacks a topic.
    pub fn open(kafka: &Kafka, topics: &[(&str, Option<i64>)]) -> anyhow::Result<Subscription> {
        let group = format!("{}-reader", kafka.group_id);
        let defaults = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // What is gone is gone: the batch tells how much was lost.
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "50"),
            QUEUE_MAX,
            QUEUE_LOOK,
            ("isolation.level", "read_committed"),
        ];
        let consumer: BaseConsumer =
            client_config(kafka, &defaults).create().context("cannot make a Kafka consumer")?;
        let mut list = TopicPartitionList::new();
        for (topic, since_ms) in topics {
            let metadata = consumer.fetch_metadata(Some(topic), WAIT).context("the broker does not answer")?;
            let partitions = metadata.topics().first().map_or(0, |t| t.partitions().len());
            if partitions == 0 {
                bail!("topic `{topic}` is not there; `foreshock topics create` makes it");
            }
            let mut of_topic = TopicPartitionList::new();
            for partition in 0..i32::try_from(partitions)? {
                let offset = since_ms.map_or(Offset::Beginning, Offset::Offset);
                of_topic.add_partition_offset(topic, partition, offset)?;
            }
            if since_ms.is_some() {
                of_topic = patiently(|| consumer.offsets_for_times(of_topic.clone(), WAIT))
                    .with_context(|| format!("topic `{topic}`: the broker does not say where a time is"))?;
            }
            for element in of_topic.elements() {
                // Nothing since then: what comes from now on, and now is now, not when the client gets there.
                let offset = match element.offset() {
                    Offset::End => Offset::Offset(
                        patiently(|| consumer.fetch_watermarks(topic, element.partition(), WAIT))
                            .with_context(|| format!("cannot read the ends of {topic}"))?
                            .1,
                    ),
                    offset => offset,
                };
                list.add_partition_offset(topic, element.partition(), offset)?;
            }
        }
        consumer.assign(&list)?;
        Ok(Subscription { consumer })
    }

    /// One more partition, from an offset on or the first one that there still is: that one.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn add(&self, place: &Place, from: i64) -> anyhow::Result<i64> {
        let (low, _) = patiently(|| self.consumer.fetch_watermarks(&place.0, place.1, WAIT))
            .with_context(|| format!("cannot read the ends of {}/{}", place.0, place.1))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&place.0, place.1, Offset::Offset(from.max(low)))?;
        self.consumer.incremental_assign(&list)?;
        Ok(from.max(low))
    }

    /// Does the broker answer for every partition that is read?
    pub fn answers(&self) -> bool {
        let Ok(list) = self.consumer.assignment() else { return false };
        let answers =
            |topic: &str, partition| self.consumer.fetch_watermarks(topic, partition, Duration::from_secs(2)).is_ok();
        list.elements().iter().all(|element| answers(element.topic(), element.partition()))
    }

    /// The next record; `None` when nothing has come in this time.
    ///
    /// # Errors
    /// What the client says: the next call goes on.
    pub fn poll(&self, wait: Duration) -> anyhow::Result<Option<Received>> {
        let Some(message) = self.consumer.poll(wait) else { return Ok(None) };
        Ok(Some(Received::of(&message?)))
    }

    /// Reads these no further, or on again.
    ///
    /// # Errors
    /// What the client says.
    pub fn hold(&self, place: &Place, is_held: bool) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&place.0, place.1);
        if is_held {
            self.consumer.pause(&list)?
        } else {
            self.consumer.resume(&list)?
        }
        Ok(())
    }
}
