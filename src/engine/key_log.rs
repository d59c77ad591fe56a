//! The log of one key in one window group, with a cursor per frame over it.
//!
//! Entries stand in the order (event time, event id). In order, a cursor only moves forward. Before the log is changed in
//! the middle, its cursors go back to just before the change (every accumulator can take a row back out), then the log is
//! edited, then the cursors run forward again over the touched rows and answer for each: rewind, edit, replay. A late row
//! so costs the rows of its key that are younger than it, never a walk over the window.

use crate::accumulator::Accumulator;
use crate::cell::Cell;
use crate::faults::{Fault, on};
use crate::layout::{HEAD_WORDS, Layout, NULL_BIT, Terms};
use crate::plan::{Frame, Function};
use crate::state_hash::StateHasher;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::mem::discriminant;
use std::ops::Range;

/// A log begins so many look-ups of distinct values before it runs: their lines must stay in the first two caches.
const BEGIN_MAX: u64 = 512;

/// First and one past the last position inside a cursor's frame.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) head: u64,
    pub(crate) tail: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyLog {
    pub(crate) key: Box<[u8]>,
    /// Of this process: hashes differ from one to the next.
    #[serde(skip)]
    pub(crate) hash: u64,
    /// Position of the first entry still held; positions count from the first entry ever.
    pub(crate) base: u64,
    /// One past the last entry.
    pub(crate) end: u64,
    /// Words of `data` before the first entry still held.
    pub(crate) skip: usize,
    pub(crate) data: Vec<i64>,
    pub(crate) spans: Box<[Span]>,
    pub(crate) accumulators: Box<[Accumulator]>,
    /// The time the cursors stand at: a change at or before it takes them back first. It can be later than the last
    /// entry, when that was taken out again.
    pub(crate) stands_at: i64,
    /// Earliest time changed in this step; `i64::MAX` when nothing changed.
    #[serde(skip, default = "unchanged")]
    pub(crate) changed_from: i64,
    /// Its place among the logs changed in this step.
    #[serde(skip)]
    pub(crate) changed_at: u32,
    /// Results up to this time may miss events that were shed.
    pub(crate) doubtful_until: i64,
    /// Its slot belongs to no key.
    #[serde(skip)]
    pub(crate) is_free: bool,
    /// Lowest row number among this step's changes.
    #[serde(skip, default = "no_cause")]
    pub(crate) cause: u64,
}

/// No row has changed in this step.
fn unchanged() -> i64 {
    i64::MAX
}

fn no_cause() -> u64 {
    u64::MAX
}

/// Cursors with their accumulators.
type Cursors = (Box<[Span]>, Box<[Accumulator]>);

/// Cursors that stand nowhere, for the next key that needs some: most keys that come need them for one event only.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Cursors>);

/// So many are kept.
const SPARE_MAX: usize = 64;

impl Spare {
    fn take(&mut self, layout: &Layout) -> Cursors {
        self.0.pop().unwrap_or_else(|| {
            let accumulators = layout.cursors.iter().flat_map(|c| &c.accumulators);
            let kind = |argument: Option<usize>| argument.map(|a| layout.kinds[a]);
            let accumulators = accumulators.map(|a| Accumulator::new(a.function, kind(a.argument))).collect();
            (vec![Span::default(); layout.cursors.len()].into(), accumulators)
        })
    }

    fn put(&mut self, cursors: Cursors) {
        if self.0.len() < SPARE_MAX {
            self.0.push(cursors);
        }
    }
}

impl KeyLog {
    /// Without entries and cursors.
    pub(crate) fn new(key: &[u8], hash: u64) -> Self {
        KeyLog {
            key: key.into(),
            hash,
            base: 0,
            end: 0,
            skip: 0,
            data: Vec::new(),
            spans: Box::default(),
            accumulators: Box::default(),
            stands_at: i64::MIN,
            changed_from: i64::MAX,
            changed_at: 0,
            doubtful_until: i64::MIN,
            is_free: false,
            cause: u64::MAX,
        }
    }

    /// What stands in a slot without a key.
    pub(crate) fn free() -> Self {
        KeyLog { is_free: true, ..KeyLog::new(&[], 0) }
    }

    /// Gives a log that has none its cursors, where they stood.
    pub(crate) fn unfold(&mut self, terms: &Terms<'_>, spare: &mut Spare) {
        let layout = terms.layout;
        if self.spans.len() == layout.cursors.len() {
            return;
        }
        (self.spans, self.accumulators) = spare.take(layout);
        self.spans.fill(Span { head: self.base, tail: self.base });
        if self.end > self.base {
            (0..layout.cursors.len()).for_each(|idx| self.advance(idx, self.end - 1, self.stands_at, self.end, terms));
        }
    }

