//! Roles that see sums and no rows: what a statement of theirs may ask of a table about persons, and the groups that stay away
//! because they are of too few. A floor alone does not keep two answers from being taken apart; so groups and conditions may only
//! use columns that are shared by many (times, places, institutions, codes), never a name, an id or an amount.

use crate::serve::gate::Refused;
use datafusion::arrow::datatypes::{SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema, ScalarValue};
use datafusion::datasource::{TableProvider, TableType, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::{count, count_distinct};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, Operator, TableScan, lit,
};
use datafusion::physical_plan::ExecutionPlan;
use foreshock_core::Feed;
use foreshock_core::schema::{Check, Privacy};
use foreshock_core::time::parse_rfc3339;
use std::sync::Arc;

/// Fewest different accounts, numbers or persons that a group is of (standards: public counts, section 8).
pub const FLOOR: i64 = 10;

/// Who a row is about, under the names of the tables and views.
const WHO: [&str; 15] = [
    "payer_account",
    "payee_account",
    "account",
    "counterparty",
    "caller",
    "callee",
    "number",
    "peer_number",
    "phone",
    "victim_person",
    "victim_account",
    "suspect_account",
    "subject_account",
    "subject_person",
    "subject",
];

/// Columns of results and views that many rows share.
const SHARED: [&str; 14] = [
    "state",
    "shadow",
    "incomplete",
    "rule_id",
    "rule_version",
    "severity",
    "fraud_type",
    "measure",
    "institution",
    "currency",
    "what",
    "direction",
    "district",
    "event_time",
];

/// The functions over a group that say little of one row.
const FUNCTIONS: [&str; 3] = ["count", "sum", "avg"];

/// A table about persons without its plan: whatever stands above it in a statement's plan is the statement's own.
#[derive(Debug)]
pub struct Opaque(pub Arc<dyn TableProvider>);

