//! A table whose rows are made when it is asked.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::datasource::{MemTable, TableProvider, TableType};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use std::fmt::Debug;

/// What makes the rows.
#[async_trait::async_trait]
pub trait Rows: Debug + Send + Sync + 'static {
    /// Columns.
    fn schema(&self) -> SchemaRef;

    /// All rows.
    ///
    /// # Errors
    /// Why there are none.
    async fn rows(&self, session: &dyn Session) -> Result<Vec<RecordBatch>>;
}

/// The table.
#[derive(Debug)]
pub struct Computed<R>(pub R);

#[async_trait::async_trait]
impl<R: Rows> TableProvider for Computed<R> {
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
    ) -> Result<std::sync::Arc<dyn ExecutionPlan>> {
        let rows = self.0.rows(session).await?;
        MemTable::try_new(self.schema(), vec![rows])?.scan(session, projection, filters, limit).await
    }
}
