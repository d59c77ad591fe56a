//! What a plan must not hold, whatever its windows: casts that can fail or that nobody wrote, floats for ratios, spans of
//! time as values, literals that a function does not know, parameters that differ from the header.

use crate::checked::take_fault;
use crate::dialect::Checked;
use crate::header::Header;
use crate::problem::Problem;
use crate::session::raw_plan;
use crate::settings::scalar;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Like, LogicalPlan, Operator, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// Longest INTERVAL added to a time, 100 years of long months: so many thousand of them still give a time.
const INTERVAL_DAYS_MAX: i64 = 12 * 100 * 31;

/// Every `param` of the body must stand in the header with the same default.
pub(crate) fn check_defaults(ctx: &SessionContext, checked: &Checked, header: &Header) -> Result<(), Problem> {
    let place = checked.select;
    let raw = futures::executor::block_on(raw_plan(ctx, &checked.query));
    let raw = raw.map_err(|e| crate::locate::problem(ctx, checked, &e))?;
    let mut found = Vec::new();
    each_expr(&raw, place, &mut |e, _| {
        if let Expr::ScalarFunction(call) = e
            && call.name() == "param"
            && let [Expr::Literal(name, _), Expr::Literal(default, _)] = call.args.as_slice()
        {
            found.push((name.clone(), default.clone()));
        }
        Ok(())
    })?;
    for (name, default) in found {
        let Some(Some(name)) = name.try_as_str() else { continue };
        let place = checked.place_of_text(name);
        let Some(param) = header.params.get(name) else {
            let hint = match crate::near::near(name, header.params.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? else add it under `params`"),
                None => "add it under `params`".into(),
            };
            return Err(Problem::at(place, format!("parameter `{name}` is not in the header"), hint));
        };
        if scalar(&param.default) != default {
            let message =
                format!("parameter `{name}`: the body's default {default} differs from the header's {}", param.default);
            return Err(Problem::at(place, message, "make them equal"));
        }
    }
    Ok(())
}

fn each_expr(
    plan: &LogicalPlan,
    place: (u64, u64),
    visit: &mut dyn FnMut(&Expr, &DFSchemaRef) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut found = None;
    let walked = plan.apply(|node| {
        let schema = node.inputs().first().map_or_else(|| node.schema().clone(), |i| i.schema().clone());
        node.apply_expressions(|e| {
            e.apply(|inner| match visit(inner, &schema) {
                Ok(()) => Ok(TreeNodeRecursion::Continue),
                Err(problem) => {
                    found.get_or_insert(problem);
                    Ok(TreeNodeRecursion::Stop)
                }
            })
        })
    });
    walked.map_err(|e| Problem::from_datafusion(&e, place))?;
    found.map_or(Ok(()), Err)
}

/// All of it, wherever it stands.
pub(crate) fn check_plan(plan: &LogicalPlan, checked: &Checked) -> Result<(), Problem> {
    let place = |e: &Expr| place_of(e, checked);
    each_expr(plan, checked.select, &mut |expr, schema| match expr {
        Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable => {
            let message = format!("`{}` does not give the same answer each time", f.name());
            Err(Problem::at(place(expr), message, "use event_time"))
        }
        Expr::ScalarFunction(f) => check_literals(expr, &f.args.iter().collect::<Vec<_>>(), checked),
        Expr::Like(Like { expr: text, pattern, .. }) => check_literals(expr, &[text, pattern], checked),
        Expr::BinaryExpr(b) => {
            check_arithmetic(b, expr, schema, checked)?;
            check_literals(expr, &[&b.left, &b.right], checked)
        }
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) => {
            let (months, days) = (i64::from(i.months).abs(), i64::from(i.days).abs());
            let days = months * 31 + days + (i.nanoseconds / 86_400_000_000_000).abs();
            if days > INTERVAL_DAYS_MAX {
                return Err(Problem::at(place(expr), "an INTERVAL of more than 100 years", "no event is so old"));
            }
            Ok(())
        }
        Expr::Cast(cast) => check_cast(cast, schema, checked),
        // DataFusion takes it for seconds, where every other number of a time is in microseconds.
        Expr::TryCast(cast) if matches!(cast.field.data_type(), DataType::Timestamp(..)) => {
            match cast.expr.get_type(schema) {
                Ok(DataType::Utf8 | DataType::Timestamp(..) | DataType::Null) => Ok(()),
                _ => Err(Problem::at(
                    place(expr),
                    format!("`{}` is no time", cast.expr),
                    "try_cast a TEXT, or event_time",
                )),
            }
        }
        _ => Ok(()),
    })
}

