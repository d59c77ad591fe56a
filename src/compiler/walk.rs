//! From a rule's analysed plan to window specs: one walk from the scan up, every column inlined down to the stream's own.

use crate::currency::check_currency;
use crate::dialect::Checked;
use crate::inline::{Budget, substitute};
use crate::nullness::is_never_null;
use crate::problem::Problem;
use crate::source::Source;
use crate::spread::is_in;
use crate::stream::{StreamBuilder, window_name, windows_read};
use crate::windows::{self, Call, Refusal, kind_of};
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use foreshock_core::Part;
use foreshock_engine::{Frame, ValueKind};
use std::collections::BTreeMap;

pub(crate) struct Walker<'a> {
    pub(crate) stream: Option<StreamBuilder>,
    pub(crate) sources: &'a [Source],
    pub(crate) streams: &'a mut BTreeMap<String, StreamBuilder>,
    pub(crate) checked: &'a Checked,
    pub(crate) longest_frame_us: i64,
    /// Keys of all windows.
    pub(crate) keys: Vec<Vec<Expr>>,
    /// Conditions inside window calls.
    pub(crate) conditions: Vec<Expr>,
    pub(crate) budget: Budget,
    /// The partition that the pack is for, and the rule's subject, which decides.
    pub(crate) part: Option<(Part, Expr)>,
}

/// What a plan node gives: its columns and all filters passed, over base and window columns.
pub(crate) struct Relation {
    pub(crate) columns: Vec<Expr>,
    pub(crate) filters: Vec<Expr>,
}

