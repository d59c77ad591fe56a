//! Settings of every client of the broker.

use crate::kafka::settings::Kafka;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use std::time::{Duration, Instant};

/// A broker that has just started answers some questions with "not yet": ask again for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// What a consumer holds that was fetched and not taken.
pub(super) const QUEUE_MAX: (&str, &str) = ("queued.max.messages.kbytes", "16384");
/// So soon a full queue is looked at again: the client's own second is longer than a queue lasts.
pub(super) const QUEUE_LOOK: (&str, &str) = ("fetch.queue.backoff.ms", "5");

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

/// Asks until the broker knows.
pub(super) fn patiently<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let start = Instant::now();
    loop {
        match ask() {
            Err(error) if start.elapsed() < PATIENCE && is_passing(&error) => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    code.is_some_and(|c| {
        matches!(
            c,
            Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::LeaderNotAvailable
                | Code::NotCoordinator
                | Code::NotLeaderForPartition
        )
    })
}
