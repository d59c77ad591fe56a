//! The batch: the same rule text in DataFusion over all events at once. The oracle of the live engine, and the backtest.

use crate::deep::deep;
use crate::dialect;
use crate::pack::{Pack, Rule};
use crate::problem::Problem;
use crate::session::{raw_plan, register_rows, session};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use foreshock_core::{Detection, Feed, Value};
use foreshock_engine::value_at;
use futures::executor::block_on;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs one rule over events given per feed.
///
/// # Errors
/// What DataFusion says.
pub async fn run_rule(pack: &Pack, rule: &Rule, events: &BTreeMap<Feed, Vec<RecordBatch>>) -> Result<Vec<Detection>> {
    let ctx = session(&rule.params)?;
    for feed in Feed::ALL {
        register_rows(&ctx, feed, events.get(&feed).cloned().unwrap_or_default())?;
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
