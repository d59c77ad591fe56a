//! Casts and literals of time, made such that they have a value for every row. Times are microseconds everywhere: DataFusion
//! reads literals as nanoseconds and then casts the column, which has none before 1677 and after 2262; and a text that is no
//! time it finds on the first event. What is cast to text on purpose is told from what DataFusion casts on its own.

use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, TryCast, try_cast};
use datafusion::scalar::ScalarValue;

/// The type of every time.
pub(crate) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Turns texts that are used as times into times, and a written cast to text into one that cannot fail.
#[derive(Debug)]
pub(crate) struct FoldCasts;

impl FunctionRewrite for FoldCasts {
    fn name(&self) -> &'static str {
        "fold_casts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let is_time = |e: &Expr| e.get_type(schema).is_ok_and(|t| matches!(t, DataType::Timestamp(..)));
        match expr {
            Expr::Cast(cast) => match (cast.field.data_type().clone(), text_of(&cast.expr)) {
                (DataType::Timestamp(_, zone), Some(text)) if is_utc(zone.as_deref()) => {
                    Ok(Transformed::yes(literal(&text)?))
                }
                (DataType::Timestamp(_, zone), None) if is_moment(&cast.expr, schema) => {
                    // The same moment under the name of another zone: exact.
                    let target = match is_utc(zone.as_deref()) {
                        true => time_type(),
                        false => DataType::Timestamp(TimeUnit::Microsecond, zone),
                    };
                    Ok(Transformed::yes(cast.expr.cast_to(&target, schema)?))
                }
                (DataType::Utf8, _) if cast.expr.get_type(schema).is_ok_and(|t| has_text(&t)) => {
                    Ok(Transformed::yes(try_cast(*cast.expr, DataType::Utf8)))
                }
                _ => Ok(Transformed::no(Expr::Cast(cast))),
            },
            Expr::TryCast(TryCast { expr, field })
                if matches!(field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)) =>
            {
                Ok(Transformed::yes(try_cast(*expr, time_type())))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
                let (left_is, right_is) = (is_time(&left), is_time(&right));
                let left = if right_is { folded(*left)? } else { *left };
                let right = if left_is { folded(*right)? } else { *right };
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: left.into(), op, right: right.into() })))
            }
            Expr::Between(Between { expr, negated, low, high }) if is_time(&expr) => {
                let (low, high) = (folded(*low)?.into(), folded(*high)?.into());
                Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
            }
            Expr::InList(mut list) if is_time(&list.expr) => {
                list.list = list.list.into_iter().map(folded).collect::<Result<_>>()?;
                Ok(Transformed::yes(Expr::InList(list)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Types whose values all have a text.
fn has_text(data_type: &DataType) -> bool {
    use DataType::{Boolean, Float64, Int32, Int64, Timestamp, UInt64};
    matches!(data_type, Boolean | Float64 | Int32 | Int64 | UInt64 | Timestamp(..))
}

/// Microseconds in whatever zone.
fn is_moment(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Timestamp(TimeUnit::Microsecond, Some(_))))
}

fn is_utc(zone: Option<&str>) -> bool {
    zone.is_none_or(|zone| matches!(zone, "UTC" | "+00:00"))
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

fn folded(expr: Expr) -> Result<Expr> {
    match &expr {
        Expr::Literal(value, _) => match value.try_as_str().flatten() {
            Some(text) => literal(text),
            None => Ok(expr),
        },
        _ => Ok(expr),
    }
}

fn literal(text: &str) -> Result<Expr> {
    let Ok(ns) = string_to_timestamp_nanos(text) else {
        return plan_err!("'{text}' is no time from 1678 to 2261");
    };
    let us = ScalarValue::TimestampMicrosecond(Some(ns.div_euclid(1_000)), Some("UTC".into()));
    Ok(Expr::Literal(us, None))
}
