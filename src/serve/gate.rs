//! Which statements may run: one that reads, and nothing else. The text is looked at first, the plan a second time.

use crate::serve::changes::changed_rows;
use crate::serve::store::{State, Table};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{FetchType, LogicalPlan};
use datafusion::prelude::{SQLOptions, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use foreshock_compiler::check_bounds;
use std::collections::VecDeque;
use std::fmt;

/// Longest statement, bytes.
pub const TEXT_MAX: usize = 64 * 1024;

/// Why a statement does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// SQLSTATE.
    pub state: &'static str,
    /// The reason, with line and column where they are known.
    pub message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.state)
    }
}

impl std::error::Error for Refused {}

/// A feature that is not there.
pub const NOT_SUPPORTED: &str = "0A000";
/// A reader only reads.
pub const READ_ONLY: &str = "25006";
/// What is written is no SQL.
pub const SYNTAX: &str = "42601";
const TOO_COMPLEX: &str = "54001";
const INTERNAL: &str = "XX000";
/// Memory that there is not.
pub const MEMORY: &str = "53200";
/// A value that cannot be computed.
pub const DATA: &str = "22000";

/// Is it one statement that reads?
///
/// # Errors
/// Why it does not run.
pub fn check(text: &str) -> Result<Statement, Refused> {
    bounded(text)?;
    let mut statements = parsed(text)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => reads(&statement).map(|()| statement),
        (None, _) => Err(Refused { state: SYNTAX, message: "there is no statement".into() }),
        _ => Err(Refused { state: NOT_SUPPORTED, message: "one statement at a time".into() }),
    }
}

/// The statements of a text.
///
/// # Errors
/// What is no SQL, with its line and column.
pub fn parsed(text: &str) -> Result<VecDeque<Statement>, Refused> {
    let mut parser = DFParserBuilder::new(text).with_dialect(&PostgreSqlDialect {}).build().map_err(|e| refused(&e))?;
    parser.parse_statements().map_err(|e| refused(&e))
}

/// Is it short and flat enough to be looked at?
///
/// # Errors
/// Why not, and where.
pub fn bounded(text: &str) -> Result<(), Refused> {
    if text.len() > TEXT_MAX {
        let message = format!("the statement has {} bytes; at most {TEXT_MAX} are taken", text.len());
        return Err(Refused { state: TOO_COMPLEX, message });
    }
    // Whoever walks a tree deeper than this may run out of stack, and the whole process with him.
    check_bounds(text, &PostgreSqlDialect {}).map_err(|problem| {
        let message = format!(
            "line {}, column {}: {}",
            problem.line,
            problem.column,
            problem.message.replace("the file", "the statement")
        );
        Refused { state: TOO_COMPLEX, message }
    })
}

fn reads(statement: &Statement) -> Result<(), Refused> {
    match statement {
        Statement::Statement(inner) => reads_rows(inner),
        Statement::Explain(explain) if !explain.options.analyze => reads(&explain.statement),
        other => Err(writes(&other.to_string())),
    }
}

/// Does it give rows and nothing else?
///
/// # Errors
/// When it does not.
pub fn reads_rows(statement: &ast::Statement) -> Result<(), Refused> {
    match statement {
        ast::Statement::Query(_) | ast::Statement::ShowTables { .. } | ast::Statement::ShowColumns { .. } => Ok(()),
        ast::Statement::Explain { analyze: false, statement, .. } => reads_rows(statement),
        other => Err(writes(&other.to_string())),
    }
}

fn writes(text: &str) -> Refused {
    let message = format!("{} is refused: only SELECT, EXPLAIN and SHOW TABLES are answered", first_word(text));
    Refused { state: READ_ONLY, message }
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_uppercase()
}

/// The plan of a checked statement, looked at again.
///
/// # Errors
/// What is wrong with it.
pub async fn plan(ctx: &SessionContext, statement: Statement, state: &State) -> Result<LogicalPlan, Refused> {
    let plan = plan_unbounded(ctx, statement).await?;
    let optimised = ctx.state().optimize(&plan).map_err(|e| refused(&e))?;
    let most = most_pairs(&optimised, state).map_err(|e| refused(&e))?;
    if most > PAIRS_MAX {
        let message = format!(
            "a join without an equal column would look at more than {PAIRS_MAX} pairs of rows: join by a column, or ask for less of \
             one side before"
        );
        return Err(Refused { state: TOO_COMPLEX, message });
    }
    Ok(plan)
}

