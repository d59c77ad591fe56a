//! What `string_agg` and `array_agg` make of a group has a bound: a join, a window or a subquery would repeat it for each of
//! the thousands of rows of a batch, in one step that nobody can stop.

use crate::serve::gate::Refused;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};
use futures::StreamExt;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Aggregates whose result grows with the rows of the group.
const GATHERS: [&str; 2] = ["array_agg", "string_agg"];
/// Most bytes of what is gathered of a group.
const BYTES_MAX: usize = 64 << 10;

/// Puts the bound above each aggregate that gathers.
#[derive(Debug)]
pub struct BoundGathered;

impl PhysicalOptimizerRule for BoundGathered {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let bounded = |node: Arc<dyn ExecutionPlan>| {
            Ok(if gathers(&node) { Transformed::yes(Arc::new(GatheredExec(node)) as _) } else { Transformed::no(node) })
        };
        plan.transform_up(bounded).data()
    }

    fn name(&self) -> &'static str {
        "bound_gathered"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn gathers(node: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(aggregate) = (node.as_ref() as &dyn Any).downcast_ref::<AggregateExec>() else { return false };
    let is_last = !matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::PartialReduce);
    is_last && aggregate.aggr_expr().iter().any(|expr| GATHERS.contains(&expr.fun().name()))
}

/// Hands on the rows of an aggregate whose values are not too long.
#[derive(Debug)]
struct GatheredExec(Arc<dyn ExecutionPlan>);

impl DisplayAs for GatheredExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatheredExec: at most {} KB a value", BYTES_MAX >> 10)
    }
}

impl ExecutionPlan for GatheredExec {
    fn name(&self) -> &'static str {
        "GatheredExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(GatheredExec(children.remove(0))))
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(GatheredExec(children.remove(0))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.0.execute(partition, context)?;
        let checked = rows.map(|batch| batch.and_then(checked));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), checked)))
    }
}

fn checked(batch: RecordBatch) -> Result<RecordBatch> {
    let is_long = |column: &Arc<dyn Array>| (0..column.len()).any(|row| bytes(column, row) > BYTES_MAX);
    if batch.columns().iter().any(is_long) {
        let message = format!(
            "string_agg or array_agg makes more than {} KB of a group: ask for its rows instead, or for fewer",
            BYTES_MAX >> 10
        );
        return Err(DataFusionError::External(Box::new(Refused { state: "54000", message })));
    }
    Ok(batch)
}

/// Bytes of a value that may be long; none of one that may not.
fn bytes(column: &Arc<dyn Array>, row: usize) -> usize {
    let of_all = |values: Arc<dyn Array>| {
        let own = values.len().saturating_mul(values.data_type().primitive_width().unwrap_or(size_of::<u64>()));
        own + (0..values.len()).map(|row| bytes(&values, row)).sum::<usize>()
    };
    match column.data_type() {
        _ if column.is_null(row) => 0,
        DataType::Utf8 => column.as_string::<i32>().value(row).len(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).len(),
        DataType::Utf8View => column.as_string_view().value(row).len(),
        DataType::List(_) => of_all(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => of_all(column.as_list::<i64>().value(row)),
        DataType::Struct(_) => column.as_struct().columns().iter().map(|column| bytes(column, row)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    async fn answer(statement: &str) -> Result<Vec<RecordBatch>> {
        let state =
            SessionStateBuilder::new().with_default_features().with_physical_optimizer_rule(Arc::new(BoundGathered));
        SessionContext::new_with_state(state.build()).sql(statement).await?.collect().await
    }

    #[tokio::test]
    async fn what_is_gathered_of_a_group_is_answered_up_to_its_bound_wherever_it_stands() {
        const ROWS: &str = "(SELECT value % 2 AS k, 'abcdefgh' || value AS t FROM generate_series(1, 20000))";
        for (statement, is_long) in [
            (format!("SELECT string_agg(t, ',') FROM {ROWS}"), true),
            (format!("SELECT array_agg(t) FROM {ROWS}"), true),
            (format!("SELECT array_agg(k) FROM {ROWS}"), true),
            (format!("SELECT k, string_agg(t, ',') FROM {ROWS} WHERE t LIKE '%000' GROUP BY k"), false),
            (format!("SELECT array_agg(DISTINCT k) FROM {ROWS}"), false),
            (format!("SELECT (SELECT string_agg(t, ',') FROM {ROWS}) FROM {ROWS}"), true),
            (
                format!(
                    "SELECT a.s FROM (SELECT k, string_agg(t, '') AS s FROM {ROWS} GROUP BY k) a JOIN {ROWS} b ON a.k = b.k"
                ),
                true,
            ),
            (format!("SELECT max(s) OVER () FROM (SELECT k, array_agg(t) AS s FROM {ROWS} GROUP BY k)"), true),
            (format!("SELECT count(DISTINCT t) FROM {ROWS}"), false),
        ] {
            let answer = answer(&statement).await;
            let refused = answer.as_ref().err().map(|error| crate::serve::gate::refused(error).state);
            assert_eq!(refused, is_long.then_some("54000"), "{statement}");
        }
    }
}
