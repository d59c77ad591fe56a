//! Runs the rule of a bundle over its events again: as the live engine does it, and as a batch.

use crate::evidence::bundle::{Bundle, Detected, Event, FORMAT, Original};
use crate::offline::cases::run_live;
use crate::offline::net::Net;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use foreshock_actions::detection_id;
use foreshock_compiler::{Pack, RuleFile, Settings, compile, feed_schema};
use foreshock_core::limits::{EVENT_TIME_US_MAX, EVENT_TIME_US_MIN};
use foreshock_core::time::parse_rfc3339;
use foreshock_core::{Detection, Feed, ReportAction};
use foreshock_feeds::{Columns, Counts, Record, Reporters, decode_into};
use foreshock_log::values;
use std::collections::{BTreeMap, BTreeSet};

/// What was found to be true of a bundle, a line each.
pub type Report = Vec<String>;

/// Decodes the events, compiles the rule, and runs it in both executors: the same version, the same detection, the same values.
///
/// # Errors
/// The first thing that is not so.
pub fn verify(bundle: &Bundle) -> Result<Report, String> {
    if bundle.format != FORMAT {
        return Err(format!("the file is of form `{}`; this version knows {FORMAT}", bundle.format));
    }
    let mut report = Report::new();
    let facts = facts(bundle)?;
    let (count, originals) =
        (bundle.events.len(), bundle.events.iter().filter(|event| event.original.is_some()).count());
    report.push(format!(
        "{originals} of {count} events in their exact bytes, with the digests, ids and times that are named"
    ));
    if originals < count {
        report.push(format!(
            "{} as rows of the reader's tables, without their bytes: only the signature vouches for these",
            count - originals
        ));
    }
    let pack = pack(bundle)?;
    let detected = &bundle.detection;
    report.push(format!(
        "text, views and parameters of {} are those of version {} (the header, with title and measure, is not part of it)",
        detected.rule_id, detected.rule_version
    ));
    let Detected { rule_id, rule_version, event_id, subject, .. } = detected;
    if detection_id(rule_id, rule_version, event_id, subject) != detected.detection_id {
        return Err(format!("{} is not the id of this detection", detected.detection_id));
    }
    let all = facts.iter().map(|(feed, rows)| (*feed, vec![rows.clone()])).collect();
    let batch = Net::of_batch(&pack, &all).map_err(|error| format!("{error:#}"))?;
    is_found(detected, batch.rows.into_values().map(|(detection, _)| detection), "as a batch")?;
    is_found(detected, run_live(&pack, &facts, usize::MAX).into_iter(), "in the live engine")?;
    report.push(format!(
        "the rule run again, as a batch and in the live engine, detects {} at {} with the {} values that were published",
        detected.subject,
        detected.event_time,
        detected.values.len()
    ));
    Ok(report)
}

/// The events as facts, by feed.
fn facts(bundle: &Bundle) -> Result<BTreeMap<Feed, RecordBatch>, String> {
    let mut seen = BTreeSet::new();
    for event in &bundle.events {
        if !seen.insert((&event.event_id, &event.event_time)) {
            return Err(wrong(event, "it is there twice"));
        }
        if event.feed().is_none() {
            return Err(wrong(event, "there is no such feed"));
        }
        if event.original.is_some() == event.recorded.is_some() {
            return Err(wrong(event, "it has neither its bytes nor its columns, or both"));
        }
    }
    let mut facts = BTreeMap::new();
    for feed in Feed::ALL {
        let of_feed: Vec<&Event> = bundle.events.iter().filter(|event| event.feed == feed.table()).collect();
        let originals = originals((&bundle.default_reporters, &bundle.sources), feed, &of_feed)?;
        let recorded = recorded(feed, &of_feed)?;
        let all = concat_batches(&feed_schema(feed), [&originals, &recorded]).map_err(|error| error.to_string())?;
        if all.num_rows() > 0 {
            facts.insert(feed, all);
        }
    }
    Ok(facts)
}

/// Are the bytes of an event those of this fact? Another log may stand where they stood.
pub fn fits(event: &Event, default_reporters: &BTreeMap<String, String>, sources: &BTreeMap<String, String>) -> bool {
    event.feed().is_some_and(|feed| originals((default_reporters, sources), feed, &[event]).is_ok())
}

/// What a site has configured: reporters of topics, institutions of sources.
type Names<'a> = (&'a BTreeMap<String, String>, &'a BTreeMap<String, String>);

fn wrong(event: &Event, what: &str) -> String {
    format!("event {} of {}: {what}", event.event_id, event.event_time)
}

