//! The batch: the same rule text in DataFusion over all events at once. The oracle of the live engine, and the backtest.

use crate::deep::deep;
use crate::dialect;
use crate::pack::{Pack, Rule};
use crate::problem::Problem;
use crate::session::{feed_schema, raw_plan, session};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::plan_datafusion_err;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::error::Result;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use foreshock_core::{Detection, Feed, Value};
use foreshock_engine::value_at;
use futures::executor::block_on;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The events of each feed, wherever they are; a feed that is not named has none.
pub type Tables = BTreeMap<Feed, Arc<dyn TableProvider>>;

/// Events in memory as tables.
///
/// # Errors
/// When a batch has not the columns of its feed.
pub fn tables(events: &BTreeMap<Feed, Vec<RecordBatch>>) -> Result<Tables> {
    let table = |(feed, rows): (&Feed, &Vec<RecordBatch>)| -> Result<(Feed, Arc<dyn TableProvider>)> {
        Ok((*feed, Arc::new(MemTable::try_new(feed_schema(*feed), vec![rows.clone()])?)))
    };
    events.iter().map(table).collect()
}

/// Runs one rule over events, in so many threads.
///
/// # Errors
/// What DataFusion says.
pub async fn run_rule(pack: &Pack, rule: &Rule, events: &Tables, threads: usize) -> Result<Vec<Detection>> {
    let ctx = session(&rule.params, threads)?;
    for feed in Feed::ALL {
        let none = || Arc::new(EmptyTable::new(feed_schema(feed))) as Arc<dyn TableProvider>;
        ctx.register_table(feed.table(), events.get(&feed).cloned().unwrap_or_else(none))?;
    }
    for view in &pack.views {
        deep(|| block_on(ctx.sql(view)).map(|_| ()))?;
    }
    let mut detections = Vec::new();
    let plan = deep(|| block_on(physical_plan(&ctx, &rule.sql)))?;
    for batch in collect(plan, ctx.task_ctx()).await? {
        for row in 0..batch.num_rows() {
            detections.push(detection(&batch, row));
        }
    }
    detections.sort_by(|a, b| (a.event_time, &a.event_id).cmp(&(b.event_time, &b.event_id)));
    Ok(detections)
}

/// The text was checked when the rule was compiled; its named windows are written out here as there.
async fn physical_plan(ctx: &SessionContext, sql: &str) -> Result<Arc<dyn ExecutionPlan>> {
    let checked = dialect::check(sql).map_err(|problems| plan_datafusion_err!("{}", first(&problems)))?;
    let plan = raw_plan(ctx, &checked.query).await?;
    ctx.state().create_physical_plan(&plan).await
}

fn first(problems: &[Problem]) -> String {
    problems.first().map_or_else(String::new, ToString::to_string)
}

fn detection(batch: &RecordBatch, row: usize) -> Detection {
    let schema = batch.schema();
    let column =
        |name: &str| -> &ArrayRef { batch.column_by_name(name).expect("the compiler checked the rule's columns") };
    let event_time = match value_at(column("event_time"), row) {
        Value::Time(us) => us,
        _ => i64::MIN,
    };
    let is_value = |name: &str| !matches!(name, "event_id" | "event_time" | "subject");
    let values = schema.fields().iter().zip(batch.columns()).filter(|(f, _)| is_value(f.name()));
    Detection {
        event_id: value_at(column("event_id"), row).to_string(),
        event_time,
        subject: value_at(column("subject"), row).to_string(),
        values: values.map(|(f, c)| (f.name().clone(), value_at(c, row))).collect(),
    }
}
