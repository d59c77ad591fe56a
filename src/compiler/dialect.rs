//! What the rule dialect refuses by its text alone, with the place: traps that DataFusion accepts and answers wrongly or
//! not the same live and in batch (`docs/rules.md`; reasons in `docs/decisions/0003-dialect.md`).

use crate::problem::Problem;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Query, Select, SelectItem, SetExpr, Spanned, Statement, TableFactor, Value, Visit, Visitor, WindowFrame,
    WindowFrameBound, WindowType,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// A window call of the text: function name and place, in reading order.
#[derive(Debug, Clone)]
pub(crate) struct WindowCall {
    pub(crate) name: String,
    pub(crate) place: (u64, u64),
}

/// What the text holds, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) problems: Vec<Problem>,
    pub(crate) window_calls: Vec<WindowCall>,
    /// Place of the outermost SELECT.
    pub(crate) select: (u64, u64),
}

/// Parses a rule and checks its text.
pub(crate) fn check(text: &str) -> Result<Checked, Problem> {
    let end = (text.lines().count() as u64, text.lines().last().map_or(1, |l| l.len() as u64 + 1));
    let statements = Parser::parse_sql(&GenericDialect {}, text).map_err(|e| {
        let error = datafusion::error::DataFusionError::from(e);
        Problem::from_datafusion(&error, end)
    })?;
    let mut checked = Checked { select: (1, 1), ..Checked::default() };
    let [Statement::Query(query)] = statements.as_slice() else {
        let place = statements.get(1).map_or((1, 1), place);
        return Err(Problem::at(place, "a rule is exactly one SELECT", "put a second rule into a file of its own"));
    };
    checked.select = place(query.as_ref());
    top(query, &mut checked);
    let _ = query.visit(&mut checked);
    Ok(checked)
}

fn place(node: &impl Spanned) -> (u64, u64) {
    let start = node.span().start;
    (start.line.max(1), start.column.max(1))
}

fn top(query: &Query, checked: &mut Checked) {
    if let Some(order) = &query.order_by {
        checked.refuse(order, "ORDER BY at the top is not supported", "results are ordered by event time already");
    }
    if let SetExpr::Select(select) = query.body.as_ref() {
        for item in &select.projection {
            if let SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) = item {
                checked.refuse(item, "`*` in the outer SELECT", "name the columns that explain the verdict");
            }
        }
    }
}

impl Checked {
    fn refuse(&mut self, node: &impl Spanned, message: impl Into<String>, hint: &str) {
        self.problems.push(Problem::at(place(node), message, hint));
    }

    fn function(&mut self, call: &Function) {
        let name = call.name.to_string().to_ascii_lowercase();
        if matches!(
            name.as_str(),
            "now" | "current_timestamp" | "current_date" | "current_time" | "today" | "random" | "uuid" | "rand"
        ) {
            self.refuse(
                call,
                format!("`{name}` reads a clock or chance"),
                "rules know event time only: use event_time",
            );
        }
        if name == "array_agg" || name == "string_agg" {
            self.refuse(call, format!("`{name}` is not supported"), "the evidence of a detection lists its events");
        }
        if call.null_treatment.is_some() {
            self.refuse(call, "IGNORE NULLS is not supported", "filter the NULLs below the window");
        }
        if let FunctionArguments::List(list) = &call.args
            && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
            && (name != "count" || list.args.len() != 1)
        {
            let hint = "count(DISTINCT a, b) silently counts `a`: count one concatenated key";
            self.refuse(call, format!("DISTINCT in `{name}` with these arguments is not supported"), hint);
        }
        if name == "param" {
            self.param(call);
        }
        if matches!(name.as_str(), "earliest" | "latest") && !ends_with_order(&call.args) {
            self.refuse(
                call,
                format!("`{name}` needs event_time and event_id as its last arguments"),
                "latest(x, event_time, event_id)",
            );
        }
        let Some(over) = &call.over else { return };
        self.window_calls.push(WindowCall { name, place: place(call) });
        if let WindowType::WindowSpec(spec) = over
            && let Some(frame) = &spec.window_frame
        {
            self.frame(frame, place(call));
        }
    }

    fn param(&mut self, call: &Function) {
        let FunctionArguments::List(list) = &call.args else { return };
        let is_literal = |a: &FunctionArg| match a {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => {
                matches!(e, Expr::Value(_))
                    || matches!(e, Expr::UnaryOp { expr, .. } if matches!(**expr, Expr::Value(_)))
            }
            _ => false,
        };
        if list.args.len() != 2 || !list.args.iter().all(is_literal) {
            self.refuse(call, "both arguments of `param` must be literals", "param('name', 8)");
        }
    }

