//! Delivery to Kafka: idempotent producer, a batch is done when every message of it was acknowledged.

use crate::config::Kafka;
use crate::sinks::wire::Message;
use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Message as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Client settings from configuration: the operator's own properties win.
pub fn client_config(kafka: &Kafka, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers);
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in &kafka.properties {
        config.set(name, value);
    }
    config
}

#[derive(Debug, Default)]
struct Deliveries {
    open: AtomicI64,
    error: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        if let Err((error, message)) = result {
            let text = format!("{} was not delivered: {error}", message.topic());
            self.error.lock().expect("nobody panics with this lock").get_or_insert(text);
        }
    }
}

/// The producer.
pub struct KafkaSink {
    producer: BaseProducer<Deliveries>,
}

impl KafkaSink {
    /// Connects.
    ///
    /// # Errors
    /// When a setting is not valid.
    pub fn new(kafka: &Kafka) -> anyhow::Result<KafkaSink> {
        let defaults =
            [("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "1"), ("message.timeout.ms", "300000")];
        let producer = client_config(kafka, &defaults).create_with_context(Deliveries::default());
        Ok(KafkaSink { producer: producer.context("cannot make the Kafka producer")? })
    }

    /// Delivers all messages, in order, and returns when the broker has them. `on_wait` is called every 100 ms meanwhile.
    ///
    /// # Errors
    /// When a message cannot be delivered: nothing that caused it may be committed.
    pub fn deliver(&self, messages: &[Message], mut on_wait: impl FnMut()) -> anyhow::Result<()> {
        for message in messages {
            let open = &self.producer.context().open;
            open.fetch_add(1, Ordering::AcqRel);
            let mut record = BaseRecord::to(message.topic).key(&message.key).payload(&message.payload);
            // A full local queue is back-pressure: wait for room.
            while let Err((error, back)) = self.producer.send(record) {
                if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                    return Err(error).with_context(|| format!("cannot send to {}", message.topic));
                }
                record = back;
                self.producer.poll(Duration::from_millis(100));
                on_wait();
            }
        }
        while self.producer.context().open.load(Ordering::Acquire) > 0 {
            let before = self.producer.context().open.load(Ordering::Acquire);
            self.producer.poll(Duration::from_millis(100));
            if self.producer.context().open.load(Ordering::Acquire) == before {
                on_wait();
            }
        }
        let error = self.producer.context().error.lock().expect("nobody panics with this lock").take();
        error.map_or(Ok(()), |text| Err(anyhow::anyhow!(text)))
    }
}