/// The plan of a statement whose parameters have no values yet: nobody runs it.
///
/// # Errors
/// What is wrong with it.
pub async fn plan_unbounded(ctx: &SessionContext, statement: Statement) -> Result<LogicalPlan, Refused> {
    let plan = ctx.state().statement_to_plan(statement).await.map_err(|e| refused(&e))?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|e| Refused { state: READ_ONLY, message: e.strip_backtrace() })?;
    let mut refused_node = None;
    plan.apply_with_subqueries(|node| {
        Ok(match reads_only(node) && !gathers(node) {
            true => TreeNodeRecursion::Continue,
            false => {
                refused_node = Some(first_word(&node.display().to_string()));
                TreeNodeRecursion::Stop
            }
        })
    })
    .map_err(|e| refused(&e))?;
    if let Some(node) = refused_node {
        return Err(Refused { state: NOT_SUPPORTED, message: format!("{node} is refused") });
    }
    Ok(plan)
}

/// Most pairs of rows that a join of all with all may look at: it is not stopped in the midst of it.
const PAIRS_MAX: u64 = 20_000_000;

/// The pairs of the largest join without an equal column, also in subqueries.
fn most_pairs(plan: &LogicalPlan, state: &State) -> datafusion::error::Result<u64> {
    let mut most = 0;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && join.on.is_empty()
        {
            most = most.max(rows_at_most(&join.left, state).saturating_mul(rows_at_most(&join.right, state)));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(most)
}

/// How many rows come of a plan; of a join by equal columns as many as of its larger side.
fn rows_at_most(plan: &LogicalPlan, state: &State) -> u64 {
    let inputs = || plan.inputs().into_iter().map(|input| rows_at_most(input, state));
    match plan {
        LogicalPlan::TableScan(scan) => {
            if let Some(count) = changed_rows(scan) {
                return count;
            }
            let name = scan.table_name.table();
            let name = name.strip_prefix("below_").unwrap_or(name);
            let table = state.tables.get(name).or_else(|| state.corrections.get(name.trim_end_matches("_corrections")));
            table.map_or(10_000, Table::rows_at_most)
        }
        LogicalPlan::Join(join) if join.on.is_empty() => inputs().fold(1, u64::saturating_mul),
        LogicalPlan::Join(_) => inputs().max().unwrap_or(0),
        // Nobody knows how long its lists are.
        LogicalPlan::Unnest(_) => u64::MAX,
        LogicalPlan::Values(values) => values.values.len() as u64,
        LogicalPlan::EmptyRelation(_) => 1,
        LogicalPlan::Limit(limit) => {
            let fetch = match limit.get_fetch_type() {
                Ok(FetchType::Literal(Some(fetch))) => fetch as u64,
                _ => u64::MAX,
            };
            inputs().sum::<u64>().min(fetch)
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => 1,
        _ => inputs().fold(0, u64::saturating_add),
    }
}

/// Does a window keep all that it has seen, for every row anew?
fn gathers(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Window(window) = plan else { return false };
    let texts = window.window_expr.iter().map(|expr| expr.to_string().to_lowercase());
    texts.into_iter().any(|text| ["array_agg(", "string_agg(", "list_agg("].iter().any(|name| text.contains(name)))
}

fn reads_only(plan: &LogicalPlan) -> bool {
    use LogicalPlan as P;
    matches!(
        plan,
        P::Projection(_)
            | P::Filter(_)
            | P::Window(_)
            | P::Aggregate(_)
            | P::Sort(_)
            | P::Join(_)
            | P::Union(_)
            | P::TableScan(_)
            | P::EmptyRelation(_)
            | P::Subquery(_)
            | P::SubqueryAlias(_)
            | P::Limit(_)
            | P::Values(_)
            | P::Unnest(_)
            | P::Distinct(_)
            | P::Explain(_)
    )
}

/// What the parser says, in our order: the place first.
pub fn syntax(error: &ParserError) -> String {
    let (ParserError::ParserError(text) | ParserError::TokenizerError(text)) = error else { return error.to_string() };
    let placed = text.rsplit_once(" at Line: ").and_then(|(text, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some(format!("line {line}, column {column}: {text}"))
    });
    placed.unwrap_or_else(|| text.clone())
}

/// What DataFusion says, with the SQLSTATE that clients expect.
pub fn refused(error: &DataFusionError) -> Refused {
    let state = match error.find_root() {
        DataFusionError::External(inner) if inner.is::<Refused>() => {
            return inner.downcast_ref::<Refused>().expect("just looked at").clone();
        }
        DataFusionError::SQL(error, _) => return Refused { state: SYNTAX, message: syntax(error) },
        DataFusionError::SchemaError(..) => "42703",
        DataFusionError::NotImplemented(_) => NOT_SUPPORTED,
        DataFusionError::ResourcesExhausted(_) => MEMORY,
        DataFusionError::Plan(text) if text.contains("not found") => "42P01",
        DataFusionError::Plan(_) => SYNTAX,
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => DATA,
        _ => INTERNAL,
    };
    let place = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| span.start);
    let message = error.strip_backtrace();
    // A statement that was rewritten has no places.
    match place.filter(|place| place.line > 0) {
        Some(place) => Refused { state, message: format!("line {}, column {}: {message}", place.line, place.column) },
        None => Refused { state, message },
    }
}
