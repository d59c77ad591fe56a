//! `tail`: what comes on a topic.

use crate::cli::Exit;
use crate::cli::options::ConfigOption;
use crate::kafka::client::client_config;
use crate::ops::config::Config;
use anyhow::Context;
use foreshock_log as log;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::io::IsTerminal;
use std::time::Duration;

/// `foreshock tail`
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// `detections`, `alerts`, `blocking`, `warnings`, `rejected`, `late`, or a topic.
    what: String,
    #[command(flatten)]
    config: ConfigOption,
    /// Broker, instead of the configuration's.
    #[arg(long)]
    brokers: Option<String>,
    /// End when nothing has come for so many seconds; without it, never.
    #[arg(long)]
    idle: Option<u64>,
}

impl Tail {
    /// Runs the command.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let mut config = if self.brokers.is_some() { Config::default() } else { self.config.read()? };
        if let Some(brokers) = &self.brokers {
            config.kafka.brokers.clone_from(brokers);
        }
        let topic = match self.what.as_str() {
            "detections" => log::DETECTIONS,
            "alerts" => log::ALERTS,
            "blocking" => log::BLOCKING_DRAFTS,
            "warnings" => log::WARNING_DRAFTS,
            "rejected" => log::REJECTED,
            "late" => log::LATE,
            other => other,
        };
        let defaults =
            [("group.id", "foreshock-tail"), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];
        let consumer: BaseConsumer = client_config(&config.kafka, &defaults).create()?;
        let metadata = consumer
            .fetch_metadata(Some(topic), Duration::from_secs(10))
            .context("the broker does not answer")
            .context(Exit::Unreachable)?;
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
            list.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let is_terminal = std::io::stdout().is_terminal();
        let wait = self.idle.map_or(Duration::from_secs(3_600), Duration::from_secs);
        loop {
            match consumer.poll(wait) {
                Some(Ok(message)) => println!("{}", shown(message.payload().unwrap_or_default(), is_terminal)),
                Some(Err(error)) => eprintln!("{error}"),
                None if self.idle.is_some() => return Ok(Exit::Ok),
                None => {}
            }
        }
    }
}

/// What a terminal may see of a record: its producer must not steer it.
fn shown(bytes: &[u8], is_terminal: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !is_terminal {
        return text.into_owned();
    }
    let steers = |c: char| {
        c.is_control() && c != '\n' && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_record_cannot_steer_the_terminal_but_goes_unchanged_into_a_pipe() {
        let hostile = "\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}ok\n";
        assert_eq!(shown(hostile.as_bytes(), false), hostile);
        let seen = shown(hostile.as_bytes(), true);
        assert!(!seen.contains('\u{1b}') && !seen.contains('\u{202e}') && seen.ends_with("ok\n"), "{seen}");
    }
}
