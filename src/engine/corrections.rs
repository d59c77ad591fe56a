//! The corrections of one step: which version of a fact counts in the end, and which facts of earlier batches no longer do.

use crate::expr::downcast;
use crate::feed_batch::FeedBatch;
use arrow_array::{StringArray, TimestampMicrosecondArray};
use hashbrown::{HashMap, HashSet};

/// Facts corrected in a step. A fact is known by its event id and time: an id may come again long after.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    facts: HashSet<Fact>,
    /// (batch, row) of withdrawals.
    withdrawals: HashSet<(usize, usize)>,
}

/// Event id and event time.
type Fact = (String, i64);

impl Corrections {
    /// A fact is replaced.
    pub(crate) fn note(&mut self, id: &str, time: i64) {
        self.facts.insert((id.to_owned(), time));
    }

    /// A fact is withdrawn by this row of this batch.
    pub(crate) fn note_withdrawal(&mut self, id: &str, time: i64, at: (usize, usize)) {
        self.note(id, time);
        self.withdrawals.insert(at);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Event ids and times of the facts.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&str, i64)> {
        self.facts.iter().map(|(id, time)| (id.as_str(), *time))
    }

    /// Of several versions of a fact in one step only the last one is kept, none when it is withdrawn last.
    pub(crate) fn settle(&self, batches: &[FeedBatch], kept: &mut [Vec<bool>]) {
        if self.is_empty() {
            return;
        }
        let facts: HashSet<(&str, i64)> = self.facts().collect();
        let mut last: HashMap<(&str, i64), (usize, usize)> = HashMap::new();
        for (idx, feed_batch) in batches.iter().enumerate() {
            let ids: &StringArray = downcast(feed_batch.batch.column(0));
            let times: &TimestampMicrosecondArray = downcast(feed_batch.batch.column(1));
            for row in 0..feed_batch.batch.num_rows() {
                let counts = kept[idx][row] || self.withdrawals.contains(&(idx, row));
                let fact = (ids.value(row), times.value(row));
                if !counts || !facts.contains(&fact) {
                    continue;
                }
                let earlier = last.insert(fact, (idx, row));
                earlier.into_iter().for_each(|(idx, row)| kept[idx][row] = false);
            }
        }
    }

    /// Event ids and times, in order.
    pub(crate) fn into_facts(self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.facts.into_iter().collect();
        facts.sort_unstable();
        facts
    }
}

/// The event of a row: a view that makes several rows of one event appends `#..` to its id.
pub(crate) fn event_of(row_id: &str) -> &str {
    row_id.split_once('#').map_or(row_id, |(event_id, _)| event_id)
}
