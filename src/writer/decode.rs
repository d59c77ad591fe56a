//! Records to columns: what cannot be decoded, came too late or is not accepted becomes a message that says so.

use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::ops::intake::Intake;
use crate::ops::leaders::Leaders;
use crate::rules::currencies::Currencies;
use arrow::array::{AsArray, StringArray};
use foreshock_compiler::{Pack, feed_schema};
use foreshock_core::{Fate, Feed};
use foreshock_engine::{FeedBatch, Output};
use foreshock_feeds::{CORRECTION_TIME, Columns, Counts, Reject};
use foreshock_log::{Kind, Message, SourceRecord, late, rejected};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Decodes and refuses.
pub(super) struct Decoder {
    intake: Intake,
    checks_future: bool,
    leaders: Leaders,
    currencies: Currencies,
    /// When events that came too late were last said in the log.
    told: Option<Instant>,
    health: Arc<Health>,
}

/// How often the log says who makes whose events late.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The events of a step as columns.
pub(super) struct Decoded<'a> {
    records: &'a [SourceRecord],
    /// One for each partition and feed.
    pub(super) batches: Vec<FeedBatch>,
    /// Place of each of their rows among the records.
    places: Vec<Vec<usize>>,
}

impl Decoder {
    /// For the rules of this pack. What a pack of a partition is given was admitted before, so it was in time then.
    pub(super) fn new(config: &Config, pack: &Pack, health: Arc<Health>) -> Decoder {
        let is_behind = pack.part.is_some();
        let (leaders, currencies, told) = (Leaders::default(), Currencies::of(pack), None);
        let checks_future = config.engine.refuse_future && !is_behind;
        Decoder { intake: Intake::new(config), checks_future, leaders, currencies, told, health }
    }

    /// The events of records, and a message for each that is none.
    pub(super) fn decode<'a>(&self, records: &'a [SourceRecord], messages: &mut Vec<Message>) -> Decoded<'a> {
        let mut counts = Counts::default();
        let mut open: BTreeMap<(usize, Feed), (Columns, Vec<usize>)> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            let Kind::Event(feed) = record.kind else { continue };
            let rows = open
                .entry((record.partition, feed))
                .or_insert_with(|| (Columns::with_capacity(feed, records.len()), Vec::new()));
            let time = record.time_us.filter(|_| self.checks_future);
            let to = (&mut rows.0, &mut counts);
            match self.intake.row(feed, &record.bytes, record.source.as_deref(), time, to) {
                Ok(_) => rows.1.push(place),
                Err(reject) => messages.push(self.refuse(record, &reject)),
            }
        }
        self.health.unknown_codes.fetch_add(counts.unknown_codes, Ordering::Relaxed);
        self.health.unknown_fields.fetch_add(counts.unknown_fields, Ordering::Relaxed);
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for ((partition, feed), (columns, at)) in open.into_iter().filter(|(_, (columns, _))| !columns.is_empty()) {
            let (batch, actions) = columns.finish(feed_schema(feed));
            batches.push(FeedBatch { feed, partition, batch, actions });
            places.push(at);
        }
        Decoded { records, batches, places }
    }

    fn refuse(&self, record: &SourceRecord, reject: &Reject) -> Message {
        self.health.rejected.fetch_add(1, Ordering::Relaxed);
        rejected(&record.position, &record.bytes, reject)
    }

    /// Events that came too late, and corrections that are not accepted.
    pub(super) fn not_admitted(&mut self, decoded: &Decoded<'_>, output: &Output, messages: &mut Vec<Message>) {
        for batch in &decoded.batches {
            self.leaders.note(batch);
            let others = self.currencies.note(batch);
            self.health.other_currency.fetch_add(others, Ordering::Relaxed);
        }
        for (batch, row, by_us) in &output.late {
            let feed = decoded.batches[*batch].feed;
            self.tell_late(decoded, *batch, *row);
            messages.push(late(&decoded.record(*batch, *row).position, feed, decoded.event_id(*batch, *row), *by_us));
        }
        for (batch, row) in &output.moved {
            let feed = decoded.batches[*batch].feed;
            let pointer = format!("/{}", feed.columns()[1].path);
            messages.push(self.refuse(decoded.record(*batch, *row), &Reject { code: CORRECTION_TIME, pointer }));
        }
    }
}

impl Decoder {
    /// Counts an event that came too late for whoever reported it, and now and then says because of whom.
    fn tell_late(&mut self, decoded: &Decoded<'_>, batch: usize, row: usize) {
        let of = &decoded.batches[batch];
        let reporters: &StringArray = of.batch.column(2).as_string();
        let reporter = reporters.value(row);
        self.health.note_late(reporter);
        let is_due = self.told.is_none_or(|told| told.elapsed() > TELL_EVERY);
        if let Some(leader) = self.leaders.of(of.partition).filter(|_| is_due) {
            self.told = Some(Instant::now());
            let at = &decoded.record(batch, row).position;
            tracing::warn!(
                reporter,
                topic = &*at.topic,
                partition = at.partition,
                "events come too late since {leader} came in the same partition: is the clock of one of the two wrong?"
            );
        }
    }
}

impl<'a> Decoded<'a> {
    /// The record of a row.
    pub(super) fn record(&self, batch: usize, row: usize) -> &'a SourceRecord {
        &self.records[self.places[batch][row]]
    }

    /// What became of each record of the step: no event, no other fate than to be refused.
    pub(super) fn fates(&self, output: &Output) -> Vec<Fate> {
        let mut fates = vec![Fate::Refused; self.records.len()];
        for (places, of_rows) in self.places.iter().zip(&output.fates) {
            places.iter().zip(of_rows).for_each(|(place, fate)| fates[*place] = *fate);
        }
        fates
    }

    /// The event id of a row.
    pub(super) fn event_id(&self, batch: usize, row: usize) -> &str {
        let ids: &StringArray = self.batches[batch].batch.column(0).as_string();
        ids.value(row)
    }
}
