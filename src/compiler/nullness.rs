//! Is an expression never NULL? DataFusion does not learn it from filters; this walk does.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};

/// `is_not_null_column` tells which columns are never NULL by themselves.
pub(crate) fn is_never_null(expr: &Expr, filters: &[Expr], is_not_null_column: &dyn Fn(&str) -> bool) -> bool {
    let inner = |e: &Expr| is_never_null(e, filters, is_not_null_column);
    let by_filter = filters.iter().flat_map(split_conjunction).any(|f| demands(f, expr));
    by_filter
        || match expr {
            Expr::Alias(a) => inner(&a.expr),
            Expr::Cast(c) => inner(&c.expr),
            // Only what is no text already has a text for every value; the dialect casts nothing else this way.
            Expr::TryCast(c) if *c.field.data_type() == DataType::Utf8 => inner(&c.expr),
            Expr::Literal(value, _) => !value.is_null(),
            Expr::Column(c) => is_not_null_column(&c.name),
            Expr::BinaryExpr(b) => inner(&b.left) && inner(&b.right),
            Expr::Case(c) => {
                c.when_then_expr.iter().all(|(_, then)| inner(then)) && c.else_expr.as_ref().is_some_and(|e| inner(e))
            }
            Expr::ScalarFunction(f) if f.name() == "coalesce" => f.args.iter().any(inner),
            Expr::ScalarFunction(f) if crate::checked::is_total(f.name(), &f.args) => f.args.iter().all(inner),
            Expr::ScalarFunction(f) if matches!(f.name(), "lower" | "upper" | "btrim") => f.args.iter().all(inner),
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsTrue(_) | Expr::IsNotTrue(_) => true,
            _ => false,
        }
}

/// Rows pass `filter` only when `expr` is not NULL: it says so, or compares `expr` with something.
fn demands(filter: &Expr, expr: &Expr) -> bool {
    match filter {
        Expr::IsNotNull(e) => e.as_ref() == expr,
        Expr::InList(list) => !list.negated && list.expr.as_ref() == expr,
        Expr::BinaryExpr(b) => {
            let compares = matches!(
                b.op,
                Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
            );
            compares && (b.left.as_ref() == expr || b.right.as_ref() == expr)
        }
        _ => false,
    }
}
