//! Gathers what a detection stands on: no more events than the rule needs to come to it again.

use crate::evidence::verify::{fits, verify};
use crate::evidence::{Bundle, Custody, Detected, Event, Original, RuleText, bundle};
use crate::rights::grant::Person;
use crate::serve::evidence::Exports;
use crate::serve::evidence::originals::originals;
use crate::serve::gate::Refused;
use crate::serve::query::Desk;
use crate::serve::tables::SEQ;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::json::ArrayWriter;
use foreshock_core::Feed;
use foreshock_core::time::format_rfc3339;
use foreshock_log::{SOURCE, batch_and_place};
use foreshock_signatures::Type;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Most events of a bundle.
const EVENTS_MAX: usize = 20_000;
/// In so many steps keys are followed before all events that the windows reach are taken: 0.
const STEPS: [usize; 4] = [1, 2, 3, 0];
/// A batch's record is written after its events were taken, and brokers' clocks differ.
const BEFORE_MS: i64 = 10 * 60 * 1_000;

fn refused<T>(state: &'static str, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { state, message: message.into() })
}

/// Numbers of rows that are asked for in one statement.
const ROWS_AT_ONCE: usize = 1_000;

/// How long one may take.
const TIME: Duration = Duration::from_secs(120);
/// Plans are walked by calls within calls.
const STACK_BYTES: usize = 64 << 20;

/// Work that neither the threads that answer nor their stacks are for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    let ours = || Refused { state: "XX000", message: "a fault of this program".into() };
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("evidence".into()).stack_size(STACK_BYTES);
    // Who asked may be gone.
    thread.spawn(move || drop(sender.send(work()))).map_err(|_| ours())?;
    receiver.await.map_err(|_| ours())
}

/// The bundle of a detection that stands, in JSON, signed; and its events. It leaves only when the rule comes to the detection from
/// what is in it.
///
/// # Errors
/// What the person may not see, and what is not there.
pub async fn collect(
    desk: &Arc<Desk>,
    exports: &Arc<Exports>,
    person: &Person,
    id: &str,
) -> Result<(Vec<u8>, usize), Refused> {
    if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return refused("22023", "a detection's id has hexadecimal digits and `-` only");
    }
    let Ok(_turn) = exports.turn.try_acquire() else {
        return refused("53300", "another export is under way: try again when it is done");
    };
    let until = Instant::now() + TIME;
    let detection = detection(desk, person, id).await?;
    let mut known: BTreeMap<i64, Event> = BTreeMap::new();
    let mut why = String::new();
    for steps in STEPS {
        let (rule, events) = explained(desk, person, id, steps).await?;
        if events.len() > EVENTS_MAX {
            let count = events.len();
            return refused("54000", format!("it stands on {count} events; a bundle has at most {EVENTS_MAX}. {why}"));
        }
        let missing = events.iter().filter(|event| !known.contains_key(&event.seq)).cloned().collect();
        for event in filled(desk, exports, person, missing, until).await? {
            known.insert(event.seq, event);
        }
        let mut made = Bundle {
            format: bundle::FORMAT.into(),
            custody: vec![custody(person)],
            detection: detection.clone(),
            rule,
            default_reporters: exports.kafka.default_reporter.clone(),
            sources: exports.kafka.sources.clone(),
            events: events.iter().filter_map(|event| known.get(&event.seq).cloned()).collect(),
        };
        let exports = exports.clone();
        let signed = aside(move || {
            made.keep_names();
            verify(&made).map(|_| (exports.signed(&made), made.events.len()))
        });
        match signed.await? {
            Ok((Some(bytes), count)) if bytes.len() <= Type::Evidence.bytes_max() => return Ok((bytes, count)),
            Ok(_) => return refused("54000", "its events are too large for one file"),
            Err(error) => why = error,
        }
    }
    refused("55000", format!("the rule does not come to it again from all events that its windows reach: {why}"))
}

impl Exports {
    /// The file, signed where there is a key.
    fn signed(&self, made: &Bundle) -> Option<Vec<u8>> {
        let Ok(Value::Object(object)) = serde_json::to_value(made) else { return None };
        let object = match &self.signer {
            Some(signer) => signer.sign(Type::Evidence, object),
            None => object,
        };
        serde_json::to_vec_pretty(&object).ok()
    }
}

fn custody(person: &Person) -> Custody {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let by = if person.is_known() { person.name.clone() } else { "somebody on the reader's machine".into() };
    Custody {
        at: format_rfc3339(i64::try_from(now.as_micros()).unwrap_or(i64::MAX)),
        action: "exported".into(),
        by,
        purpose: person.purpose.as_ref().map(|purpose| purpose.code.clone()),
        case_ref: person.purpose.as_ref().map(|purpose| purpose.case.clone()),
        tool: concat!("foreshock ", env!("CARGO_PKG_VERSION")).into(),
    }
}

