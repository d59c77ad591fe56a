//! Where records stand.

use crate::source::SourceRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Position {
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Offsets of one partition in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
}

/// The offsets that some records take up.
pub fn ranges(records: &[SourceRecord]) -> Vec<Range> {
    let mut ranges: BTreeMap<usize, Range> = BTreeMap::new();
    for record in records {
        let at = &record.position;
        let range = ranges.entry(record.partition).or_insert_with(|| Range {
            topic: at.topic.clone(),
            partition: at.partition,
            from: at.offset,
            to: at.offset,
        });
        range.to = at.offset + 1;
    }
    ranges.into_values().collect()
}