#[async_trait::async_trait]
impl TableProvider for Opaque {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(session, projection, filters, limit).await
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T> {
    Err(DataFusionError::External(Box::new(Refused { state: "42501", message: message.into() })))
}

/// The plan without groups of too few.
///
/// # Errors
/// When it asks for rows, or tells groups apart by what is one person's.
pub fn with_floor(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) if is_of_persons(&aggregate.input) => {
            // What is below it was looked at.
            Ok(Transformed::new(floored(aggregate)?, true, TreeNodeRecursion::Jump))
        }
        LogicalPlan::TableScan(scan) if is_opaque(&scan) => {
            let name = scan.table_name.table();
            refused(format!("the role sees sums, no rows: ask for count, sum or avg of {name}, by groups"))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// Is it a scan of such a table?
fn is_opaque(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<Opaque>().is_some())
}

/// Is it a table of persons with nothing but conditions above it?
fn is_of_persons(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => is_opaque(scan),
        LogicalPlan::Filter(filter) => is_of_persons(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_of_persons(&alias.input),
        _ => false,
    }
}

fn floored(aggregate: Aggregate) -> Result<LogicalPlan> {
    check_conditions(&aggregate.input)?;
    aggregate.group_expr.iter().try_for_each(check_group)?;
    let columns = aggregate.input.schema().columns();
    let is_number = |column: &Column| {
        aggregate.input.schema().data_type(column).is_ok_and(datafusion::arrow::datatypes::DataType::is_numeric)
    };
    let mut counted = vec![None];
    for expr in &aggregate.aggr_expr {
        counted.push(check_function(expr, &is_number)?);
    }
    counted.sort();
    counted.dedup();
    let who: Vec<Column> = columns.into_iter().filter(|column| WHO.contains(&column.name())).collect();
    let shown: Vec<Expr> = aggregate.schema.columns().into_iter().map(Expr::Column).collect();
    let (mut aggregates, mut enough) = (aggregate.aggr_expr, lit(true));
    for column in counted {
        enough = enough.and(enough_persons(&who, column, &mut aggregates)?);
    }
    let input = Arc::unwrap_or_clone(aggregate.input);
    LogicalPlanBuilder::from(input).aggregate(aggregate.group_expr, aggregates)?.filter(enough)?.project(shown)?.build()
}

/// Are the rows of a group, or those with a value in a column, of enough persons? Of each side that is named at all, and of one at least: a
/// row that names nobody may be anybody's.
fn enough_persons(who: &[Column], value: Option<Column>, aggregates: &mut Vec<Expr>) -> Result<Expr> {
    let (mut each, mut one) = (lit(true), lit(false));
    for column in who {
        let mut add = |function: Expr| -> Result<Expr> {
            let function = match &value {
                Some(value) => function.filter(Expr::Column(value.clone()).is_not_null()).build()?,
                None => function,
            };
            let name = format!("floor_{}", aggregates.len());
            aggregates.push(function.alias(&name));
            Ok(Expr::Column(Column::new_unqualified(name)))
        };
        let (persons, rows) =
            (add(count_distinct(Expr::Column(column.clone())))?, add(count(Expr::Column(column.clone())))?);
        let is_enough = persons.gt_eq(lit(FLOOR));
        each = each.and(is_enough.clone().or(rows.eq(lit(0_i64))));
        one = one.or(is_enough);
    }
    Ok(each.and(one))
}

fn check_conditions(plan: &LogicalPlan) -> Result<()> {
    if let LogicalPlan::Filter(filter) = plan {
        check_condition(&filter.predicate)?;
    }
    plan.inputs().into_iter().try_for_each(check_conditions)
}

/// A column that many rows share, or a time cut to hours or more.
fn check_group(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Alias(alias) => check_group(&alias.expr),
        Expr::Column(column) if is_shared(&column.name) && !is_time(&column.name) => Ok(()),
        Expr::Column(column) if is_time(&column.name) => {
            refused("the role sees sums: times make groups by date_trunc('hour', ..) or longer")
        }
        Expr::Column(column) => refused(format!(
            "the role sees sums: `{}` may tell one person from another and cannot make groups or conditions",
            column.name
        )),
        Expr::ScalarFunction(function) if function.name() == "date_trunc" => match function.args.as_slice() {
            [Expr::Literal(unit, _), Expr::Column(column)] if is_time(&column.name) => {
                let unit = unit.try_as_str().flatten().unwrap_or_default().to_lowercase();
                if UNITS.contains(&unit.as_str()) {
                    return Ok(());
                }
                refused(format!("the role sees sums: times make groups by {}", UNITS.join(", ")))
            }
            _ => refused("the role sees sums: date_trunc of a time"),
        },
        other => refused(format!("the role sees sums: groups are columns, or date_trunc of a time, not {other}")),
    }
}

/// Lengths of time that a time may be cut to.
const UNITS: [&str; 6] = ["hour", "day", "week", "month", "quarter", "year"];
/// Microseconds.
const HOUR_US: i64 = 3_600_000_000;

/// Comparisons of columns that many rows share with plain values, and what AND, OR and NOT make of them. Nothing that could fail: an
/// error would tell of the row that it failed on.
fn check_condition(expr: &Expr) -> Result<()> {
    match expr {
        Expr::BinaryExpr(binary) if matches!(binary.op, Operator::And | Operator::Or) => {
            check_condition(&binary.left)?;
            check_condition(&binary.right)
        }
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
            if is_value(&binary.left) {
                compared(&binary.right, &[&binary.left])
            } else {
                compared(&binary.left, &[&binary.right])
            }
        }
        Expr::Not(inner) => check_condition(inner),
        Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner) => compared(inner, &[]).or_else(|error| check_condition(inner).map_err(|_| error)),
        Expr::InList(list) => compared(&list.expr, &list.list.iter().collect::<Vec<_>>()),
        Expr::Between(between) => compared(&between.expr, &[&between.low, &between.high]),
        Expr::Literal(..) => Ok(()),
        column @ Expr::Column(_) => compared(column, &[]),
        other => refused(format!(
            "the role sees sums: conditions compare columns that many rows share with plain values, not {other}"
        )),
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator as O;
    matches!(operator, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom)
}

/// A plain value, or one written as a text of another type (`TIMESTAMP '2026-03-02 08:00:00'`).
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_value(&cast.expr),
        _ => false,
    }
}

