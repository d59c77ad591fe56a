//! Records to columns: what cannot be decoded, came too late or is not accepted becomes a message that says so.

use crate::ops::config::Config;
use crate::ops::health::Health;
use arrow::array::{AsArray, StringArray};
use foreshock_compiler::feed_schema;
use foreshock_core::Feed;
use foreshock_engine::{FeedBatch, Output};
use foreshock_feeds::{CORRECTION_TIME, Counts, Event, Record, Reject, decode, to_record_batch};
use foreshock_log::{Kind, Message, SourceRecord, late, rejected};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Decodes and refuses.
pub(super) struct Decoder {
    /// Reporter of records that name none, by topic.
    default_reporter: BTreeMap<String, String>,
    checks_future: bool,
    health: Arc<Health>,
}

/// The events of a step as columns.
pub(super) struct Decoded<'a> {
    records: &'a [SourceRecord],
    /// One for each partition and feed.
    pub(super) batches: Vec<FeedBatch>,
    /// Place of each of their rows among the records.
    places: Vec<Vec<usize>>,
}

impl Decoder {
    /// `is_behind`: the events were admitted before, so they were in time then.
    pub(super) fn new(config: &Config, is_behind: bool, health: Arc<Health>) -> Decoder {
        let default_reporter = config.kafka.default_reporter.clone();
        Decoder { default_reporter, checks_future: config.engine.refuse_future && !is_behind, health }
    }

    /// The events of records, and a message for each that is none.
    pub(super) fn decode<'a>(&self, records: &'a [SourceRecord], messages: &mut Vec<Message>) -> Decoded<'a> {
        let mut events: BTreeMap<(usize, Feed), (Vec<Event>, Vec<usize>)> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            let Kind::Event(feed) = record.kind else { continue };
            match self.event(record, feed) {
                Ok(event) => {
                    let entry = events.entry((record.partition, feed)).or_default();
                    entry.0.push(event);
                    entry.1.push(place);
                }
                Err(reject) => messages.push(self.refuse(record, &reject)),
            }
        }
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for ((partition, feed), (rows, at)) in events {
            let actions = rows.iter().map(|event| event.action).collect();
            let batch = to_record_batch(feed, feed_schema(feed), &rows);
            batches.push(FeedBatch { feed, partition, batch, actions });
            places.push(at);
        }
        Decoded { records, batches, places }
    }

    fn event(&self, record: &SourceRecord, feed: Feed) -> Result<Event, Reject> {
        let raw = Record {
            bytes: &record.bytes,
            feed: Some(feed),
            source: record.source.as_deref(),
            default_reporter: self.default_reporter.get(feed.topic()).map(String::as_str),
            record_time: record.time_us.filter(|_| self.checks_future),
        };
        decode(&raw, &mut Counts::default())
    }

    fn refuse(&self, record: &SourceRecord, reject: &Reject) -> Message {
        self.health.rejected.fetch_add(1, Ordering::Relaxed);
        rejected(&record.position, &record.bytes, reject)
    }

    /// Events that came too late, and corrections that are not accepted.
    pub(super) fn not_admitted(&self, decoded: &Decoded<'_>, output: &Output, messages: &mut Vec<Message>) {
        for (batch, row, by_us) in &output.late {
            let feed = decoded.batches[*batch].feed;
            messages.push(late(&decoded.record(*batch, *row).position, feed, decoded.event_id(*batch, *row), *by_us));
        }
        for (batch, row) in &output.moved {
            let feed = decoded.batches[*batch].feed;
            let pointer = format!("/{}", feed.columns()[1].path);
            messages.push(self.refuse(decoded.record(*batch, *row), &Reject { code: CORRECTION_TIME, pointer }));
        }
    }
}

impl<'a> Decoded<'a> {
    /// The record of a row.
    pub(super) fn record(&self, batch: usize, row: usize) -> &'a SourceRecord {
        &self.records[self.places[batch][row]]
    }

    /// The event id of a row.
    pub(super) fn event_id(&self, batch: usize, row: usize) -> &str {
        let ids: &StringArray = self.batches[batch].batch.column(0).as_string();
        ids.value(row)
    }
}
