//! `changes('detections', since_seq, INTERVAL '10 seconds')`: rows after a number, at once or when there are some. A bounded
//! wait works from every client, and whoever asks again with the last number misses nothing and gets nothing twice.

use crate::history::Past;
use crate::history::past::Joined;
use crate::rights::names::is_about_persons;
use crate::serve::restrict;
use crate::serve::session::{Seer, locked};
use crate::serve::store::{State, Store, Table};
use crate::serve::tables::SEQ;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableFunctionImpl};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{MemTable, TableProvider, TableType, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, ident, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait; what is longer is cut.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// What is left of a statement's time after its wait.
const REST: Duration = Duration::from_secs(1);

/// The table whose rows tell the changes of another one.
const REVISIONS: [(&str, &str); 3] = [
    ("detections", "detection_revisions"),
    ("alerts", "alert_revisions"),
    ("blocking_drafts", "blocking_draft_revisions"),
];

/// The function, over a state.
#[derive(Debug)]
pub struct ChangesFunction {
    /// The rows that may be seen.
    pub state: Arc<State>,
    /// Who asks.
    pub seer: Seer,
}

/// Rows of a table after a number.
#[derive(Debug)]
struct Changes {
    table: Table,
    name: String,
    since: i64,
    wait: Duration,
    seer: Seer,
}

impl TableFunctionImpl for ChangesFunction {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let wrong = |what: &str| {
            let form =
                "changes('detections', 0, INTERVAL '10 seconds'): a table, a seq and, if wished, how long to wait";
            Err(DataFusionError::Plan(format!("{what}; write {form}")))
        };
        let literal = |at: usize| match arguments.get(at) {
            Some(Expr::Literal(value, _)) => Some(value.clone()),
            _ => None,
        };
        let Some(name) = literal(0).and_then(|value| value.try_as_str().flatten().map(str::to_owned)) else {
            return wrong("the first argument is no text");
        };
        let revisions = REVISIONS.iter().find(|(of, _)| *of == name).map_or(name.as_str(), |(_, revisions)| revisions);
        let person = &self.seer.person;
        let table = self.state.tables.get(revisions).filter(|_| person.grant.opens(&name));
        let Some(table) = table else { return wrong(&format!("there is no table `{name}`")) };
        if is_about_persons(revisions) && !person.may_see_persons() {
            return Err(locked(&name));
        }
        // Whoever prepares a statement asks for its columns before there are values.
        let is_open = |at: usize| matches!(arguments.get(at), Some(Expr::Placeholder(_)));
        let since = match literal(1) {
            Some(ScalarValue::Int64(Some(since))) => since,
            None if is_open(1) => i64::MAX,
            _ => return wrong("the second argument is no number"),
        };
        let wait = match literal(2) {
            None if is_open(2) => Duration::ZERO,
            None if arguments.len() < 3 => Duration::ZERO,
            Some(ScalarValue::IntervalMonthDayNano(Some(i))) if i.months == 0 && i.days == 0 && i.nanoseconds >= 0 => {
                Duration::from_nanos(i.nanoseconds.unsigned_abs()).min(WAIT_MAX)
            }
            _ => return wrong("the third argument is no interval of seconds or minutes"),
        };
        Ok(Arc::new(Changes { table: table.clone(), name: revisions.to_owned(), since, wait, seer: self.seer.clone() }))
    }
}

impl Changes {
    /// The rows that are in memory.
    fn rows(&self) -> Vec<RecordBatch> {
        self.table.from(self.since.saturating_add(1))
    }

    /// The history, where rows that are asked for are no longer in memory.
    fn past(&self) -> Option<&Past> {
        let past = self.table.past.as_ref()?;
        let first = self.table.first_seq().unwrap_or(i64::MAX);
        (self.since.saturating_add(1) < first.min(past.until)).then_some(past)
    }

    /// Its rows, of memory and history.
    async fn all(&self) -> Result<Arc<dyn TableProvider>> {
        let Some(past) = self.past() else {
            return Ok(Arc::new(MemTable::try_new(self.schema(), vec![self.rows()])?));
        };
        let joined = Joined { past: past.clone(), live: self.table.live() };
        let table = SessionContext::new().read_table(Arc::new(joined))?;
        Ok(table.filter(ident(SEQ).gt(lit(self.since)))?.into_view())
    }
}

#[async_trait::async_trait]
impl TableProvider for Changes {
    fn schema(&self) -> SchemaRef {
        self.table.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.all().await?;
        let (schema, person) = (self.schema(), &self.seer.person);
        if person.grant.personal {
            return rows.scan(session, projection, filters, limit).await;
        }
        let below = SessionContext::new();
        below.register_udf(restrict::function(&self.seer.pseudonyms));
        below.register_table("r", rows)?;
        let seen = restrict::columns(&self.name, &restrict::names(&schema), person);
        let view = below.sql(&format!("SELECT {seen} FROM r")).await?.into_view();
        view.scan(session, projection, filters, limit).await
    }
}

/// How many rows a scan of changes has; `None` for any other scan.
pub fn changed_rows(scan: &TableScan) -> Option<u64> {
    let provider = source_as_provider(&scan.source).ok()?;
    let changes = provider.downcast_ref::<Changes>()?;
    let past = changes.past().map_or(0, |past| past.rows);
    Some(changes.rows().iter().map(|batch| batch.num_rows() as u64).sum::<u64>() + past)
}

/// Waits until one of the changes that a plan asks for has rows, or as long as it is patient, within the time of a statement.
/// Was there anything to wait for?
///
/// # Errors
/// What DataFusion says.
pub async fn wait_for(plan: &LogicalPlan, store: &Store, time: Duration) -> Result<bool> {
    let mut asked: Vec<(String, i64, Duration)> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && let Some(changes) = provider.downcast_ref::<Changes>()
        {
            asked.push((changes.name.clone(), changes.since, changes.wait));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let patience = asked.iter().map(|(_, _, wait)| *wait).min().unwrap_or_default().min(time.saturating_sub(REST));
    if patience.is_zero() {
        return Ok(false);
    }
    let mut changed = store.changes();
    let has_rows = || {
        let state = store.state();
        asked.iter().any(|(name, since, _)| state.tables[name.as_str()].has_after(*since))
    };
    let come = async {
        loop {
            // Marked before it is looked at: what comes meanwhile wakes.
            changed.mark_unchanged();
            if has_rows() || changed.changed().await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(patience, come).await;
    Ok(true)
}