fn compared(column: &Expr, values: &[&Expr]) -> Result<()> {
    let Expr::Column(column) = column else {
        return refused(format!("the role sees sums: conditions compare columns with plain values, not {column}"));
    };
    if !is_shared(&column.name) {
        return refused(format!(
            "the role sees sums: `{}` may tell one person from another and cannot make groups or conditions",
            column.name
        ));
    }
    if !values.iter().all(|value| is_value(value)) {
        return refused("the role sees sums: conditions compare columns with plain values");
    }
    if is_time(&column.name) && !values.iter().all(|value| is_whole_hour(value)) {
        return refused(
            "the role sees sums: times are compared with whole hours, such as TIMESTAMP '2026-03-02 08:00:00'",
        );
    }
    Ok(())
}

fn is_whole_hour(value: &Expr) -> bool {
    let us = match value {
        Expr::Literal(value, _) => match value.try_as_str().flatten() {
            Some(text) => parse_rfc3339(text)
                .or_else(|| parse_rfc3339(&format!("{}Z", text.trim().replace(' ', "T"))))
                .or_else(|| parse_rfc3339(&format!("{}T00:00:00Z", text.trim()))),
            None => {
                match value.cast_to(&datafusion::arrow::datatypes::DataType::Timestamp(TimeUnit::Microsecond, None)) {
                    Ok(ScalarValue::TimestampMicrosecond(us, _)) => us,
                    _ => None,
                }
            }
        },
        Expr::Cast(cast) => return is_whole_hour(&cast.expr),
        _ => None,
    };
    us.is_some_and(|us| us % HOUR_US == 0)
}

/// Checks a function over a group; the column whose values it takes, if it does not count rows.
fn check_function(expr: &Expr, is_number: &dyn Fn(&Column) -> bool) -> Result<Option<Column>> {
    let inner = match expr {
        Expr::Alias(alias) => &alias.expr,
        other => other,
    };
    let Expr::AggregateFunction(function) = inner else { return refused("only count, sum and avg are answered") };
    let (name, params) = (function.func.name(), &function.params);
    if !FUNCTIONS.contains(&name) || params.filter.is_some() || !params.order_by.is_empty() {
        return refused(format!("the role sees sums: count, sum and avg without FILTER and ORDER BY, not {inner}"));
    }
    match params.args.as_slice() {
        [Expr::Literal(..)] if name == "count" && !params.distinct => Ok(None),
        // Persons are counted, and nothing told of them.
        [Expr::Column(column)] if name == "count" && params.distinct && WHO.contains(&column.name()) => {
            Ok(Some(column.clone()))
        }
        // No cast: one that fails would tell in its error what it failed on.
        [Expr::Column(column)] if !params.distinct && (name == "count" || is_number(column)) => {
            Ok(Some(column.clone()))
        }
        _ => refused(format!("the role sees sums of whole columns of numbers, and counts of persons, not {inner}")),
    }
}

fn is_time(name: &str) -> bool {
    name == "event_time"
}

/// Is a column's value one that many rows have?
fn is_shared(name: &str) -> bool {
    let of_feeds = || Feed::ALL.into_iter().flat_map(Feed::columns).filter(|column| column.name == name);
    let is_wide = |column: &foreshock_core::Column| match column.check {
        Check::Code(..) | Check::OpenCode(..) | Check::Bool | Check::Currency | Check::Reporter | Check::Time => true,
        Check::Place => column.privacy == Privacy::Public,
        _ => column.name.ends_with("_institution"),
    };
    match of_feeds().next() {
        Some(_) => of_feeds().all(is_wide),
        None => SHARED.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_no_id_and_no_amount_makes_groups() {
        for name in [
            "payer_account",
            "event_id",
            "tx_id",
            "amount",
            "payer_balance_before",
            "device",
            "detail",
            "seq",
            "subject",
        ] {
            assert!(!is_shared(name), "{name}");
        }
        for name in ["event_time", "reporter", "currency", "kind", "payer_district", "payer_age_band", "rule_id"] {
            assert!(is_shared(name), "{name}");
        }
    }
}
