//! One window expression of DataFusion's plan to a [`WindowSpec`], or the reason why not.

use crate::casts::time_type;
use crate::stream::WindowSpec;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, WindowFrameBound, WindowFrameUnits};
use foreshock_core::limits::{FRAME_ROWS_MAX, FRAME_US_MAX};
use foreshock_engine::{Frame, Function, ValueKind};

/// (message, hint).
pub(crate) type Refusal = (String, String);

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err((message.into(), hint.into()))
}

/// Parts of a window call with all columns already replaced by base and window columns.
pub(crate) struct Call<'a> {
    pub(crate) function: &'a WindowFunction,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) argument_types: Vec<DataType>,
    pub(crate) filter: Option<Expr>,
    pub(crate) keys: Vec<Expr>,
    pub(crate) order: Vec<Expr>,
    pub(crate) input_filters: Vec<Expr>,
}

pub(crate) fn spec(call: Call<'_>) -> Result<WindowSpec, Refusal> {
    let params = &call.function.params;
    let name = call.function.fun.name().to_ascii_lowercase();
    if params.null_treatment.is_some() {
        return refuse(
            format!("`{name}` with IGNORE or RESPECT NULLS is not supported"),
            "filter the NULLs below the window",
        );
    }
    if params.distinct && name != "count" {
        return refuse(format!("DISTINCT is not supported in `{name}`"), "only count(DISTINCT x)");
    }
    if params.distinct && call.arguments.len() != 1 {
        return refuse(
            "count(DISTINCT a, b) counts only `a` on some engines",
            "count one concatenated key: count(DISTINCT a || ':' || b)",
        );
    }
    for sort in &params.order_by {
        if !sort.asc {
            return refuse(format!("`{name}` is ordered DESC, which looks ahead"), "ORDER BY event_time ascending");
        }
    }
    let function = function(&name, &call)?;
    let is_positional = matches!(function, Function::Lag(_) | Function::RowNumber);
    let frame = if is_positional { Frame::Rows { preceding: Some(0), end: 0 } } else { frame(&name, call.function)? };
    check_order(&name, &call.order, frame)?;
    if matches!(function, Function::FirstValue | Function::LastValue) && matches!(frame, Frame::Range { .. }) {
        return refuse(
            format!("`{name}` over RANGE is arbitrary among equal times"),
            "use earliest(x, event_time, event_id) or latest(x, event_time, event_id)",
        );
    }
    finish(&name, function, frame, call)
}

fn function(name: &str, call: &Call<'_>) -> Result<Function, Refusal> {
    let is_event_time = call.arguments.first() == Some(&crate::expr::column("event_time"));
    Ok(match name {
        "count" if call.function.params.distinct => Function::CountDistinct,
        "count" => Function::Count,
        "sum" => Function::Sum,
        // The rows of a frame stand in time order, so these two need no multiset.
        "min" if is_event_time => Function::Earliest,
        "max" if is_event_time => Function::Latest,
        "min" => Function::Min,
        "max" => Function::Max,
        "avg" | "mean" => Function::Avg,
        "var" | "var_samp" => Function::VarSample,
        "var_pop" => Function::VarPopulation,
        "stddev" | "stddev_samp" => Function::StddevSample,
        "stddev_pop" => Function::StddevPopulation,
        "median" => Function::Median,
        "earliest" | "latest" => {
            let expected = [crate::expr::column("event_time"), crate::expr::column("event_id")];
            if call.arguments.get(1..) != Some(&expected) {
                return refuse(
                    format!("`{name}` needs event_time and event_id as its last arguments"),
                    format!("{name}(x, event_time, event_id)"),
                );
            }
            if name == "earliest" { Function::Earliest } else { Function::Latest }
        }
        "first_value" => Function::FirstValue,
        "last_value" => Function::LastValue,
        "row_number" => Function::RowNumber,
        "lag" => Function::Lag(lag_offset(call)?),
        "lead" => return refuse("`lead` looks ahead", "judge the later row with `lag`"),
        "bool_or" | "bool_and" => {
            return refuse(format!("`{name}` cannot slide"), "max(CASE WHEN .. THEN 1 ELSE 0 END)");
        }
        _ => {
            return refuse(
                format!("window function `{name}` is not supported"),
                "docs/rules.md lists the functions of the dialect",
            );
        }
    })
}

fn lag_offset(call: &Call<'_>) -> Result<u64, Refusal> {
    match call.arguments.as_slice() {
        [_] => Ok(1),
        [_, Expr::Literal(offset, _)] => {
            let n = offset.cast_to(&DataType::Int64).ok();
            match n {
                Some(ScalarValue::Int64(Some(n))) if n > 0 && n.cast_unsigned() <= FRAME_ROWS_MAX => {
                    Ok(n.cast_unsigned())
                }
                _ => refuse("the offset of `lag` is out of range", format!("1 to {FRAME_ROWS_MAX}")),
            }
        }
        _ => refuse(
            "`lag` with a default or a computed offset is not supported",
            "lag(x) or lag(x, 2); coalesce(..) for a default",
        ),
    }
}