async fn rows(desk: &Arc<Desk>, person: &Person, statement: &str) -> Result<Vec<RecordBatch>, Refused> {
    Ok(desk.answer(statement, person.clone()).await?.batches)
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let column = batch.column(column).as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

async fn detection(desk: &Arc<Desk>, person: &Person, id: &str) -> Result<Detected, Refused> {
    let statement = format!(
        "SELECT rule_id, rule_version, event_id, subject, detail, event_time, seq FROM detections WHERE detection_id = '{id}'"
    );
    let found = rows(desk, person, &statement).await?;
    let Some(row) = found.iter().find(|batch| batch.num_rows() > 0) else {
        return refused("02000", format!("no detection `{id}` stands"));
    };
    let of = |column| text(row, column, 0).unwrap_or_default();
    Ok(Detected {
        detection_id: id.to_owned(),
        rule_id: of(0),
        rule_version: of(1),
        event_id: of(2),
        subject: of(3),
        values: serde_json::from_str(&of(4)).unwrap_or_default(),
        event_time: format_rfc3339(row.column(5).as_primitive::<TimestampMicrosecondType>().value(0)),
        seq: row.column(6).as_primitive::<Int64Type>().value(0),
    })
}

/// The rule, and the events that share a key of its windows in so many steps, in the order of their times, still without content.
async fn explained(
    desk: &Arc<Desk>,
    person: &Person,
    id: &str,
    steps: usize,
) -> Result<(RuleText, Vec<Event>), Refused> {
    let statement = format!(
        "SELECT part, name, value, event_id, event_time, seq, feed FROM explain_detection('{id}', {steps}) WHERE part <> 'value'"
    );
    let mut rule = RuleText { text: String::new(), views: Vec::new(), parameters: BTreeMap::new() };
    let mut events = BTreeMap::new();
    for batch in rows(desk, person, &statement).await? {
        let (times, seqs) = (batch.column(4).as_primitive::<TimestampMicrosecondType>(), batch.column(5));
        let seqs = seqs.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let value = text(&batch, 2, row).unwrap_or_default();
            match text(&batch, 0, row).unwrap_or_default().as_str() {
                "rule" => rule.text = value,
                "view" => rule.views.push(value),
                "parameter" => drop(rule.parameters.insert(text(&batch, 1, row).unwrap_or_default(), value)),
                "event" if seqs.is_valid(row) => {
                    let event = Event {
                        event_id: text(&batch, 3, row).unwrap_or_default(),
                        event_time: format_rfc3339(times.value(row)),
                        feed: text(&batch, 6, row).unwrap_or_default(),
                        seq: seqs.value(row),
                        original: None,
                        recorded: None,
                    };
                    events.insert((times.value(row), event.event_id.clone()), event);
                }
                _ => {}
            }
        }
    }
    Ok((rule, events.into_values().collect()))
}

/// With their bytes, or where these are gone with their columns.
async fn filled(
    desk: &Arc<Desk>,
    exports: &Arc<Exports>,
    person: &Person,
    mut events: Vec<Event>,
    until: Instant,
) -> Result<Vec<Event>, Refused> {
    let seqs: BTreeSet<i64> = events.iter().map(|event| event.seq).collect();
    let since_ms = if exports.knows_times { since(desk, person, &seqs).await } else { None };
    let of = exports.clone();
    let read = aside(move || {
        let mut found = originals(&of.kafka, &seqs, since_ms, until)?;
        for event in &mut events {
            event.original = found.remove(&event.seq).map(|record| {
                let place = (record.place.0.as_str(), record.place.1, record.offset);
                Original::new(place, record.header(SOURCE), &record.bytes)
            });
            if !fits(event, &of.kafka.default_reporter, &of.kafka.sources) {
                event.original = None;
            }
        }
        anyhow::Ok(events)
    });
    let mut events = match read.await? {
        Ok(events) => events,
        Err(error) => return refused("58030", format!("{error:#}")),
    };
    for feed in Feed::ALL {
        let is_gone = |event: &&mut Event| event.original.is_none() && event.feed == feed.table();
        let mut gone: BTreeMap<i64, &mut Event> =
            events.iter_mut().filter(is_gone).map(|event| (event.seq, event)).collect();
        let seqs: Vec<String> = gone.keys().map(ToString::to_string).collect();
        for seqs in seqs.chunks(ROWS_AT_ONCE) {
            for (seq, columns) in recorded(desk, person, feed, seqs).await? {
                if let Some(event) = gone.get_mut(&seq) {
                    event.recorded = Some(columns);
                }
            }
        }
    }
    Ok(events)
}

/// The columns of the facts of these numbers.
async fn recorded(
    desk: &Arc<Desk>,
    person: &Person,
    feed: Feed,
    seqs: &[String],
) -> Result<Vec<(i64, Map<String, Value>)>, Refused> {
    let ours = |_| Refused { state: "XX000", message: "a fault of this program".into() };
    let columns: Vec<&str> = feed.columns().iter().map(|column| column.name).chain([SEQ]).collect();
    let statement = format!("SELECT {} FROM {} WHERE seq IN ({})", columns.join(", "), feed.table(), seqs.join(", "));
    let found = rows(desk, person, &statement).await?;
    let mut writer = ArrayWriter::new(Vec::new());
    found.iter().try_for_each(|batch| writer.write(batch)).and_then(|()| writer.finish()).map_err(ours)?;
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&writer.into_inner()).unwrap_or_default();
    let numbered = |mut row: Map<String, Value>| Some((row.remove(SEQ)?.as_i64()?, row));
    Ok(rows.into_iter().filter_map(numbered).collect())
}

/// A time before which no record of these batches was written, where the person may see when they were.
async fn since(desk: &Arc<Desk>, person: &Person, seqs: &BTreeSet<i64>) -> Option<i64> {
    let first = batch_and_place(*seqs.first()?).0;
    let statement = format!("SELECT ingest_time FROM batches WHERE number = {first}");
    let found = rows(desk, person, &statement).await.ok()?;
    let times = found.iter().find(|batch| batch.num_rows() > 0)?.column(0);
    let times = times.as_primitive::<TimestampMicrosecondType>();
    times.is_valid(0).then(|| times.value(0) / 1_000 - BEFORE_MS)
}
