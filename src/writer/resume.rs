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
        let saved = || self.snapshot.iter().flat_map(|s| &s.partitions);
        let mut offsets: BTreeMap<_, _> = saved().map(|range| (place(range), range.to)).collect();
        let saved_topics = self.snapshot.as_ref().map(|s| s.topics.clone());
        let first_topics = saved_topics.or_else(|| Some(self.log.first()?.topics.clone())).unwrap_or_default();
        let mut topics = first_topics.clone();
        for batch in &self.log {
            for (topic, id) in &batch.topics {
                if topics.insert(topic.clone(), id.clone()).is_some_and(|before| before != *id) {
                    // Offsets of the topic that was deleted say nothing of the new one.
                    offsets.retain(|(of, _), _| of != topic);
                }
            }
            for range in &batch.ranges {
                offsets.entry(place(range)).or_insert(range.from);
            }
        }
        let order = saved().map(place).collect();
        Bookmark { waits_for: self.waits_for.clone(), order, offsets, first_topics, topics }
    }
}
