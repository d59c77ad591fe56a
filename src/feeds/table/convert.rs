//! One column of another writer to the type of the feed's table: exact, or not at all.

use super::{Rows, TypeProblem};
use crate::codes;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;
use foreshock_core::{Column, Type};
use std::sync::Arc;

/// Bytes of a text that are looked at: no check passes a text of half this length, whatever follows.
const TEXT_BYTES_MAX: usize = 512;

/// What a column must be, in the words of an error.
pub(super) fn expected(column: &Column) -> String {
    let ty = match column.ty {
        Type::Text => "TEXT",
        Type::Bigint => "BIGINT",
        Type::Boolean => "BOOLEAN",
        Type::Time => "a TIMESTAMP",
    };
    if column.unit.is_empty() { ty.to_owned() } else { format!("{ty} in whole {}", column.unit) }
}

/// The column in the feed's type. A row whose value does not fit is refused.
pub(super) fn convert(column: &Column, array: &ArrayRef, rows: &mut Rows) -> Result<ArrayRef, TypeProblem> {
    let problem =
        || TypeProblem { column: column.name, expected: expected(column), found: array.data_type().to_string() };
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let plain = take(dictionary.values(), dictionary.keys(), None).map_err(|_| problem())?;
        return convert(column, &plain, rows).map_err(|_| problem());
    }
    let converted = match column.ty {
        Type::Text => to_text(array),
        Type::Bigint => to_int(column, array, rows),
        Type::Boolean => to_boolean(array),
        Type::Time => to_time(column, array, rows),
    };
    converted.ok_or_else(problem)
}

fn to_text(array: &ArrayRef) -> Option<ArrayRef> {
    fn cut(text: &str) -> &str {
        let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        &text[..end.unwrap_or(0)]
    }
    let texts: StringArray = match array.data_type() {
        DataType::Utf8 => return Some(array.clone()),
        DataType::Null => return Some(new_null_array(&DataType::Utf8, array.len())),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(|text| text.map(cut)).collect(),
        DataType::Utf8View => array.as_string_view().iter().map(|text| text.map(cut)).collect(),
        _ => whole_numbers(array)?.map(|number| number.map(|n| n.to_string())).collect(),
    };
    Some(Arc::new(texts))
}

fn to_int(column: &Column, array: &ArrayRef, rows: &mut Rows) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::Int64 => return Some(array.clone()),
        DataType::Null => return Some(new_null_array(&DataType::Int64, array.len())),
        _ => {}
    }
    let fit = |(row, number): (usize, Option<i128>)| {
        let fitting = i64::try_from(number?).ok();
        if fitting.is_none() {
            rows.refuse(row, codes::NUMBER_RANGE, column.name);
        }
        fitting
    };
    let numbers: Int64Array = whole_numbers(array)?.enumerate().map(fit).collect();
    Some(Arc::new(numbers))
}

/// The values of a column of whole numbers; `None` for any other. What is beyond an `i128` becomes the largest one, which
/// no column takes.
fn whole_numbers(array: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<i128>> + '_>> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> Box<dyn Iterator<Item = Option<i128>> + '_>
    where
        i128: From<T::Native>,
    {
        Box::new(array.as_primitive::<T>().iter().map(|number| number.map(i128::from)))
    }
    Some(match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::UInt8 => of::<UInt8Type>(array),
        DataType::UInt16 => of::<UInt16Type>(array),
        DataType::UInt32 => of::<UInt32Type>(array),
        DataType::UInt64 => of::<UInt64Type>(array),
        DataType::Decimal32(_, 0) => of::<Decimal32Type>(array),
        DataType::Decimal64(_, 0) => of::<Decimal64Type>(array),
        DataType::Decimal128(_, 0) => of::<Decimal128Type>(array),
        DataType::Decimal256(_, 0) => {
            let numbers = array.as_primitive::<Decimal256Type>().iter();
            Box::new(numbers.map(|number| number.map(|n| n.to_i128().unwrap_or(i128::MAX))))
        }
        _ => return None,
    })
}

fn to_boolean(array: &ArrayRef) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::Boolean => Some(array.clone()),
        DataType::Null => Some(new_null_array(&DataType::Boolean, array.len())),
        _ => None,
    }
}

fn to_time(column: &Column, array: &ArrayRef, rows: &mut Rows) -> Option<ArrayRef> {
    let (values, per_unit, units): (Int64Array, i64, i64) = match array.data_type() {
        DataType::Null => (std::iter::repeat_n(None, array.len()).collect(), 1, 1),
        DataType::Timestamp(TimeUnit::Second, _) => (ticks::<TimestampSecondType>(array), 1_000_000, 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => (ticks::<TimestampMillisecondType>(array), 1_000, 1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => (ticks::<TimestampMicrosecondType>(array), 1, 1),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (ticks::<TimestampNanosecondType>(array), 1, 1_000),
        _ => return None,
    };
    let to_us = |(row, tick): (usize, Option<i64>)| {
        let us = tick?.checked_mul(per_unit).map(|us| us.div_euclid(units));
        if us.is_none() {
            rows.refuse(row, codes::TIME_RANGE, column.name);
        }
        us
    };
    let times: TimestampMicrosecondArray = values.iter().enumerate().map(to_us).collect();
    Some(Arc::new(times.with_timezone("UTC")))
}

/// The numbers that a column of times is kept as.
fn ticks<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> Int64Array {
    array.as_primitive::<T>().reinterpret_cast::<Int64Type>()
}
