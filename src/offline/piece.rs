//! Events that follow one another in a file, in columns.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use foreshock_compiler::feed_schema;
use foreshock_core::limits::BATCH_EVENTS_MAX;
use foreshock_core::{Feed, ReportAction};
use foreshock_feeds::{Columns, Counts, Event, Record, Reject, decode_into};
use std::collections::BTreeMap;

/// At least one event; those of a feed in file order.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Columns by feed, and what each row does (nothing said: all are new facts).
    pub feeds: BTreeMap<Feed, (RecordBatch, Vec<ReportAction>)>,
    /// Time of the first event, microseconds.
    pub first_us: i64,
}

impl Piece {
    /// Rows of a table. Parquet holds facts, no corrections.
    pub fn of_table(feed: Feed, rows: RecordBatch) -> Piece {
        let first_us = times(&rows).first().copied().unwrap_or(i64::MIN);
        Piece { feeds: BTreeMap::from([(feed, (rows, Vec::new()))]), first_us }
    }

    /// How many events.
    pub fn event_count(&self) -> usize {
        self.feeds.values().map(|(rows, _)| rows.num_rows()).sum()
    }

    /// Time of the first event of each feed, microseconds.
    pub fn firsts(&self) -> impl Iterator<Item = (Feed, i64)> + '_ {
        self.feeds.iter().filter_map(|(feed, (rows, _))| Some((*feed, *times(rows).first()?)))
    }
}

fn times(rows: &RecordBatch) -> &[i64] {
    rows.column(1).as_primitive::<TimestampMicrosecondType>().values()
}

/// Events on their way into columns.
#[derive(Debug, Default)]
pub struct Builder {
    feeds: BTreeMap<Feed, Columns>,
    count: usize,
    first_us: Option<i64>,
}

impl Builder {
    /// The next record of the file.
    ///
    /// # Errors
    /// Why it is refused: no event is added.
    pub fn decode(&mut self, record: &Record<'_>, counts: &mut Counts) -> Result<(), Reject> {
        let feeds = &mut self.feeds;
        let fact = decode_into(record, counts, |feed| {
            feeds.entry(feed).or_insert_with(|| Columns::with_capacity(feed, BATCH_EVENTS_MAX))
        })?;
        self.note(fact.time);
        Ok(())
    }

    /// The next event of the file.
    pub fn push(&mut self, event: &Event) {
        self.feeds
            .entry(event.feed)
            .or_insert_with(|| Columns::with_capacity(event.feed, BATCH_EVENTS_MAX))
            .push_event(event);
        self.note(event.time);
    }

    fn note(&mut self, time: i64) {
        self.count += 1;
        self.first_us.get_or_insert(time);
    }

    /// Events so far.
    pub fn event_count(&self) -> usize {
        self.count
    }

    /// `None` without an event.
    pub fn finish(self) -> Option<Piece> {
        let columns = |(feed, columns): (Feed, Columns)| (feed, columns.finish(feed_schema(feed)));
        Some(Piece { first_us: self.first_us?, feeds: self.feeds.into_iter().map(columns).collect() })
    }
}
