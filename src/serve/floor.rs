//! Roles that see sums and no rows: what a statement of theirs may ask of a table about persons, and the groups that stay away
//! because they are of too few. A floor alone does not keep two answers from being taken apart; so groups and conditions may only
//! use columns that are shared by many (times, places, institutions, codes), never a name, an id or an amount.

use crate::serve::gate::Refused;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{TableProvider, TableType, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::{count, count_distinct};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use datafusion::physical_plan::ExecutionPlan;
use foreshock_core::schema::{Check, Privacy};
use foreshock_core::{Feed, Type};
use std::sync::Arc;

/// Fewest different accounts, numbers or persons that a group is of (standards: public counts, section 8).
pub const FLOOR: i64 = 10;

/// Who a row is about, under the names of the tables and views.
const WHO: [&str; 14] = [
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
    aggregate.group_expr.iter().try_for_each(check_shared)?;
    aggregate.aggr_expr.iter().try_for_each(check_function)?;
    let schema = aggregate.input.schema().clone();
    let who: Vec<Column> = schema.columns().into_iter().filter(|column| WHO.contains(&column.name())).collect();
    if who.is_empty() {
        return refused("the role sees sums, and nobody can say of how many persons this table's rows are");
    }
    let shown: Vec<Expr> = aggregate.schema.columns().into_iter().map(Expr::Column).collect();
    let (mut aggregates, mut enough) = (aggregate.aggr_expr, lit(true));
    for (at, column) in who.into_iter().enumerate() {
        let (of, all) = (format!("floor_persons_{at}"), format!("floor_rows_{at}"));
        aggregates.push(count_distinct(Expr::Column(column.clone())).alias(&of));
        aggregates.push(count(Expr::Column(column)).alias(&all));
        let unqualified = |name: String| Expr::Column(Column::new_unqualified(name));
        // Where nobody is named, as in a withdrawal without payee, there is nobody to be told apart.
        enough = enough.and(unqualified(of).gt_eq(lit(FLOOR)).or(unqualified(all).eq(lit(0_i64))));
    }
    let input = Arc::unwrap_or_clone(aggregate.input);
    LogicalPlanBuilder::from(input).aggregate(aggregate.group_expr, aggregates)?.filter(enough)?.project(shown)?.build()
}

fn check_conditions(plan: &LogicalPlan) -> Result<()> {
    if let LogicalPlan::Filter(filter) = plan {
        check_shared(&filter.predicate)?;
    }
    plan.inputs().into_iter().try_for_each(check_conditions)
}

/// Does it use only columns that many rows share, and no other statement?
fn check_shared(expr: &Expr) -> Result<()> {
    expr.apply(|part| match part {
        Expr::Column(column) if is_shared(&column.name) => Ok(TreeNodeRecursion::Continue),
        Expr::Column(column) => refused(format!(
            "the role sees sums: `{}` may tell one person from another and cannot make groups or conditions",
            column.name
        )),
        Expr::ScalarSubquery(_)
        | Expr::InSubquery(_)
        | Expr::Exists(_)
        | Expr::SetComparison(_)
        | Expr::GroupingSet(_) => refused(
            "the role sees sums: no subquery, ROLLUP, CUBE or GROUPING SETS in groups and conditions over persons",
        ),
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

fn check_function(expr: &Expr) -> Result<()> {
    let inner = match expr {
        Expr::Alias(alias) => &alias.expr,
        other => other,
    };
    let Expr::AggregateFunction(function) = inner else { return refused("only count, sum and avg are answered") };
    let (name, params) = (function.func.name(), &function.params);
    if !FUNCTIONS.contains(&name) || params.filter.is_some() || !params.order_by.is_empty() {
        return refused(format!("the role sees sums: count, sum and avg without FILTER and ORDER BY, not {inner}"));
    }
    let is_plain = |argument: &Expr| match argument {
        Expr::Column(_) => true,
        // `sum` of a narrow number is computed in a wide one.
        Expr::Cast(cast) => matches!(*cast.expr, Expr::Column(_)),
        Expr::Literal(..) => name == "count",
        _ => false,
    };
    if params.args.iter().all(is_plain) {
        return Ok(());
    }
    refused(format!("the role sees sums of whole columns, not of {inner}"))
}

/// Is a column's value one that many rows have?
fn is_shared(name: &str) -> bool {
    let of_feeds = || Feed::ALL.into_iter().flat_map(Feed::columns).filter(|column| column.name == name);
    let is_wide = |column: &foreshock_core::Column| {
        column.privacy == Privacy::Public && matches!(column.ty, Type::Text | Type::Time)
            || matches!(column.check, Check::Code(..) | Check::OpenCode(..) | Check::Bool)
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
