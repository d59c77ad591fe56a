//! Which facts of a history count: neither replaced nor withdrawn by a later row.

use crate::history::past::{Joined, Past};
use anyhow::Context;
use datafusion::catalog::Session;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, ident, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use foreshock_core::Feed;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The query for the facts of a feed that count now, from the table of all versions and that of the corrections, where there are
/// any. The columns of the feed, `seq` and `ingest_time`; the versions are named `t`.
pub fn standing(feed: Feed, versions: &str, corrections: Option<&str>) -> String {
    let columns: Vec<String> = feed.columns().iter().map(|c| format!("t.{}", c.name)).collect();
    let join = corrections.map_or(String::new(), |corrections| {
        format!(
            "LEFT ANTI JOIN {corrections} c ON c.event_id = t.event_id AND c.event_time = t.event_time AND c.seq > t.seq"
        )
    });
    format!(
        "SELECT {}, t.seq, t.ingest_time FROM {versions} t {join} WHERE t.fate IS NULL OR t.fate <> 'withdraws'",
        columns.join(", ")
    )
}

/// Times of events, microseconds: from the first on, before the second.
pub type Span = (Option<i64>, Option<i64>);

/// The facts of a feed that count, within a span, as a table that a rule's text can be run over.
///
/// # Errors
/// What DataFusion says.
pub async fn table(
    feed: Feed,
    versions: Past,
    corrections: Past,
    span: Span,
    runtime: &Handle,
) -> anyhow::Result<Arc<dyn TableProvider>> {
    let ctx = SessionContext::new();
    let has_corrections = corrections.rows > 0;
    for (name, past) in [("versions", versions), ("corrections", corrections)] {
        let mut rows = ctx.read_table(Arc::new(Joined { past, live: Vec::new() }))?;
        for bound in bounds(span) {
            rows = rows.filter(bound)?;
        }
        ctx.register_table(name, rows.into_view())?;
    }
    let rows = ctx.sql(&standing(feed, "versions", has_corrections.then_some("corrections"))).await?;
    let columns: Vec<&str> = feed.columns().iter().map(|column| column.name).collect();
    let view = rows.select_columns(&columns).context("the feed's columns")?.into_view();
    Ok(Arc::new(Elsewhere { inner: view, runtime: runtime.clone() }))
}

/// What is true of the facts within a span only.
pub fn bounds((from, to): Span) -> impl Iterator<Item = Expr> {
    let time = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
    let from = from.map(|from| ident("event_time").gt_eq(time(from)));
    from.into_iter().chain(to.map(|to| ident("event_time").lt(time(to))))
}

/// A table that is planned on a runtime: reading Delta's log needs one, and rules are planned on a thread with a deep stack that
/// has none.
#[derive(Debug)]
struct Elsewhere {
    inner: Arc<dyn TableProvider>,
    runtime: Handle,
}

#[async_trait::async_trait]
impl TableProvider for Elsewhere {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (filters, runtime) = (filters.to_vec(), &self.runtime);
        std::thread::scope(|scope| {
            let plan = || runtime.block_on(self.inner.scan(session, projection, &filters, limit));
            scope.spawn(plan).join().unwrap_or_else(|_| Err(DataFusionError::Internal("planning panicked".into())))
        })
    }
}
