//! What a column can be at all, for columns of a code set: to say that a condition can never hold.

use crate::near::near;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Operator};
use foreshock_core::money::minor_digits;
use foreshock_core::schema::{Check, Feed};
use std::collections::{BTreeMap, BTreeSet};

/// The values that a column can have besides NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Codes {
    /// A currency of ISO 4217.
    Currency,
    /// One of these.
    Set(BTreeSet<String>),
}

/// By column; one that can have any value is not in it.
pub(crate) type CodesByColumn = BTreeMap<String, Codes>;

pub(crate) fn of_feed(feed: Feed) -> CodesByColumn {
    let set = |codes: &[&str], more: &[&str]| Codes::Set(codes.iter().chain(more).map(|c| (*c).to_owned()).collect());
    let of = |check| match check {
        Check::Currency => Some(Codes::Currency),
        Check::Code(codes, _) => Some(set(codes, &[])),
        // Another one becomes OTHER.
        Check::OpenCode(codes, _) => Some(set(codes, &["OTHER"])),
        _ => None,
    };
    feed.columns().iter().filter_map(|c| Some((c.name.to_owned(), of(c.check)?))).collect()
}

/// Of a view's columns, from the columns of its branches.
pub(crate) fn of_view(names: &[String], branches: &[(Feed, &[Expr])]) -> CodesByColumn {
    let mut all = CodesByColumn::new();
    for (i, name) in names.iter().enumerate() {
        let of_branches = branches.iter().map(|(feed, columns)| of_expr(&columns[i], &of_feed(*feed)));
        let joined = of_branches.reduce(join).flatten();
        if let Some(codes) = joined {
            all.insert(name.clone(), codes);
        }
    }
    all
}

fn join(a: Option<Codes>, b: Option<Codes>) -> Option<Codes> {
    match (a?, b?) {
        (Codes::Set(mut a), Codes::Set(b)) => {
            a.extend(b);
            Some(Codes::Set(a))
        }
        (Codes::Currency, Codes::Set(s)) | (Codes::Set(s), Codes::Currency) if s.is_empty() => Some(Codes::Currency),
        (Codes::Currency, Codes::Currency) => Some(Codes::Currency),
        _ => None,
    }
}

fn of_expr(expr: &Expr, feed: &CodesByColumn) -> Option<Codes> {
    match expr {
        Expr::Alias(alias) => of_expr(&alias.expr, feed),
        Expr::Cast(cast) => of_expr(&cast.expr, feed),
        Expr::Column(c) => feed.get(&c.name).cloned(),
        Expr::Literal(value, _) if value.is_null() => Some(Codes::Set(BTreeSet::new())),
        Expr::Literal(value, _) => {
            value.try_as_str().flatten().map(|text| Codes::Set(BTreeSet::from([text.to_owned()])))
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
            results.map(|e| of_expr(e, feed)).reduce(join).flatten()
        }
        _ => None,
    }
}

/// A text that a column is compared with and can never be: (column, text, the code that was meant).
pub(crate) type Never = (String, String, Option<String>);

/// All such comparisons inside an expression.
pub(crate) fn impossible(expr: &Expr, codes: &CodesByColumn) -> Vec<Never> {
    let mut found = Vec::new();
    let _ = expr.apply(|e| {
        match e {
            Expr::BinaryExpr(b) if b.op == Operator::Eq => {
                found.extend(never(&b.left, &b.right, codes).or_else(|| never(&b.right, &b.left, codes)));
            }
            Expr::InList(list) if !list.negated => {
                found.extend(list.list.iter().filter_map(|value| never(&list.expr, value, codes)));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Is the whole condition never true, by such comparisons?
pub(crate) fn is_never_true(condition: &Expr, codes: &CodesByColumn) -> bool {
    match condition {
        Expr::BinaryExpr(b) if b.op == Operator::Eq => {
            never(&b.left, &b.right, codes).or_else(|| never(&b.right, &b.left, codes)).is_some()
        }
        Expr::BinaryExpr(b) if b.op == Operator::And => is_never_true(&b.left, codes) || is_never_true(&b.right, codes),
        Expr::BinaryExpr(b) if b.op == Operator::Or => is_never_true(&b.left, codes) && is_never_true(&b.right, codes),
        Expr::InList(list) => !list.negated && list.list.iter().all(|value| never(&list.expr, value, codes).is_some()),
        _ => false,
    }
}

fn never(column: &Expr, value: &Expr, codes: &CodesByColumn) -> Option<Never> {
    let (Expr::Column(column), Expr::Literal(value, _)) = (column, value) else { return None };
    let text = value.try_as_str().flatten()?;
    let meant = match codes.get(&column.name)? {
        Codes::Currency if minor_digits(text).is_some() => return None,
        Codes::Currency => {
            let upper = text.to_uppercase();
            minor_digits(&upper).is_some().then_some(upper)
        }
        Codes::Set(set) if set.contains(text) => return None,
        Codes::Set(set) => near(text, set.iter().map(String::as_str)).map(str::to_owned),
    };
    Some((column.name.clone(), text.to_owned(), meant))
}
