//! Literals and types of the dialect: those that the engine keeps.

use super::Walk;
use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use datafusion::sql::sqlparser::ast::{
    DataType, DateTimeField, Expr, Interval, TimezoneInfo, TypedString, Value, ValueWithSpan,
};

impl Walk {
    pub(super) fn value(&mut self, value: &ValueWithSpan) {
        match &value.value {
            Value::Number(number, is_long) => {
                let fits = match number.bytes().all(|c| c.is_ascii_digit()) {
                    true => number.parse::<i64>().is_ok(),
                    false => number.parse::<f64>().is_ok_and(f64::is_finite),
                };
                if *is_long || !fits {
                    self.refuse(value, format!("the number {number} is beyond BIGINT"), "-2^63 to 2^63 - 1");
                }
                self.texts.push((number.clone(), self.at(value)));
            }
            Value::SingleQuotedString(text) => self.texts.push((text.clone(), self.at(value))),
            Value::Boolean(_) | Value::Null => {}
            Value::Placeholder(_) => self.refuse(value, "a placeholder", "param('name', 8)"),
            Value::DoubleQuotedString(_)
            | Value::DollarQuotedString(_)
            | Value::TripleSingleQuotedString(_)
            | Value::TripleDoubleQuotedString(_)
            | Value::EscapedStringLiteral(_)
            | Value::UnicodeStringLiteral(_)
            | Value::SingleQuotedByteStringLiteral(_)
            | Value::DoubleQuotedByteStringLiteral(_)
            | Value::TripleSingleQuotedByteStringLiteral(_)
            | Value::TripleDoubleQuotedByteStringLiteral(_)
            | Value::SingleQuotedRawStringLiteral(_)
            | Value::DoubleQuotedRawStringLiteral(_)
            | Value::TripleSingleQuotedRawStringLiteral(_)
            | Value::TripleDoubleQuotedRawStringLiteral(_)
            | Value::NationalStringLiteral(_)
            | Value::QuoteDelimitedStringLiteral(_)
            | Value::NationalQuoteDelimitedStringLiteral(_)
            | Value::HexStringLiteral(_) => {
                self.refuse(value, "a text with a prefix or other quotes is not supported", "write 'text'");
            }
        }
    }

    /// `TIMESTAMPTZ '..'`.
    pub(super) fn typed_text(&mut self, literal: &TypedString) {
        let TypedString { data_type, value, uses_odbc_syntax } = literal;
        let hint = "TIMESTAMPTZ '2026-03-01T00:00:00Z'";
        if *uses_odbc_syntax || !matches!(data_type, DataType::Timestamp(None, _)) {
            return self.refuse(value, format!("a literal of type {data_type} is not supported"), hint);
        }
        match &value.value {
            Value::SingleQuotedString(text) if string_to_timestamp_nanos(text).is_ok() => {}
            other => self.refuse(value, format!("{other} is no time from 1678 to 2261"), hint),
        }
    }

    /// An INTERVAL, of which the parser reads more than is kept.
    pub(super) fn interval(&mut self, interval: &Interval, whole: &Expr) {
        let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
        let unit_is_plain = matches!(
            leading_field,
            None | Some(
                DateTimeField::Day
                    | DateTimeField::Days
                    | DateTimeField::Hour
                    | DateTimeField::Hours
                    | DateTimeField::Minute
                    | DateTimeField::Minutes
                    | DateTimeField::Second
                    | DateTimeField::Seconds
            )
        );
        let is_text = matches!(value.as_ref(), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_)));
        let has_more = leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some();
        if !unit_is_plain || !is_text || has_more {
            self.refuse(whole, format!("{whole} is not supported"), "INTERVAL '10 minutes', INTERVAL '90 days'");
        }
    }

    /// The type of a CAST.
    pub(super) fn cast_type(&mut self, data_type: &DataType, whole: &Expr) {
        let is_kept = matches!(
            data_type,
            DataType::BigInt(None)
                | DataType::Int8(None)
                | DataType::Text
                | DataType::Varchar(None)
                | DataType::String(None)
                | DataType::Boolean
                | DataType::Bool
                | DataType::DoublePrecision
                | DataType::Double(_)
                | DataType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone)
        );
        if !is_kept {
            let hint =
                "BIGINT, TEXT, BOOLEAN, TIMESTAMPTZ and DOUBLE are kept; date_trunc('day', event_time) for a day";
            self.refuse(whole, format!("a value of type {data_type} is not kept"), hint);
        }
    }
}
