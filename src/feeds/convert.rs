//! One value of a record to one cell, as its column's check says. Every number is read exactly and whole, or refused.

use crate::codes::{self, Code};
use crate::decode::{Cell, Counts, Reject};
use crate::fields::Values;
use crate::json::Json;
use foreshock_core::decimal::Decimal;
use foreshock_core::money::{BadAmount, minor_digits, parse_minor};
use foreshock_core::schema::Check;
use foreshock_core::time::{BadTime, parse_event_time};
use foreshock_core::{Column, Feed, ids};

/// What stands in a column whose field is absent; `None` when it must not be.
pub(crate) fn defaulted(column: &Column) -> Option<Cell> {
    match column.check {
        Check::Code(_, Some(default)) | Check::OpenCode(_, Some(default)) => Some(Cell::Text(default.to_owned())),
        _ => column.nullable.then_some(Cell::Null),
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

pub(crate) fn convert(column: &Column, value: &Json<'_>, digits: u32, counts: &mut Counts) -> Result<Cell, Code> {
    match (column.check, value) {
        (Check::Int(min, max), Json::Number(text)) => whole(text, min, max).map(Cell::Int),
        (Check::Bool, Json::Bool(value)) => Ok(Cell::Bool(*value)),
        (Check::Permille, Json::Number(text)) => permille(text).map(Cell::Int),
        (Check::Permille, Json::Text(text)) => permille(text).map(Cell::Int),
        (_, Json::Text(text)) => of_text(column.check, text, digits, counts),
        _ => Err(codes::TYPE),
    }
}

fn of_text(check: Check, text: &str, digits: u32, counts: &mut Counts) -> Result<Cell, Code> {
    match check {
        Check::Money => amount(text, digits).map(Cell::Int),
        Check::MoneyPositive => match amount(text, digits)? {
            minor if minor > 0 => Ok(Cell::Int(minor)),
            _ => Err(codes::AMOUNT_RANGE),
        },
        Check::Time => time(text).map(Cell::Int),
        Check::Bool | Check::Int(..) | Check::Permille => Err(codes::TYPE),
        Check::OpenCode(set, _) if !is_known(set, text) => {
            counts.unknown_codes += 1;
            Ok(Cell::Text("OTHER".to_owned()))
        }
        _ => fault_of_text(check, text).map_or_else(|| Ok(Cell::Text(text.to_owned())), Err),
    }
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
