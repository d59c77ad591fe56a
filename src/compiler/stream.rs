//! Collects what all rules ask of one table or view: expressions, window groups, cursors, accumulators, each once.

use crate::expr;
use crate::fingerprint;
use crate::source::Source;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::Expr as LogicalExpr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::prelude::SessionContext;
use foreshock_engine::{
    AccumulatorPlan, CursorPlan, Expr, ExprIdx, Frame, Function, GroupPlan, RulePlan, StreamPlan, ValueKind,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Name of a window column in expressions. `#` cannot begin a column of a feed.
pub(crate) fn window_name(idx: usize) -> String {
    format!("#{idx}")
}

/// A window expression of a rule, over base and window columns.
#[derive(Debug, Clone)]
pub(crate) struct WindowSpec {
    pub(crate) function: Function,
    pub(crate) argument: Option<(LogicalExpr, ValueKind)>,
    pub(crate) filter: Option<LogicalExpr>,
    pub(crate) input_filters: Vec<LogicalExpr>,
    pub(crate) keys: Vec<LogicalExpr>,
    pub(crate) frame: Frame,
    pub(crate) result: ValueKind,
}

/// Level, input filter, keys, and a number: a group that is full goes on in a next one.
type GroupKey = (usize, Option<ExprIdx>, Vec<ExprIdx>, usize);

/// An entry of a log marks filters and NULL arguments with one bit each.
const SLOTS_MAX: usize = 31;

#[derive(Debug)]
pub(crate) struct StreamBuilder {
    pub(crate) source: Source,
    exprs: Vec<LogicalExpr>,
    /// The first of them, compiled.
    compiled: Vec<Arc<dyn Expr>>,
    expr_idx: HashMap<LogicalExpr, ExprIdx>,
    groups: Vec<GroupPlan>,
    group_idx: HashMap<GroupKey, usize>,
    windows: Vec<ValueKind>,
    levels: Vec<usize>,
    pub(crate) rules: Vec<RulePlan>,
}

impl StreamBuilder {
    pub(crate) fn new(source: Source) -> Self {
        StreamBuilder {
            source,
            exprs: Vec::new(),
            compiled: Vec::new(),
            expr_idx: HashMap::new(),
            groups: Vec::new(),
            group_idx: HashMap::new(),
            windows: Vec::new(),
            levels: Vec::new(),
            rules: Vec::new(),
        }
    }

    pub(crate) fn expr(&mut self, expr: LogicalExpr) -> ExprIdx {
        *self.expr_idx.entry(expr).or_insert_with_key(|e| {
            self.exprs.push(e.clone());
            self.exprs.len() - 1
        })
    }

    /// Conditions joined by AND, each kept once and in a fixed order, so that equal filters share.
    pub(crate) fn predicate(&mut self, conditions: &[LogicalExpr]) -> Option<ExprIdx> {
        let mut unique: Vec<LogicalExpr> = Vec::new();
        for condition in conditions {
            if !unique.contains(condition) {
                unique.push(condition.clone());
            }
        }
        unique.sort_by_cached_key(ToString::to_string);
        conjunction(unique).map(|e| self.expr(e))
    }

    /// The window column that holds a spec's answer; an equal spec is computed once.
    pub(crate) fn window(&mut self, spec: WindowSpec) -> usize {
        let level = self.level_of(&spec);
        let filter = self.predicate(&spec.input_filters);
        let keys: Vec<ExprIdx> = spec.keys.into_iter().map(|k| self.expr(k)).collect();
        let argument = spec.argument.map(|(a, kind)| (self.expr(a), kind));
        let accumulator_filter = spec.filter.map(|f| self.expr(f));
        let group = self.group(level, filter, &keys);
        let group = &mut self.groups[group];
        let argument = argument.map(|a| slot(&mut group.arguments, a));
        let filter = accumulator_filter.map(|f| slot(&mut group.filters, f));
        let cursor = match group.cursors.iter().position(|c| c.frame == spec.frame) {
            Some(at) => at,
            None => {
                group.cursors.push(CursorPlan { frame: spec.frame, accumulators: Vec::new() });
                group.cursors.len() - 1
            }
        };
        let accumulators = &mut group.cursors[cursor].accumulators;
        let same = |a: &&AccumulatorPlan| a.function == spec.function && a.argument == argument && a.filter == filter;
        if let Some(found) = accumulators.iter().find(same) {
            return found.window;
        }
        let window = self.windows.len();
        accumulators.push(AccumulatorPlan { function: spec.function, argument, filter, window });
        self.windows.push(spec.result);
        self.levels.push(level);
        window
    }

    /// The group of a key with room for one more argument and filter.
    fn group(&mut self, level: usize, filter: Option<ExprIdx>, keys: &[ExprIdx]) -> usize {
        let mut number = 0;
        loop {
            let groups = &mut self.groups;
            let group = *self.group_idx.entry((level, filter, keys.to_vec(), number)).or_insert_with(|| {
                let (arguments, filters, cursors) = (Vec::new(), Vec::new(), Vec::new());
                groups.push(GroupPlan {
                    fingerprint: 0,
                    level,
                    filter,
                    keys: keys.to_vec(),
                    arguments,
                    filters,
                    cursors,
                });
                groups.len() - 1
            });
            let found = &self.groups[group];
            if found.arguments.len() < SLOTS_MAX && found.filters.len() < SLOTS_MAX {
                return group;
            }
            number += 1;
        }
    }

    fn level_of(&self, spec: &WindowSpec) -> usize {
        let reads = spec.argument.iter().map(|a| &a.0).chain(&spec.filter).chain(&spec.input_filters).chain(&spec.keys);
        reads.flat_map(windows_read).map(|w| self.levels[w] + 1).max().unwrap_or(0)
    }

    /// The longest path of frames through the levels is not needed here; the longest frame of the rule is.
    pub(crate) fn columns(&self) -> Result<DFSchema> {
        let base = self.source.schema.fields().iter().map(|f| f.as_ref().clone());
        let windows = self.windows.iter().enumerate().map(|(i, k)| Field::new(window_name(i), data_type(*k), true));
        DFSchema::try_from(Schema::new(base.chain(windows).collect::<Vec<_>>()))
    }

    /// Compiles what the last rule has added, so that an error is that rule's.
    pub(crate) fn compile_added(&mut self, ctx: &SessionContext) -> Result<()> {
        let columns = self.columns()?;
        for expr in &self.exprs[self.compiled.len()..] {
            // Columns are only ever added at the end, so what was compiled before still reads the right ones.
            self.compiled.push(expr::compile(ctx, expr, &columns)?);
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, ctx: &SessionContext) -> Result<StreamPlan> {
        fingerprint::of_groups(&mut self.groups, &self.exprs)?;
        self.compile_added(ctx)?;
        let exprs = self.compiled;
        Ok(StreamPlan {
            fingerprint: fingerprint::of_source(&self.source),
            name: self.source.name,
            branches: self.source.branches,
            schema: self.source.schema,
            windows: self.windows,
            exprs,
            groups: self.groups,
            rules: self.rules,
        })
    }
}

fn slot<T: PartialEq>(slots: &mut Vec<T>, item: T) -> usize {
    slots.iter().position(|s| *s == item).unwrap_or_else(|| {
        slots.push(item);
        slots.len() - 1
    })
}

/// The window columns an expression reads.
pub(crate) fn windows_read(expr: &LogicalExpr) -> Vec<usize> {
    let mut windows = Vec::new();
    let _ = expr.apply(|e| {
        if let LogicalExpr::Column(c) = e
            && let Some(idx) = c.name.strip_prefix('#').and_then(|n| n.parse().ok())
        {
            windows.push(idx);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    windows
}

/// Arrow type of a window result.
pub(crate) fn data_type(kind: ValueKind) -> DataType {
    match kind {
        ValueKind::Int => DataType::Int64,
        ValueKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ValueKind::Bool => DataType::Boolean,
        ValueKind::Text => DataType::Utf8,
        ValueKind::Double => DataType::Float64,
        ValueKind::Unsigned => DataType::UInt64,
    }
}
