//! One record to one row, field by field as the feed's column table says.

use crate::codes::{self, Code};
use crate::columns::Columns;
use crate::convert::{convert, defaulted, digits_of};
use crate::derived::derive;
use crate::envelope::{self, Content, Reporters, Source};
use crate::fields::{Fields, SPECVERSION, Values};
use crate::json::Json;
use crate::read::read;
use crate::row::{Event, Head, Row, Value};
use foreshock_core::limits::{FUTURE_US_MAX, RECORD_BYTES_MAX};
use foreshock_core::schema::Check;
use foreshock_core::{Column, Feed, ReportAction, Type, ids};
use std::borrow::Cow;
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
    row(record, counts, Event::of)
}

/// Decodes a record as the next row of its feed's columns, which are asked for when the record is known to be right.
///
/// # Errors
/// The reason why it is refused: no row is added.
pub fn decode_into<'c>(
    record: &Record<'_>,
    counts: &mut Counts,
    columns: impl FnOnce(Feed) -> &'c mut Columns,
) -> Result<Head, Reject> {
    row(record, counts, |row| {
        columns(row.head.feed).push(row.head.action, row.values.iter().copied());
        row.head
    })
}

/// Gives the row of a record to `take`.
fn row<R>(record: &Record<'_>, counts: &mut Counts, take: impl FnOnce(Row<'_>) -> R) -> Result<R, Reject> {
    if record.bytes.len() > RECORD_BYTES_MAX {
        return Err(Reject::new(codes::TOO_LARGE, ""));
    }
    let header = envelope::header_source(record.source)?;
    let mut values = Values::none(Fields::of(record.feed.unwrap_or(Feed::ALL[0])));
    read(&mut values, record.bytes)?;
    if !values.has(SPECVERSION) {
        let feed = its_feed(&mut values, record.bytes, record.feed)?;
        return event(feed, &values, header.as_ref(), record, counts, take);
    }
    let (content, source) = envelope::open(record.bytes)?;
    let (bytes, pointer) = match content {
        Content::Json(text) => (Cow::Borrowed(text.as_bytes()), ""),
        Content::Bytes(bytes) => (Cow::Owned(bytes), "data_base64"),
    };
    let mut values = Values::none(values.fields);
    read(&mut values, &bytes).map_err(|r| Reject::new(r.code, pointer))?;
    let feed = its_feed(&mut values, &bytes, record.feed)?;
    event(feed, &values, Some(&source), record, counts, take)
}

/// Columns that every feed begins with: event id, event time, reporter.
const HEAD: usize = 3;

/// The row of a record whose values are known.
fn event<R>(
    feed: Feed,
    values: &Values<'_>,
    source: Option<&Source<'_>>,
    record: &Record<'_>,
    counts: &mut Counts,
    take: impl FnOnce(Row<'_>) -> R,
) -> Result<R, Reject> {
    values.check()?;
    counts.unknown_fields += values.unknown;
    let action = report_action(values)?;
    let reporter = envelope::reporter(values, source, record)?;
    let digits = digits_of(feed, values)?;
    let event_id = event_id(feed, reporter, values)?;
    let context = Context { event_id: &event_id, reporter, digits, values };
    let mut row = Vec::with_capacity(feed.columns().len());
    for (idx, column) in feed.columns().iter().enumerate() {
        match context.put(idx, column, counts, &mut row) {
            Ok(()) => {}
            // What a withdrawal does tell must be right, as in any report.
            Err(reject) if reject.code == codes::MISSING && action == ReportAction::Withdraw && idx >= HEAD => {
                row.push(empty(column));
            }
            Err(reject) => return Err(reject),
        }
    }
    if feed == Feed::SuspiciousReports {
        check_reason(values, action)?;
    }
    let Some(Value::Int(time)) = row.get(1).copied() else { return Err(Reject::new(codes::MISSING, time_path(feed))) };
    if record.record_time.is_some_and(|at| time > at.saturating_add(FUTURE_US_MAX)) {
        return Err(Reject::new(codes::FUTURE, time_path(feed)));
    }
    Ok(take(Row { head: Head { feed, time, action }, values: &row }))
}

/// The feed whose record id is there, the expected one first, for a field of another feed may be there too. Where the values
/// were read as those of another feed, they are read again.
fn its_feed<'a>(values: &mut Values<'a>, bytes: &'a [u8], expected: Option<Feed>) -> Result<Feed, Reject> {
    let is_there = |feed: &Feed| values.has(feed.id_field());
    let feed = match expected.filter(is_there).or_else(|| Feed::ALL.into_iter().find(is_there)) {
        Some(feed) if expected.is_none_or(|expected| expected == feed) => feed,
        Some(_) => return Err(Reject::new(codes::WRONG_FEED, "")),
        None => return Err(Reject::new(codes::UNKNOWN_FEED, "")),
    };
    if !std::ptr::eq(values.fields, Fields::of(feed)) {
        *values = Values::none(Fields::of(feed));
        read(values, bytes)?;
    }
    Ok(feed)
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
fn empty(column: &Column) -> Value<'static> {
    match column.ty {
        _ if column.nullable => Value::Null,
        Type::Text => Value::Text(""),
        Type::Bigint | Type::Time => Value::Int(0),
        Type::Boolean => Value::Bool(false),
    }
}

fn time_path(feed: Feed) -> &'static str {
    feed.columns().get(1).map_or("", |c| c.path)
}

fn event_id(feed: Feed, reporter: &str, values: &Values<'_>) -> Result<String, Reject> {
    let field = feed.id_field();
    match values.get(field) {
        Some(Json::Text(id)) if ids::is_token(id) => Ok(ids::event_id(feed.prefix(), reporter, id)),
        Some(Json::Text(_)) => Err(Reject::new(codes::TOKEN, field)),
        Some(_) => Err(Reject::new(codes::TYPE, field)),
        None => Err(Reject::new(codes::MISSING, field)),
    }
}

/// What the columns of one record have in common.
struct Context<'a, 'b> {
    event_id: &'a str,
    reporter: &'a str,
    /// Decimals of the record's currency.
    digits: u32,
    values: &'a Values<'b>,
}

impl<'a> Context<'a, '_> {
    /// Puts the value of a column into a row.
    fn put(&self, idx: usize, column: &Column, counts: &mut Counts, row: &mut Vec<Value<'a>>) -> Result<(), Reject> {
        match (column.check, self.values.of_column(idx)) {
            (Check::EventId, _) => row.push(Value::Text(self.event_id)),
            (Check::Reporter, _) => row.push(Value::Text(self.reporter)),
            (Check::Derived, _) => row.push(derive(column.name, self.values, self.digits)?),
            (_, Some(value)) => {
                return convert(column, value, self.digits, counts, row).map_err(|code| Reject::new(code, column.path));
            }
            (_, None) => row.push(defaulted(column).ok_or_else(|| Reject::new(codes::MISSING, column.path))?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;

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
