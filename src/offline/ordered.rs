//! The facts of a history in the order of their times, slice by slice, for the engine: what a live process would have judged had
//! every fact come in time and in its last version.

use crate::history::facts::bounds;
use anyhow::Context;
use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::prelude::{SessionConfig, SessionContext, ident};
use foreshock_compiler::batch::Tables;
use foreshock_compiler::feed_schema;
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use foreshock_engine::{FeedBatch, PackPlan};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use tokio::runtime::Runtime;

/// A slice consists of whole ones of these.
const GRAIN_US: i64 = 600 * SECOND_US;
const DAY_US: i64 = 86_400 * SECOND_US;
/// A slice with so many rows ends, wherever that is; three of them are in memory at once.
const SLICE_ROWS_MAX: u64 = 1_500_000;
/// A slice with so many rows ends with the day: the files of a history are those of days, and are read once then.
const SLICE_ROWS_MIN: u64 = 250_000;

/// Facts of all feeds in a span, those of each feed in the order of their times.
type Slice = Vec<(Feed, VecDeque<RecordBatch>)>;

/// Reads tables in the order of time.
pub struct Ordered<'a> {
    ctx: SessionContext,
    runtime: &'a Runtime,
    /// The columns of each feed that are read; the others are NULL.
    columns: BTreeMap<Feed, Vec<&'static str>>,
}

impl<'a> Ordered<'a> {
    /// Reads of the tables what a plan looks at.
    ///
    /// # Errors
    /// What DataFusion says.
    pub fn new(tables: &Tables, plan: &PackPlan, runtime: &'a Runtime) -> anyhow::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
        let mut columns = BTreeMap::new();
        for (feed, table) in tables {
            ctx.register_table(feed.table(), table.clone())?;
            let read = plan.columns_read(*feed);
            let all = feed.columns().iter().enumerate();
            let wanted =
                all.filter(|(at, column)| !column.nullable || read.contains(at)).map(|(_, column)| column.name);
            columns.insert(*feed, wanted.collect());
        }
        Ok(Ordered { ctx, runtime, columns })
    }

    /// Gives each micro-batch, and a time before which none of its facts and of those that follow is. Another thread reads ahead.
    ///
    /// # Errors
    /// What DataFusion says, and what the receiver says.
    pub fn for_each_batch(&self, mut on_batch: impl FnMut(FeedBatch, i64) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let spans = spans(&self.runtime.block_on(self.rows_by_grain())?);
        let (sender, receiver) = sync_channel(1);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for span in spans {
                    // Nobody receives any more after an error of his.
                    if sender.send(self.runtime.block_on(self.slice(span))).is_err() {
                        break;
                    }
                }
            });
            receiver.into_iter().try_for_each(|slice| merge(slice?, &mut on_batch))
        })
    }

    /// How many facts there are in each grain of time, by where it begins.
    async fn rows_by_grain(&self) -> anyhow::Result<BTreeMap<i64, u64>> {
        let mut rows = BTreeMap::new();
        // Rounded down, before 1970 too; `date_bin` answers in nanoseconds.
        let (time, grain) = ("CAST(event_time AS BIGINT)", GRAIN_US);
        let start = format!("{time} - (({time} % {grain}) + {grain}) % {grain}");
        for feed in self.columns.keys() {
            let counted = format!("SELECT {start}, count(*) FROM {} GROUP BY 1", feed.table());
            for batch in self.ctx.sql(&counted).await?.collect().await? {
                let (starts, counts) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1));
                for (start, count) in starts.values().iter().zip(counts.as_primitive::<Int64Type>().values()) {
                    *rows.entry(*start).or_insert(0) += count.unsigned_abs();
                }
            }
        }
        Ok(rows)
    }

    async fn slice(&self, (from_us, to_us): (i64, i64)) -> anyhow::Result<Slice> {
        let mut slice = Slice::new();
        for (feed, columns) in &self.columns {
            let mut facts = self.ctx.table(feed.table()).await?;
            for bound in bounds((Some(from_us), Some(to_us))) {
                facts = facts.filter(bound)?;
            }
            let rows = facts.select_columns(columns)?.sort_by(vec![ident("event_time")])?.collect().await?;
            let filled = rows.iter().filter(|rows| rows.num_rows() > 0).map(|rows| with_nulls(*feed, rows));
            slice.push((*feed, filled.collect::<anyhow::Result<_>>()?));
        }
        Ok(slice)
    }
}

