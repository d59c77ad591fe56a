//! Where records come from.

use crate::position::{Position, Range};
use foreshock_core::{Feed, Presence};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A record, copied out of its source.
#[derive(Debug, Clone)]
pub struct SourceRecord {
    /// Where it stood.
    pub position: Position,
    /// Number of its partition in the engine.
    pub partition: usize,
    /// Content.
    pub bytes: Vec<u8>,
    /// CloudEvents binary mode: the bytes of header `ce_source`, empty for a null one.
    pub source: Option<Vec<u8>>,
    /// Record timestamp, microseconds.
    pub time_us: Option<i64>,
    /// What it holds.
    pub kind: Kind,
}

/// What a record holds, by its topic and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A report of this feed.
    Event(Feed),
    /// The horizon after the events before it, in microseconds: from the process that has admitted them.
    Horizon(i64),
    /// A draft of a blocking request.
    Draft,
    /// What a person wants of a blocking request.
    Command,
    /// What an institution answers.
    Answer,
}

/// A topic was deleted and made again, and the source must not go on: trying again does not help.
#[derive(Debug)]
pub struct MadeAnew(pub String);

impl fmt::Display for MadeAnew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MadeAnew {}

/// Partitions of records in an order that does not change. Kafka, or the simulated one of the tests.
pub trait Source {
    /// For the engine: every partition, and whether the horizon waits for it.
    fn presence(&self) -> Vec<Presence>;
    /// The partitions that the horizon waits for, as a progress record names them.
    fn waits_for(&self) -> Vec<String>;
    /// Number of a partition in the engine.
    fn number(&self, topic: &str, partition: i32) -> Option<usize>;
    /// Kafka's ids of the topics as they are now, as far as they are known: one that was made anew has another.
    fn topics(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// The ids that topics had in the batches that are taken again from here on.
    ///
    /// # Errors
    /// [`MadeAnew`] when one was since and the source must not go on.
    fn topics_in_log(&mut self, _topics: &BTreeMap<String, String>) -> anyhow::Result<()> {
        Ok(())
    }
    /// The wall clock, in microseconds: it goes into the record of a batch that hangs on it.
    fn now_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
    /// What has arrived: waits up to `wait` for a first record, then takes what is there, up to `max`.
    fn take(&mut self, max: usize, wait: Duration) -> Vec<SourceRecord>;
    /// Exactly the records of a batch that was taken before. What is no longer there counts as lost.
    ///
    /// # Errors
    /// When the source does not give them.
    fn take_again(&mut self, ranges: &[Range]) -> anyhow::Result<Vec<SourceRecord>>;
    /// No batch is taken again from now on.
    ///
    /// # Errors
    /// When the client does not take it.
    fn end_again(&mut self) -> anyhow::Result<()>;
    /// Partitions whose bound did not move for so long, whatever they sent, and which hold nothing that we have not had:
    /// topic, partition, number.
    fn silent(&mut self, idle: Duration) -> Vec<(String, i32, usize)>;
    /// A record of this partition moved its bound in event time: it is not silent.
    fn moved(&mut self, _number: usize) {}
    /// Has a partition given something of late, or is it about to?
    fn still_sends(&self, number: usize) -> bool;
    /// Nothing is taken from these partitions, and from all others again.
    fn hold_back(&mut self, ahead: &[usize]);
    /// While results cannot be delivered: take nothing in, keep the connection.
    fn hold(&mut self);
    /// Results are delivered again.
    fn go_on(&mut self);
    /// Counts a batch as done, whose topics had these ids.
    fn mark_done(&mut self, ranges: &[Range], topics: &BTreeMap<String, String>);
    /// Every partition in the order of the engine, with the next offset to take.
    fn places(&self) -> Vec<Range>;
    /// Tells the source what is done, for tools that show the lag; waits for its answer when it is the last time.
    ///
    /// # Errors
    /// When it does not take it.
    fn commit(&mut self, is_last: bool) -> anyhow::Result<()>;
    /// Records that were no longer there when they were asked for.
    fn lost(&self) -> u64;
    /// The last error, once.
    fn take_error(&mut self) -> Option<String>;
    /// What makes it impossible to go on, once.
    fn fault(&mut self) -> Option<anyhow::Error> {
        None
    }
}
