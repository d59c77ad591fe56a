//! Views: stateless SELECTs over feed tables, joined by UNION ALL, each a branch of the stream of that name.

use crate::aggregates::Params;
use crate::expr;
use crate::nullness::is_never_null;
use crate::problem::Problem;
use crate::session::{analysed_plan, feed_schema, register_empty, session};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan};
use foreshock_core::Feed;
use foreshock_engine::Branch;
use std::sync::Arc;

/// A table or view that rules may read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    pub(crate) branches: Vec<Branch>,
    /// SQL of a view, for the batch and the rule version; `None` for a feed table.
    pub(crate) sql: Option<String>,
    /// Columns of money in minor units.
    pub(crate) money: Vec<String>,
}

/// The four feed tables.
pub(crate) fn feed_sources() -> Vec<Source> {
    let source = |feed: Feed| Source {
        name: feed.table().to_owned(),
        schema: feed_schema(feed),
        branches: vec![Branch { feed, filter: None, columns: None }],
        sql: None,
        money: feed.columns().iter().filter(|c| c.unit == "minor units").map(|c| c.name.to_owned()).collect(),
    };
    Feed::ALL.into_iter().map(source).collect()
}

/// Compiles a view file (`CREATE VIEW <name> AS SELECT ..`).
pub(crate) fn view_source(file: &str, text: &str) -> Result<Source, Problem> {
    let refuse = |message: &str| {
        Problem::at((1, 1), message, "a view is SELECT .. FROM feed [WHERE ..] [UNION ALL ..]").in_file(file)
    };
    let upper = text.to_ascii_uppercase();
    let start = upper.find("CREATE VIEW ").ok_or_else(|| refuse("no CREATE VIEW in the file"))?;
    let rest = &text[start + "CREATE VIEW ".len()..];
    let (name, select) = rest.split_once(" AS").ok_or_else(|| refuse("no AS after the view's name"))?;
    let name = name.trim().to_ascii_lowercase();
    let convert = |e: datafusion::error::DataFusionError| Problem::from_datafusion(&e, (1, 1)).in_file(file);
    let ctx = session(&Params::default()).map_err(convert)?;
    for feed in Feed::ALL {
        register_empty(&ctx, feed.table(), feed_schema(feed)).map_err(convert)?;
    }
    // Line numbers stay those of the file: everything before the SELECT becomes blank.
    let blank: String = text[..text.len() - select.len()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    let select = select.trim_end().trim_end_matches(';');
    let plan = analysed_plan(&ctx, &format!("{blank}{select}")).map_err(convert)?;
    let mut parts = Vec::new();
    collect(&plan, &mut parts).ok_or_else(|| refuse("the view has a construct other than SELECT, WHERE, UNION ALL"))?;
    let mut branches = Vec::new();
    let mut nullable = vec![false; plan.schema().fields().len()];
    for part in &parts {
        let schema = DFSchema::try_from(feed_schema(part.feed)).map_err(convert)?;
        let filter = part.filter.as_ref().map(|f| expr::compile(&ctx, f, &schema)).transpose().map_err(convert)?;
        let columns = part.columns.iter().map(|c| expr::compile(&ctx, c, &schema)).collect::<Result<_, _>>();
        branches.push(Branch { feed: part.feed, filter, columns: Some(columns.map_err(convert)?) });
        let filters: Vec<Expr> = part.filter.iter().cloned().collect();
        let not_null = |n: &str| part.feed.columns().iter().any(|c| c.name == n && !c.nullable);
        for (flag, column) in nullable.iter_mut().zip(&part.columns) {
            *flag |= !is_never_null(column, &filters, &not_null);
        }
    }
    let fields = plan.schema().fields().iter().zip(&nullable);
    let fields: Vec<Field> = fields.map(|(f, null)| Field::new(f.name(), f.data_type().clone(), *null)).collect();
    let is_money =
        |f: &Field| matches!(f.name().as_str(), "amount" | "loss_amount") || f.name().ends_with("balance_before");
    let money = fields.iter().filter(|f| is_money(f)).map(|f| f.name().clone()).collect();
    let source = Source { name, schema: Arc::new(Schema::new(fields)), branches, sql: Some(text.to_owned()), money };
    for (column, hint) in [("event_id", "event_id"), ("event_time", "event_time")] {
        let is_there = source.schema.field_with_name(column).is_ok_and(|f| !f.is_nullable());
        if !is_there {
            return Err(refuse(&format!("the view has no `{hint}` that is never NULL")));
        }
    }
    Ok(source)
}

struct Part {
    feed: Feed,
    filter: Option<Expr>,
    columns: Vec<Expr>,
}

fn collect(plan: &LogicalPlan, parts: &mut Vec<Part>) -> Option<()> {
    match plan {
        LogicalPlan::Union(union) => union.inputs.iter().try_for_each(|input| collect(input, parts)),
        LogicalPlan::Projection(projection) => {
            let (feed, filter, inner) = branch_input(&projection.input)?;
            let columns = projection
                .expr
                .iter()
                .map(|e| substitute(e, projection.input.schema(), &inner))
                .collect::<Option<_>>()?;
            parts.push(Part { feed, filter, columns });
            Some(())
        }
        _ => None,
    }
}

fn branch_input(plan: &LogicalPlan) -> Option<(Feed, Option<Expr>, Vec<Expr>)> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let feed = Feed::ALL.into_iter().find(|f| f.table() == scan.table_name.table())?;
            Some((feed, None, feed.columns().iter().map(|c| expr::column(c.name)).collect()))
        }
        LogicalPlan::SubqueryAlias(alias) => branch_input(&alias.input),
        LogicalPlan::Filter(filter) => {
            let (feed, below, inner) = branch_input(&filter.input)?;
            let own = substitute(&filter.predicate, filter.input.schema(), &inner)?;
            Some((feed, Some(below.map_or(own.clone(), |b| b.and(own))), inner))
        }
        // Inner projections, as the analyser writes them for casts of a union.
        LogicalPlan::Projection(projection) => {
            let (feed, filter, inner) = branch_input(&projection.input)?;
            let columns = projection
                .expr
                .iter()
                .map(|e| substitute(e, projection.input.schema(), &inner))
                .collect::<Option<_>>()?;
            Some((feed, filter, columns))
        }
        _ => None,
    }
}

/// Replaces each column of a node's input by the expression it stands for; aliases fall away.
pub(crate) fn substitute(expr: &Expr, schema: &DFSchema, columns: &[Expr]) -> Option<Expr> {
    let replaced = expr.clone().transform_up(|e| match e {
        Expr::Column(Column { .. }) => {
            let Expr::Column(column) = &e else { return Ok(Transformed::no(e)) };
            Ok(Transformed::yes(columns[schema.index_of_column(column)?].clone()))
        }
        Expr::Alias(alias) => Ok(Transformed::yes(*alias.expr)),
        other => Ok(Transformed::no(other)),
    });
    replaced.ok().map(|t| t.data)
}
