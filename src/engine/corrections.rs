//! The corrections of one step: which version of a fact counts in the end, and which facts of earlier batches no longer do.

use crate::expr::downcast;
use crate::feed_batch::FeedBatch;
use arrow_array::{StringArray, TimestampMicrosecondArray};
use hashbrown::{HashMap, HashSet};

/// Facts corrected in a step.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    /// Event id to event time.
    facts: HashMap<String, i64>,
    /// (batch, row) of withdrawals.
    withdrawals: HashSet<(usize, usize)>,
}

impl Corrections {
    /// A fact is replaced.
    pub(crate) fn note(&mut self, id: &str, time: i64) {
        self.facts.insert(id.to_owned(), time);
    }

    /// A fact is withdrawn by this row of this batch.
    pub(crate) fn note_withdrawal(&mut self, id: &str, time: i64, at: (usize, usize)) {
        self.note(id, time);
        self.withdrawals.insert(at);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Event times of the facts.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> {
        self.facts.values().copied()
    }

    /// Is the row of this id one of a corrected fact? A view that makes several rows of one event appends `#..`.
    pub(crate) fn has(&self, row_id: &str) -> bool {
        let event_id = row_id.split_once('#').map_or(row_id, |(event_id, _)| event_id);
        self.facts.contains_key(event_id)
    }

    /// Of several versions of a fact in one step only the last one is kept, none when it is withdrawn last.
    pub(crate) fn settle(&self, batches: &[FeedBatch], kept: &mut [Vec<bool>]) {
        if self.is_empty() {
            return;
        }
        let mut last: HashMap<&str, (usize, usize)> = HashMap::new();
        for (idx, feed_batch) in batches.iter().enumerate() {
            let ids: &StringArray = downcast(feed_batch.batch.column(0));
            let times: &TimestampMicrosecondArray = downcast(feed_batch.batch.column(1));
            for row in 0..feed_batch.batch.num_rows() {
                let counts = kept[idx][row] || self.withdrawals.contains(&(idx, row));
                if !counts || self.facts.get(ids.value(row)) != Some(&times.value(row)) {
                    continue;
                }
                let earlier = last.insert(ids.value(row), (idx, row));
                earlier.into_iter().for_each(|(idx, row)| kept[idx][row] = false);
            }
        }
    }

    /// The event ids.
    pub(crate) fn into_ids(self) -> Vec<String> {
        let mut ids: Vec<String> = self.facts.into_keys().collect();
        ids.sort_unstable();
        ids
    }
}