/// Place of the first column or text in an expression.
fn place_of(expr: &Expr, checked: &Checked) -> (u64, u64) {
    let mut found = None;
    let _ = expr.apply(|e| {
        let at = match e {
            Expr::Column(c) => c.spans.first().map(|s| (s.start.line, s.start.column)),
            Expr::Literal(value, _) => match value.try_as_str().flatten() {
                Some(text) => checked.find_text(text),
                None => checked.find_text(&value.to_string()),
            },
            _ => None,
        };
        found = found.or(at);
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found.unwrap_or(checked.select)
}

/// Between text and other types, and those that have no value for some.
fn check_cast(cast: &Cast, schema: &DFSchema, checked: &Checked) -> Result<(), Problem> {
    let from = cast.expr.get_type(schema).unwrap_or(DataType::Null);
    let to = cast.field.data_type();
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    let is_whole = |t: &DataType| matches!(t, DataType::Int32 | DataType::Int64 | DataType::UInt64);
    let place = place_of(&cast.expr, checked);
    if let Expr::Literal(value, _) = cast.expr.as_ref()
        && !is_text(&from)
        && !is_text(to)
        && value.cast_to(to).is_ok()
    {
        return Ok(());
    }
    if is_text(&from) != is_text(to) && from != DataType::Null {
        let hint = "compare equal types, or write try_cast(x AS BIGINT)";
        return Err(Problem::at(place, format!("`{}` of type {from} is used as {to}", cast.expr), hint));
    }
    if matches!((&from, to), (DataType::Timestamp(..), DataType::Timestamp(unit, _)) if *unit != TimeUnit::Microsecond)
    {
        let message = format!("`{}` is used with something that is no time", cast.expr);
        return Err(Problem::at(place, message, "try_cast(x AS TIMESTAMPTZ)"));
    }
    let can_fail = matches!((&from, to), (DataType::Float64 | DataType::Float32, t) if is_whole(t))
        || matches!((&from, to), (f, DataType::Timestamp(..)) if is_whole(f));
    if can_fail {
        let message = format!("a cast of {from} to {to} has no value for some numbers");
        return Err(Problem::at(place, message, "try_cast(x AS BIGINT) is NULL there"));
    }
    Ok(())
}

const SIGNED: &str = "CAST(row_number() OVER (..) AS BIGINT)";

/// Ratios as floats, unsigned numbers (with signed ones they become decimals), and spans of time.
fn check_arithmetic(b: &BinaryExpr, expr: &Expr, schema: &DFSchema, checked: &Checked) -> Result<(), Problem> {
    let is_float = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::Float64(_) | ScalarValue::Float32(_), _));
    if b.op == Operator::Multiply && (is_float(&b.left) || is_float(&b.right)) {
        let hint = "multiply out in integers: 10 * a >= 8 * b instead of a >= 0.8 * b";
        return Err(Problem::at(place_of(expr, checked), format!("`{expr}` is computed in floats"), hint));
    }
    if !matches!(b.op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo) {
        return Ok(());
    }
    let place = || place_of(expr, checked);
    // Between two of them nothing is cast, and the difference of 1 and 2 wraps.
    let is_unsigned = |e: &Expr| matches!(e.get_type(schema), Ok(DataType::UInt64));
    if is_unsigned(&b.left) || is_unsigned(&b.right) {
        let message = format!("`{expr}` computes with unsigned numbers, which wrap below 0");
        return Err(Problem::at(place(), message, SIGNED));
    }
    match expr.get_type(schema) {
        Ok(DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            Err(Problem::at(place(), format!("`{expr}` mixes unsigned and signed numbers"), SIGNED))
        }
        Ok(DataType::Duration(_) | DataType::Interval(_)) => {
            let hint = "earlier <= event_time - INTERVAL '90 days'; \
                        CAST(event_time AS BIGINT) - CAST(earlier AS BIGINT) gives microseconds";
            Err(Problem::at(place(), format!("`{expr}` is a span of time, which is not kept"), hint))
        }
        _ => Ok(()),
    }
}

/// Patterns, units and places that are no such: tried here on one value, for DataFusion finds them on the first event.
fn check_literals(expr: &Expr, arguments: &[&Expr], checked: &Checked) -> Result<(), Problem> {
    let is_literal = |e: &Expr| matches!(e, Expr::Literal(..));
    let literals = arguments.iter().filter(|e| is_literal(e)).count();
    if literals == 0 || literals == arguments.len() {
        return Ok(());
    }
    let is_text_operation = match expr {
        Expr::ScalarFunction(ScalarFunction { func, .. }) => {
            matches!(
                func.name(),
                "date_part" | "date_trunc" | "left" | "regexp_like" | "right" | "split_part" | "substr"
            )
        }
        Expr::BinaryExpr(b) => matches!(
            b.op,
            Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch
        ),
        other => matches!(other, Expr::Like(_)),
    };
    if !is_text_operation {
        return Ok(());
    }
    let is_of_time = matches!(expr, Expr::ScalarFunction(f) if matches!(f.name(), "date_part" | "date_trunc"));
    let sample = match is_of_time {
        true => ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into())),
        false => ScalarValue::Utf8(Some("a".into())),
    };
    let tried = expr.clone().map_children(|child| {
        let child = if is_literal(&child) { child } else { Expr::Literal(sample.clone(), None) };
        Ok(datafusion::common::tree_node::Transformed::yes(child))
    });
    let context = SimplifyContext::builder().with_schema(Arc::new(DFSchema::empty())).build();
    take_fault();
    let value = tried.and_then(|tried| ExprSimplifier::new(context).simplify(tried.data));
    match value {
        Ok(Expr::Literal(..)) if !take_fault() => Ok(()),
        Ok(_) | Err(_) => {
            let message = format!("`{expr}` cannot be computed: a pattern, a unit or a number in it is not known");
            Err(Problem::at(place_of(expr, checked), message, "docs/rules.md lists them"))
        }
    }
}
