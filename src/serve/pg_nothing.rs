//! What PostgreSQL's clients ask of things that are not here: keys, indexes, constraints, triggers, procedures, types of one's own.
//! Their questions use much of PostgreSQL that DataFusion cannot plan, and have one answer: no rows, under the names they expect.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Join, JoinOperator, Query, Select, SelectItem, SetExpr, Statement, TableFactor, visit_relations,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Tables of PostgreSQL about what a reader has none of.
const NONE_HERE: [&str; 13] = [
    "pg_constraint",
    "pg_index",
    "pg_indexes",
    "pg_proc",
    "pg_rewrite",
    "pg_rules",
    "pg_trigger",
    "pg_policy",
    "pg_policies",
    "pg_extension",
    "pg_available_extensions",
    "pg_opclass",
    "pg_opfamily",
];

/// Tables about types: questions about them alone are those of types of one's own.
const TYPES: [&str; 4] = ["pg_namespace", "pg_range", "pg_class", "generate_series"];

/// Schemas of tables about tables.
const CATALOGUES: [&str; 2] = ["pg_catalog", "information_schema"];

/// An answer without rows to a question about what is not here: of nothing but the catalogue, and of a table in it that has to be
/// empty here.
pub fn nothing(statement: &Statement) -> Option<LogicalPlan> {
    let Statement::Query(query) = statement else { return None };
    let (mut is_catalogue, mut is_of_nothing, mut has_types, mut has_others) = (true, false, false, false);
    let common: BTreeSet<String> =
        query.with.iter().flat_map(|with| &with.cte_tables).map(|table| table.alias.name.value.clone()).collect();
    let _ = visit_relations(statement, |name| {
        let parts: Vec<String> = name.0.iter().map(|part| part.to_string().replace('"', "").to_lowercase()).collect();
        let last = parts.last().map_or("", String::as_str);
        let is_named = parts.len() > 1 && CATALOGUES.contains(&parts[parts.len() - 2].as_str());
        // A function stands where a table could: what it makes is of the catalogue, if all else is.
        let is_bare = parts.len() == 1
            && (last.starts_with("pg_") || common.contains(last) || ["generate_series", "unnest"].contains(&last));
        is_catalogue &= is_named || is_bare;
        is_of_nothing |= NONE_HERE.contains(&last);
        has_types |= last == "pg_type";
        has_others |=
            last != "pg_type" && ![&TYPES[..], &NONE_HERE[..]].concat().contains(&last) && !common.contains(last);
        ControlFlow::<()>::Continue(())
    });
    let is_types = has_types && !has_others;
    if !(is_catalogue && (is_of_nothing || is_types) && has_no_rows(&query.body, is_types)) {
        return None;
    }
    let mut names = BTreeSet::new();
    let columns = columns(query)?.into_iter().map(|mut name| {
        while !names.insert(name.clone()) {
            name.push('_');
        }
        Field::new(name, DataType::Utf8, true)
    });
    let schema = DFSchema::try_from(Schema::new(columns.collect::<Vec<_>>())).ok()?;
    Some(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema) }))
}

/// Must a query be without rows, because a table that is empty here stands in it where every row needs one of it?
fn has_no_rows(body: &SetExpr, is_types: bool) -> bool {
    match body {
        SetExpr::Query(query) => has_no_rows(&query.body, is_types),
        SetExpr::SetOperation { left, right, .. } => has_no_rows(left, is_types) && has_no_rows(right, is_types),
        SetExpr::Select(select) => {
            let is_needed = |join: &&Join| {
                matches!(
                    join.join_operator,
                    JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
                )
            };
            let mut tables = select.from.iter().flat_map(|from| {
                std::iter::once(&from.relation).chain(from.joins.iter().filter(is_needed).map(|join| &join.relation))
            });
            let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
            let text = select.projection.iter().map(ToString::to_string).collect::<String>().to_lowercase();
            // Sums over nothing are a row.
            let is_sum =
                ["count(", "sum(", "max(", "min(", "bool_and(", "bool_or("].iter().any(|name| text.contains(name));
            (is_grouped || !is_sum) && tables.any(|table| is_empty(table, is_types))
        }
        _ => false,
    }
}

fn is_empty(table: &TableFactor, is_types: bool) -> bool {
    match table {
        TableFactor::Table { name, .. } => {
            let last = name.0.last().map_or_else(String::new, |part| part.to_string().replace('"', "").to_lowercase());
            NONE_HERE.contains(&last.as_str()) || (is_types && last == "pg_type")
        }
        TableFactor::Derived { subquery, .. } => has_no_rows(&subquery.body, is_types),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty(&table_with_joins.relation, is_types),
        _ => false,
    }
}

/// The names of a query's columns, as PostgreSQL gives them.
fn columns(query: &Query) -> Option<Vec<String>> {
    of_body(&query.body)
}

fn of_body(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => of_select(select),
        SetExpr::Query(query) => columns(query),
        SetExpr::SetOperation { left, .. } => of_body(left),
        _ => None,
    }
}

fn of_select(select: &Select) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => names.push(alias.value.clone()),
            SelectItem::UnnamedExpr(expr) => names.push(name_of(expr)),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => names.extend(of_tables(select)?),
            SelectItem::ExprWithAliases { .. } => return None,
        }
    }
    Some(names)
}

/// `*` over a query in brackets; of a table itself no column is needed where there is no row.
fn of_tables(select: &Select) -> Option<Vec<String>> {
    match &select.from.first()?.relation {
        TableFactor::Derived { subquery, .. } => columns(subquery),
        _ => Some(Vec::new()),
    }
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map_or_else(String::new, |name| name.value.clone()),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => name_of(expr),
        Expr::Function(function) => function.name.0.last().map_or_else(String::new, ToString::to_string),
        Expr::Case { .. } => "case".into(),
        _ => "?column?".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    fn names(text: &str) -> Option<Vec<String>> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap().pop().unwrap();
        let plan = nothing(&statement)?;
        Some(plan.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    #[test]
    fn only_what_is_of_the_catalogue_and_of_nothing_here_is_answered_with_nothing() {
        let keys = "SELECT result.a, 1, f(x) AS b, NULL FROM (SELECT c.x AS a FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index i ON true) result";
        assert_eq!(names(keys).unwrap(), ["a", "?column?", "b", "?column?_"]);
        assert_eq!(names("SELECT i.*, 1 AS one FROM pg_index i").unwrap(), ["one"]);
        assert_eq!(names("SELECT * FROM (SELECT oid, conname FROM pg_constraint) t").unwrap(), ["oid", "conname"]);
        assert_eq!(names("SELECT t.typname FROM pg_type t, pg_class c").unwrap(), ["typname"]);
        for other in [
            "SELECT t.typname FROM pg_type t, pg_attribute a",
            "SELECT relname FROM pg_catalog.pg_class",
            "SELECT c.relname FROM pg_class c LEFT JOIN pg_index i ON true",
            "SELECT c.relname, (SELECT 1 FROM pg_trigger) FROM pg_class c",
            "SELECT count(*) FROM pg_constraint",
            "SELECT EXISTS (SELECT 1 FROM pg_index)",
            "SELECT relname FROM pg_class UNION ALL SELECT conname FROM pg_constraint",
            "SELECT * FROM transactions, pg_catalog.pg_index",
            "SELECT t.x FROM transactions t WHERE EXISTS (SELECT 1 FROM pg_index)",
            "SELECT public.pg_index.x FROM public.pg_index",
        ] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
