//! Test cases of a rule (`<id>.test.yaml`): what is given, what is expected.

use crate::header::{ParamValue, parse_span};
use crate::near::near;
use crate::problem::Problem;
use crate::session::feed_schema;
use crate::yaml;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use foreshock_core::time::{DAY_US, parse_rfc3339};
use foreshock_core::{Column, Detection, Feed, Type, Value};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One story about a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// Parameters other than the defaults.
    #[serde(default)]
    pub params: BTreeMap<String, ParamValue>,
    /// Rows by table.
    #[serde(default)]
    pub given: BTreeMap<String, Vec<Row>>,
    /// All detections there must be.
    pub expect: Vec<Expected>,
}

/// A row by its SQL columns.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// `[<days>d ]HH:MM:SS[.ffffff]` on 2026-03-02 UTC.
    pub at: String,
    /// Write the row several times.
    pub repeat: Option<Repeat>,
    /// The columns that are not default.
    #[serde(flatten)]
    pub columns: BTreeMap<String, ParamValue>,
}

/// Several rows from one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How many.
    pub count: usize,
    /// Time between two, e.g. `60s`.
    pub every: String,
    /// Text columns that get the number of the repetition appended.
    #[serde(default)]
    pub suffix: Vec<String>,
}

/// A detection that must be there.
#[derive(Debug, Clone, Deserialize)]
pub struct Expected {
    /// Number of the row in its table, from 0; `table:number` for views over several tables.
    pub event: ParamValue,
    /// For `legs`: `in` or `out`.
    pub leg: Option<String>,
    /// Output columns that must be equal.
    #[serde(flatten)]
    pub columns: BTreeMap<String, ParamValue>,
}

/// Reads a case file.
///
/// # Errors
/// What is wrong with the YAML, with its line and column.
pub fn read(text: &str) -> Result<Vec<Case>, String> {
    read_file("", text).map_err(|p| p.to_string().trim_start_matches(':').to_owned())
}

/// The same, with the file's name in the problem.
///
/// # Errors
/// What is wrong with the YAML, with file, line and column.
pub fn read_file(file: &str, text: &str) -> Result<Vec<Case>, Problem> {
    yaml::read(text).map_err(|p| p.in_file(file))
}

/// What the cases of a rule do not show. A rule that no case lets fire may do anything.
pub fn lacking(cases: &[Case]) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    if !cases.iter().any(|case| !case.expect.is_empty()) {
        lacking.push("no case expects a detection: write one with rows that make the rule fire");
    }
    if !cases.iter().any(|case| case.expect.is_empty()) {
        lacking.push("no case is silent: write one with rows that almost make the rule fire, and `expect: []`");
    }
    lacking
}

impl Case {
    /// The given rows as columns, sorted by event time within each feed.
    ///
    /// # Errors
    /// Unknown tables or columns, values of a wrong type.
    pub fn batches(&self) -> Result<BTreeMap<Feed, RecordBatch>, String> {
        let mut batches = BTreeMap::new();
        for (table, rows) in &self.given {
            let feed = Feed::ALL.into_iter().find(|f| f.table() == table);
            let feed = feed.ok_or_else(|| no_such("no table", table, Feed::ALL.into_iter().map(Feed::table)))?;
            batches.insert(feed, batch(feed, rows)?);
        }
        Ok(batches)
    }

    /// What differs between the expected detections and the ones there are.
    ///
    /// # Errors
    /// One line for each difference.
    pub fn compare(&self, found: &[Detection]) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        let mut open: Vec<&Detection> = found.iter().collect();
        for expected in &self.expect {
            let id = self.event_id(expected);
            match open.iter().position(|d| d.event_id == id) {
                None => problems.push(format!("expected a detection of {id}, there is none")),
                Some(at) => problems.extend(differences(expected, open.remove(at))),
            }
        }
        problems
            .extend(open.iter().map(|d| format!("unexpected: {} subject {} {:?}", d.event_id, d.subject, d.values)));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn event_id(&self, expected: &Expected) -> String {
        let text = expected.event.to_string();
        let only = self.given.keys().next().map_or("transactions", String::as_str);
        let (table, number) = text.split_once(':').unwrap_or((only, &text));
        let prefix = Feed::ALL.into_iter().find(|f| f.table() == table).map_or("tx", Feed::prefix);
        let leg = expected.leg.as_ref().map_or(String::new(), |leg| format!("#{leg}"));
        format!("{prefix}:test:{number}{leg}")
    }
}

fn differences(expected: &Expected, found: &Detection) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, value) in &expected.columns {
        let has = match name.as_str() {
            "subject" => Some(Value::Text(found.subject.clone())),
            _ => found.values.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
        };
        let is_equal = match (&has, value) {
            (Some(Value::Int(a)), ParamValue::Int(b)) => a == b,
            (Some(Value::Bool(a)), ParamValue::Bool(b)) => a == b,
            (Some(other), ParamValue::Text(b)) => other.to_string() == *b,
            _ => false,
        };
        if !is_equal {
            problems.push(format!("{}: `{name}` is {has:?}, expected {value}", found.event_id));
        }
    }
    problems
}

/// Microseconds of `at`.
fn time(at: &str) -> Result<i64, String> {
    let (days, clock) = match at.split_once("d ") {
        Some((days, clock)) => (days.parse::<i64>().map_err(|_| format!("`{at}` is no time"))?, clock),
        None => (0, at),
    };
    let us = parse_rfc3339(&format!("2026-03-02T{clock}Z")).ok_or_else(|| format!("`{at}` is no time"))?;
    let days_us = days.checked_mul(DAY_US).filter(|us| us.abs() <= CASE_US_MAX);
    days_us.map(|days_us| us + days_us).ok_or_else(|| format!("`{at}` is too far away"))
}

