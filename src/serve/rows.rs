//! A whole batch as rows of tables.

use crate::ops::intake::Intake;
use crate::serve::assembly::{Found, Judged, Whole};
use crate::serve::tables::{CONTENT, KEY, ResultTable, corrections_schema, of_log, result_schema, versions_schema};
use arrow::array::builder::{BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use foreshock_compiler::feed_schema;
use foreshock_core::time::{format_rfc3339, parse_rfc3339};
use foreshock_core::{Fate, Feed, Type};
use foreshock_feeds::{Columns, Counts};
use foreshock_log::{Progress, seq};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Rows {
    /// By table: versions of a feed's facts under the feed's name, results under their table's.
    pub tables: BTreeMap<&'static str, RecordBatch>,
    /// By feed's table: facts that no longer stand as they were.
    pub corrections: BTreeMap<&'static str, RecordBatch>,
    /// Records that count but cannot be read with this reader's configuration.
    pub unreadable: u64,
}

/// Makes them.
pub fn rows(whole: &Whole, intake: &Intake) -> Rows {
    let mut rows = Rows::default();
    for feed in Feed::ALL {
        versions(whole, feed, intake, &mut rows);
    }
    let (tables, batches) = of_log(whole.log);
    for table in tables {
        let found = whole.results.iter().filter(|(_, found)| found.topic == table.topic);
        let found: Vec<(i64, &Found)> = found.map(|(place, f)| (seq(whole.progress.number, *place), f)).collect();
        if !found.is_empty() {
            rows.tables.insert(table.name, results(table, &found));
        }
    }
    rows.tables.insert(batches.name, batch_row(whole, batches));
    rows
}

/// Tells one record of a batch from any other of the same number: SHA-256 of its JSON.
pub fn digest(progress: &Progress) -> String {
    let json = serde_json::to_vec(progress).expect("a record is plain data");
    Sha256::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The batch itself.
fn batch_row(whole: &Whole, table: &ResultTable) -> RecordBatch {
    let progress = &whole.progress;
    let body = json!({
        "number": progress.number,
        // The register judges by the clock.
        "as_of": progress.horizon_us.or(progress.clock_us).map(format_rfc3339),
        "records": progress.ranges.iter().map(|range| range.to - range.from).sum::<i64>(),
        "results": progress.results.values().sum::<usize>(),
        "owner": progress.owner,
        "rules": progress.rules,
        "in_force": progress.in_force,
        "digest": digest(progress),
    });
    let bytes = serde_json::to_vec(&body).expect("plain data");
    let found = Found { topic: table.topic.to_owned(), time_us: whole.written_us(), key: String::new(), bytes };
    results(table, &[(seq(progress.number, 0), &found)])
}

/// Does a record change what counts? Where the batch does not say, all that can be read counts.
fn is_fact(judged: &Judged) -> bool {
    matches!(judged.fate, None | Some(Fate::Counts | Fate::Replaces | Fate::Withdraws))
}

fn versions(whole: &Whole, feed: Feed, intake: &Intake, rows: &mut Rows) {
    let (mut columns, mut ends) = (Columns::with_capacity(feed, whole.records.len()), Ends::default());
    let (mut fates, mut corrected) = (StringBuilder::new(), Vec::new());
    for judged in &whole.records {
        if judged.topic != feed.topic() || !is_fact(judged) {
            continue;
        }
        let (record, to) = (&judged.record, (&mut columns, &mut Counts::default()));
        let Ok(fact) = intake.row(feed, &record.bytes, record.source.as_deref(), None, to) else {
            // A record whose fate is not known may be one that was refused.
            rows.unreadable += u64::from(judged.fate.is_some());
            continue;
        };
        let seq = seq(whole.progress.number, judged.place);
        if matches!(judged.fate, Some(Fate::Replaces | Fate::Withdraws)) {
            corrected.push((columns.len() - 1, fact.time, seq));
        }
        ends.push(seq, record.time_us);
        fates.append_option(judged.fate.map(name));
    }
    if columns.is_empty() {
        return;
    }
    let (facts, _) = columns.finish(nullable(feed));
    if !corrected.is_empty() {
        rows.corrections.insert(feed.table(), corrections(facts.column(0).as_string(), &corrected));
    }
    let mut columns = facts.columns().to_vec();
    columns.push(Arc::new(fates.finish()));
    columns.extend(ends.finish());
    let batch = RecordBatch::try_new(versions_schema(feed), columns).expect("columns of the table");
    rows.tables.insert(feed.table(), batch);
}

/// The feed's columns. A withdrawal has few of them, so none is required here.
fn nullable(feed: Feed) -> SchemaRef {
    let fields = feed_schema(feed).fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

fn name(fate: Fate) -> &'static str {
    match fate {
        Fate::Counts => "counts",
        Fate::Replaces => "replaces",
        Fate::Withdraws => "withdraws",
        Fate::Duplicate => "duplicate",
        Fate::Confirmation => "confirmation",
        Fate::Late => "late",
        Fate::Refused => "refused",
    }
}

/// Of each the row of its event id, its event time and its number.
fn corrections(event_ids: &StringArray, corrected: &[(usize, i64, i64)]) -> RecordBatch {
    let (mut ids, mut times, mut seqs) =
        (StringBuilder::new(), TimestampMicrosecondBuilder::new(), Int64Builder::new());
    for (row, time, seq) in corrected {
        ids.append_value(event_ids.value(*row));
        times.append_value(*time);
        seqs.append_value(*seq);
    }
    let columns: Vec<ArrayRef> =
        vec![Arc::new(ids.finish()), Arc::new(times.finish().with_timezone("UTC")), Arc::new(seqs.finish())];
    RecordBatch::try_new(corrections_schema(), columns).expect("columns of the table")
}

/// The columns that every table ends with.
#[derive(Default)]
struct Ends {
    seqs: Int64Builder,
    ingested: TimestampMicrosecondBuilder,
}

impl Ends {
    fn push(&mut self, seq: i64, time_us: Option<i64>) {
        self.seqs.append_value(seq);
        self.ingested.append_option(time_us);
    }

    fn finish(mut self) -> [ArrayRef; 2] {
        [Arc::new(self.seqs.finish()), Arc::new(self.ingested.finish().with_timezone("UTC"))]
    }
}

fn results(table: &ResultTable, found: &[(i64, &Found)]) -> RecordBatch {
    let bodies: Vec<Value> = found.iter().map(|(_, f)| serde_json::from_slice(&f.bytes).unwrap_or_default()).collect();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for column in table.columns {
        let cells = bodies.iter().zip(found).map(|(body, (_, found))| cell(body, found, column.pointer));
        columns.push(array(column.ty, cells));
    }
    let mut ends = Ends::default();
    found.iter().for_each(|(seq, found)| ends.push(*seq, found.time_us));
    columns.extend(ends.finish());
    RecordBatch::try_new(result_schema(table), columns).expect("columns of the table")
}

fn cell(body: &Value, found: &Found, pointer: &str) -> Value {
    match pointer {
        KEY => Value::from(found.key.as_str()),
        CONTENT => Value::from(String::from_utf8_lossy(&found.bytes)),
        pointer => body.pointer(pointer).cloned().unwrap_or_default(),
    }
}

fn array(ty: Type, cells: impl Iterator<Item = Value>) -> ArrayRef {
    match ty {
        Type::Text => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                match cell {
                    Value::Null => builder.append_null(),
                    Value::String(text) => builder.append_value(text),
                    other => builder.append_value(other.to_string()),
                }
            }
            Arc::new(builder.finish())
        }
        Type::Bigint => {
            let mut builder = Int64Builder::new();
            cells.for_each(|cell| builder.append_option(cell.as_i64()));
            Arc::new(builder.finish())
        }
        Type::Boolean => {
            let mut builder = BooleanBuilder::new();
            cells.for_each(|cell| builder.append_option(cell.as_bool()));
            Arc::new(builder.finish())
        }
        Type::Time => {
            let mut builder = TimestampMicrosecondBuilder::new();
            cells.for_each(|cell| builder.append_option(cell.as_str().and_then(parse_rfc3339)));
            Arc::new(builder.finish().with_timezone("UTC"))
        }
    }
}
