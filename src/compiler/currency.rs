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

/// Columns of money.
#[derive(Debug, Clone, Default)]
pub(crate) struct Money {
    /// Amounts as they were reported, in minor units.
    amounts: Vec<String>,
    /// What a view computes from amounts, as `CASE WHEN amount > 500 THEN 1 END`: whether it is there compares them.
    computed: Vec<String>,
}

impl Money {
    /// Is it an amount by itself?
    fn is_amount(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Column(c) if self.amounts.contains(&c.name))
    }
}

/// Does the expression read an amount? Whether there is one at all is no question of currency.
pub(crate) fn reads_money(expr: &Expr, money: &Money) -> bool {
    let mut found = false;
    let _ = expr.apply(|e| match e {
        Expr::IsNull(inner) | Expr::IsNotNull(inner) if money.is_amount(inner) => Ok(TreeNodeRecursion::Jump),
        Expr::Column(c) if money.amounts.contains(&c.name) || money.computed.contains(&c.name) => {
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

/// Does the window mix amounts? One that is picked from another row counts too: it has that row's currency.
pub(crate) fn check_currency(spec: &WindowSpec, source: &Source) -> Result<(), Refusal> {
    use Function::{CountDistinct, FirstValue, Lag, LastValue, RowNumber};
    let money = &source.money;
    let by_key = source.currency.iter().any(|name| spec.keys.contains(&crate::expr::column(name)));
    let is_fixed = |conditions: &[Expr]| fixed_currency(conditions, &source.currency).is_some();
    if by_key || is_fixed(&spec.input_filters) {
        return Ok(());
    }
    let mixed = |hint| Err(("amounts of different currencies are mixed".into(), hint));
    // A FILTER leaves the partition of a row as it is.
    let splits = spec.keys.iter().any(|key| reads_money(key, money) && !money.is_amount(key));
    if splits {
        return mixed(hint_below(source));
    }
    // What `count` counts stands in its filter (`windows.rs`).
    let counts_amounts = |argument| spec.function == CountDistinct && money.is_amount(argument);
    let computes = spec.argument.as_ref().is_some_and(|(a, _)| reads_money(a, money) && !counts_amounts(a));
    let compares = spec.filter.as_ref().is_some_and(|f| reads_money(f, money));
    if !(computes || compares) || is_fixed(spec.filter.as_slice()) {
        return Ok(());
    }
    let takes_filter = !matches!(spec.function, Lag(_) | FirstValue | LastValue | RowNumber);
    mixed(if takes_filter { hint(source) } else { hint_below(source) })
}

/// What to write, with the name that the source's currency has.
pub(crate) fn hint(source: &Source) -> String {
    match source.currency.first() {
        Some(name) if name != "currency" => CURRENCY_HINT.replacen("`currency", &format!("`{name}"), 1),
        Some(_) => CURRENCY_HINT.into(),
        None => format!("`{}` has amounts without their currency: let the view return it", source.name),
    }
}

/// The same where a FILTER does not help.
fn hint_below(source: &Source) -> String {
    hint(source).replace(" or to its FILTER", ", or its currency to the PARTITION BY")
}

/// A branch of a view: the feed, its WHERE and its columns over the feed's.
pub(crate) struct Lineage<'a> {
    pub(crate) feed: Feed,
    pub(crate) filters: &'a [Expr],
    pub(crate) columns: &'a [Expr],
}

/// The columns of a feed that hold money.
pub(crate) fn money_of(feed: Feed) -> Money {
    let amounts = feed.columns().iter().filter(|c| c.unit == "minor units").map(|c| c.name.to_owned()).collect();
    Money { amounts, computed: Vec::new() }
}

/// Which of a view's columns hold money, and which the currency of it.
pub(crate) fn of_view(names: &[String], branches: &[Lineage<'_>]) -> Result<(Money, Vec<String>), Refusal> {
    let feed_currency = ["currency".to_owned()];
    let (mut money, mut computed) = (vec![false; names.len()], vec![false; names.len()]);
    let (mut with_money, mut fixed) = (Vec::new(), Vec::new());
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
            for (i, column) in branch.columns.iter().enumerate() {
                money[i] |= has[i];
                computed[i] |= has[i] && !of_feed.is_amount(column);
            }
        }
    }
    // One currency by the view's own conditions: nothing to mix.
    if fixed.first().is_some_and(|first| first.is_some() && fixed.iter().all(|f| f == first)) {
        return Ok((Money::default(), Vec::new()));
    }
    let pick = |is: &dyn Fn(usize) -> bool| {
        names.iter().enumerate().filter(|(i, _)| is(*i)).map(|(_, name)| name.clone()).collect()
    };
    let own = crate::expr::column("currency");
    let is_currency = |i: usize| !with_money.is_empty() && with_money.iter().all(|b| b.columns[i] == own);
    let money = Money { amounts: pick(&|i| money[i] && !computed[i]), computed: pick(&|i| computed[i]) };
    Ok((money, pick(&is_currency)))
}