    fn frame(&mut self, frame: &WindowFrame, fallback: (u64, u64)) {
        for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
            let (WindowFrameBound::Preceding(Some(e)) | WindowFrameBound::Following(Some(e))) = bound else { continue };
            let at = if e.span().start.line == 0 { fallback } else { place(e.as_ref()) };
            if let Expr::Interval(interval) = e.as_ref() {
                let text = interval.value.to_string();
                let plain =
                    text.trim_matches('\'').bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase() || c == b' ');
                if plain && text.starts_with('\'') {
                    continue;
                }
                let hint = "whole numbers and units: INTERVAL '10 minutes', INTERVAL '2 hours 1 microsecond'";
                self.problems.push(Problem::at(at, format!("frame bound {text} is not supported"), hint));
            } else if frame.units.to_string() == "RANGE" {
                let hint = "INTERVAL '<n> <unit>': a bare number or text means something else to each engine";
                self.problems.push(Problem::at(at, "a RANGE bound must be an INTERVAL literal", hint));
            }
        }
    }

    fn select(&mut self, select: &Select) {
        if select.distinct.is_some() {
            self.refuse(select, "DISTINCT is not supported", "a rule returns at most one row for each event");
        }
        let groups = !matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
        if groups || select.having.is_some() {
            self.refuse(
                select,
                "GROUP BY is not supported",
                "use a window: sum(..) OVER (PARTITION BY .. ORDER BY event_time RANGE ..)",
            );
        }
        if select.from.len() != 1 || select.from.iter().any(|t| !t.joins.is_empty()) {
            self.refuse(
                select,
                "a rule reads exactly one table or view, without joins",
                "bring feeds together by a view with UNION ALL, as `activity`",
            );
        }
        for window in &select.named_window {
            if let datafusion::sql::sqlparser::ast::NamedWindowExpr::WindowSpec(spec) = &window.1
                && let Some(frame) = &spec.window_frame
            {
                let at = window.0.span.start;
                self.frame(frame, (at.line, at.column));
            }
        }
    }

    fn expression(&mut self, expr: &Expr) {
        match expr {
            Expr::Function(call) => self.function(call),
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
                if matches!(right.as_ref(), Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. }) {
                    let hint =
                        "`a IS DISTINCT FROM b AND c` is read as `a IS DISTINCT FROM (b AND c)`: write parentheses";
                    self.refuse(expr, "IS DISTINCT FROM followed by AND or OR", hint);
                }
            }
            Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_) => {
                self.refuse(
                    expr,
                    "a subquery inside an expression is not supported",
                    "write it as a window over a view",
                );
            }
            Expr::BinaryOp { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } if !is_guarded(right) => {
                self.refuse(
                    expr,
                    "a division that can fail",
                    "divide by a number other than 0 or by nullif(x, 0); ratios are better multiplied out",
                );
            }
            _ => {}
        }
    }
}

/// Are the arguments (x, event_time, event_id)?
fn ends_with_order(arguments: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = arguments else { return false };
    let names: Vec<String> = list.args.iter().map(|a| a.to_string().to_ascii_lowercase()).collect();
    matches!(names.as_slice(), [_, time, id] if time.ends_with("event_time") && id.ends_with("event_id"))
}

fn is_guarded(divisor: &Expr) -> bool {
    match divisor {
        Expr::Value(v) => matches!(&v.value, Value::Number(n, _) if n.bytes().any(|c| (b'1'..=b'9').contains(&c))),
        Expr::Nested(inner) => is_guarded(inner),
        Expr::Function(call) => call.name.to_string().eq_ignore_ascii_case("nullif"),
        _ => false,
    }
}

impl Visitor for Checked {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.refuse(with, "WITH is not supported", "write the inner SELECT as FROM (..) AS name");
        }
        if query.limit_clause.is_some() || query.fetch.is_some() {
            self.refuse(query, "LIMIT is not supported", "a rule judges every event");
        }
        match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select),
            _ => self.refuse(query, "UNION and VALUES are not supported in a rule", "put the UNION ALL into sql/views"),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let is_plain = match table {
            TableFactor::Table { args, .. } => args.is_none(),
            TableFactor::Derived { lateral, .. } => !lateral,
            _ => false,
        };
        if !is_plain {
            self.refuse(table, "a rule reads feed tables, views and SELECTs of them only", "docs/rules.md lists them");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.expression(expr);
        ControlFlow::Continue(())
    }
}
