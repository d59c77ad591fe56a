//! How a process goes on from what was done.

use crate::kafka::source::Bookmark;
use crate::state::snapshot::Snapshot;
use foreshock_log::{Progress, Range, check_order};
use std::collections::BTreeMap;

/// How to go on from what was done.
#[derive(Debug)]
pub struct Resume {
    /// Partitions that the horizon waits for.
    pub waits_for: Vec<String>,
    /// The state to begin with.
    pub snapshot: Option<Snapshot>,
    /// The batches after it that are known so far.
    pub log: Vec<Progress>,
}

impl Resume {
    /// From the log after a snapshot, or all of it; `None` when nothing was done yet.
    ///
    /// # Errors
    /// When the log misses a batch.
    pub fn new(log: Vec<Progress>, snapshot: Option<Snapshot>) -> anyhow::Result<Option<Resume>> {
        let first = snapshot.as_ref().map_or(0, |s| s.number + 1);
        check_order(&log, first)?;
        let waits_for = match (&snapshot, log.first()) {
            (Some(snapshot), _) => snapshot.waits_for.clone(),
            (None, Some(first)) => first.waits_for.clone(),
            (None, None) => return Ok(None),
        };
        Ok(Some(Resume { waits_for, snapshot, log }))
    }

    /// Where the source begins.
    pub fn bookmark(&self) -> Bookmark {
        let place = |r: &Range| (r.topic.clone(), r.partition);
        let mut offsets = BTreeMap::new();
        for range in self.snapshot.iter().flat_map(|s| &s.partitions) {
            offsets.insert(place(range), range.to);
        }
        for range in self.log.iter().flat_map(|p| &p.ranges) {
            offsets.entry(place(range)).or_insert(range.from);
        }
        Bookmark { waits_for: self.waits_for.clone(), offsets }
    }
}
