//! One record to one event, field by field as the feed's column table says.

use crate::codes::{self, Code};
use crate::derived::derive;
use foreshock_core::limits::{FUTURE_US_MAX, RECORD_BYTES_MAX};
use foreshock_core::money::{BadAmount, minor_digits, parse_minor};
use foreshock_core::schema::Check;
use foreshock_core::{Column, Feed, ReportAction, Type, ids, time};
use serde_json::{Map, Value};

/// A record as it came, with what its transport says about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Content.
    pub bytes: &'a [u8],
    /// The feed of the topic; `None` for files, whose lines tell by their fields.
    pub feed: Option<Feed>,
    /// CloudEvents binary mode: header `ce_source`.
    pub source: Option<&'a str>,
    /// Reporter when neither envelope nor record names one.
    pub default_reporter: Option<&'a str>,
    /// Kafka record timestamp in microseconds; events too far ahead of it are refused. `None` sets no bound.
    pub record_time: Option<i64>,
}

/// One value of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// TEXT.
    Text(String),
    /// BIGINT, or TIMESTAMPTZ in microseconds.
    Int(i64),
    /// BOOLEAN.
    Bool(bool),
}

/// A decoded fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its feed.
    pub feed: Feed,
    /// Microseconds.
    pub time: i64,
    /// `<feed>:<reporter>:<record id>`.
    pub event_id: String,
    /// What it does to the fact of its event id.
    pub action: ReportAction,
    /// One cell for each column of the feed. A withdrawal needs no more than id, reporter and time: its other required
    /// columns are empty, and it is in no window.
    pub cells: Vec<Cell>,
}

/// What was tolerated in a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes of open sets that became `OTHER`.
    pub unknown_codes: u64,
}

/// Why a record is refused: never with a byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Reason.
    pub code: Code,
    /// JSON pointer of the field, empty for the whole record.
    pub pointer: String,
}

impl Reject {
    pub(crate) fn new(code: Code, path: &str) -> Self {
        let pointer = if path.is_empty() { String::new() } else { format!("/{}", path.replace('.', "/")) };
        Reject { code, pointer }
    }
}

/// Decodes a record: bare JSON, or CloudEvents 1.0 in structured mode (binary mode by [`Record::source`]).
///
/// # Errors
/// The reason why it is refused.
pub fn decode(record: &Record<'_>, counts: &mut Counts) -> Result<Event, Reject> {
    if record.bytes.len() > RECORD_BYTES_MAX {
        return Err(Reject::new(codes::TOO_LARGE, ""));
    }
    let json: Value = serde_json::from_slice(record.bytes).map_err(|_| Reject::new(codes::INVALID_JSON, ""))?;
    let Value::Object(outer) = &json else { return Err(Reject::new(codes::NOT_OBJECT, "")) };
    let (object, source) = open_envelope(outer, record)?;
    let feed = detect(object).ok_or_else(|| Reject::new(codes::UNKNOWN_FEED, ""))?;
    if record.feed.is_some_and(|expected| expected != feed) {
        return Err(Reject::new(codes::WRONG_FEED, ""));
    }
    let action = report_action(object)?;
    let reporter = source.or_else(|| object.get("reporter").and_then(Value::as_str)).or(record.default_reporter);
    let reporter = reporter.filter(|r| ids::is_reporter(r)).ok_or_else(|| Reject::new(codes::REPORTER, "reporter"))?;
    let digits = currency_digits(feed, object)?;
    let mut cells = Vec::with_capacity(feed.columns().len());
    for column in feed.columns() {
        match cell(column, object, feed, reporter, digits, counts) {
            Ok(cell) => cells.push(cell),
            Err(_) if action == ReportAction::Withdraw && cells.len() >= HEAD => cells.push(empty(column)),
            Err(reject) => return Err(reject),
        }
    }
    let (Some(Cell::Text(event_id)), Some(Cell::Int(time))) = (cells.first().cloned(), cells.get(1).cloned()) else {
        return Err(Reject::new(codes::MISSING, feed.id_field()));
    };
    if record.record_time.is_some_and(|at| time > at.saturating_add(FUTURE_US_MAX)) {
        return Err(Reject::new(codes::FUTURE, time_path(feed)));
    }
    Ok(Event { feed, time, event_id, action, cells })
}

