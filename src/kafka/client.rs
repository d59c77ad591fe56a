//! Settings of every client of the broker.

use crate::kafka::settings::Kafka;
use rdkafka::config::ClientConfig;

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
