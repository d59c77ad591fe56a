//! What the compiler hands over: streams, window groups, cursors, accumulators, rules. Plain data; no rule text.

use crate::expr::Expr;
use arrow_schema::SchemaRef;
use foreshock_core::Feed;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Position of an expression in [`StreamPlan::exprs`].
pub type ExprIdx = usize;

/// How a window's argument or result is held in an `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// BIGINT as it is.
    Int,
    /// TIMESTAMPTZ in microseconds.
    Time,
    /// 0 or 1.
    Bool,
    /// Interned TEXT.
    Text,
    /// DOUBLE by its bits: results of `avg`, `stddev` and relatives only.
    Double,
    /// UINT64, the result of `row_number`.
    Unsigned,
}

/// A window's frame. Both ends count back from the current row; `preceding: None` is UNBOUNDED PRECEDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frame {
    /// Closed range of event time, in microseconds: `[t - preceding, t - end]`.
    Range {
        /// W.
        preceding: Option<i64>,
        /// E, 0 for CURRENT ROW.
        end: i64,
    },
    /// Range of rows in the order (event time, event id).
    Rows {
        /// Rows before.
        preceding: Option<u64>,
        /// Rows before at which it ends, 0 for CURRENT ROW.
        end: u64,
    },
}

/// What is computed over a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `count(*)` or `count(x)`.
    Count,
    /// `count(DISTINCT x)`.
    CountDistinct,
    /// `sum`.
    Sum,
    /// `min`.
    Min,
    /// `max`.
    Max,
    /// `avg`.
    Avg,
    /// `var`.
    VarSample,
    /// `var_pop`.
    VarPopulation,
    /// `stddev`.
    StddevSample,
    /// `stddev_pop`.
    StddevPopulation,
    /// `median`.
    Median,
    /// `earliest(x, event_time, event_id)`, and `min(event_time)`.
    Earliest,
    /// `latest(x, event_time, event_id)`, and `max(event_time)`.
    Latest,
    /// `first_value` over ROWS.
    FirstValue,
    /// `last_value` over ROWS.
    LastValue,
    /// `lag(x, n)`.
    Lag(u64),
    /// `row_number()`.
    RowNumber,
}

impl Function {
    /// Is the answer one of the argument's values?
    pub(crate) fn gives_argument(self) -> bool {
        use Function::*;
        matches!(self, Min | Max | Earliest | Latest | FirstValue | LastValue | Lag(_))
    }
}

/// One (function, argument, filter) over a cursor's frame, and the window column its answer goes to.
#[derive(Debug, Clone)]
pub struct AccumulatorPlan {
    /// What is computed.
    pub function: Function,
    /// Argument slot of the group; `None` for `count(*)` and `row_number()`.
    pub argument: Option<usize>,
    /// Filter slot of the group.
    pub filter: Option<usize>,
    /// Window column of the stream.
    pub window: usize,
}

/// A frame with all that is computed over it.
#[derive(Debug, Clone)]
pub struct CursorPlan {
    /// The frame.
    pub frame: Frame,
    /// What is computed.
    pub accumulators: Vec<AccumulatorPlan>,
}

/// A window group: rows of one input filter, split by one key, at one level.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// Hash of all that it computes: groups of the same fingerprint, in streams of the same, have the same state.
    pub fingerprint: u128,
    /// 0 when nothing here reads a window result, else one more than the highest level read.
    pub level: usize,
    /// Rows for which this is not true are in no frame of the group.
    pub filter: Option<ExprIdx>,
    /// Partition expressions.
    pub keys: Vec<ExprIdx>,
    /// Argument expressions and how each value is held.
    pub arguments: Vec<(ExprIdx, ValueKind)>,
    /// FILTER expressions.
    pub filters: Vec<ExprIdx>,
    /// Frames.
    pub cursors: Vec<CursorPlan>,
}

/// One SELECT of a stream's rows from a feed table.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The feed read.
    pub feed: Feed,
    /// Its WHERE, over the feed's columns.
    pub filter: Option<Arc<dyn Expr>>,
    /// The stream's columns, over the feed's columns; `None` passes the feed's columns on unchanged.
    pub columns: Option<Vec<Arc<dyn Expr>>>,
}

/// A rule over one stream.
#[derive(Debug, Clone)]
pub struct RulePlan {
    /// Rule id.
    pub id: String,
    /// Rule version (contract section 2).
    pub version: String,
    /// True for the rows that are detections.
    pub predicate: Option<ExprIdx>,
    /// The part of the predicate that reads no window result: rows for which it is not true can never be detections.
    pub condition: Option<ExprIdx>,
    /// `event_id`, `event_time`, `subject`.
    pub head: [ExprIdx; 3],
    /// The other output columns.
    pub values: Vec<(String, ExprIdx)>,
    /// Detections are said once, when the row is final.
    pub is_final: bool,
    /// Longest frame, microseconds: `window_start` is this much before the event.
    pub longest_frame_us: i64,
}

/// A feed table or view with everything that watches it.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// Table or view name.
    pub name: String,
    /// Hash of where its rows come from.
    pub fingerprint: u128,
    /// Where rows come from.
    pub branches: Vec<Branch>,
    /// Base columns.
    pub schema: SchemaRef,
    /// Kind of each window column; they follow the base columns in the column numbering of expressions.
    pub windows: Vec<ValueKind>,
    /// Expressions, each evaluated at most once per step and level.
    pub exprs: Vec<Arc<dyn Expr>>,
    /// Window groups.
    pub groups: Vec<GroupPlan>,
    /// Rules.
    pub rules: Vec<RulePlan>,
}

impl StreamPlan {
    /// The window groups whose results a rule needs, at all levels.
    pub fn groups_read(&self, rule: &RulePlan) -> BTreeSet<usize> {
        let mut groups = BTreeSet::new();
        let mut open: Vec<ExprIdx> = rule.predicate.into_iter().chain(rule.values.iter().map(|v| v.1)).collect();
        while let Some(expr) = open.pop() {
            let base = self.schema.fields().len();
            for window in self.exprs[expr].columns().iter().filter_map(|c| c.checked_sub(base)) {
                let has = |g: &GroupPlan| g.cursors.iter().flat_map(|c| &c.accumulators).any(|a| a.window == window);
                let Some(group) = self.groups.iter().position(has) else { continue };
                if groups.insert(group) {
                    let plan = &self.groups[group];
                    open.extend(plan.filter.iter().chain(&plan.filters).chain(&plan.keys));
                    open.extend(plan.arguments.iter().map(|a| a.0));
                }
            }
        }
        groups
    }
}

/// All rules compiled together.
#[derive(Debug, Clone, Default)]
pub struct PackPlan {
    /// The streams.
    pub streams: Vec<StreamPlan>,
}
