//! `[kafka]` of the configuration.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[kafka]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Consumer group.
    pub group_id: String,
    /// Further settings handed to librdkafka as they are (TLS, SASL and the like).
    pub properties: BTreeMap<String, String>,
    /// Reporter of records that name none, by topic.
    pub default_reporter: BTreeMap<String, String>,
    /// How results go out.
    pub delivery: Delivery,
    /// A process that stands by takes over after so many milliseconds without a sign of the one that writes.
    pub failover_ms: u32,
    /// What to do when an incoming topic was deleted and made again.
    pub topic_made_anew: TopicMadeAnew,
    /// Partitions of topics made by `topics create`.
    pub partitions: i32,
    /// Replicas of topics made by `topics create`.
    pub replication: i32,
}

impl Default for Kafka {
    fn default() -> Self {
        Kafka {
            brokers: "127.0.0.1:9092".into(),
            group_id: "foreshock".into(),
            properties: BTreeMap::new(),
            default_reporter: BTreeMap::new(),
            delivery: Delivery::Transactions,
            failover_ms: 3_000,
            topic_made_anew: TopicMadeAnew::Stop,
            partitions: 4,
            replication: 1,
        }
    }
}

/// How results go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// A batch's results and its progress in one Kafka transaction: a reader with `read_committed` sees each once.
    Transactions,
    /// For brokers without transactions: after a crash the last batch's results may come twice, with the same ids.
    Idempotent,
}

/// What to do when an incoming topic was deleted and made again under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicMadeAnew {
    /// The process ends and says so: somebody must know that records are gone.
    Stop,
    /// The new one is read from its beginning. Windows keep what they hold.
    GoOn,
}
