//! What the key logs of one window group have in common: how an entry is laid out and how long it is needed.

use crate::intern::Interner;
use crate::plan::{AccumulatorPlan, CursorPlan, Frame, Function, GroupPlan, PackPlan, StreamPlan, ValueKind};
use foreshock_core::Feed;
use foreshock_core::time::SECOND_US;
use std::collections::{BTreeMap, BTreeSet};

/// Words of an entry before the arguments: time, row number, flags.
pub(crate) const HEAD_WORDS: usize = 3;
/// Flags: filter results from bit 0, NULL marks of arguments from this bit.
pub(crate) const NULL_BIT: usize = 32;

/// What a group's logs have in common.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) stride: usize,
    pub(crate) cursors: Vec<CursorPlan>,
    /// Of each cursor: its first accumulator.
    pub(crate) firsts: Vec<usize>,
    pub(crate) kinds: Vec<ValueKind>,
    /// Entries younger than the horizon less this may be needed.
    pub(crate) reach_us: i64,
    /// So many entries before the horizon may be needed.
    pub(crate) reach_rows: u64,
    /// Some state never ends (UNBOUNDED, ROWS, `lag`, `row_number`): keys are not freed.
    pub(crate) keeps_keys: bool,
    pub(crate) answers: usize,
    /// Of each cursor: its frame never lets go of a row.
    pub(crate) endless: Vec<bool>,
    /// Late rows change old answers by deltas.
    pub(crate) has_deltas: bool,
    /// Rows of one time have the same answers, which are those of the cursors.
    pub(crate) peers_share_answers: bool,
    /// A late row that matters has no delta for its own answers.
    pub(crate) has_extremes: bool,
}

/// What the logs of a group go by in a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) texts: &'a Interner,
}

impl Layout {
    pub(crate) fn new(group: &GroupPlan) -> Self {
        let mut layout = Layout {
            stride: HEAD_WORDS + group.arguments.len(),
            cursors: group.cursors.clone(),
            firsts: Vec::new(),
            kinds: group.arguments.iter().map(|a| a.1).collect(),
            reach_us: 0,
            reach_rows: 0,
            keeps_keys: false,
            endless: Vec::new(),
            answers: group.cursors.iter().map(|c| c.accumulators.len()).sum(),
            has_deltas: has_deltas(&group.cursors),
            peers_share_answers: peers_share_answers(&group.cursors),
            has_extremes: has_extremes(&group.cursors),
        };
        let mut first = 0;
        for cursor in &group.cursors {
            let is_endless =
                matches!(cursor.frame, Frame::Range { preceding: None, .. } | Frame::Rows { preceding: None, .. });
            layout.endless.push(is_endless);
            layout.firsts.push(first);
            first += cursor.accumulators.len();
            match cursor.frame {
                Frame::Range { preceding, end } => {
                    layout.reach_us = layout.reach_us.max(preceding.unwrap_or(end)).max(end);
                    layout.keeps_keys |= preceding.is_none();
                }
                Frame::Rows { preceding, end } => {
                    layout.reach_rows = layout.reach_rows.max(preceding.unwrap_or(end)).max(end);
                    layout.keeps_keys = true;
                }
            }
            for accumulator in &cursor.accumulators {
                if let Function::Lag(n) = accumulator.function {
                    layout.reach_rows = layout.reach_rows.max(n);
                }
            }
        }
        layout
    }

    /// Keys last used before this are in use no more: whole seconds, as [`crate::live_keys::LiveKeys`] counts.
    pub(crate) fn idle_before(&self, horizon: i64) -> i64 {
        if self.keeps_keys {
            return i64::MIN;
        }
        let cut = horizon.saturating_sub(self.reach_us);
        cut.saturating_sub(cut.rem_euclid(SECOND_US))
    }

