//! Settings that topics must have, and what follows when they have others.

use crate::kafka::client::client_config;
use crate::ops::config::Config;
use anyhow::Context;
use foreshock_core::Feed;
use foreshock_log::{
    ACTS, ANSWERS, BLOCKING_DRAFTS, COMMANDS, EVENTS, ORDERS, OUT_TOPICS, OWNER, PARTS_PROGRESS, PROGRESS,
    REGISTER_PROGRESS,
};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fmt;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

/// The topics that a configuration needs.
///
/// # Errors
/// When the policy of blocking requests, which names the institutions, cannot be read.
pub fn names(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<&str> = Feed::ALL.iter().map(|f| f.topic()).chain(OUT_TOPICS).chain([PROGRESS, OWNER]).collect();
    if config.spread.partitions > 0 {
        names.extend([EVENTS, PARTS_PROGRESS]);
    }
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if let Some(policy) = config.blocking.read_policy()? {
        names.extend([COMMANDS, ANSWERS, ACTS, REGISTER_PROGRESS].map(str::to_owned));
        names.extend(policy.institutions.keys().map(|code| format!("{ORDERS}{code}")));
    }
    Ok(names)
}

/// Those of them that are not there.
///
/// # Errors
/// When the broker does not answer.
pub fn missing(config: &Config) -> anyhow::Result<Vec<String>> {
    let consumer: BaseConsumer = client_config(&config.kafka, &[]).create()?;
    let metadata = consumer.fetch_metadata(None, WAIT).context("the broker does not answer")?;
    let is_there =
        |name: &String| metadata.topics().iter().any(|topic| topic.name() == name && !topic.partitions().is_empty());
    Ok(names(config)?.into_iter().filter(|name| !is_there(name)).collect())
}

/// What a topic is made with: setting, value, and what follows from another one.
pub fn wanted(topic: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    const FOREVER: (&str, &str, &str) =
        ("retention.ms", "-1", "without its records after the last snapshot no process can start");
    match topic {
        PROGRESS | PARTS_PROGRESS | REGISTER_PROGRESS => &[FOREVER],
        ACTS => &[("retention.ms", "-1", "the audit trail has gaps")],
        OWNER => &[("retention.ms", "3600000", "signs of life are kept for longer than anybody reads them")],
        COMMANDS | ANSWERS | BLOCKING_DRAFTS => &[(
            "retention.ms",
            "-1",
            "the register of blocking requests cannot start without its records after the last snapshot",
        )],
        _ if Feed::ALL.iter().any(|feed| feed.topic() == topic) => &[(
            "message.timestamp.type",
            "LogAppendTime",
            "`too far ahead` is judged by a clock that the sender sets: one wrong clock can make others' events late",
        )],
        _ => &[],
    }
}

/// A topic with another setting than it is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Topic.
    pub topic: String,
    setting: &'static str,
    wanted: &'static str,
    found: String,
    consequence: &'static str,
}

impl Difference {
    /// The command that mends it.
    pub fn fix(&self) -> String {
        format!(
            "kafka-configs.sh --bootstrap-server .. --alter --topic {} --add-config {}={}",
            self.topic, self.setting, self.wanted
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { topic, setting, wanted, found, consequence } = self;
        write!(f, "{topic}: {setting} is {found}, not {wanted}: {consequence}. {}", self.fix())
    }
}

/// The settings of the topics that are there and differ.
///
/// # Errors
/// When the broker does not answer.
pub fn differences(config: &Config) -> anyhow::Result<Vec<Difference>> {
    let admin: AdminClient<DefaultClientContext> = client_config(&config.kafka, &[]).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let names = names(config)?;
    let asked: Vec<ResourceSpecifier<'_>> =
        names.iter().filter(|n| !wanted(n).is_empty()).map(|n| ResourceSpecifier::Topic(n)).collect();
    let options = AdminOptions::new().request_timeout(Some(WAIT));
    let answers = runtime.block_on(admin.describe_configs(&asked, &options)).context("the broker does not answer")?;
    let mut found = Vec::new();
    // One that is not there has no settings.
    for resource in answers.into_iter().flatten() {
        let rdkafka::admin::OwnedResourceSpecifier::Topic(topic) = &resource.specifier else { continue };
        for (setting, wanted, consequence) in wanted(topic) {
            let value = resource.get(setting).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if value != *wanted {
                found.push(Difference { topic: topic.clone(), setting, wanted, found: value, consequence });
            }
        }
    }
    Ok(found)
}

/// Says at a start which topics have other settings.
pub fn warn(config: &Config) {
    match differences(config) {
        Ok(found) => found.iter().for_each(|wrong| tracing::warn!("{wrong}")),
        Err(error) => tracing::warn!(error = format!("{error:#}"), "the settings of the topics are not known"),
    }
}
