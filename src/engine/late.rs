//! Late entries by range delta: the cursors stay where they stand, and the touched rows get what the late entries add.
//!
//! Late entries go into the log in one pass and into the frames that hold them. Then one walk back from where the cursors
//! stand, over the touched rows that matter, gives their answers: `count`, `sum` and their kin from a copy that takes rows
//! in and out; a distinct count from the stored answer and the few values that can make a difference, never a look-up for
//! each row passed; `min` and `max` from the stored answer and the late values in the frame. Peers of a late entry are
//! touched rows like others; late entries that are peers of the youngest one give all of these the same answers, those of the
//! cursors. What has no delta here is recomputed (`key_log.rs`).

use crate::accumulator::Accumulator;
use crate::cell::Cell;
use crate::faults::{Fault, on};
use crate::inputs::{Answers, Context};
use crate::intern::Interner;
use crate::key_log::{KeyLog, Span, argument, row_number};
use crate::layout::Layout;
use crate::plan::{AccumulatorPlan, Frame};
use hashbrown::HashMap;

/// A touched row whose answers matter.
#[derive(Debug, Clone, Copy)]
struct Touched {
    row: u64,
    time: i64,
    is_late: bool,
}

/// How often a value is in a frame.
#[derive(Debug, Clone, Copy, Default)]
struct Occurrences {
    /// By entries that were there before this step.
    old: i64,
    /// By late ones.
    late: i64,
}

/// Which way an entry crosses the edge of a frame that goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crossing {
    Leaves,
    Enters,
}

/// Late entries of one log, sorted, and how their step stands.
pub(crate) struct Late<'a> {
    /// Their words, one after the other.
    pub(crate) entries: &'a [i64],
    /// The lowest row number among them.
    pub(crate) cause: u64,
    /// See [`crate::readers::readers`].
    pub(crate) readers: u64,
}

impl KeyLog {
    /// Takes in late entries and answers for the touched rows that matter.
    pub(crate) fn insert_late(
        &mut self,
        late: &Late<'_>,
        layout: &Layout,
        context: &Context<'_>,
        answers: &mut Answers,
    ) {
        self.merge(late.entries, layout, |row| context.young.event_id(row));
        for entry in late.entries.chunks_exact(layout.stride) {
            self.enter_frames(entry, layout, context.texts);
        }
        let touched = self.touched(late, layout, context);
        if touched.is_empty() {
            return;
        }
        if late.entries[0] == self.stands_at && layout.peers_share_answers {
            self.answer_peers(&touched, late, layout, context, answers);
            return;
        }
        let width = layout.answers;
        let stored = |at: usize, plan: &AccumulatorPlan| context.young.cell(touched[at].row, plan.window);
        let mut cells: Vec<Cell> = vec![None; touched.len() * width];
        let mut column = 0;
        for (idx, cursor) in layout.cursors.iter().enumerate() {
            for (plan, accumulator) in cursor.accumulators.iter().zip(&self.accumulators[layout.firsts[idx]..]) {
                let walk = Walk { log: self, layout, idx, plan, touched: &touched, first_new: context.first_new };
                let results = match accumulator {
                    Accumulator::Distinct(set) => {
                        walk.distinct(late, |v| set.count(v), set.len() as i64, |at| stored(at, plan))
                    }
                    Accumulator::Numbers(_) | Accumulator::Texts(_) => {
                        walk.extreme(accumulator, late, context.texts, |at| stored(at, plan))
                    }
                    _ => walk.linear(accumulator, context.texts),
                };
                results.into_iter().enumerate().for_each(|(at, cell)| cells[at * width + column] = cell);
                column += 1;
            }
        }
        let plans = || layout.cursors.iter().flat_map(|c| &c.accumulators);
        for (at, (row, cells)) in touched.iter().zip(cells.chunks_exact(width)).enumerate() {
            if row.is_late || plans().zip(cells).any(|(plan, cell)| stored(at, plan) != *cell) {
                answers.push(row.row, late.cause, cells, self.doubtful_until, context);
            }
        }
    }

    /// All touched rows are of the time that the cursors stand at.
    fn answer_peers(
        &self,
        touched: &[Touched],
        late: &Late<'_>,
        layout: &Layout,
        context: &Context<'_>,
        answers: &mut Answers,
    ) {
        let plans = || layout.cursors.iter().flat_map(|c| &c.accumulators);
        let cells: Vec<Cell> = plans().zip(&self.accumulators).map(|(plan, a)| a.answer(plan.function)).collect();
        for row in touched {
            let differs = || plans().zip(&cells).any(|(plan, cell)| context.young.cell(row.row, plan.window) != *cell);
            if row.is_late || differs() {
                answers.push(row.row, late.cause, &cells, self.doubtful_until, context);
            }
        }
    }