    /// Takes the cursors of a log of one entry away: what they hold follows from it. A spray of keys of one event each costs
    /// little more than the events.
    pub(crate) fn fold(&mut self, terms: &Terms<'_>, spare: &mut Spare) {
        let layout = terms.layout;
        let is_one = self.end == self.base + 1 && self.stands_at == self.last_time(layout);
        if layout.keeps_keys || !is_one {
            return;
        }
        for (idx, old) in self.spans.clone().iter().enumerate() {
            self.move_cursor(idx, *old, Span { head: self.base, tail: self.base }, terms);
        }
        spare.put((std::mem::take(&mut self.spans), std::mem::take(&mut self.accumulators)));
    }

    /// Entries it holds, and what its endless frames keep or will keep of them: a value for each accumulator. No group
    /// holds more than fit ([`crate::Limits`]).
    pub(crate) fn held(&self, layout: &Layout) -> u32 {
        let entries = (self.end - self.base) as usize;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        if !layout.keeps_keys {
            return small(entries);
        }
        let kept = self.endless(layout).map(|(idx, accumulators)| {
            let to_come = (self.end - self.spans[idx].tail) as usize * accumulators.len();
            to_come + self.accumulators[accumulators].iter().map(Accumulator::values).sum::<usize>()
        });
        small(entries + kept.sum::<usize>())
    }

    /// The cursors whose frames never let go of a row, with their accumulators; of a log that has some.
    fn endless(&self, layout: &Layout) -> impl Iterator<Item = (usize, Range<usize>)> {
        let accumulators = |idx: usize| layout.firsts[idx]..layout.firsts[idx] + layout.cursors[idx].accumulators.len();
        (0..self.spans.len()).filter(|idx| layout.endless[*idx]).map(move |idx| (idx, accumulators(idx)))
    }

    pub(crate) fn entry(&self, position: u64, layout: &Layout) -> &[i64] {
        let at = self.skip + (position - self.base) as usize * layout.stride;
        &self.data[at..at + layout.stride]
    }

    pub(crate) fn time(&self, position: u64, layout: &Layout) -> i64 {
        self.entry(position, layout)[0]
    }

    /// Time of the youngest entry, or `i64::MIN`.
    fn last_time(&self, layout: &Layout) -> i64 {
        if self.end == self.base { i64::MIN } else { self.time(self.end - 1, layout) }
    }

    /// Do all entries lie before all that the horizon may still need? `idle_before` is [`Layout::idle_before`].
    pub(crate) fn is_idle(&self, idle_before: i64) -> bool {
        // No entry is younger than where the cursors stand.
        self.stands_at < idle_before
    }

    /// Loads the lines that a step on this log will need, without waiting for one before asking for the next.
    pub(crate) fn warm(&self, layout: &Layout) {
        let last_entry = self.data.len().saturating_sub(layout.stride);
        black_box((self.data.last().copied(), self.data.get(last_entry).copied(), self.spans.first().copied()));
        black_box((self.accumulators.first().map(discriminant), self.accumulators.last().map(discriminant)));
    }

    /// The same for what stands behind the lines loaded by [`KeyLog::warm`].
    pub(crate) fn warm_more(&self, layout: &Layout) {
        for span in &self.spans {
            let head = span.head.saturating_sub(self.base) as usize * layout.stride + self.skip;
            black_box(self.data.get(head).copied());
        }
        self.accumulators.iter().for_each(Accumulator::warm);
    }

    /// Loads what the rows will meet that now enter and leave the frames: the values of the first ones.
    pub(crate) fn begin(&self, layout: &Layout) {
        let youngest = self.last_time(layout);
        for (cursor, (span, first)) in layout.cursors.iter().zip(self.spans.iter().zip(&layout.firsts)) {
            let accumulators = cursor.accumulators.iter().zip(&self.accumulators[*first..]);
            for (plan, accumulator) in accumulators.filter(|(_, a)| a.has_table()) {
                let values = |from: u64, until: i64| {
                    let rows = (from..self.end.min(from + BEGIN_MAX)).map(|p| self.entry(p, layout));
                    rows.take_while(move |e| e[0] <= until).for_each(|e| accumulator.begin(argument(e, plan.argument)));
                };
                values(span.tail.max(self.base), i64::MAX);
                if let Frame::Range { preceding: Some(width), .. } = cursor.frame {
                    values(span.head.max(self.base), youngest.saturating_sub(width));
                }
            }
        }
    }

    /// Entries held, and the bytes of the log with all that belongs to it.
    pub(crate) fn weigh(&self) -> (u64, usize) {
        let data = self.data.capacity() * size_of::<i64>();
        let spans = size_of_val(&*self.spans);
        let state: usize = self.accumulators.iter().map(Accumulator::bytes).sum();
        (self.end - self.base, size_of::<KeyLog>() + self.key.len() + data + spans + state)
    }