/// The feed's columns: those that were not read are NULL.
fn with_nulls(feed: Feed, rows: &RecordBatch) -> anyhow::Result<RecordBatch> {
    let schema = feed_schema(feed);
    let column = |field: &arrow::datatypes::FieldRef| -> ArrayRef {
        let read = rows.column_by_name(field.name());
        read.cloned().unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows()))
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).with_context(|| format!("the history's {}", feed.table()))
}

/// Of all batches that wait the one whose first fact is oldest comes next.
fn merge(mut slice: Slice, on_batch: &mut impl FnMut(FeedBatch, i64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let first_us = |rows: &RecordBatch| rows.column(1).as_primitive::<TimestampMicrosecondType>().value(0);
    loop {
        let waiting = slice.iter_mut().filter_map(|(feed, batches)| Some((first_us(batches.front()?), *feed, batches)));
        let Some((bound_us, feed, batches)) = waiting.min_by_key(|(first_us, ..)| *first_us) else { return Ok(()) };
        let batch = batches.pop_front().expect("it waits");
        on_batch(FeedBatch { feed, partition: 0, batch, actions: Vec::new() }, bound_us)?;
    }
}

/// Spans of time that have all rows, in their order: from the first time on, before the second.
fn spans(rows_by_grain: &BTreeMap<i64, u64>) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let mut open_rows = 0;
    for (start, rows) in rows_by_grain {
        let end = start + GRAIN_US;
        match spans.last_mut() {
            Some(open) if open_rows > 0 && !is_full(*open, open_rows, *start) => open.1 = end,
            _ => {
                spans.push((*start, end));
                open_rows = 0;
            }
        }
        open_rows += rows;
    }
    spans
}

/// Does a slice with so many rows end before the grain that begins at `next_us`?
fn is_full((_, end_us): (i64, i64), rows: u64, next_us: i64) -> bool {
    let is_same_day = next_us.div_euclid(DAY_US) == (end_us - 1).div_euclid(DAY_US);
    rows >= if is_same_day { SLICE_ROWS_MAX } else { SLICE_ROWS_MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_whole_days_unless_a_day_has_too_many_or_too_few_rows() {
        let grain = |day: i64, number: i64| day * DAY_US + number * GRAIN_US;
        let quiet: BTreeMap<i64, u64> = (0..400).map(|day| (grain(day, 3), 1_000)).collect();
        let of_quiet = spans(&quiet);
        assert_eq!(of_quiet.len(), 2, "250 days each");
        assert_eq!(of_quiet[0], (grain(0, 3), grain(249, 4)));
        let busy: BTreeMap<i64, u64> = (0..288).map(|n| (grain(0, n), 7_000)).collect();
        assert_eq!(spans(&busy), [(0, DAY_US), (DAY_US, 2 * DAY_US)]);
        let flood: BTreeMap<i64, u64> = (0..3).map(|n| (grain(0, n), 9_000_000)).collect();
        assert_eq!(spans(&flood).len(), 3);
    }

    #[test]
    fn every_row_is_in_one_slice_and_slices_follow_one_another() {
        let rows: BTreeMap<i64, u64> =
            (0..5_000).map(|n| (n * n % 977 * GRAIN_US, 1 + (n * 7_919) as u64 % 60_000)).collect();
        let slices = spans(&rows);
        assert!(slices.windows(2).all(|two| two[0].1 <= two[1].0));
        let holds = |start: i64| slices.iter().filter(|(from, to)| (*from..*to).contains(&start)).count();
        assert!(rows.keys().all(|start| holds(*start) == 1));
    }
}