    /// A late entry enters each frame that holds its time as the cursors stand, and moves those that begin after it.
    fn enter_frames(&mut self, entry: &[i64], layout: &Layout, texts: &Interner) {
        let stands_at = self.stands_at;
        for (idx, cursor) in layout.cursors.iter().enumerate() {
            let Frame::Range { preceding, end } = cursor.frame else { unreachable!("ROWS frames have no deltas") };
            if entry[0] > stands_at.saturating_sub(end) {
                continue;
            }
            self.spans[idx].tail += 1;
            if preceding.is_some_and(|width| entry[0] < stands_at.saturating_sub(width)) {
                self.spans[idx].head += 1;
                continue;
            }
            let accumulators = self.accumulators[layout.firsts[idx]..].iter_mut();
            for (plan, accumulator) in cursor.accumulators.iter().zip(accumulators).filter(|(p, _)| passes(p, entry)) {
                accumulator.add(0, argument(entry, plan.argument), texts);
            }
        }
    }

    /// The rows that matter from the first late entry on, its peers among them.
    fn touched(&self, late: &Late<'_>, layout: &Layout, context: &Context<'_>) -> Vec<Touched> {
        let first = self.position_at(late.entries[0], layout);
        let row = |position: u64| {
            let entry = self.entry(position, layout);
            let row = row_number(entry);
            Touched { row, time: entry[0], is_late: row >= context.first_new }
        };
        let is_missed = |t: &Touched| !t.is_late && on(Fault::NoCorrection);
        let is_peer = |t: &Touched| !t.is_late && t.time == late.entries[0] && on(Fault::PeersNotJudgedAgain);
        let matters = |t: &Touched| context.young.matters(t.row, late.readers) && !is_missed(t) && !is_peer(t);
        (first..self.end).map(row).filter(matters).collect()
    }
}

fn passes(plan: &AccumulatorPlan, entry: &[i64]) -> bool {
    plan.filter.is_none_or(|f| entry[2] & (1 << f) != 0)
}

/// One accumulator's walk back over the touched rows.
struct Walk<'a> {
    log: &'a KeyLog,
    layout: &'a Layout,
    idx: usize,
    plan: &'a AccumulatorPlan,
    touched: &'a [Touched],
    first_new: u64,
}