/// Columns that every feed begins with: event id, event time, reporter.
const HEAD: usize = 3;

fn report_action(object: &Map<String, Value>) -> Result<ReportAction, Reject> {
    let Some(value) = find(object, "reportAction") else { return Ok(ReportAction::New) };
    let action = value.as_str().and_then(ReportAction::from_code);
    action.ok_or_else(|| Reject::new(codes::ACTION, "reportAction"))
}

/// What stands in a column that a withdrawal does not tell.
fn empty(column: &Column) -> Cell {
    match column.ty {
        _ if column.nullable => Cell::Null,
        Type::Text => Cell::Text(String::new()),
        Type::Bigint | Type::Time => Cell::Int(0),
        Type::Boolean => Cell::Bool(false),
    }
}

fn time_path(feed: Feed) -> &'static str {
    feed.columns().get(1).map_or("", |c| c.path)
}

/// The event's own object and the CloudEvents source, if there is an envelope.
fn open_envelope<'a>(
    outer: &'a Map<String, Value>,
    record: &Record<'a>,
) -> Result<(&'a Map<String, Value>, Option<&'a str>), Reject> {
    if !outer.contains_key("specversion") {
        return Ok((outer, record.source));
    }
    if outer.get("specversion").and_then(Value::as_str) != Some("1.0") {
        return Err(Reject::new(codes::ENVELOPE, "specversion"));
    }
    for part in ["id", "source", "type"] {
        if outer.get(part).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Reject::new(codes::ENVELOPE, part));
        }
    }
    let data = outer.get("data").and_then(Value::as_object).ok_or_else(|| Reject::new(codes::ENVELOPE, "data"))?;
    Ok((data, outer.get("source").and_then(Value::as_str)))
}

fn detect(object: &Map<String, Value>) -> Option<Feed> {
    Feed::ALL.into_iter().find(|f| object.contains_key(f.id_field()))
}

fn currency_digits(feed: Feed, object: &Map<String, Value>) -> Result<u32, Reject> {
    let path = if feed == Feed::SuspiciousReports { "currency_code_local" } else { "currency" };
    let Some(value) = object.get(path).filter(|v| !v.is_null()) else { return Ok(2) };
    let text = value.as_str().ok_or_else(|| Reject::new(codes::TYPE, path))?;
    minor_digits(text).ok_or_else(|| Reject::new(codes::CURRENCY, path))
}

/// The value at a path such as `debtor.accountToken` or `report_indicators.0`; JSON null counts as absent.
pub(crate) fn find<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = object.get(parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Object(map) => map.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    (!value.is_null()).then_some(value)
}

fn cell(
    column: &Column,
    object: &Map<String, Value>,
    feed: Feed,
    reporter: &str,
    digits: u32,
    counts: &mut Counts,
) -> Result<Cell, Reject> {
    match column.check {
        Check::EventId => {
            let id = find(object, feed.id_field()).and_then(Value::as_str).unwrap_or_default();
            if !ids::is_token(id) {
                return Err(Reject::new(codes::TOKEN, feed.id_field()));
            }
            return Ok(Cell::Text(ids::event_id(feed.prefix(), reporter, id)));
        }
        Check::Reporter => return Ok(Cell::Text(reporter.to_owned())),
        Check::Derived => return derive(column.name, object, digits),
        _ => {}
    }
    let Some(value) = find(object, column.path) else {
        return match column.check {
            Check::Code(_, Some(default)) | Check::OpenCode(_, Some(default)) => Ok(Cell::Text(default.to_owned())),
            _ if column.nullable => Ok(Cell::Null),
            _ => Err(Reject::new(codes::MISSING, column.path)),
        };
    };
    convert(column, value, digits, counts).map_err(|code| Reject::new(code, column.path))
}

