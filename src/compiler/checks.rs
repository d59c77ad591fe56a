//! What a rule's plan must not hold, whatever its windows: volatile functions, implicit casts, floats for ratios,
//! parameters that differ from the header.

use crate::header::Header;
use crate::pack::scalar;
use crate::problem::Problem;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

/// Every `param` of the body must stand in the header with the same default.
pub(crate) fn check_defaults(
    ctx: &SessionContext,
    sql: &str,
    header: &Header,
    place: (u64, u64),
) -> Result<(), Problem> {
    let raw = futures::executor::block_on(ctx.state().create_logical_plan(sql))
        .map_err(|e| Problem::from_datafusion(&e, place))?;
    let mut found = Vec::new();
    each_expr(&raw, &mut |e, _| {
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
        let Some(param) = header.params.get(name) else {
            return Err(Problem::at(
                place,
                format!("parameter `{name}` is not in the header"),
                "add it under `params`",
            ));
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
    visit: &mut dyn FnMut(&Expr, &LogicalPlan) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut found = None;
    let walked = plan.apply(|node| {
        node.apply_expressions(|e| {
            e.apply(|inner| {
                if let Err(problem) = visit(inner, node) {
                    found.get_or_insert(problem);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map_err(|e| Problem::from_datafusion(&e, (1, 1)))?;
    found.map_or(Ok(()), Err)
}

/// Volatile functions and implicit or failing casts, wherever they stand.
pub(crate) fn check_plan(plan: &LogicalPlan, place: (u64, u64)) -> Result<(), Problem> {
    each_expr(plan, &mut |expr, node| match expr {
        Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable => {
            Err(Problem::at(place, format!("`{}` does not give the same answer each time", f.name()), "use event_time"))
        }
        Expr::BinaryExpr(b) => check_arithmetic(b, expr, node, place),
        Expr::Cast(cast) => {
            let schema = node.inputs().first().map_or_else(|| node.schema().clone(), |i| i.schema().clone());
            let from = cast.expr.get_type(&schema).unwrap_or(DataType::Null);
            let to = cast.field.data_type();
            let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
            let is_time =
                |t: &DataType| matches!(t, DataType::Timestamp(..) | DataType::Interval(_) | DataType::Duration(_));
            let is_literal = matches!(cast.expr.as_ref(), Expr::Literal(..));
            let mixes = is_text(&from) != is_text(to) && from != DataType::Null && !(is_literal && is_time(to));
            if !mixes {
                return Ok(());
            }
            let column = cast.expr.spans().and_then(|s| s.first()).map_or(place, |s| (s.start.line, s.start.column));
            Err(Problem::at(
                column,
                format!("`{}` of type {from} is used as {to}", cast.expr),
                "compare equal types, or write try_cast(x AS BIGINT)",
            ))
        }
        _ => Ok(()),
    })
}

/// Ratios as floats, and unsigned with signed numbers (which become decimals).
fn check_arithmetic(b: &BinaryExpr, expr: &Expr, node: &LogicalPlan, place: (u64, u64)) -> Result<(), Problem> {
    let is_float = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::Float64(_) | ScalarValue::Float32(_), _));
    if b.op == Operator::Multiply && (is_float(&b.left) || is_float(&b.right)) {
        let hint = "multiply out in integers: 10 * a >= 8 * b instead of a >= 0.8 * b";
        return Err(Problem::at(place, format!("`{expr}` is computed in floats"), hint));
    }
    let schema = node.inputs().first().map_or_else(|| node.schema().clone(), |i| i.schema().clone());
    match expr.get_type(&schema) {
        Ok(DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            let hint = "CAST(row_number() OVER (..) AS BIGINT)";
            Err(Problem::at(place, format!("`{expr}` mixes unsigned and signed numbers"), hint))
        }
        _ => Ok(()),
    }
}
