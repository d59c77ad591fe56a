//! Amounts are added and compared in one currency only.

use crate::source::Source;
use crate::stream::WindowSpec;
use crate::windows::Refusal;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Operator};

pub(crate) fn mentions(expr: &Expr, columns: &[String]) -> bool {
    let mut found = false;
    let _ = expr.apply(|e| {
        found |= matches!(e, Expr::Column(c) if columns.contains(&c.name));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Is one of the conditions `currency = <constant>`?
pub(crate) fn fixes_currency(conditions: &[Expr]) -> bool {
    conditions.iter().flat_map(|c| split_conjunction_owned(c.clone())).any(|c| {
        let Expr::BinaryExpr(b) = &c else { return false };
        let currency = crate::expr::column("currency");
        let sides = [(&b.left, &b.right), (&b.right, &b.left)];
        b.op == Operator::Eq && sides.iter().any(|(l, r)| ***l == currency && matches!(r.as_ref(), Expr::Literal(..)))
    })
}

pub(crate) const CURRENCY_HINT: &str =
    "add `currency = param('currency', 'CNY')` to the WHERE below it or to its FILTER";

pub(crate) fn check_currency(spec: &WindowSpec, source: &Source) -> Result<(), Refusal> {
    use foreshock_engine::Function::{Count, CountDistinct, Earliest, Lag, Latest};
    let adds = !matches!(spec.function, Count | CountDistinct | Earliest | Latest | Lag(_));
    let is_money = spec.argument.as_ref().is_some_and(|(a, _)| mentions(a, &source.money));
    let by_key = spec.keys.contains(&crate::expr::column("currency"));
    let by_filter = spec.filter.as_ref().is_some_and(|f| fixes_currency(std::slice::from_ref(f)));
    if adds && is_money && !by_key && !by_filter && !fixes_currency(&spec.input_filters) {
        return Err(("amounts of different currencies are mixed".into(), CURRENCY_HINT.into()));
    }
    Ok(())
}