impl Walk<'_> {
    fn frame(&self) -> (Option<i64>, i64) {
        let Frame::Range { preceding, end } = self.layout.cursors[self.idx].frame else {
            unreachable!("ROWS frames have no deltas")
        };
        (preceding, end)
    }

    /// Goes back from row to row, last one first: hands out the entries that cross an edge of the frame, then the row.
    fn back<S>(
        &self,
        state: &mut S,
        on_cross: impl Fn(&mut S, usize, &[i64], Crossing),
        mut on_row: impl FnMut(&mut S, usize),
    ) {
        let (preceding, end) = self.frame();
        let Span { mut head, mut tail } = self.log.spans[self.idx];
        let log = self.log;
        for (at, row) in self.touched.iter().enumerate().rev() {
            while tail > log.base && log.time(tail - 1, self.layout) > row.time.saturating_sub(end) {
                tail -= 1;
                self.cross(state, at, tail, Crossing::Leaves, &on_cross);
            }
            if let Some(width) = preceding {
                while head > log.base && log.time(head - 1, self.layout) >= row.time.saturating_sub(width) {
                    head -= 1;
                    self.cross(state, at, head, Crossing::Enters, &on_cross);
                }
            }
            on_row(state, at);
        }
    }

    fn cross<S>(
        &self,
        state: &mut S,
        at: usize,
        position: u64,
        crossing: Crossing,
        on_cross: &impl Fn(&mut S, usize, &[i64], Crossing),
    ) {
        let entry = self.log.entry(position, self.layout);
        if passes(self.plan, entry) {
            on_cross(state, at, entry, crossing);
        }
    }

    /// A copy of the accumulator goes back.
    fn linear(&self, accumulator: &Accumulator, texts: &Interner) -> Vec<Cell> {
        let mut results = vec![None; self.touched.len()];
        let mut copy = accumulator.copy_linear();
        let on_cross = |copy: &mut Accumulator, _: usize, entry: &[i64], crossing| {
            let value = argument(entry, self.plan.argument);
            match crossing {
                Crossing::Leaves => copy.remove(0, value, texts),
                Crossing::Enters => copy.add(0, value, texts),
            }
        };
        self.back(&mut copy, on_cross, |copy, at| results[at] = copy.answer(self.plan.function));
        results
    }

    /// The late values in the frame against the stored answer. There are no late rows among the touched ones.
    fn extreme(
        &self,
        accumulator: &Accumulator,
        late: &Late<'_>,
        texts: &Interner,
        stored: impl Fn(usize) -> Cell,
    ) -> Vec<Cell> {
        let mut results = vec![None; self.touched.len()];
        let mut late_values = accumulator.empty_extreme();
        self.of_late_in_frame(late, |value| late_values.add(0, Some(value), texts));
        let on_cross = |values: &mut Accumulator, _: usize, entry: &[i64], crossing| {
            if row_number(entry) < self.first_new {
                return;
            }
            let value = argument(entry, self.plan.argument);
            match crossing {
                Crossing::Leaves => values.remove(0, value, texts),
                Crossing::Enters => values.add(0, value, texts),
            }
        };
        let function = self.plan.function;
        self.back(&mut late_values, on_cross, |values, at| {
            results[at] = accumulator.better(function, stored(at), values.answer(function), texts);
        });
        results
    }

    /// Values of the late entries that are in the frame as the cursors stand.
    fn of_late_in_frame(&self, late: &Late<'_>, mut on_value: impl FnMut(i64)) {
        let ((preceding, end), stands_at) = (self.frame(), self.log.stands_at);
        let from = preceding.map_or(i64::MIN, |width| stands_at.saturating_sub(width));
        let entries = late.entries.chunks_exact(self.layout.stride).filter(|e| passes(self.plan, e));
        let inside = entries.filter(|e| (from..=stands_at.saturating_sub(end)).contains(&e[0]));
        inside.filter_map(|e| argument(e, self.plan.argument)).for_each(&mut on_value);
    }

    /// Only values of late entries can add to an old row's count, and only where no old entry of the value is in the frame.
    /// A late row's own count follows from the row after it and the values that cross between the two.
    fn distinct(
        &self,
        late: &Late<'_>,
        count: impl Fn(i64) -> i64,
        stands: i64,
        stored: impl Fn(usize) -> Cell,
    ) -> Vec<Cell> {
        let mut seen = self.values_that_differ(late);
        for (value, occurrences) in &mut seen {
            occurrences.old = count(*value);
        }
        self.of_late_in_frame(late, |value| {
            let occurrences = seen.get_mut(&value).expect("all late values are watched");
            if occurrences.late == 0 || !on(Fault::DeltaAfterBatch) {
                occurrences.late += 1;
                occurrences.old -= 1;
            }
        });
        let mut state = Watched { with_late: 0, without: 0, values: seen };
        for Occurrences { old, late } in state.values.values() {
            state.with_late += i64::from(old + late > 0);
            state.without += i64::from(*old > 0);
        }
        let mut results = vec![None; self.touched.len()];
        let (mut known, mut with_late) = (stands, state.with_late);
        let on_cross = |state: &mut Watched, _: usize, entry: &[i64], crossing| {
            let is_late = row_number(entry) >= self.first_new;
            if let Some(value) = argument(entry, self.plan.argument)
                && !(on(Fault::DistinctBeyondNext) && !is_late && crossing == Crossing::Leaves)
            {
                state.cross(value, is_late, crossing);
            }
        };
        self.back(&mut state, on_cross, |state, at| {
            known = if self.touched[at].is_late {
                known + state.with_late - with_late
            } else {
                stored(at).unwrap_or(0) + state.with_late - state.without
            };
            with_late = state.with_late;
            results[at] = Some(known);
        });
        results
    }

    /// Late values, and those that cross between a late row and the touched row after it.
    fn values_that_differ(&self, late: &Late<'_>) -> HashMap<i64, Occurrences> {
        let late_entries = late.entries.chunks_exact(self.layout.stride).filter(|e| passes(self.plan, e));
        let late_values = late_entries.filter_map(|e| argument(e, self.plan.argument));
        let mut values: HashMap<i64, Occurrences> = late_values.map(|v| (v, Occurrences::default())).collect();
        if self.touched.iter().any(|row| row.is_late) {
            let on_cross = |values: &mut HashMap<i64, Occurrences>, at: usize, entry: &[i64], _| {
                if self.touched[at].is_late
                    && let Some(value) = argument(entry, self.plan.argument)
                {
                    values.entry(value).or_default();
                }
            };
            self.back(&mut values, on_cross, |_, _| {});
        }
        values
    }
}

/// The watched values as the frame goes back: how many of them it holds, with the late entries and without.
struct Watched {
    with_late: i64,
    without: i64,
    values: HashMap<i64, Occurrences>,
}

impl Watched {
    fn cross(&mut self, value: i64, is_late: bool, crossing: Crossing) {
        let Some(occurrences) = self.values.get_mut(&value) else { return };
        let step = if crossing == Crossing::Enters { 1 } else { -1 };
        self.with_late -= i64::from(occurrences.old + occurrences.late > 0);
        self.without -= i64::from(occurrences.old > 0);
        *(if is_late { &mut occurrences.late } else { &mut occurrences.old }) += step;
        self.with_late += i64::from(occurrences.old + occurrences.late > 0);
        self.without += i64::from(occurrences.old > 0);
    }
}
