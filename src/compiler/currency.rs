//! Amounts are added and compared in one currency only. What money is, and whose currency a column holds, comes from the
//! feeds' columns behind a name, never from the name.

use crate::source::Source;
use crate::stream::WindowSpec;
use crate::windows::Refusal;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};
use foreshock_core::Feed;
use foreshock_engine::Function;

/// Does the expression read an amount? Whether there is one at all is no question of currency.
pub(crate) fn reads_money(expr: &Expr, money: &[String]) -> bool {
    let mut found = false;
    let _ = expr.apply(|e| match e {
        Expr::IsNull(_) | Expr::IsNotNull(_) => Ok(TreeNodeRecursion::Jump),
        Expr::Column(c) if money.contains(&c.name) => {
            found = true;
            Ok(TreeNodeRecursion::Stop)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    });
    found
}

/// The constant of a condition `currency = <constant>`.
pub(crate) fn fixed_currency<'a>(conditions: &'a [Expr], currency: &[String]) -> Option<&'a ScalarValue> {
    conditions.iter().flat_map(split_conjunction).find_map(|condition| {
        let Expr::BinaryExpr(b) = condition else { return None };
        let (column, value) = match (b.left.as_ref(), b.right.as_ref()) {
            (Expr::Column(c), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(c)) => (c, value),
            _ => return None,
        };
        (b.op == Operator::Eq && currency.contains(&column.name)).then_some(value)
    })
}

pub(crate) const CURRENCY_HINT: &str =
    "add `currency = param('currency', 'CNY')` to the WHERE below it or to its FILTER";

/// Does the window mix amounts? Returns whether its answer is an amount of whatever currency the row has.
pub(crate) fn check_currency(spec: &WindowSpec, source: &Source, money: &[String]) -> Result<bool, Refusal> {
    use Function::{Count, CountDistinct, Earliest, FirstValue, Lag, LastValue, Latest};
    let argument = spec.argument.as_ref().is_some_and(|(a, _)| reads_money(a, money));
    let compares = spec.filter.as_ref().is_some_and(|f| reads_money(f, money));
    let by_key = source.currency.iter().any(|name| spec.keys.contains(&crate::expr::column(name)));
    let is_fixed = |conditions: &[Expr]| fixed_currency(conditions, &source.currency).is_some();
    if by_key || is_fixed(spec.filter.as_slice()) || is_fixed(&spec.input_filters) {
        return Ok(false);
    }
    let picks = matches!(spec.function, Earliest | Latest | Lag(_) | FirstValue | LastValue);
    let mixes = argument && !picks && !matches!(spec.function, Count | CountDistinct);
    if mixes || compares {
        return Err(("amounts of different currencies are mixed".into(), hint(source)));
    }
    Ok(argument && picks)
}

/// What to write, with the name that the source's currency has.
pub(crate) fn hint(source: &Source) -> String {
    match source.currency.first() {
        Some(name) if name != "currency" => CURRENCY_HINT.replacen("`currency", &format!("`{name}"), 1),
        Some(_) => CURRENCY_HINT.into(),
        None => format!("`{}` has amounts without their currency: let the view return it", source.name),
    }
}

/// A branch of a view: the feed, its WHERE and its columns over the feed's.
pub(crate) struct Lineage<'a> {
    pub(crate) feed: Feed,
    pub(crate) filters: &'a [Expr],
    pub(crate) columns: &'a [Expr],
}

/// The columns of a feed that hold money.
pub(crate) fn money_of(feed: Feed) -> Vec<String> {
    feed.columns().iter().filter(|c| c.unit == "minor units").map(|c| c.name.to_owned()).collect()
}

/// Which of a view's columns hold money, and which the currency of it.
pub(crate) fn of_view(names: &[String], branches: &[Lineage<'_>]) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let feed_currency = ["currency".to_owned()];
    let (mut money, mut with_money, mut fixed) = (vec![false; names.len()], Vec::new(), Vec::new());
    for branch in branches {
        let of_feed = money_of(branch.feed);
        let constant = fixed_currency(branch.filters, &feed_currency);
        if constant.is_none() && branch.filters.iter().any(|f| reads_money(f, &of_feed)) {
            let hint = "add `currency = 'CNY'` to the WHERE of this SELECT";
            return Err(("the view compares amounts without a currency".into(), hint.into()));
        }
        let has: Vec<bool> = branch.columns.iter().map(|c| reads_money(c, &of_feed)).collect();
        if has.contains(&true) {
            with_money.push(branch);
            fixed.push(constant);
            money.iter_mut().zip(has).for_each(|(all, one)| *all |= one);
        }
    }
    // One currency by the view's own conditions: nothing to mix.
    if fixed.first().is_some_and(|first| first.is_some() && fixed.iter().all(|f| f == first)) {
        return Ok((Vec::new(), Vec::new()));
    }
    let pick = |is: &dyn Fn(usize) -> bool| {
        names.iter().enumerate().filter(|(i, _)| is(*i)).map(|(_, name)| name.clone()).collect()
    };
    let own = crate::expr::column("currency");
    let is_currency = |i: usize| !with_money.is_empty() && with_money.iter().all(|b| b.columns[i] == own);
    Ok((pick(&|i| money[i]), pick(&is_currency)))
}