/// Those whose bytes are there, decoded as the site does it.
fn originals((default_reporters, sources): Names<'_>, feed: Feed, events: &[&Event]) -> Result<RecordBatch, String> {
    let reporters = Reporters { sources: sources.clone(), allowed: None };
    let mut columns = Columns::with_capacity(feed, events.len());
    let originals = events.iter().filter_map(|event| Some((*event, event.original.as_ref()?)));
    let originals: Vec<(&Event, &Original)> = originals.collect();
    for (event, original) in &originals {
        if original.topic != feed.topic() {
            return Err(wrong(event, "its topic is that of another feed"));
        }
        let (bytes, source) = original.bytes().map_err(|what| wrong(event, what))?;
        let record = Record {
            bytes: &bytes,
            feed: Some(feed),
            source: source.as_deref(),
            reporters: Some(&reporters),
            default_reporter: default_reporters.get(&original.topic).map(String::as_str),
            record_time: None,
        };
        let head = decode_into(&record, &mut Counts::default(), |_| &mut columns)
            .map_err(|reject| wrong(event, &format!("it cannot be read: {} at {}", reject.code.en, reject.pointer)))?;
        if head.action == ReportAction::Withdraw {
            return Err(wrong(event, "it withdraws a fact, and is none"));
        }
    }
    let rows = columns.finish(feed_schema(feed)).0;
    is_of(&rows, originals.into_iter().map(|(event, _)| event))?;
    Ok(rows)
}

/// Those of which only the row is there.
fn recorded(feed: Feed, events: &[&Event]) -> Result<RecordBatch, String> {
    let recorded: Vec<_> = events.iter().filter_map(|event| Some((*event, event.recorded.as_ref()?))).collect();
    let failed = |error: ArrowError| format!("the columns of an event of {}: {error}", feed.table());
    let mut decoder = ReaderBuilder::new(feed_schema(feed)).with_batch_size(recorded.len() + 1).build_decoder();
    let decoder = decoder.as_mut().map_err(|error| error.to_string())?;
    let rows: Vec<_> = recorded.iter().map(|(_, columns)| columns).collect();
    decoder.serialize(&rows).map_err(failed)?;
    let rows = decoder.flush().map_err(failed)?.unwrap_or_else(|| RecordBatch::new_empty(feed_schema(feed)));
    is_of(&rows, recorded.into_iter().map(|(event, _)| event))?;
    Ok(rows)
}

/// Do the rows name the ids and times of these events?
fn is_of<'e>(rows: &RecordBatch, events: impl Iterator<Item = &'e Event>) -> Result<(), String> {
    let ids = rows.column_by_name("event_id").expect("every feed has it").as_string::<i32>();
    let times = rows.column_by_name("event_time").expect("every feed has it");
    let times = times.as_primitive::<TimestampMicrosecondType>();
    for (row, event) in events.enumerate() {
        if row >= rows.num_rows() || ids.value(row) != event.event_id {
            return Err(wrong(event, "its content names another id"));
        }
        let is_inside = (EVENT_TIME_US_MIN..=EVENT_TIME_US_MAX).contains(&times.value(row));
        if !is_inside || parse_rfc3339(&event.event_time) != Some(times.value(row)) {
            return Err(wrong(event, "its content names another time"));
        }
    }
    Ok(())
}

/// The rule alone, of the version that was in force.
fn pack(bundle: &Bundle) -> Result<Pack, String> {
    let Detected { rule_id, rule_version, .. } = &bundle.detection;
    let mut settings = Settings::default();
    for (name, value) in &bundle.rule.parameters {
        settings.set(&format!("{rule_id}.{name}"), value);
    }
    let file = |path: &str, text: &String| RuleFile { path: path.to_owned(), text: text.clone() };
    let rule = file(&format!("{rule_id}.sql"), &bundle.rule.text);
    let views: Vec<RuleFile> = bundle.rule.views.iter().map(|text| file("view.sql", text)).collect();
    let pack = compile(&[rule], &views, &settings).map_err(|problems| {
        let first = problems.first().map_or_else(String::new, ToString::to_string);
        format!("the rule does not compile: {first}")
    })?;
    match pack.rules.first() {
        Some(rule) if rule.version == *rule_version => Ok(pack),
        Some(rule) => Err(format!(
            "the rule's text, views and parameters are of version {}, and the detection of version {rule_version}",
            rule.version
        )),
        None => Err("there is no rule in the file".into()),
    }
}

fn is_found(detected: &Detected, mut said: impl Iterator<Item = Detection>, how: &str) -> Result<(), String> {
    let time = parse_rfc3339(&detected.event_time);
    let is_it =
        |d: &Detection| Some(d.event_time) == time && d.event_id == detected.event_id && d.subject == detected.subject;
    let Some(found) = said.find(is_it) else {
        return Err(format!("{how} the rule detects nothing of {} at {}", detected.subject, detected.event_time));
    };
    let again = values(&found);
    if again == detected.values {
        return Ok(());
    }
    let differs = |name: &&String| again.get(*name) != detected.values.get(*name);
    let name = detected.values.keys().chain(again.keys()).find(differs).cloned().unwrap_or_default();
    let shown = |value: Option<&serde_json::Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    Err(format!(
        "{how} the rule says {name} = {}, and {} was published",
        shown(again.get(&name)),
        shown(detected.values.get(&name))
    ))
}
