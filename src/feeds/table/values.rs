//! The values of a column, checked as the decoder checks a field's.

use super::Rows;
use crate::codes::{self, Code};
use crate::convert::{defaulted, fault_of_text, is_known};
use crate::row::Value;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, StringArray};
use foreshock_core::limits::{AMOUNT_MINOR_MAX, EVENT_TIME_US_MAX, EVENT_TIME_US_MIN};
use foreshock_core::schema::Check;
use foreshock_core::{Column, Type};
use std::sync::Arc;

/// The column, with what stands for absent values and unknown codes; rows with a wrong value are refused.
pub(super) fn check(column: &Column, array: ArrayRef, rows: &mut Rows) -> ArrayRef {
    let array = if column.ty == Type::Text { complete(column, array, rows) } else { array };
    if !column.nullable && array.null_count() > 0 {
        let refuse = |row| rows.refuse(row, codes::MISSING, column.name);
        (0..array.len()).filter(|row| array.is_null(*row)).for_each(refuse);
    }
    let check = effective(column);
    match column.ty {
        Type::Text => {
            let texts = array.as_string::<i32>().iter();
            refuse_faults(texts.map(|text| fault_of_text(check, text?)), column, rows);
        }
        Type::Bigint => {
            let numbers = array.as_primitive::<Int64Type>().iter();
            refuse_faults(numbers.map(|number| fault_of_number(check, number?)), column, rows);
        }
        Type::Time => {
            let is_inside = |us| (EVENT_TIME_US_MIN..=EVENT_TIME_US_MAX).contains(&us);
            let times = array.as_primitive::<TimestampMicrosecondType>().iter();
            refuse_faults(times.map(|us| (!is_inside(us?)).then_some(codes::TIME_RANGE)), column, rows);
        }
        Type::Boolean => {}
    }
    array
}

fn refuse_faults(faults: impl Iterator<Item = Option<Code>>, column: &Column, rows: &mut Rows) {
    for (row, fault) in faults.enumerate() {
        if let Some(code) = fault {
            rows.refuse(row, code, column.name);
        }
    }
}

/// What a computed column must be, which no field of its own says.
fn effective(column: &Column) -> Check {
    match (column.check, column.ty) {
        (Check::Derived, Type::Text) => Check::Token,
        (Check::Derived, Type::Bigint) => Check::Money,
        (check, _) => check,
    }
}

fn fault_of_number(check: Check, number: i64) -> Option<Code> {
    let (range, code) = match check {
        Check::MoneyPositive => (1..=AMOUNT_MINOR_MAX, codes::AMOUNT_RANGE),
        Check::Money => (-AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX, codes::AMOUNT_RANGE),
        Check::Int(min, max) => (min..=max, codes::NUMBER_RANGE),
        Check::Permille => (0..=1_000, codes::NUMBER_RANGE),
        _ => return None,
    };
    (!range.contains(&number)).then_some(code)
}

/// Texts with the default where there is one for NULL, and `OTHER` for an unknown code of an open set.
fn complete(column: &Column, array: ArrayRef, rows: &mut Rows) -> ArrayRef {
    let default = match defaulted(column) {
        Some(Value::Text(default)) => Some(default),
        _ => None,
    };
    let texts = array.as_string::<i32>();
    let unknown = match column.check {
        Check::OpenCode(set, _) => texts.iter().flatten().filter(|code| !is_known(set, code)).count(),
        _ => 0,
    };
    let has_defaults = default.is_some() && texts.null_count() > 0;
    if unknown == 0 && !has_defaults {
        return array;
    }
    rows.unknown_codes += unknown as u64;
    let replace = |text| match (text, column.check) {
        (Some(code), Check::OpenCode(set, _)) if !is_known(set, code) => Some("OTHER"),
        (Some(text), _) => Some(text),
        (None, _) => default,
    };
    Arc::new(texts.iter().map(replace).collect::<StringArray>())
}
