//! The DataFusion session: one set-up for planning, checking and the batch.

use crate::aggregates::{Params, register};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::{self, ast::Query};
use foreshock_core::{Feed, Type};
use std::sync::Arc;

/// A column's type as Arrow has it.
pub fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Text => DataType::Utf8,
        Type::Bigint => DataType::Int64,
        Type::Boolean => DataType::Boolean,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The columns of a feed as an Arrow schema.
pub fn feed_schema(feed: Feed) -> SchemaRef {
    let fields = feed.columns().iter().map(|c| Field::new(c.name, data_type(c.ty), c.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A session with our functions and no tables, whose plans run in so many threads.
pub(crate) fn session(params: &Params, threads: usize) -> Result<SessionContext> {
    let mut config = SessionConfig::new().with_target_partitions(threads);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.collect_spans = true;
    // Utf8 tables and Utf8 literals: no string casts in the plan.
    options.sql_parser.map_string_types_to_utf8view = false;
    let mut ctx = SessionContext::new_with_config(config);
    register(&mut ctx, params)?;
    Ok(ctx)
}

/// Registers a table without rows, for planning.
pub(crate) fn register_empty(ctx: &SessionContext, name: &str, schema: SchemaRef) -> Result<()> {
    ctx.register_table(name, Arc::new(EmptyTable::new(schema)))?;
    Ok(())
}

/// Plans a query of the dialect as it is written.
pub(crate) async fn raw_plan(ctx: &SessionContext, query: &Query) -> Result<LogicalPlan> {
    let statement = sqlparser::ast::Statement::Query(Box::new(query.clone()));
    ctx.state().statement_to_plan(Statement::Statement(Box::new(statement))).await
}

/// Plans and analyses: types coerced, `param` folded.
pub(crate) fn analysed_plan(ctx: &SessionContext, query: &Query) -> Result<LogicalPlan> {
    let raw = futures::executor::block_on(raw_plan(ctx, query))?;
    let state = ctx.state();
    state.analyzer().execute_and_check(raw, state.config_options(), |_, _| {})
}