    /// All that an answer may still hang on. Of a group whose keys stay, also what its frames hold; elsewhere that follows
    /// from the entries.
    /// `rank` stands for the number of a row.
    pub(crate) fn hash_state(
        &self,
        horizon: i64,
        rank: impl Fn(u64) -> i64,
        layout: &Layout,
        to: &mut StateHasher<'_>,
    ) {
        to.bytes(&self.key);
        to.number(self.stands_at);
        to.number(self.doubtful_until);
        let from = if layout.keeps_keys { i64::MIN } else { horizon.saturating_sub(layout.reach_us) };
        for entry in (self.base..self.end).map(|p| self.entry(p, layout)).filter(|e| e[0] >= from) {
            to.number(entry[0]);
            to.number(rank(row_number(entry)));
            entry[2..HEAD_WORDS].iter().for_each(|word| to.number(*word));
            for (slot, kind) in layout.kinds.iter().enumerate() {
                to.cell(argument(entry, Some(slot)), Some(*kind));
            }
        }
        if layout.keeps_keys {
            to.number(self.end.cast_signed());
            let plans = layout.cursors.iter().flat_map(|c| &c.accumulators);
            for (plan, accumulator) in plans.zip(&self.accumulators) {
                let kind = plan.argument.map(|a| layout.kinds[a]).filter(|_| plan.function.gives_argument());
                to.cell(accumulator.answer(plan.function), kind);
            }
        }
    }

    /// Gives the rows of its entries other numbers.
    pub(crate) fn renumber(&mut self, layout: &Layout, number: impl Fn(u64) -> u64) {
        for entry in self.data[self.skip..].chunks_exact_mut(layout.stride) {
            entry[1] = number(row_number(entry)).cast_signed();
        }
    }

    /// Notes a change at `time`, made by row `cause`.
    pub(crate) fn note_change(&mut self, time: i64, cause: u64) {
        // The last time there is means that nothing has changed.
        self.changed_from = self.changed_from.min(time).min(unchanged() - 1);
        self.cause = self.cause.min(cause);
    }

    /// Takes the cursors back to where they stood before the first row at or after `changed_from`.
    pub(crate) fn rewind(&mut self, terms: &Terms<'_>) {
        let layout = terms.layout;
        let from = self.changed_from;
        if from > self.stands_at {
            return;
        }
        self.stands_at = from;
        let first = self.position_at(from, layout);
        for (idx, cursor) in layout.cursors.iter().enumerate() {
            let old = self.spans[idx];
            let new = match cursor.frame {
                Frame::Range { preceding, end } => {
                    let mut tail = old.tail.min(first);
                    while tail > self.base && self.time(tail - 1, layout) > from.saturating_sub(end) {
                        tail -= 1;
                    }
                    let mut head = old.head.min(tail);
                    if let Some(width) = preceding {
                        while head > self.base && self.time(head - 1, layout) >= from.saturating_sub(width) {
                            head -= 1;
                        }
                    }
                    Span { head, tail }
                }
                Frame::Rows { preceding, end } => {
                    let tail = old.tail.min((first + 1).saturating_sub(end).min(first));
                    let head = preceding.map_or(0, |n| first.saturating_sub(n).min(tail));
                    Span { head, tail }
                }
            };
            self.move_cursor(idx, old, new, terms);
        }
    }

    /// Rows that are in `old` and not in `new` leave, the others enter.
    fn move_cursor(&mut self, idx: usize, old: Span, new: Span, terms: &Terms<'_>) {
        // Leaving and entering happen at the ends, nearest first, as the accumulators ask.
        for position in old.head..old.tail.min(new.head) {
            self.apply(idx, position, false, terms);
        }
        for position in (old.head.max(new.tail)..old.tail).rev() {
            self.apply(idx, position, false, terms);
        }
        for position in (new.head..new.tail.min(old.head)).rev() {
            self.apply(idx, position, true, terms);
        }
        for position in new.head.max(old.tail)..new.tail {
            self.apply(idx, position, true, terms);
        }
        self.spans[idx] = new;
    }

    fn apply(&mut self, idx: usize, position: u64, enters: bool, terms: &Terms<'_>) {
        let Terms { layout, texts } = *terms;
        let first = layout.firsts[idx];
        let at = self.skip + (position - self.base) as usize * layout.stride;
        let entry = &self.data[at..at + layout.stride];
        for (plan, accumulator) in layout.cursors[idx].accumulators.iter().zip(&mut self.accumulators[first..]) {
            if plan.filter.is_some_and(|f| entry[2] & (1 << f) == 0) {
                continue;
            }
            let value = argument(entry, plan.argument);
            if enters {
                accumulator.add(position, value, texts);
            } else {
                accumulator.remove(position, value, texts);
            }
        }
    }