fn convert(column: &Column, value: &Value, digits: u32, counts: &mut Counts) -> Result<Cell, Code> {
    let text = || value.as_str().ok_or(codes::TYPE);
    let keep = |ok: bool, text: &str, code: Code| if ok { Ok(Cell::Text(text.to_owned())) } else { Err(code) };
    match column.check {
        Check::Token => text().and_then(|t| keep(ids::is_token(t), t, codes::TOKEN)),
        Check::Place => text().and_then(|t| keep(ids::is_place(t), t, codes::PLACE)),
        Check::Code(set, _) => text().and_then(|t| keep(set.contains(&t), t, codes::CODE_UNKNOWN)),
        Check::OpenCode(set, _) => {
            let t = text()?;
            let is_known = set.contains(&t) || t == "OTHER";
            counts.unknown_codes += u64::from(!is_known);
            Ok(Cell::Text(if is_known { t } else { "OTHER" }.to_owned()))
        }
        Check::Currency => text().and_then(|t| keep(minor_digits(t).is_some(), t, codes::CURRENCY)),
        Check::Money => amount(text()?, digits).map(Cell::Int),
        Check::MoneyPositive => match amount(text()?, digits)? {
            minor if minor > 0 => Ok(Cell::Int(minor)),
            _ => Err(codes::AMOUNT_RANGE),
        },
        Check::Int(min, max) => {
            let number = value.as_i64().ok_or(codes::TYPE)?;
            if (min..=max).contains(&number) { Ok(Cell::Int(number)) } else { Err(codes::NUMBER_RANGE) }
        }
        Check::Bool => value.as_bool().map(Cell::Bool).ok_or(codes::TYPE),
        Check::Permille => permille(value).map(Cell::Int),
        Check::Time => time::parse_rfc3339(text()?).map(Cell::Int).ok_or(codes::TIME),
        Check::EventId | Check::Reporter | Check::Derived => Err(codes::TYPE),
    }
}

pub(crate) fn amount(text: &str, digits: u32) -> Result<i64, Code> {
    parse_minor(text, digits).map_err(|bad| match bad {
        BadAmount::NotDecimal => codes::AMOUNT,
        BadAmount::TooManyDecimals => codes::DECIMALS,
        BadAmount::TooLarge => codes::AMOUNT_RANGE,
    })
}

