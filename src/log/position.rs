//! Where records stand.

use crate::fates::encode;
use crate::source::SourceRecord;
use foreshock_core::Fate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Topic.
    pub topic: Arc<str>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// The offsets that some records take up, and what became of the records of each range (see [`crate::Progress::fates`]).
pub fn ranges(records: &[SourceRecord], fates: &[Fate]) -> (Vec<Range>, Vec<String>) {
    let mut ranges: BTreeMap<usize, (Range, Vec<Fate>)> = BTreeMap::new();
    for (nth, record) in records.iter().enumerate() {
        let at = &record.position;
        let (range, of_range) = ranges.entry(record.partition).or_insert_with(|| {
            let (topic, partition, from) = (at.topic.to_string(), at.partition, at.offset);
            (Range { topic, partition, from, to: from }, Vec::new())
        });
        range.to = at.offset + 1;
        of_range.extend(fates.get(nth));
    }
    ranges.into_values().map(|(range, fates)| (range, encode(fates))).unzip()
}

/// Bits of a row's number for its place in the batch: no batch has so many rows of a table.
const SEQ_PLACE_BITS: u32 = 24;

/// The number of a row: that of its batch, then its place in it. It grows along the log and is the same in every reader.
pub fn seq(batch: u64, place: u32) -> i64 {
    ((batch << SEQ_PLACE_BITS) | u64::from(place)).cast_signed()
}

/// The batch of a row's number, and its place in it.
pub fn batch_and_place(seq: i64) -> (u64, u32) {
    let seq = seq.cast_unsigned();
    (seq >> SEQ_PLACE_BITS, (seq & ((1 << SEQ_PLACE_BITS) - 1)) as u32)
}