    /// Runs the cursors over every row from the first change on and hands out the answers of each row that matters.
    pub(crate) fn replay(
        &mut self,
        terms: &Terms<'_>,
        matters: impl Fn(u64) -> bool,
        mut emit: impl FnMut(u64, &[Cell]),
    ) {
        let layout = terms.layout;
        let end = self.end;
        let mut answers: Vec<Cell> = Vec::with_capacity(layout.answers);
        for position in self.position_at(self.changed_from, layout)..end {
            answers.clear();
            let time = self.time(position, layout);
            for idx in 0..layout.cursors.len() {
                self.advance(idx, position, time, end, terms);
            }
            let row = row_number(self.entry(position, layout));
            if matters(row) {
                (0..layout.cursors.len()).for_each(|idx| self.answer(idx, position, layout, &mut answers));
                emit(row, &answers);
            }
        }
        self.stands_at = self.stands_at.max(self.last_time(layout));
        self.changed_from = i64::MAX;
        self.cause = u64::MAX;
    }

    fn advance(&mut self, idx: usize, position: u64, time: i64, end: u64, terms: &Terms<'_>) {
        let layout = terms.layout;
        let mut now = self.spans[idx];
        match layout.cursors[idx].frame {
            Frame::Range { preceding, end: offset } => {
                let until = time.saturating_sub(offset);
                while now.tail < end && self.time(now.tail, layout) <= until {
                    self.apply(idx, now.tail, true, terms);
                    now.tail += 1;
                }
                if let Some(width) = preceding {
                    let from = time.saturating_sub(width).saturating_add(i64::from(on(Fault::FrameHalfOpen)));
                    while now.head < now.tail && self.time(now.head, layout) < from {
                        self.apply(idx, now.head, false, terms);
                        now.head += 1;
                    }
                }
            }
            Frame::Rows { preceding, end: offset } => {
                let tail = (position + 1).saturating_sub(offset).max(now.tail);
                while now.tail < tail {
                    self.apply(idx, now.tail, true, terms);
                    now.tail += 1;
                }
                let head = preceding.map_or(0, |n| position.saturating_sub(n)).min(tail);
                while now.head < head {
                    self.apply(idx, now.head, false, terms);
                    now.head += 1;
                }
            }
        }
        self.spans[idx] = now;
    }

    fn answer(&self, idx: usize, position: u64, layout: &Layout, answers: &mut Vec<Cell>) {
        let first = layout.firsts[idx];
        for (plan, accumulator) in layout.cursors[idx].accumulators.iter().zip(&self.accumulators[first..]) {
            answers.push(match plan.function {
                Function::RowNumber => i64::try_from(position + 1).ok(),
                Function::Lag(n) if position >= self.base + n => {
                    argument(self.entry(position - n, layout), plan.argument)
                }
                Function::Lag(_) => None,
                function => accumulator.answer(function),
            });
        }
    }

    /// Lets go of entries that no row at or after the horizon can reach.
    pub(crate) fn evict(&mut self, horizon: i64, layout: &Layout) {
        let mut to = self.first_from(self.base, horizon.saturating_sub(layout.reach_us), layout);
        if to == self.base {
            return;
        }
        if layout.reach_rows > 0 && !on(Fault::LagEvictedByTime) {
            let first_young = self.first_from(to, horizon, layout);
            to = to.min(first_young.saturating_sub(layout.reach_rows)).max(self.base);
        }
        // A cursor must never point before the first entry held, unless its frame never lets go.
        for (cursor, span) in layout.cursors.iter().zip(&self.spans) {
            let lets_go = matches!(
                cursor.frame,
                Frame::Range { preceding: Some(_), .. } | Frame::Rows { preceding: Some(_), .. }
            );
            to = to.min(if lets_go { span.head } else { span.tail });
        }
        if to <= self.base {
            return;
        }
        self.thin(to, layout);
        self.skip += (to - self.base) as usize * layout.stride;
        self.base = to;
        if self.skip * 2 >= self.data.len() {
            self.data.drain(..self.skip);
            self.skip = 0;
            if self.data.capacity() > 4 * self.data.len() + 4 * layout.stride {
                self.data.shrink_to(2 * self.data.len());
            }
        }
    }

    fn thin(&mut self, position: u64, layout: &Layout) {
        for accumulators in self.endless(layout).map(|endless| endless.1).collect::<Vec<_>>() {
            self.accumulators[accumulators].iter_mut().for_each(|accumulator| accumulator.thin(position));
        }
    }
}

pub(crate) fn row_number(entry: &[i64]) -> u64 {
    entry[1].cast_unsigned()
}

pub(crate) fn argument(entry: &[i64], slot: Option<usize>) -> Cell {
    let Some(slot) = slot else { return Some(0) };
    (entry[2] & (1 << (NULL_BIT + slot)) == 0).then_some(entry[HEAD_WORDS + slot])
}
