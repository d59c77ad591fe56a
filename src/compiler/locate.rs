//! Where a query is wrong when DataFusion does not say it: each part of it is planned alone until one is refused.

use crate::dialect::Checked;
use crate::problem::Problem;
use crate::session::analysed_plan;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, Value,
};

/// Parts tried at most: a file with more of them is told the place of its SELECT.
const TRIES_MAX: usize = 300;

/// The problem of an error, at its place.
pub(crate) fn problem(ctx: &SessionContext, checked: &Checked, error: &DataFusionError) -> Problem {
    let mut tries = TRIES_MAX;
    let place = if Problem::has_place(error) { None } else { of_query(ctx, &checked.query, &mut tries) };
    Problem::from_datafusion(error, place.unwrap_or(checked.select))
}

fn fails(ctx: &SessionContext, query: &Query, tries: &mut usize) -> bool {
    if *tries == 0 {
        return false;
    }
    *tries -= 1;
    analysed_plan(ctx, query).is_err()
}

/// The first part, from the innermost SELECT on, that is refused alone.
fn of_query(ctx: &SessionContext, query: &Query, tries: &mut usize) -> Option<(u64, u64)> {
    match query.body.as_ref() {
        SetExpr::Select(select) => of_select(ctx, query, select, tries),
        SetExpr::SetOperation { left, right, .. } => [left, right].into_iter().find_map(|side| {
            let query = Query { body: side.clone(), ..query.clone() };
            if fails(ctx, &query, tries) { of_query(ctx, &query, tries) } else { None }
        }),
        _ => None,
    }
}

fn of_select(ctx: &SessionContext, query: &Query, select: &Select, tries: &mut usize) -> Option<(u64, u64)> {
    for table in &select.from {
        if let TableFactor::Derived { subquery, .. } = &table.relation
            && fails(ctx, subquery, tries)
        {
            return of_query(ctx, subquery, tries).or_else(|| place(subquery.as_ref()));
        }
    }
    let alone = |item: SelectItem, selection: Option<Expr>| {
        let select = Select { projection: vec![item], selection, qualify: None, ..select.clone() };
        Query { body: Box::new(SetExpr::Select(Box::new(select))), ..query.clone() }
    };
    for item in &select.projection {
        if fails(ctx, &alone(item.clone(), None), tries) {
            return place(item);
        }
    }
    let mut conditions = Vec::new();
    select.selection.iter().for_each(|e| conjuncts(e, &mut conditions));
    let one = SelectItem::UnnamedExpr(Expr::value(Value::Number("1".into(), false)));
    for condition in conditions {
        if fails(ctx, &alone(one.clone(), Some(condition.clone())), tries) {
            return place(condition);
        }
    }
    place(query.body.as_ref())
}

fn conjuncts<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, found);
            conjuncts(right, found);
        }
        Expr::Nested(inner) => conjuncts(inner, found),
        other => found.push(other),
    }
}

fn place(node: &impl Spanned) -> Option<(u64, u64)> {
    let start = node.span().start;
    (start.line > 0).then_some((start.line, start.column))
}
