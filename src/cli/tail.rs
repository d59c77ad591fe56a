//! `tail`: what comes on a topic.

use crate::cli::Exit;
use crate::cli::options::ConfigOption;
use crate::cli::stop::stop_flag;
use crate::kafka::client::client_config;
use crate::ops::config::Config;
use crate::ops::latency::{Quantiles, histogram};
use anyhow::Context;
use foreshock_log as log;
use hdrhistogram::Histogram;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::fmt::{Display, Formatter};
use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// `foreshock tail`
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// `detections`, `alerts`, `blocking`, `warnings`, `rejected`, `late`, `acts`, or a topic.
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
            "acts" => log::ACTS,
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
        let (is_terminal, stop) = (std::io::stdout().is_terminal(), stop_flag()?);
        let (idle, mut last) = (self.idle.map(Duration::from_secs), Instant::now());
        let mut footer = Footer { start_ms: now_ms(), records: 0, delays: histogram() };
        while !stop.load(Ordering::Acquire) && idle.is_none_or(|idle| last.elapsed() < idle) {
            match consumer.poll(LOOK) {
                Some(Ok(message)) => {
                    footer.note(message.timestamp().to_millis());
                    println!("{}", shown(message.payload().unwrap_or_default(), is_terminal));
                    last = Instant::now();
                }
                Some(Err(error)) => eprintln!("{error}"),
                None => {}
            }
        }
        eprintln!("{footer}");
        Ok(Exit::Ok)
    }
}

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How many records came, and how long after their timestamps.
struct Footer {
    start_ms: i64,
    records: u64,
    /// Microseconds, of those that were written meanwhile.
    delays: Histogram<u64>,
}

impl Footer {
    fn note(&mut self, time_ms: Option<i64>) {
        self.records += 1;
        if let Some(time_ms) = time_ms.filter(|time_ms| *time_ms >= self.start_ms) {
            // A clock that goes ahead of ours wrote it now.
            self.delays.saturating_record((now_ms() - time_ms).max(0).unsigned_abs() * 1_000);
        }
    }
}

impl Display for Footer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records", self.records)?;
        match Quantiles::of(&self.delays) {
            Some(delays) => {
                write!(f, "; {} were written meanwhile and came after their timestamps: {delays}", self.delays.len())
            }
            None => Ok(()),
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