/// A score between 0 and 1 as whole thousandths, cut off, from its decimal text: no float is computed with.
fn permille(value: &Value) -> Result<i64, Code> {
    let text = match value {
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        _ => return Err(codes::TYPE),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let cut: String = fraction.chars().take(3).collect();
    let joined = if cut.is_empty() { whole.to_owned() } else { format!("{whole}.{cut}") };
    match parse_minor(&joined, 3) {
        Ok(score) if (0..=1_000).contains(&score) => Ok(score),
        _ => Err(codes::NUMBER_RANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"txId":"1","reporter":"bank-1","creDtTm":"2026-03-02T10:00:00+08:00","kind":"TRANSFER","amount":"12.50",
        "currency":"CNY","debtor":{"accountToken":"A"},"creditor":{"accountToken":"B"},"channel":"PIGEON","bankScore":0.8769}"#;

    fn refused(json: &str) -> (&'static str, String) {
        let record = Record { bytes: json.as_bytes(), ..Record::default() };
        let reject = decode(&record, &mut Counts::default()).expect_err("refused");
        (reject.code.code, reject.pointer)
    }

    #[test]
    fn a_minimal_transaction_gets_defaults_and_minor_units() {
        let mut counts = Counts::default();
        let event = decode(&Record { bytes: GOOD.as_bytes(), ..Record::default() }, &mut counts).expect("good");
        let cell = |name: &str| {
            let at = event.feed.columns().iter().position(|c| c.name == name).expect("a column");
            event.cells[at].clone()
        };
        assert_eq!(event.event_id, "tx:bank-1:1");
        assert_eq!(cell("amount"), Cell::Int(1250));
        assert_eq!(cell("status"), Cell::Text("ACSC".into()));
        assert_eq!(cell("channel"), Cell::Text("OTHER".into()));
        assert_eq!(cell("bank_score_permille"), Cell::Int(876));
        assert_eq!(counts.unknown_codes, 1);
    }

    #[test]
    fn each_refusal_names_its_code_and_place() {
        let with = |from: &str, to: &str| refused(&GOOD.replace(from, to));
        assert_eq!(with("\"TRANSFER\"", "\"GIFT\""), ("code_unknown", "/kind".into()));
        assert_eq!(with("12.50", "12.505"), ("amount_decimals", "/amount".into()));
        assert_eq!(with("12.50", "0"), ("amount_range", "/amount".into()));
        assert_eq!(with("\"12.50\"", "12.5"), ("field_type", "/amount".into()));
        assert_eq!(with("CNY", "CNX"), ("currency_unknown", "/currency".into()));
        assert_eq!(with("+08:00", ""), ("time_invalid", "/creDtTm".into()));
        assert_eq!(with("{\"accountToken\":\"B\"}", "{}"), ("field_missing", "/creditor/accountToken".into()));
        assert_eq!(with("\"A\"", "\"A B\""), ("token_invalid", "/debtor/accountToken".into()));
        assert_eq!(with("bank-1", "a:b"), ("reporter_invalid", "/reporter".into()));
        let action = |code: &str| with("{\"txId\"", &format!("{{\"reportAction\":\"{code}\",\"txId\""));
        assert_eq!(action("DROP"), ("action_unknown", "/reportAction".into()));
        assert_eq!(refused("[1]").0, "json_not_object");
        assert_eq!(refused("{\"a\":").0, "json_invalid");
        assert_eq!(refused(&"[".repeat(100_000)).0, "json_invalid");
    }

    #[test]
    fn an_event_far_ahead_of_its_record_is_refused_only_where_a_record_has_a_time() {
        let at = |record_time| {
            decode(&Record { bytes: GOOD.as_bytes(), record_time, ..Record::default() }, &mut Counts::default())
        };
        let event_time = at(None).expect("no bound").time;
        assert!(at(Some(event_time - FUTURE_US_MAX)).is_ok());
        assert_eq!(at(Some(event_time - FUTURE_US_MAX - 1)).expect_err("too far ahead").code.code, "time_future");
    }

    #[test]
    fn a_withdrawal_needs_only_id_reporter_and_time_and_an_update_all() {
        let bare = r#"{"txId":"1","reporter":"b","creDtTm":"2026-03-02T10:00:00Z","reportAction":"CLSE"}"#;
        let event = decode(&Record { bytes: bare.as_bytes(), ..Record::default() }, &mut Counts::default());
        assert_eq!(event.map(|e| (e.action, e.event_id)), Ok((ReportAction::Withdraw, "tx:b:1".into())));
        assert_eq!(refused(&bare.replace("CLSE", "UPDT")).0, "field_missing");
        assert_eq!(refused(&bare.replace("Z\"", "\"")).0, "time_invalid");
    }

    #[test]
    fn the_source_of_an_envelope_is_the_reporter() {
        let wrapped = format!(r#"{{"specversion":"1.0","id":"x","source":"bank-9","type":"t","data":{GOOD}}}"#);
        let event = decode(&Record { bytes: wrapped.as_bytes(), ..Record::default() }, &mut Counts::default());
        assert_eq!(event.expect("good").event_id, "tx:bank-9:1");
        assert_eq!(refused(&wrapped.replace("\"type\":\"t\",", "")), ("envelope_invalid", "/type".into()));
    }
}
