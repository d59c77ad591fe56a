//! `[kafka]` of the configuration.

use foreshock_core::Feed;
use foreshock_feeds::Reporters;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The reporters that a topic may carry, by topic; a record of another one is refused. A topic that is not named
    /// carries all.
    pub reporters: BTreeMap<String, BTreeSet<String>>,
    /// Institution id of a CloudEvents `source` that is no such id itself.
    pub sources: BTreeMap<String, String>,
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
            reporters: BTreeMap::new(),
            sources: BTreeMap::new(),
            delivery: Delivery::Transactions,
            failover_ms: 3_000,
            topic_made_anew: TopicMadeAnew::Stop,
            partitions: 4,
            replication: 1,
        }
    }
}

impl Kafka {
    /// Who may report on a feed's topic, and what their sources are called.
    pub fn reporters_of(&self, feed: Feed) -> Reporters {
        Reporters { sources: self.sources.clone(), allowed: self.reporters.get(feed.topic()).cloned() }
    }

    /// What is wrong with topics and reporters.
    pub fn fault(&self) -> Option<String> {
        let topics = Feed::ALL.map(Feed::topic);
        let mut named = self.reporters.keys().chain(self.default_reporter.keys());
        if let Some(topic) = named.find(|topic| !topics.contains(&topic.as_str())) {
            return Some(format!("kafka: no incoming topic `{topic}`; there are {}", topics.join(", ")));
        }
        let faults = Feed::ALL.into_iter().find_map(|feed| {
            let default = self.default_reporter.get(feed.topic()).map(String::as_str);
            self.reporters_of(feed).fault(default)
        });
        faults.map(|fault| format!("kafka.reporters, kafka.sources, kafka.default_reporter: {fault}"))
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