impl Walker<'_> {
    pub(crate) fn walk(&mut self, plan: &LogicalPlan) -> Result<Relation, Problem> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan.table_name.table(), plan),
            LogicalPlan::SubqueryAlias(alias) => self.walk(&alias.input),
            LogicalPlan::Filter(filter) => {
                let mut relation = self.walk(&filter.input)?;
                let predicate = self.inline(&filter.predicate, &filter.input, &relation)?;
                relation.filters.extend(split_conjunction_owned(predicate));
                Ok(relation)
            }
            LogicalPlan::Projection(projection) => {
                let relation = self.walk(&projection.input)?;
                let inline = |e| self.inline(e, &projection.input, &relation);
                let columns = projection.expr.iter().map(inline).collect::<Result<_, _>>()?;
                Ok(Relation { columns, filters: relation.filters })
            }
            LogicalPlan::Window(window) => {
                let mut relation = self.walk(&window.input)?;
                let mut columns = Vec::new();
                for expr in &window.window_expr {
                    columns.push(self.window(expr, &window.input, &relation)?);
                }
                relation.columns.extend(columns);
                Ok(relation)
            }
            other => {
                let name = other.display().to_string();
                let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
                Err(self.problem(format!("`{name}` is not supported in a rule"), "docs/rules.md lists what is"))
            }
        }
    }

    fn problem(&self, message: String, hint: &str) -> Problem {
        Problem::at(self.checked.select, message, hint)
    }

    fn scan(&mut self, table: &str, plan: &LogicalPlan) -> Result<Relation, Problem> {
        let source = self.sources.iter().find(|s| s.name == table);
        let source =
            source.ok_or_else(|| self.problem(format!("no table or view `{table}`"), "docs/rules.md lists them"))?;
        let stream = self.streams.remove(table).unwrap_or_else(|| StreamBuilder::new(source.clone()));
        self.stream = Some(stream);
        let columns = plan.schema().fields().iter().map(|f| crate::expr::column(f.name())).collect();
        let filters = self.part.iter().map(|(part, subject)| is_in(subject, *part)).collect();
        Ok(Relation { columns, filters })
    }

    fn inline(&self, expr: &Expr, input: &LogicalPlan, relation: &Relation) -> Result<Expr, Problem> {
        substitute(expr, input.schema(), &relation.columns, &self.budget)
            .map_err(|message| self.problem(message.into(), "write shorter expressions, or fewer levels"))
    }

    fn window(&mut self, expr: &Expr, input: &LogicalPlan, relation: &Relation) -> Result<Expr, Problem> {
        let mut inner = expr;
        while let Expr::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let Expr::WindowFunction(function) = inner else {
            return Err(self.problem(format!("`{expr}` is no window call"), ""));
        };
        let params = &function.params;
        let inline_all =
            |exprs: &[Expr]| exprs.iter().map(|e| self.inline(e, input, relation)).collect::<Result<Vec<_>, _>>();
        let arguments = inline_all(&params.args)?;
        let keys = inline_all(&params.partition_by)?;
        let order = params.order_by.iter().map(|s| self.inline(&s.expr, input, relation)).collect::<Result<_, _>>()?;
        let filter = params.filter.as_ref().map(|f| self.inline(f, input, relation)).transpose()?;
        let types = params.args.iter().map(|a| a.get_type(input.schema())).collect::<Result<_, _>>();
        let argument_types = types.map_err(|e| Problem::from_datafusion(&e, self.checked.select))?;
        let name = function.fun.name().to_ascii_lowercase();
        let at = self.place_of(&name, params);
        let refused = |(message, hint): Refusal| Problem::at(at, message, hint);
        self.check_keys(params, &keys, input, relation, at)?;
        let input_filters = relation.filters.clone();
        let call = Call { function, arguments, argument_types, filter, keys, order, input_filters };
        let spec = windows::spec(call).map_err(refused)?;
        let stream = self.stream.as_mut().expect("a window stands above a scan");
        check_currency(&spec, &stream.source).map_err(refused)?;
        if let Frame::Range { preceding: Some(width), .. } = spec.frame {
            self.longest_frame_us = self.longest_frame_us.max(width);
        }
        self.keys.push(spec.keys.clone());
        self.conditions.extend(spec.filter.iter().cloned().chain(spec.argument.iter().map(|(a, _)| a.clone())));
        Ok(crate::expr::column(&window_name(stream.window(spec))))
    }

    /// A key is of the event, never NULL, and of a type that keys are kept in.
    fn check_keys(
        &self,
        params: &WindowFunctionParams,
        keys: &[Expr],
        input: &LogicalPlan,
        relation: &Relation,
        at: (u64, u64),
    ) -> Result<(), Problem> {
        let stream = self.stream.as_ref().expect("a window stands above a scan");
        for (key, written) in keys.iter().zip(&params.partition_by) {
            if !windows_read(key).is_empty() {
                // DataFusion 55.2 mixes up the partitions of such a window (docs/decisions/0005): no oracle, so no rule.
                let message = format!("the partition key `{written}` reads a window result");
                return Err(Problem::at(at, message, "partition by columns of the event"));
            }
            let data_type = written.get_type(input.schema()).map_err(|e| Problem::from_datafusion(&e, at))?;
            if !matches!(
                kind_of(&data_type),
                Some(ValueKind::Int | ValueKind::Text | ValueKind::Bool | ValueKind::Time)
            ) {
                let message = format!("the partition key `{written}` is of type {data_type}, which is not kept");
                let hint = "TEXT, BIGINT, BOOLEAN or TIMESTAMPTZ: CAST(.. AS BIGINT), coalesce(date_trunc('day', event_time), event_time)";
                return Err(Problem::at(at, message, hint));
            }
            if !is_key(key, &relation.filters, stream) {
                let message = format!("the partition key `{key}` can be NULL");
                return Err(Problem::at(at, message, "add WHERE .. IS NOT NULL below the window, or coalesce(..)"));
            }
        }
        Ok(())
    }

    /// Where a window call stands: its ordering column tells (`dialect/inherit.rs`); without one, the first of its name.
    fn place_of(&self, name: &str, params: &WindowFunctionParams) -> (u64, u64) {
        let by_order = params.order_by.first().and_then(|sort| sort.expr.spans()).and_then(|spans| spans.first());
        let by_name = || self.checked.window_calls.iter().find(|c| c.name == name).map(|c| c.place);
        by_order.map(|span| (span.start.line, span.start.column)).or_else(by_name).unwrap_or(self.checked.select)
    }
}

pub(crate) fn is_key(key: &Expr, filters: &[Expr], stream: &StreamBuilder) -> bool {
    let schema = &stream.source.schema;
    is_never_null(key, filters, &|name| schema.field_with_name(name).is_ok_and(|f| !f.is_nullable()))
}
