//! The facts that count at the end of a run: what the batch is computed over.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use foreshock_core::Feed;
use foreshock_engine::Output;
use std::collections::{BTreeMap, HashMap};

/// Facts accepted so far, and those corrected since.
#[derive(Debug, Default)]
pub struct Standing {
    accepted: Vec<(Feed, RecordBatch)>,
    /// Event id to the number of batches that its correction applies to.
    removed: HashMap<String, usize>,
}

impl Standing {
    /// Takes in what a step accepted.
    pub fn take(&mut self, output: &Output) {
        let before = self.accepted.len();
        self.removed.extend(output.removed.iter().map(|id| (id.clone(), before)));
        self.accepted.extend(output.accepted.iter().filter(|(_, rows)| rows.num_rows() > 0).cloned());
    }

    /// The facts that count.
    pub fn facts(self) -> BTreeMap<Feed, Vec<RecordBatch>> {
        let mut facts: BTreeMap<Feed, Vec<RecordBatch>> = BTreeMap::new();
        for (number, (feed, rows)) in self.accepted.into_iter().enumerate() {
            let stands = |id: Option<&str>| self.removed.get(id.unwrap_or_default()).is_none_or(|n| number >= *n);
            let rows = if self.removed.is_empty() {
                rows
            } else {
                let kept: BooleanArray = rows.column(0).as_string::<i32>().iter().map(|id| Some(stands(id))).collect();
                arrow::compute::filter_record_batch(&rows, &kept).expect("one flag per row")
            };
            facts.entry(feed).or_default().push(rows);
        }
        facts
    }
}
