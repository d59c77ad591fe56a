//! One record to one event, field by field as the feed's column table says.

use crate::codes::{self, Code};
use crate::convert::{convert, defaulted, digits_of};
use crate::derived::derive;
use crate::envelope::{self, Content, Reporters, Source};
use crate::fields::{Fields, Values};
use crate::json::{self, Json, Members};
use foreshock_core::limits::{FUTURE_US_MAX, RECORD_BYTES_MAX};
use foreshock_core::schema::Check;
use foreshock_core::{Column, Feed, ReportAction, Type, ids};
use std::ops::AddAssign;

/// A record as it came, with what its transport says about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Content.
    pub bytes: &'a [u8],
    /// The feed of the topic; `None` for files, whose lines tell by their fields.
    pub feed: Option<Feed>,
    /// CloudEvents binary mode: the bytes of header `ce_source`, empty for a null one. `None` when there is no such header.
    pub source: Option<&'a [u8]>,
    /// Reporter when neither record nor envelope names one.
    pub default_reporter: Option<&'a str>,
    /// What the configuration says about reporters; `None` maps no source and allows all.
    pub reporters: Option<&'a Reporters>,
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

/// What was tolerated in records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes of open sets that became `OTHER`.
    pub unknown_codes: u64,
    /// Fields that the feed does not read, at any depth that it reads.
    pub unknown_fields: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.unknown_codes += more.unknown_codes;
        self.unknown_fields += more.unknown_fields;
    }
}

/// Why a record is refused: never with a byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Reason.
    pub code: Code,
    /// JSON pointer of the field in the event, empty for the whole record; [`crate::HEADER_POINTER`] for the header.
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
    let header = envelope::header_source(record.source)?;
    let members = json::object(record.bytes)?;
    if !members.has("specversion") {
        return event(&members, header.as_ref(), record, counts);
    }
    let (content, source) = envelope::open(&members)?;
    match content {
        Content::Json(text) => event(&json::object(text.as_bytes())?, Some(&source), record, counts),
        Content::Bytes(bytes) => {
            let members = json::object(&bytes).map_err(|r| Reject::new(r.code, "data_base64"))?;
            event(&members, Some(&source), record, counts)
        }
    }
}

/// Columns that every feed begins with: event id, event time, reporter.
const HEAD: usize = 3;

fn event(
    members: &Members<'_>,
    source: Option<&Source<'_>>,
    record: &Record<'_>,
    counts: &mut Counts,
) -> Result<Event, Reject> {
    let feed = detect(members, record.feed)?;
    let values = Values::sort(Fields::of(feed), members)?;
    counts.unknown_fields += values.unknown;
    let action = report_action(&values)?;
    let reporter = envelope::reporter(&values, source, record)?;
    let context = Context { feed, reporter, digits: digits_of(feed, &values)?, values: &values };
    let mut cells = Vec::with_capacity(feed.columns().len());
    for (idx, column) in feed.columns().iter().enumerate() {
        match context.cell(idx, column, counts) {
            Ok(cell) => cells.push(cell),
            // What a withdrawal does tell must be right, as in any report.
            Err(reject) if reject.code == codes::MISSING && action == ReportAction::Withdraw && idx >= HEAD => {
                cells.push(empty(column));
            }
            Err(reject) => return Err(reject),
        }
    }
    if feed == Feed::SuspiciousReports {
        check_reason(&values, action)?;
    }
    let (Some(Cell::Text(event_id)), Some(Cell::Int(time))) = (cells.first().cloned(), cells.get(1).cloned()) else {
        return Err(Reject::new(codes::MISSING, feed.id_field()));
    };
    if record.record_time.is_some_and(|at| time > at.saturating_add(FUTURE_US_MAX)) {
        return Err(Reject::new(codes::FUTURE, time_path(feed)));
    }
    Ok(Event { feed, time, event_id, action, cells })
}

/// The feed whose record id is there: the expected one first, for a field of another feed may be there too.
fn detect(members: &Members<'_>, expected: Option<Feed>) -> Result<Feed, Reject> {
    let is_there = |feed: &Feed| members.has(feed.id_field());
    if let Some(feed) = expected.filter(is_there) {
        return Ok(feed);
    }
    match Feed::ALL.into_iter().find(is_there) {
        Some(feed) if expected.is_none() => Ok(feed),
        Some(_) => Err(Reject::new(codes::WRONG_FEED, "")),
        None => Err(Reject::new(codes::UNKNOWN_FEED, "")),
    }
}

fn report_action(values: &Values<'_>) -> Result<ReportAction, Reject> {
    let action = match values.get("reportAction") {
        None => Some(ReportAction::New),
        Some(Json::Text(code)) => ReportAction::from_code(code),
        Some(_) => None,
    };
    action.ok_or_else(|| Reject::new(codes::ACTION, "reportAction"))
}

/// The contract asks for the reason of a suspicious report; it is never kept.
fn check_reason(values: &Values<'_>, action: ReportAction) -> Result<(), Reject> {
    match values.get("reason") {
        Some(Json::Text(_)) => Ok(()),
        Some(_) => Err(Reject::new(codes::TYPE, "reason")),
        None if action == ReportAction::Withdraw => Ok(()),
        None => Err(Reject::new(codes::MISSING, "reason")),
    }
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

/// What the columns of one record have in common.
struct Context<'a, 'b> {
    feed: Feed,
    reporter: &'a str,
    /// Decimals of the record's currency.
    digits: u32,
    values: &'a Values<'b>,
}

impl Context<'_, '_> {
    fn cell(&self, idx: usize, column: &Column, counts: &mut Counts) -> Result<Cell, Reject> {
        match column.check {
            Check::EventId => return self.event_id(),
            Check::Reporter => return Ok(Cell::Text(self.reporter.to_owned())),
            Check::Derived => return derive(column.name, self.values, self.digits),
            _ => {}
        }
        let Some(value) = self.values.of_column(idx) else {
            return defaulted(column).ok_or_else(|| Reject::new(codes::MISSING, column.path));
        };
        convert(column, value, self.digits, counts).map_err(|code| Reject::new(code, column.path))
    }

    fn event_id(&self) -> Result<Cell, Reject> {
        let field = self.feed.id_field();
        match self.values.get(field) {
            Some(Json::Text(id)) if ids::is_token(id) => {
                Ok(Cell::Text(ids::event_id(self.feed.prefix(), self.reporter, id)))
            }
            Some(Json::Text(_)) => Err(Reject::new(codes::TOKEN, field)),
            Some(_) => Err(Reject::new(codes::TYPE, field)),
            None => Err(Reject::new(codes::MISSING, field)),
        }
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
}
