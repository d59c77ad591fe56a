//! Tables, and views: stateless SELECTs over feed tables, joined by UNION ALL, each a branch of the stream of that name.

use crate::aggregates::Params;
use crate::casts::time_type;
use crate::checks::check_plan;
use crate::codes::{self, CodesByColumn};
use crate::currency::{self, Lineage, Money, money_of};
use crate::dialect;
use crate::expr;
use crate::inline::{Budget, substitute};
use crate::locate;
use crate::nullness::is_never_null;
use crate::problem::Problem;
use crate::session::{analysed_plan, feed_schema, register_empty, session};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use foreshock_core::Feed;
use foreshock_engine::Branch;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A table or view that rules may read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    pub(crate) branches: Vec<Branch>,
    /// SQL of a view, for the batch and the rule version; `None` for a feed table.
    pub(crate) sql: Option<String>,
    pub(crate) money: Money,
    /// Columns that hold the currency of that money.
    pub(crate) currency: Vec<String>,
    /// What columns of a code set can be.
    pub(crate) codes: CodesByColumn,
}

/// The four feed tables.
pub(crate) fn feed_sources() -> Vec<Source> {
    let source = |feed: Feed| Source {
        name: feed.table().to_owned(),
        schema: feed_schema(feed),
        branches: vec![Branch { feed, filter: None, columns: None }],
        sql: None,
        money: money_of(feed),
        currency: vec!["currency".to_owned()],
        codes: codes::of_feed(feed),
    };
    Feed::ALL.into_iter().map(source).collect()
}

/// Compiles a view file (`CREATE VIEW <name> AS SELECT ..`).
pub(crate) fn view_source(file: &str, text: &str) -> Result<Source, Vec<Problem>> {
    let checked = dialect::check_view(text);
    let source = checked.and_then(|view| compile(text, &view.name, &view.checked).map_err(|p| vec![p]));
    source.map_err(|problems| problems.into_iter().map(|p| p.in_file(file)).collect())
}

const HINT: &str = "a view is SELECT .. FROM feed [WHERE ..] [UNION ALL ..]";

fn compile(text: &str, name: &str, checked: &dialect::Checked) -> Result<Source, Problem> {
    let place = checked.select;
    let refuse = |message: &str| Problem::at(place, message, HINT);
    let convert = |e: DataFusionError| Problem::from_datafusion(&e, place);
    let ctx = session(&Params::default(), 1).map_err(convert)?;
    for feed in Feed::ALL {
        register_empty(&ctx, feed.table(), feed_schema(feed)).map_err(convert)?;
    }
    let plan = analysed_plan(&ctx, &checked.query).map_err(|e| locate::problem(&ctx, checked, &e))?;
    check_plan(&plan, checked)?;
    let (mut parts, budget) = (Vec::new(), Budget::default());
    let inlined = collect(&plan, &budget, &mut parts).map_err(|message| Problem::at(place, message, HINT))?;
    inlined.ok_or_else(|| refuse("the view has a construct other than SELECT, WHERE, UNION ALL"))?;
    let names: Vec<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
    check_types(&plan, place)?;
    check_ids(&names, &parts, place)?;
    let mut branches = Vec::new();
    let mut nullable = vec![false; names.len()];
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
    let lineage: Vec<Lineage<'_>> = parts.iter().map(Part::lineage).collect();
    let refused = |(message, hint)| Problem::at(place, message, hint);
    let (money, currency) = currency::of_view(&names, &lineage).map_err(refused)?;
    let by_branch: Vec<_> = parts.iter().map(|p| (p.feed, p.columns.as_slice())).collect();
    let codes = codes::of_view(&names, &by_branch);
    let (name, sql) = (name.to_owned(), Some(text.to_owned()));
    Ok(Source { name, schema: Arc::new(Schema::new(fields)), branches, sql, money, currency, codes })
}

/// The engine keeps four types.
fn check_types(plan: &LogicalPlan, place: (u64, u64)) -> Result<(), Problem> {
    for field in plan.schema().fields() {
        let kept = [DataType::Utf8, DataType::Int64, DataType::Boolean, time_type()];
        if !kept.contains(field.data_type()) {
            let message =
                format!("the view's column `{}` is of type {}, which is not kept", field.name(), field.data_type());
            let hint = "TEXT, BIGINT, BOOLEAN or TIMESTAMPTZ: CAST(.. AS BIGINT), CAST(NULL AS TEXT)";
            return Err(Problem::at(place, message, hint));
        }
    }
    Ok(())
}

