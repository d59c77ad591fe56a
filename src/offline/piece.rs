//! Events that follow one another in a file, in columns.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use foreshock_compiler::feed_schema;
use foreshock_core::{Feed, ReportAction};
use foreshock_feeds::{Event, to_record_batch};
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
    events: BTreeMap<Feed, Vec<Event>>,
    count: usize,
    first_us: Option<i64>,
}

impl Builder {
    /// The next event of the file.
    pub fn push(&mut self, event: Event) {
        self.count += 1;
        self.first_us.get_or_insert(event.time);
        self.events.entry(event.feed).or_default().push(event);
    }

    /// Events so far.
    pub fn event_count(&self) -> usize {
        self.count
    }

    /// `None` without an event.
    pub fn finish(self) -> Option<Piece> {
        let columns = |(feed, events): (Feed, Vec<Event>)| {
            let actions = events.iter().map(|event| event.action).collect();
            (feed, (to_record_batch(feed, feed_schema(feed), &events), actions))
        };
        Some(Piece { first_us: self.first_us?, feeds: self.events.into_iter().map(columns).collect() })
    }
}