fn frame(name: &str, function: &WindowFunction) -> Result<Frame, Refusal> {
    let frame = &function.params.window_frame;
    let preceding = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(value) => Ok(Some(value.clone())),
        WindowFrameBound::CurrentRow => Ok(None),
        WindowFrameBound::Following(_) => {
            refuse(format!("the frame of `{name}` looks ahead"), "end it at CURRENT ROW or before")
        }
    };
    let (start, end) = (preceding(&frame.start_bound)?, preceding(&frame.end_bound)?);
    match frame.units {
        WindowFrameUnits::Groups => refuse(format!("GROUPS frames are not supported (`{name}`)"), "use RANGE or ROWS"),
        WindowFrameUnits::Range => {
            let span = |value: Option<ScalarValue>| value.map_or(Ok(0), |v| interval_us(&v));
            let preceding = match start {
                Some(value) if value.is_null() => None,
                other => Some(span(other)?),
            };
            let end = span(end)?;
            if preceding.is_some_and(|p| p < end) {
                return refuse("the frame ends before it begins", "the first bound must be the longer one");
            }
            Ok(Frame::Range { preceding, end })
        }
        WindowFrameUnits::Rows => {
            let count = |value: Option<ScalarValue>| match value {
                None => Ok(0),
                Some(ScalarValue::UInt64(Some(n))) if n <= FRAME_ROWS_MAX => Ok(n),
                _ => refuse("the ROWS bound is out of range", format!("0 to {FRAME_ROWS_MAX}")),
            };
            let preceding = match start {
                Some(value) if value.is_null() => None,
                other => Some(count(other)?),
            };
            let end = count(end)?;
            if preceding.is_some_and(|p| p < end) {
                return refuse("the frame ends before it begins", "the first bound must be the longer one");
            }
            Ok(Frame::Rows { preceding, end })
        }
    }
}

fn interval_us(value: &ScalarValue) -> Result<i64, Refusal> {
    let ScalarValue::IntervalMonthDayNano(Some(interval)) = value else {
        return refuse("a RANGE bound must be an INTERVAL", "INTERVAL '10 minutes' PRECEDING");
    };
    if interval.months != 0 {
        return refuse("months and years differ in length", "use days: INTERVAL '30 days'");
    }
    if interval.nanoseconds % 1_000 != 0 {
        return refuse("a RANGE bound must be whole microseconds", "INTERVAL '1 microsecond' is the smallest");
    }
    let us = i64::from(interval.days) * foreshock_core::time::DAY_US + interval.nanoseconds / 1_000;
    if !(1..=FRAME_US_MAX).contains(&us) {
        return refuse("a RANGE bound must be between 1 microsecond and 180 days", "CURRENT ROW for no distance");
    }
    Ok(us)
}

fn check_order(name: &str, order: &[Expr], frame: Frame) -> Result<(), Refusal> {
    let (time, id) = (crate::expr::column("event_time"), crate::expr::column("event_id"));
    let is_right = match frame {
        Frame::Range { .. } => order == [time],
        Frame::Rows { .. } => order == [time, id],
    };
    if is_right {
        return Ok(());
    }
    match frame {
        Frame::Range { .. } => {
            refuse(format!("the RANGE window of `{name}` is not ordered by event_time"), "ORDER BY event_time")
        }
        Frame::Rows { .. } => refuse(
            format!("`{name}` over rows needs a total order: rows of equal time would fall in any order"),
            "ORDER BY event_time, event_id",
        ),
    }
}

fn finish(name: &str, function: Function, frame: Frame, call: Call<'_>) -> Result<WindowSpec, Refusal> {
    use Function::*;
    let mut filter = call.filter;
    let first = call.arguments.into_iter().next();
    let kind = call.argument_types.first().map(|t| {
        kind_of(t).ok_or_else(|| {
            (
                format!("`{name}` over values of type {t} is not supported"),
                "BIGINT, TEXT, BOOLEAN or TIMESTAMPTZ".to_owned(),
            )
        })
    });
    let (argument, result) = match function {
        RowNumber => (None, ValueKind::Unsigned),
        Count => {
            // count(x) is the count of rows where x is not NULL: one more condition, no argument to keep.
            let literal = matches!(&first, Some(Expr::Literal(v, _)) if !v.is_null());
            if let Some(x) = first.filter(|_| !literal) {
                let has_value = x.is_not_null();
                filter = Some(filter.map_or(has_value.clone(), |f| f.and(has_value)));
            }
            (None, ValueKind::Int)
        }
        _ => {
            let (Some(x), Some(kind)) = (first, kind) else {
                return refuse(format!("`{name}` needs an argument"), "");
            };
            let kind = kind?;
            let needs_number =
                matches!(function, Sum | Avg | VarSample | VarPopulation | StddevSample | StddevPopulation | Median);
            if needs_number && kind != ValueKind::Int {
                return refuse(format!("`{name}` needs a BIGINT"), "money is BIGINT minor units");
            }
            let result = match function {
                CountDistinct => ValueKind::Int,
                Avg | VarSample | VarPopulation | StddevSample | StddevPopulation | Median => ValueKind::Double,
                _ => kind,
            };
            (Some((x, kind)), result)
        }
    };
    Ok(WindowSpec { function, argument, filter, input_filters: call.input_filters, keys: call.keys, frame, result })
}

/// How a value is kept; `None` for a type that is not.
pub(crate) fn kind_of(data_type: &DataType) -> Option<ValueKind> {
    match data_type {
        DataType::Int64 => Some(ValueKind::Int),
        DataType::Utf8 => Some(ValueKind::Text),
        DataType::Boolean => Some(ValueKind::Bool),
        time if *time == time_type() => Some(ValueKind::Time),
        DataType::UInt64 => Some(ValueKind::Unsigned),
        _ => None,
    }
}
