//! Who is foremost in event time: events that come too late are late because of it, and it may be a wrong clock.

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::TimestampMicrosecondType;
use foreshock_core::time::{DAY_US, SECOND_US, format_rfc3339};
use foreshock_engine::FeedBatch;
use std::fmt;

/// The event of a partition with the highest time so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Who reported it.
    pub reporter: String,
    /// Its event id: not for logs.
    pub event_id: String,
    /// Its time, microseconds.
    pub time_us: i64,
    /// How far ahead of all before it, microseconds; 0 for the first.
    pub leap_us: i64,
}

impl Leader {
    /// Is it further ahead than any honest pause of a stream?
    pub fn is_a_leap(&self) -> bool {
        self.leap_us > DAY_US
    }
}

impl fmt::Display for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, ahead_s) = (format_rfc3339(self.time_us), self.leap_us / SECOND_US);
        write!(f, "an event of `{}` of {time}, {ahead_s} s ahead of all before it", self.reporter)
    }
}

/// The leader of each source partition.
#[derive(Debug, Clone, Default)]
pub struct Leaders(Vec<Option<Leader>>);

impl Leaders {
    /// Takes in events in their order.
    pub fn note(&mut self, batch: &FeedBatch) {
        if self.0.len() <= batch.partition {
            self.0.resize(batch.partition + 1, None);
        }
        let leader = &mut self.0[batch.partition];
        let (mut highest, mut found) = (leader.as_ref().map(|l| l.time_us), None);
        for (row, time) in batch.batch.column(1).as_primitive::<TimestampMicrosecondType>().values().iter().enumerate()
        {
            if highest.is_none_or(|highest| *time > highest) {
                found = Some((row, highest.map_or(0, |highest| time.saturating_sub(highest))));
                highest = Some(*time);
            }
        }
        if let (Some((row, leap_us)), Some(time_us)) = (found, highest) {
            let text = |column: usize| -> String {
                let column: &StringArray = batch.batch.column(column).as_string();
                column.value(row).to_owned()
            };
            *leader = Some(Leader { event_id: text(0), reporter: text(2), time_us, leap_us });
        }
    }

    /// The leader of a partition.
    pub fn of(&self, partition: usize) -> Option<&Leader> {
        self.0.get(partition)?.as_ref()
    }
}
