//! The facts that count at the end of a run: what the batch is computed over.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use foreshock_core::Feed;
use foreshock_engine::Output;
use std::collections::{BTreeMap, HashMap};

/// Facts accepted so far, and those corrected since.
#[derive(Debug, Default)]
pub struct Standing {
    accepted: Vec<(Feed, RecordBatch)>,
    /// Event time and id to the number of batches that its correction applies to: an id may come again at another time.
    corrected: HashMap<i64, HashMap<String, usize>>,
}

impl Standing {
    /// Takes in what a step accepted.
    pub fn take(&mut self, output: &Output) {
        let before = self.accepted.len();
        for (id, time) in &output.corrected {
            self.corrected.entry(*time).or_default().insert(id.clone(), before);
        }
        self.accepted.extend(output.accepted.iter().filter(|(_, rows)| rows.num_rows() > 0).cloned());
    }

    /// The facts that count.
    pub fn facts(self) -> BTreeMap<Feed, Vec<RecordBatch>> {
        let mut facts: BTreeMap<Feed, Vec<RecordBatch>> = BTreeMap::new();
        for (number, (feed, rows)) in self.accepted.into_iter().enumerate() {
            let stands = |id: &str, time: i64| {
                let until = self.corrected.get(&time).and_then(|ids| ids.get(id));
                until.is_none_or(|until| number >= *until)
            };
            let rows = if self.corrected.is_empty() {
                rows
            } else {
                let times = rows.column(1).as_primitive::<TimestampMicrosecondType>().values();
                let ids = rows.column(0).as_string::<i32>();
                let kept: BooleanArray = ids.iter().zip(times).map(|(id, at)| Some(stands(id?, *at))).collect();
                arrow::compute::filter_record_batch(&rows, &kept).expect("one flag per row")
            };
            facts.entry(feed).or_default().push(rows);
        }
        facts
    }
}