/// Rows of one table of a case.
const CASE_ROWS_MAX: usize = 100_000;
/// A case plays within three hundred years.
const CASE_US_MAX: i64 = 110_000 * DAY_US;

fn no_such(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let meant = near(name, known).map_or(String::new(), |close| format!("; did you mean `{close}`?"));
    format!("{what} `{name}`{meant}")
}

struct Written {
    time: i64,
    number: usize,
    columns: BTreeMap<String, ParamValue>,
}

fn written(rows: &[Row]) -> Result<Vec<Written>, String> {
    let mut all = Vec::new();
    for row in rows {
        let (count, every) = match &row.repeat {
            None => (1, 0),
            Some(r) => (r.count, parse_span(&r.every).ok_or_else(|| format!("`{}` is no span of time", r.every))?),
        };
        let start = time(&row.at)?;
        if all.len().saturating_add(count) > CASE_ROWS_MAX {
            return Err(format!("a case has more than {CASE_ROWS_MAX} rows"));
        }
        let last = i64::try_from(count).ok().and_then(|count| every.checked_mul(count));
        if last.is_none_or(|last| last > CASE_US_MAX) {
            return Err(format!("`{}` repeated {count} times is too long", row.at));
        }
        for n in 0..count {
            let mut columns = row.columns.clone();
            for name in row.repeat.iter().flat_map(|r| &r.suffix) {
                if let Some(ParamValue::Text(text)) = columns.get_mut(name) {
                    text.push_str(&n.to_string());
                }
            }
            let step = i64::try_from(n).map_err(|e| e.to_string())?;
            all.push(Written { time: start + every * step, number: all.len(), columns });
        }
    }
    Ok(all)
}

fn batch(feed: Feed, rows: &[Row]) -> Result<RecordBatch, String> {
    let mut rows = written(rows)?;
    rows.sort_by_key(|r| (r.time, r.number));
    for name in rows.iter().flat_map(|r| r.columns.keys()) {
        if !feed.columns().iter().any(|c| c.name == name) {
            let what = format!("table `{}` has no column", feed.table());
            return Err(no_such(&what, name, feed.columns().iter().map(|c| c.name)));
        }
    }
    let columns: Vec<ArrayRef> =
        feed.columns().iter().map(|c| column(feed, c.name, c.ty, &rows)).collect::<Result<_, _>>()?;
    let is_missing = |(column, values): &(&Column, &ArrayRef)| !column.nullable && values.null_count() > 0;
    if let Some((column, _)) = feed.columns().iter().zip(&columns).find(is_missing) {
        return Err(format!("a row of `{}` has no `{}`", feed.table(), column.name));
    }
    RecordBatch::try_new(feed_schema(feed), columns).map_err(|e| e.to_string())
}

fn column(feed: Feed, name: &str, ty: Type, rows: &[Written]) -> Result<ArrayRef, String> {
    let wrong = |v: &ParamValue| format!("column `{name}`: `{v}` is of a wrong type");
    let value = |row: &Written| row.columns.get(name).cloned().or_else(|| default(feed, name, row));
    match ty {
        Type::Text => {
            let mut builder = StringBuilder::new();
            rows.iter().for_each(|r| builder.append_option(value(r).map(|v| v.to_string())));
            Ok(Arc::new(builder.finish()))
        }
        Type::Bigint => {
            let mut builder = Int64Builder::new();
            for row in rows {
                match value(row) {
                    None => builder.append_null(),
                    Some(ParamValue::Int(v)) => builder.append_value(v),
                    Some(other) => return Err(wrong(&other)),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        Type::Boolean => {
            let mut builder = BooleanBuilder::new();
            for row in rows {
                match value(row) {
                    None => builder.append_null(),
                    Some(ParamValue::Bool(v)) => builder.append_value(v),
                    Some(other) => return Err(wrong(&other)),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        Type::Time => {
            let mut builder = TimestampMicrosecondBuilder::new();
            for row in rows {
                match value(row) {
                    _ if name == "event_time" => builder.append_value(row.time),
                    None => builder.append_null(),
                    Some(v) => builder.append_value(time(&v.to_string())?),
                }
            }
            Ok(Arc::new(builder.finish().with_timezone("UTC")))
        }
    }
}

fn default(feed: Feed, name: &str, row: &Written) -> Option<ParamValue> {
    let text = |t: &str| Some(ParamValue::Text(t.to_owned()));
    match name {
        "event_id" => Some(ParamValue::Text(format!("{}:test:{}", feed.prefix(), row.number))),
        "reporter" => text("test"),
        "tx_id" | "record_id" | "complaint_id" => Some(ParamValue::Text(row.number.to_string())),
        "kind" => text("TRANSFER"),
        "status" if feed == Feed::Transactions => text("ACSC"),
        "currency" if feed == Feed::Transactions => text("CNY"),
        "direction" => text("DEBIT"),
        "payer_account_type" | "payee_account_type" | "payer_age_band" | "payee_age_band" => text("UNKNOWN"),
        "channel" => text(if feed == Feed::Transactions { "OTHER" } else { "APP" }),
        "phase" => text("COMPLETE"),
        "attempt" => Some(ParamValue::Bool(false)),
        "report_code" => text("STR"),
        "fraud_type" => text("OTHER"),
        _ => None,
    }
}
