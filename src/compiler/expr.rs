//! The engine's expression trait on DataFusion's physical expressions.

use crate::checked::take_fault;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::Expr as LogicalExpr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::prelude::SessionContext;
use foreshock_engine::Expr;
use std::sync::Arc;

/// A physical expression over just the columns it reads.
#[derive(Debug)]
struct Compiled {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
    data_type: DataType,
    is_column: bool,
}

impl Expr for Compiled {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn data_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> std::result::Result<ArrayRef, String> {
        if self.is_column {
            return Ok(columns[0].clone());
        }
        take_fault();
        let value = self.value(columns, rows).map_err(|e| e.strip_backtrace())?;
        // A part that has no value is NULL, as in the batch. Where that makes the whole NULL it is a fault to count, row by
        // row; where it does not (`false AND ..`, `coalesce(..)`) the row has its value.
        let is_fault = take_fault() && (rows > 1 || value.logical_null_count() > 0);
        if is_fault { Err("a number beyond BIGINT, or a division by 0".into()) } else { Ok(value) }
    }
}

impl Compiled {
    fn value(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns.to_vec(), &options)?;
        self.expr.evaluate(&batch)?.into_array(rows)
    }
}

/// Compiles a logical expression over the given columns.
pub(crate) fn compile(ctx: &SessionContext, expr: &LogicalExpr, schema: &DFSchema) -> Result<Arc<dyn Expr>> {
    // `create_physical_expr` only coerces; some functions (`coalesce`) exist only until they are simplified.
    let simplify = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    let simple = ExprSimplifier::new(simplify).simplify(expr.clone())?;
    let physical = ctx.state().create_physical_expr(simple, schema)?;
    let data_type = physical.data_type(schema.as_arrow())?;
    let mut columns: Vec<usize> = Vec::new();
    let rewritten = physical.transform_up(|node| {
        let Some(column) = node.downcast_ref::<PhysicalColumn>() else { return Ok(Transformed::no(node)) };
        let at = columns.iter().position(|c| *c == column.index()).unwrap_or_else(|| {
            columns.push(column.index());
            columns.len() - 1
        });
        Ok(Transformed::yes(Arc::new(PhysicalColumn::new(column.name(), at)) as Arc<dyn PhysicalExpr>))
    })?;
    let field = |c: &usize| {
        let field = schema.field(*c);
        // Window results of rows outside a group are NULL, so every column may be.
        Field::new(field.name(), field.data_type().clone(), true)
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let is_column = rewritten.data.downcast_ref::<PhysicalColumn>().is_some();
    let nulls: Vec<ArrayRef> = schema.fields().iter().map(|f| new_null_array(f.data_type(), 1)).collect();
    let compiled = Compiled { expr: rewritten.data, columns, schema, data_type, is_column };
    // What cannot be evaluated at all must be refused when the rule is loaded, never found on an event.
    let tried = compiled.value(&nulls, 1);
    tried.map_err(|e| plan_datafusion_err!("`{expr}` cannot be evaluated: {}", e.strip_backtrace()))?;
    Ok(Arc::new(compiled))
}

/// A base or window column of a stream by name.
pub(crate) fn column(name: &str) -> LogicalExpr {
    LogicalExpr::Column(Column::new_unqualified(name))
}