    /// The most that [`KeyLog::held`] grows by with a row.
    pub(crate) fn row_cost(&self) -> usize {
        let endless = self.cursors.iter().zip(&self.endless).filter(|(_, is_endless)| **is_endless);
        1 + endless.map(|(cursor, _)| cursor.accumulators.len()).sum::<usize>()
    }

    /// How many texts an entry holds.
    pub(crate) fn texts_of_entry(&self) -> usize {
        self.kinds.iter().filter(|kind| **kind == ValueKind::Text).count()
    }

    /// How long an event can matter for others of its key, in microseconds.
    pub(crate) fn reach(&self) -> i64 {
        if self.keeps_keys { i64::MAX } else { self.reach_us }
    }

    /// `None` when it holds no text, else how long before the horizon it can, `Some(None)` for ever. `min` and `max` find
    /// a text by its content when it leaves, which may be long after.
    pub(crate) fn text_reach(&self) -> Option<Option<i64>> {
        let is_text = |a: &AccumulatorPlan| a.argument.is_some_and(|a| self.kinds[a] == ValueKind::Text);
        let mut texts = self.cursors.iter().flat_map(|c| &c.accumulators).filter(|a| is_text(a)).peekable();
        texts.peek()?;
        let finds_by_content = texts.any(|a| matches!(a.function, Function::Min | Function::Max));
        Some((!self.keeps_keys && !finds_by_content).then_some(self.reach_us))
    }
}

impl StreamPlan {
    /// How long before an event others can matter for it, through all levels, in microseconds; `None` for ever.
    fn reach_us(&self) -> Option<i64> {
        let mut levels: BTreeMap<usize, i64> = BTreeMap::new();
        for group in &self.groups {
            let reach = levels.entry(group.level).or_insert(0);
            *reach = Layout::new(group).reach().max(*reach);
        }
        let all = levels.into_values().fold(0, i64::saturating_add);
        (all < i64::MAX).then_some(all)
    }
}

impl PackPlan {
    /// How long before an event others can matter for it, in microseconds; `None` for ever.
    pub fn reach_us(&self) -> Option<i64> {
        self.streams.iter().map(StreamPlan::reach_us).try_fold(0, |most, reach| Some(most.max(reach?)))
    }

    /// The columns of a feed, by number, that rules or views look at.
    pub fn columns_read(&self, feed: Feed) -> BTreeSet<usize> {
        let mut read = BTreeSet::new();
        for stream in &self.streams {
            for branch in stream.branches.iter().filter(|branch| branch.feed == feed) {
                let made = branch.columns.as_ref().unwrap_or(&stream.exprs);
                let columns = branch.filter.iter().chain(made).flat_map(|expr| expr.columns()).copied();
                // Those after a feed's are answers of windows.
                read.extend(columns.filter(|column| *column < feed.columns().len()));
            }
        }
        read
    }
}

/// Has every answer of a group with these cursors a delta?
fn has_deltas(cursors: &[CursorPlan]) -> bool {
    let mut functions = cursors.iter().flat_map(|c| &c.accumulators).map(|a| a.function);
    peers_share_answers(cursors) && functions.all(|f| f != Function::Median)
}

/// Do all answers hang on what is in a range of time, and not on its order?
fn peers_share_answers(cursors: &[CursorPlan]) -> bool {
    use Function::{Earliest, FirstValue, Lag, LastValue, Latest, RowNumber};
    let is_ordered =
        |a: &AccumulatorPlan| matches!(a.function, Earliest | Latest | FirstValue | LastValue | Lag(_) | RowNumber);
    cursors.iter().all(|c| matches!(c.frame, Frame::Range { .. }) && !c.accumulators.iter().any(is_ordered))
}

/// Are there answers without a delta for a late row's own?
fn has_extremes(cursors: &[CursorPlan]) -> bool {
    let mut functions = cursors.iter().flat_map(|c| &c.accumulators).map(|a| a.function);
    functions.any(|f| matches!(f, Function::Min | Function::Max))
}
