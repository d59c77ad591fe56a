//! One value of a record to one cell, as its column's check says. Every number is read exactly and whole, or refused.

use crate::codes::{self, Code};
use crate::decode::{Counts, Reject};
use crate::fields::Values;
use crate::json::Json;
use crate::row::Value;
use foreshock_core::decimal::Decimal;
use foreshock_core::money::{BadAmount, minor_digits, parse_minor};
use foreshock_core::schema::Check;
use foreshock_core::time::{BadTime, parse_event_time};
use foreshock_core::{Column, Feed, ids};

/// What stands in a column whose field is absent; `None` when it must not be.
pub(crate) fn defaulted(column: &Column) -> Option<Value<'static>> {
    match column.check {
        Check::Code(_, Some(default)) | Check::OpenCode(_, Some(default)) => Some(Value::Text(default)),
        _ => column.nullable.then_some(Value::Null),
    }
}

/// The field that says in which currency a feed's amounts are.
pub(crate) fn currency_path(feed: Feed) -> &'static str {
    if feed == Feed::SuspiciousReports { "currency_code_local" } else { "currency" }
}

/// Decimals of a record's currency.
pub(crate) fn digits_of(feed: Feed, values: &Values<'_>) -> Result<u32, Reject> {
    let path = currency_path(feed);
    match values.get(path) {
        None => Ok(2),
        Some(Json::Text(code)) => minor_digits(code).ok_or_else(|| Reject::new(codes::CURRENCY, path)),
        Some(_) => Err(Reject::new(codes::TYPE, path)),
    }
}

/// Puts the value of a column's field into a row. (What is returned instead goes through memory in halves, for which the
/// processor waits: a fifth of the time of decoding.)
pub(crate) fn convert<'a>(
    column: &Column,
    value: &'a Json<'_>,
    digits: u32,
    counts: &mut Counts,
    row: &mut Vec<Value<'a>>,
) -> Result<(), Code> {
    match (column.check, value) {
        (check, Json::Text(text)) => return of_text(check, text, digits, counts, row),
        (Check::Int(min, max), Json::Number(text)) => row.push(Value::Int(whole(text, min, max)?)),
        (Check::Bool, Json::Bool(value)) => row.push(Value::Bool(*value)),
        (Check::Permille, Json::Number(text)) => row.push(Value::Int(permille(text)?)),
        _ => return Err(codes::TYPE),
    }
    Ok(())
}

fn of_text<'a>(
    check: Check,
    text: &'a str,
    digits: u32,
    counts: &mut Counts,
    row: &mut Vec<Value<'a>>,
) -> Result<(), Code> {
    match check {
        Check::Money => row.push(Value::Int(amount(text, digits)?)),
        Check::MoneyPositive => match amount(text, digits)? {
            minor if minor > 0 => row.push(Value::Int(minor)),
            _ => return Err(codes::AMOUNT_RANGE),
        },
        Check::Time => row.push(Value::Int(time(text)?)),
        Check::Permille => row.push(Value::Int(permille(text)?)),
        Check::Bool | Check::Int(..) => return Err(codes::TYPE),
        Check::OpenCode(set, _) if !is_known(set, text) => {
            counts.unknown_codes += 1;
            row.push(Value::Text("OTHER"));
        }
        _ => match fault_of_text(check, text) {
            Some(fault) => return Err(fault),
            None => row.push(Value::Text(text)),
        },
    }
    Ok(())
}

/// Whether a code is in an open set, or the code for what is not.
pub(crate) fn is_known(set: &[&str], code: &str) -> bool {
    set.contains(&code) || code == "OTHER"
}

/// Why a text cannot stand in a text column of this check. An unknown code of an open set is no fault.
pub(crate) fn fault_of_text(check: Check, text: &str) -> Option<Code> {
    let (is_right, code) = match check {
        Check::Token => (ids::is_token(text), codes::TOKEN),
        Check::Place => (ids::is_place(text), codes::PLACE),
        Check::Reporter => (ids::is_reporter(text), codes::REPORTER),
        Check::Code(set, _) => (set.contains(&text), codes::CODE_UNKNOWN),
        Check::Currency => (minor_digits(text).is_some(), codes::CURRENCY),
        Check::OpenCode(..) | Check::EventId | Check::Derived => (true, codes::TYPE),
        Check::Time | Check::Money | Check::MoneyPositive | Check::Int(..) | Check::Bool | Check::Permille => {
            (false, codes::TYPE)
        }
    };
    (!is_right).then_some(code)
}

pub(crate) fn amount(text: &str, digits: u32) -> Result<i64, Code> {
    parse_minor(text, digits).map_err(|bad| match bad {
        BadAmount::NotDecimal => codes::AMOUNT,
        BadAmount::TooManyDecimals => codes::DECIMALS,
        BadAmount::TooLarge => codes::AMOUNT_RANGE,
    })
}

pub(crate) fn time(text: &str) -> Result<i64, Code> {
    parse_event_time(text).map_err(|bad| match bad {
        BadTime::NotRfc3339 => codes::TIME,
        BadTime::LeapSecond => codes::LEAP_SECOND,
        BadTime::OutsideSpan => codes::TIME_RANGE,
    })
}

/// A whole number, however it is written: `42`, `42.0` and `4.2e1` are one.
pub(crate) fn whole(text: &str, min: i64, max: i64) -> Result<i64, Code> {
    let floor = Decimal::parse(text).ok_or(codes::NUMBER)?.floor(0).ok_or(codes::NUMBER_RANGE)?;
    if !floor.is_exact {
        return Err(codes::TYPE);
    }
    if (min..=max).contains(&floor.value) { Ok(floor.value) } else { Err(codes::NUMBER_RANGE) }
}

/// A score from 0 to 1 as whole thousandths; what is below a thousandth is cut off, but counts for the range.
fn permille(text: &str) -> Result<i64, Code> {
    let floor = Decimal::parse(text).ok_or(codes::NUMBER)?.floor(3).ok_or(codes::NUMBER_RANGE)?;
    let is_above = floor.value > 1_000 || floor.value == 1_000 && !floor.is_exact;
    if floor.value < 0 || is_above { Err(codes::NUMBER_RANGE) } else { Ok(floor.value) }
}