/// `event_time` is the event's own; `event_id` too, or with a suffix that no other branch of the feed has.
fn check_ids(names: &[String], parts: &[Part], place: (u64, u64)) -> Result<(), Problem> {
    let column = |name: &str| {
        let at = names.iter().position(|n| n == name);
        at.ok_or_else(|| Problem::at(place, format!("the view has no `{name}` that is never NULL"), HINT))
    };
    let (id, time) = (column("event_id")?, column("event_time")?);
    let mut seen = BTreeSet::new();
    for part in parts {
        if part.columns[time] != expr::column("event_time") {
            let hint = "return the event's own: windows and lateness go by it";
            return Err(Problem::at(place, "the view's `event_time` is computed", hint));
        }
        let hint = "event_id, or event_id || '#in' with another suffix in each SELECT of a feed";
        let Some(suffix) = suffix_of(&part.columns[id]) else {
            return Err(Problem::at(place, "the view's `event_id` is neither the event's own nor with a suffix", hint));
        };
        if !seen.insert((part.feed.table(), suffix.clone())) {
            let message =
                format!("two SELECTs of the view give one event of `{}` the same event_id", part.feed.table());
            return Err(Problem::at(place, message, hint));
        }
    }
    Ok(())
}

/// The text after the event's own id: empty, or from `#` on.
fn suffix_of(id: &Expr) -> Option<String> {
    let own = expr::column("event_id");
    match id {
        Expr::Column(_) if *id == own => Some(String::new()),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) if **left == own => {
            let Expr::Literal(value, _) = right.as_ref() else { return None };
            let suffix = value.try_as_str().flatten()?;
            (suffix.len() > 1 && suffix.starts_with('#')).then(|| suffix.to_owned())
        }
        _ => None,
    }
}

struct Part {
    feed: Feed,
    filter: Option<Expr>,
    conditions: Vec<Expr>,
    columns: Vec<Expr>,
}

impl Part {
    fn lineage(&self) -> Lineage<'_> {
        Lineage { feed: self.feed, filters: &self.conditions, columns: &self.columns }
    }
}

/// `None` inside: a construct that a view cannot have.
type Found<T> = Result<Option<T>, &'static str>;

fn collect(plan: &LogicalPlan, budget: &Budget, parts: &mut Vec<Part>) -> Found<()> {
    match plan {
        LogicalPlan::Union(union) => {
            for input in &union.inputs {
                if collect(input, budget, parts)?.is_none() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        }
        LogicalPlan::Projection(_) => {
            let Some((feed, filter, columns)) = branch(plan, budget)? else { return Ok(None) };
            let conditions = filter.clone().map(split_conjunction_owned).unwrap_or_default();
            parts.push(Part { feed, filter, conditions, columns });
            Ok(Some(()))
        }
        _ => Ok(None),
    }
}

fn branch(plan: &LogicalPlan, budget: &Budget) -> Found<(Feed, Option<Expr>, Vec<Expr>)> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let feed = Feed::ALL.into_iter().find(|f| f.table() == scan.table_name.table());
            Ok(feed.map(|feed| (feed, None, feed.columns().iter().map(|c| expr::column(c.name)).collect())))
        }
        LogicalPlan::SubqueryAlias(alias) => branch(&alias.input, budget),
        LogicalPlan::Filter(filter) => {
            let Some((feed, below, inner)) = branch(&filter.input, budget)? else { return Ok(None) };
            let own = substitute(&filter.predicate, filter.input.schema(), &inner, budget)?;
            Ok(Some((feed, Some(below.map_or(own.clone(), |b| b.and(own))), inner)))
        }
        // Also inner ones, as the analyser writes them for casts of a union.
        LogicalPlan::Projection(projection) => {
            let Some((feed, filter, inner)) = branch(&projection.input, budget)? else { return Ok(None) };
            let one = |e| substitute(e, projection.input.schema(), &inner, budget);
            let columns = projection.expr.iter().map(one).collect::<Result<_, _>>()?;
            Ok(Some((feed, filter, columns)))
        }
        _ => Ok(None),
    }
}
