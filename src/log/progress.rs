//! What has been done: one record for each micro-batch, written together with everything the batch caused.
//!
//! A record names the offsets of its batch. State is a pure function of the input and of these cuts: a process that
//! starts takes the same batches again, says nothing, and so comes to the state of the one before it, revision numbers
//! included. What the last record names is done; what comes after it is not.

use crate::position::Range;
use anyhow::ensure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A partition that had sent nothing for long, and the bound it was raised to before the batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Event time in microseconds: what comes from it and is older is too late.
    pub bound_us: i64,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The process.
    pub owner: String,
    /// Number of the next batch: a sign is younger than a batch when this is more than the batch's number.
    #[serde(default)]
    pub next: u64,
    /// It ends in good order: another one may take over at once.
    pub is_gone: bool,
    /// It does not write but would take over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_candidate: bool,
}

/// One micro-batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// 0, 1, 2, ..
    pub number: u64,
    /// What it took.
    pub ranges: Vec<Range>,
    /// What became of the records of each range, in their order: letters, each with the number of records in a row before it
    /// when that is more than two. `.` counts, `r` replaces the fact of its event id and time, `w` withdraws it, `d`
    /// duplicate, `c` another bank's confirmation of a payment that counts, `l` too late, `x` refused. Not there in records
    /// of versions before 0.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fates: Vec<String>,
    /// Partitions raised before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
    /// How many messages it caused.
    pub messages: usize,
    /// How many of them are results, by topic. Each has header `batch`: the log, this number, its place in the batch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, usize>,
    /// The time before which nothing can change any more, after it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon_us: Option<i64>,
    /// Newest event time before it, in microseconds; `None` before the first event that was in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_us: Option<i64>,
    /// Partitions that the horizon waits for, as `topic/partition`: decided at the first start, kept for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The clock of the process that took it, in microseconds: what falls due is judged by it. Only of the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_us: Option<i64>,
    /// The policy that counts from this batch on, in the first one with it. Only of the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<serde_json::Value>,
    /// Hash of rules, their parameters and the lateness.
    pub rules: String,
    /// Id and version of each rule, in the first batch with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<BTreeSet<String>>,
    /// Beside them, those in force before: whoever takes the batches again from this one on must know which ones begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_before: Option<BTreeSet<String>>,
    /// The process that took it.
    #[serde(default)]
    pub owner: String,
    /// Kafka's ids of the incoming topics: one that is deleted and made again has another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<String, String>,
}

/// The JSON Schema of `foreshock.progress`: it may be read by others.
pub fn progress_schema() -> serde_json::Value {
    schemars::schema_for!(Progress).to_value()
}

/// Do the records follow each other, from this number on?
///
/// # Errors
/// With the first batch that is missing.
pub fn check_order(log: &[Progress], first: u64) -> anyhow::Result<()> {
    for (record, number) in log.iter().zip(first..) {
        ensure!(
            record.number == number,
            "the log misses batch {number}: was its retention changed? It must keep all since the last snapshot"
        );
    }
    Ok(())
}
