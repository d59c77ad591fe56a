//! Values for `$1`, `$2` ..: they take their places in the statement before it is planned, so that a statement with parameters
//! is judged exactly as the same statement with its values written out.

use crate::serve::gate::{NOT_SUPPORTED, Refused};
use datafusion::arrow::array::Array as _;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Array, CastKind, DataType, Expr, Statement, TimezoneInfo, Value, visit_expressions_mut,
};
use std::ops::ControlFlow;

/// Most parameters of a statement: as many as the protocol can count.
const PARAMETERS_MAX: usize = 65_535;

/// How many parameters a statement has: the highest number in it.
///
/// # Errors
/// When one has no number.
pub fn count(statement: &mut Statement) -> Result<usize, Refused> {
    let mut highest = 0;
    replace(statement, |number| {
        highest = highest.max(number);
        Ok(None)
    })?;
    Ok(highest)
}

/// A statement that is run as it stands has no parameters.
///
/// # Errors
/// When it has one.
pub fn none_left(statement: &mut Statement) -> Result<(), Refused> {
    match count(statement)? {
        0 => Ok(()),
        number => Err(Refused { state: "42P02", message: format!("there is no value for ${number}") }),
    }
}

/// The statement with values in the places of its parameters.
///
/// # Errors
/// When there is no value for one, or it is of a type that cannot be written.
pub fn bind(statement: &mut Statement, values: &[ScalarValue]) -> Result<(), Refused> {
    replace(statement, |number| {
        let missing = || Refused { state: "08P01", message: format!("there is no value for ${number}") };
        written(values.get(number - 1).ok_or_else(missing)?).map(Some)
    })
}

fn replace(
    statement: &mut Statement,
    mut with: impl FnMut(usize) -> Result<Option<Expr>, Refused>,
) -> Result<(), Refused> {
    let replaced = visit_expressions_mut(statement, |expr| {
        let Expr::Value(value) = &*expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
        let number = number.filter(|n| (1..=PARAMETERS_MAX).contains(n));
        let wrong = || Refused { state: "42601", message: format!("`{name}` is no parameter: write $1, $2 ..") };
        match number.ok_or_else(wrong).and_then(&mut with) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(value)) => {
                *expr = value;
                ControlFlow::Continue(())
            }
            Err(refused) => ControlFlow::Break(refused),
        }
    });
    match replaced {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refused) => Err(refused),
    }
}

/// A value as it would be written.
fn written(value: &ScalarValue) -> Result<Expr, Refused> {
    if value.is_null() {
        return Ok(literal(Value::Null));
    }
    let text = |text: &str| literal(Value::SingleQuotedString(text.to_owned()));
    Ok(match value {
        ScalarValue::Boolean(Some(value)) => literal(Value::Boolean(*value)),
        ScalarValue::Utf8(Some(value)) | ScalarValue::LargeUtf8(Some(value)) | ScalarValue::Utf8View(Some(value)) => {
            text(value)
        }
        ScalarValue::Int8(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::Int64(_)
        | ScalarValue::UInt8(_)
        | ScalarValue::UInt16(_)
        | ScalarValue::UInt32(_)
        | ScalarValue::UInt64(_) => literal(Value::Number(value.to_string(), false)),
        ScalarValue::Float32(_) | ScalarValue::Float64(_) => {
            cast(text(&value.to_string()), DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None))
        }
        ScalarValue::Decimal128(..) => literal(Value::Number(value.to_string(), false)),
        ScalarValue::Date32(_) => cast(text(&value.to_string()), DataType::Date),
        ScalarValue::TimestampSecond(_, zone)
        | ScalarValue::TimestampMillisecond(_, zone)
        | ScalarValue::TimestampMicrosecond(_, zone)
        | ScalarValue::TimestampNanosecond(_, zone) => {
            let zone = if zone.is_some() { TimezoneInfo::Tz } else { TimezoneInfo::None };
            let written = value.cast_to(&datafusion::arrow::datatypes::DataType::Utf8);
            let written = written.map_err(|e| crate::serve::gate::refused(&e))?;
            cast(text(written.try_as_str().flatten().unwrap_or_default()), DataType::Timestamp(None, zone))
        }
        ScalarValue::List(list) => {
            let values = list.value(0);
            let elem = (0..values.len())
                .map(|at| ScalarValue::try_from_array(&values, at).map_err(|e| crate::serve::gate::refused(&e)))
                .map(|value| written(&value?))
                .collect::<Result<Vec<Expr>, Refused>>()?;
            Expr::Array(Array { elem, named: true })
        }
        other => {
            let message = format!("a parameter of type {} cannot be used: pass it as text", other.data_type());
            return Err(Refused { state: NOT_SUPPORTED, message });
        }
    })
}

fn literal(value: Value) -> Expr {
    Expr::Value(value.into())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}
