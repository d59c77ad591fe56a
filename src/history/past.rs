//! The rows of a history's table as statements read them.

use crate::history::wall::Wall;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, TableProvider, TableType, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, cast, ident, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use std::sync::Arc;

/// A table's rows up to some batch.
#[derive(Debug, Clone)]
pub struct Past {
    /// Its columns, without the day.
    pub schema: SchemaRef,
    /// Reads them.
    pub provider: Arc<dyn TableProvider>,
    /// How many, as far as Delta's log says.
    pub rows: u64,
    /// All rows with lower numbers are among them, and no other.
    pub until: i64,
    /// The highest number of a row of them.
    pub last: Option<i64>,
    /// Which version of the table it is.
    pub version: Option<u64>,
    /// Only rows for which all this is true are there for whoever asks.
    pub conditions: Vec<Expr>,
}

impl Past {
    /// Without the rows from a number on.
    #[must_use]
    pub fn before(mut self, until: i64) -> Past {
        if until < self.until {
            self.conditions.push(ident("seq").lt(lit(until)));
            self.last = self.last.map(|last| last.min(until - 1));
            self.until = until;
        }
        self
    }
}

/// A history and the rows after it, as one table.
#[derive(Debug)]
pub struct Joined {
    /// Rows of earlier batches.
    pub past: Past,
    /// Rows of later ones.
    pub live: Vec<RecordBatch>,
}

#[async_trait::async_trait]
impl TableProvider for Joined {
    fn schema(&self) -> SchemaRef {
        self.past.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = |expr: &&Expr| match cannot_fail(expr) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(how).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let past = self.past.scan(session, projection, filters).await?;
        if self.live.is_empty() {
            return Ok(past);
        }
        let live = MemTable::try_new(self.schema(), vec![self.live.clone()])?;
        let live = live.scan(session, projection, &[], None).await?;
        UnionExec::try_new(vec![past, live])
    }
}

impl Past {
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::scan("past", provider_as_source(self.provider.clone()), None)?;
        // Rows that may not be seen go first: a filter that fails on a value names it.
        for filter in self.conditions.iter().chain(filters) {
            plan = plan.filter(unqualified(filter)?)?;
        }
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let stored = plan.schema().as_arrow().clone();
        let columns = projection.unwrap_or(&all).iter().map(|at| {
            let field = self.schema.field(*at);
            let is_same = stored.field_with_name(field.name()).is_ok_and(|f| f.data_type() == field.data_type());
            let column = ident(field.name());
            if is_same { column } else { cast(column, field.data_type().clone()).alias(field.name()) }
        });
        let plan = plan.project(columns.collect::<Vec<_>>())?.build()?;
        let plan = session.create_physical_plan(&plan).await?;
        Ok(if self.conditions.is_empty() { plan } else { Arc::new(Wall(plan)) })
    }
}

/// Columns by their names alone: the scan has a name of its own.
fn unqualified(expr: &Expr) -> Result<Expr> {
    let done = expr.clone().transform(|node| {
        Ok(match node {
            Expr::Column(column) => Transformed::yes(ident(column.name)),
            other => Transformed::no(other),
        })
    })?;
    Ok(done.data)
}

/// Can a filter be tried on any row, also one that nobody may see? Only comparisons of columns with constants: no cast and no
/// function, whose error would name a value.
fn cannot_fail(expr: &Expr) -> bool {
    let mut is_plain = true;
    let walked = expr.apply(|node| {
        is_plain &= match node {
            Expr::Column(_) | Expr::Literal(..) | Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::Not(_) => true,
            Expr::Between(_) | Expr::InList(_) => true,
            Expr::BinaryExpr(binary) => matches!(
                binary.op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::And
                    | Operator::Or
            ),
            _ => false,
        };
        Ok(if is_plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && is_plain
}
