//! The young rows of a stream: all that are not yet before the horizon, with their columns, window results, inputs and
//! verdicts. Any of them can still be judged again.

use crate::batch_bytes::{batch_from_bytes, batch_to_bytes};
use crate::cell::Cell;
use crate::corrections::{Corrections, event_of};
use crate::expr::downcast;
use crate::faults::{Fault, on};
use crate::id_index::IdIndex;
use crate::plan::ValueKind;
use crate::published::{Published, SavedPublished};
use crate::state_hash::StateHasher;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// A row in no log of a group.
pub(crate) const NO_INPUT: u64 = u64::MAX;

#[derive(Debug)]
struct Segment {
    first_row: u64,
    batch: RecordBatch,
}

/// The rows of a stage, picked from the segments.
#[derive(Debug)]
pub(crate) enum Picked {
    /// They are the last batch, all of it.
    LastBatch,
    /// (one of `segments`, row in it) for each.
    Scattered { segments: Vec<usize>, indices: Vec<(usize, usize)> },
}

#[derive(Debug)]
pub(crate) struct YoungRows {
    event_id_column: usize,
    event_time_column: usize,
    window_count: usize,
    group_count: usize,
    first: u64,
    segments: VecDeque<Segment>,
    times: VecDeque<i64>,
    cells: VecDeque<Cell>,
    /// The rules that each row can be a detection of, by bits.
    candidates: VecDeque<u64>,
    inputs: VecDeque<u64>,
    published: HashMap<(u64, u32), Published>,
    /// The same rows and rules by event time: they are final one after the other.
    deadlines: BTreeSet<(i64, u64, u32)>,
    /// Rows of facts that no longer count.
    dead: BTreeSet<u64>,
    /// Rows whose answers may miss events that were shed.
    doubted: BTreeSet<u64>,
    /// There once a fact has been corrected.
    by_id: Option<IdIndex>,
    /// Number of the next row when one last was.
    corrected_at: u64,
}

/// What is saved of the young rows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedRows {
    pub(crate) first: u64,
    pub(crate) first_row: u64,
    pub(crate) times: Vec<i64>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) candidates: Vec<u64>,
    pub(crate) inputs: Vec<u64>,
    pub(crate) published: Vec<((u64, u32), SavedPublished)>,
    pub(crate) dead: Vec<u64>,
    pub(crate) doubted: Vec<u64>,
    pub(crate) batch: Option<Vec<u8>>,
}

impl YoungRows {
    pub(crate) fn new(
        event_id_column: usize,
        event_time_column: usize,
        window_count: usize,
        group_count: usize,
    ) -> Self {
        YoungRows {
            event_id_column,
            event_time_column,
            window_count,
            group_count,
            first: 0,
            segments: VecDeque::new(),
            times: VecDeque::new(),
            cells: VecDeque::new(),
            candidates: VecDeque::new(),
            inputs: VecDeque::new(),
            published: HashMap::new(),
            deadlines: BTreeSet::new(),
            dead: BTreeSet::new(),
            doubted: BTreeSet::new(),
            by_id: None,
            corrected_at: 0,
        }
    }

    /// Of each row that is not before the horizon: the how manieth such row it is. Their numbers depend on how many there
    /// ever were.
    pub(crate) fn ranks(&self, horizon: i64) -> HashMap<u64, u64> {
        let rows = (self.first..self.next()).filter(|row| self.time(*row) >= horizon);
        rows.enumerate().map(|(rank, row)| (row, rank as u64)).collect()
    }

    /// Number of the next row.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.times.len() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// Adds the rows of a batch and the rules that each can be a detection of; their numbers start at the returned one.
    pub(crate) fn push(&mut self, batch: RecordBatch, candidates: Vec<u64>) -> u64 {
        let first_row = self.next();
        let rows = batch.num_rows();
        if rows == 0 {
            return first_row;
        }
        let times: &TimestampMicrosecondArray = downcast(batch.column(self.event_time_column));
        self.times.extend(times.values().iter());
        self.cells.extend(std::iter::repeat_n(None, rows * self.window_count));
        self.candidates.extend(candidates);
        self.inputs.extend(std::iter::repeat_n(NO_INPUT, rows * self.group_count));
        if let Some(mut index) = self.by_id.take() {
            index.push(self.row_ids(&batch), 0);
            self.by_id = Some(index);
        }
        self.segments.push_back(Segment { first_row, batch });
        first_row
    }

    /// The rows of corrected facts that counted until now, in order.
    fn standing(&mut self, corrections: &Corrections) -> Vec<u64> {
        self.corrected_at = self.next();
        let mut rows = Vec::new();
        let index = self.by_id.take().unwrap_or_else(|| self.index_ids());
        for (id, time) in corrections.facts() {
            let is_of = |row: &u64| self.time(*row) == time && event_of(self.event_id(*row)) == id;
            // All versions before one that does not count do not count either.
            rows.extend(index.of_event(id).filter(is_of).take_while(|row| !self.dead.contains(row)));
        }
        self.by_id = Some(index);
        rows.sort_unstable();
        rows
    }

    fn index_ids(&self) -> IdIndex {
        let mut index = IdIndex::new(self.first);
        for segment in &self.segments {
            index.push(self.row_ids(&segment.batch), self.first.saturating_sub(segment.first_row) as usize);
        }
        index
    }

    fn row_ids<'b>(&self, batch: &'b RecordBatch) -> &'b StringArray {
        downcast(batch.column(self.event_id_column))
    }

    /// What has been said about a row by a rule, to be changed.
    pub(crate) fn said(&mut self, key: (u64, u32)) -> &mut Published {
        let deadline = (self.time(key.0), key.0, key.1);
        self.published.entry(key).or_insert_with(|| {
            self.deadlines.insert(deadline);
            Published::default()
        })
    }

    /// The same, when there is anything.
    pub(crate) fn said_before(&mut self, key: (u64, u32)) -> Option<&mut Published> {
        self.published.get_mut(&key)
    }

    /// Has anything been said about a row by a rule?
    pub(crate) fn is_said(&self, key: (u64, u32)) -> bool {
        self.published.contains_key(&key)
    }

    /// Forgets what a rule has said of any row.
    pub(crate) fn forget_said(&mut self, rule: u32) {
        let is_said = |(key, published): &(&(u64, u32), &Published)| key.1 == rule && !published.revisions.is_empty();
        let said: Vec<(u64, u32)> = self.published.iter().filter(is_said).map(|(key, _)| *key).collect();
        for key in said {
            self.published.remove(&key);
            self.deadlines.remove(&(self.time(key.0), key.0, key.1));
        }
    }

    /// Takes corrected facts out of the rows; the rows that counted until now. Call it before the new rows are added.
    pub(crate) fn remove(&mut self, corrections: &Corrections) -> Vec<u64> {
        if corrections.is_empty() || on(Fault::CorrectionKeepsOld) {
            return Vec::new();
        }
        let rows = self.standing(corrections);
        self.dead.extend(&rows);
        rows
    }

    /// Notes that answers of a row may miss events; is that new?
    pub(crate) fn doubt(&mut self, row: u64) -> bool {
        self.doubted.insert(row)
    }

    pub(crate) fn is_doubted(&self, row: u64) -> bool {
        !self.doubted.is_empty() && self.doubted.contains(&row)
    }

    /// Does the fact of this row no longer count?
    pub(crate) fn is_dead(&self, row: u64) -> bool {
        !self.dead.is_empty() && self.dead.contains(&row)
    }

    /// What was said about the earlier version of a corrected fact is what was said about the new one, among the rows from
    /// `first_new` on. Tells whether there is any such.
    pub(crate) fn hand_on(&mut self, corrections: &Corrections, rules: usize, first_new: u64) -> bool {
        if corrections.is_empty() || self.published.is_empty() || on(Fault::RevisionsBeginAgain) {
            return false;
        }
        let facts: HashSet<(&str, i64)> = corrections.facts().collect();
        let is_corrected = |row: &u64| facts.contains(&(event_of(self.event_id(*row)), self.time(*row)));
        let version_before = |row: u64| {
            let is_same =
                |before: &u64| (self.event_id(*before), self.time(*before)) == (self.event_id(row), self.time(row));
            Some((self.by_id.as_ref()?.before(row).find(is_same)?, row))
        };
        let moves: Vec<(u64, u64)> = (first_new..self.next()).filter(is_corrected).filter_map(version_before).collect();
        for (from, to) in moves.iter().flat_map(|m| (0..rules as u32).map(|r| ((m.0, r), (m.1, r)))) {
            if let Some(published) = self.published.remove(&from) {
                self.deadlines.remove(&(self.time(from.0), from.0, from.1));
                *self.said(to) = published;
            }
        }
        !moves.is_empty()
    }

    fn at(&self, row: u64) -> usize {
        usize::try_from(row - self.first).expect("young rows fit in memory")
    }

    pub(crate) fn time(&self, row: u64) -> i64 {
        self.times[self.at(row)]
    }

    fn segment(&self, row: u64) -> usize {
        self.segments.partition_point(|s| s.first_row <= row) - 1
    }

    pub(crate) fn event_id(&self, row: u64) -> &str {
        let segment = &self.segments[self.segment(row)];
        let ids: &StringArray = downcast(segment.batch.column(self.event_id_column));
        ids.value((row - segment.first_row) as usize)
    }

    /// Can a row be a detection of one of these rules? With all bits: does any window result of it count?
    pub(crate) fn matters(&self, row: u64, readers: u64) -> bool {
        readers == u64::MAX || self.candidates[self.at(row)] & readers != 0
    }

    /// Can a row be a detection at all?
    pub(crate) fn is_candidate(&self, row: u64) -> bool {
        self.candidates[self.at(row)] != 0
    }

    pub(crate) fn cell(&self, row: u64, window: usize) -> Cell {
        self.cells[self.at(row) * self.window_count + window]
    }

    /// Stores a window result; tells whether it differs from the one before.
    pub(crate) fn set_cell(&mut self, row: u64, window: usize, cell: Cell) -> bool {
        let at = self.at(row) * self.window_count + window;
        std::mem::replace(&mut self.cells[at], cell) != cell
    }

    pub(crate) fn input(&self, row: u64, group: usize) -> u64 {
        self.inputs[self.at(row) * self.group_count + group]
    }

    pub(crate) fn set_input(&mut self, row: u64, group: usize, input: u64) {
        let at = self.at(row) * self.group_count + group;
        self.inputs[at] = input;
    }

    /// Where these rows stand, for [`YoungRows::column`].
    pub(crate) fn pick(&self, rows: &[u64]) -> Picked {
        let last = self.segments.back().expect("a step has rows");
        let is_last_batch = rows.len() == last.batch.num_rows() && rows.first() == Some(&last.first_row);
        if is_last_batch && rows.windows(2).all(|w| w[0] + 1 == w[1]) {
            return Picked::LastBatch;
        }
        let mut used: Vec<usize> = Vec::new();
        let mut indices = Vec::with_capacity(rows.len());
        let mut segment = 0;
        for row in rows {
            let holds = |s: &Segment| s.first_row <= *row && *row < s.first_row + s.batch.num_rows() as u64;
            if used.is_empty() || !holds(&self.segments[segment]) {
                segment = self.segment(*row);
                used.push(segment);
            }
            indices.push((used.len() - 1, (row - self.segments[segment].first_row) as usize));
        }
        Picked::Scattered { segments: used, indices }
    }

    /// A base column of the picked rows. Most expressions read few of a feed's columns.
    pub(crate) fn column(&self, idx: usize, picked: &Picked) -> ArrayRef {
        match picked {
            Picked::LastBatch => self.segments.back().expect("a step has rows").batch.column(idx).clone(),
            Picked::Scattered { segments, indices } => {
                let columns: Vec<&dyn Array> =
                    segments.iter().map(|s| self.segments[*s].batch.column(idx).as_ref()).collect();
                arrow_select::interleave::interleave(&columns, indices).expect("segments of one stream have one schema")
            }
        }
    }

    /// Rows before the horizon that wait for an older one to go are past: what they point to may be gone.
    /// Of each window: its kind, and the rules that read it ([`YoungRows::matters`]).
    pub(crate) fn hash_state(&self, horizon: i64, windows: &[(ValueKind, u64)], to: &mut StateHasher<'_>) {
        let ranks = self.ranks(horizon);
        for row in (self.first..self.next()).filter(|row| self.time(*row) >= horizon) {
            to.bytes(self.event_id(row).as_bytes());
            to.number(self.time(row));
            to.number(i64::from(self.is_dead(row)));
            to.number(i64::from(self.is_doubted(row)));
            for (window, (kind, _)) in windows.iter().enumerate().filter(|(_, w)| self.matters(row, w.1)) {
                to.cell(self.cell(row, window), Some(*kind));
            }
            for group in 0..self.group_count {
                to.number(i64::from(self.input(row, group) == NO_INPUT));
            }
        }
        let mut published = self.save_published();
        // Which of several events of a batch is named as the cause depends on the other rules.
        published.iter_mut().for_each(|((row, _), said)| {
            *row = ranks.get(row).copied().unwrap_or(u64::MAX);
            said.forget_cause();
        });
        to.bytes(&postcard::to_stdvec(&published).expect("what was said is plain data"));
    }

    fn save_published(&self) -> Vec<((u64, u32), SavedPublished)> {
        let mut published: Vec<_> =
            self.published.iter().map(|(key, said)| (*key, SavedPublished::new(said))).collect();
        published.sort_unstable_by_key(|(key, _)| *key);
        published
    }

    pub(crate) fn save(&self) -> SavedRows {
        let published = self.save_published();
        let (dead, doubted) = (self.dead.iter().copied().collect(), self.doubted.iter().copied().collect());
        let batches: Vec<&RecordBatch> = self.segments.iter().map(|s| &s.batch).collect();
        let batch = batches.first().map(|first| {
            arrow_select::concat::concat_batches(first.schema_ref(), batches.iter().copied())
                .expect("segments of one stream have one schema")
        });
        SavedRows {
            first: self.first,
            first_row: self.segments.front().map_or(self.first, |s| s.first_row),
            times: self.times.iter().copied().collect(),
            cells: self.cells.iter().copied().collect(),
            candidates: self.candidates.iter().copied().collect(),
            inputs: self.inputs.iter().copied().collect(),
            published,
            dead,
            doubted,
            batch: batch.map(|b| batch_to_bytes(&b)),
        }
    }

    /// `place` tells where an entry of a group went, by its place in the engine that saved it.
    pub(crate) fn load(&mut self, saved: SavedRows, place: impl Fn(usize, u64) -> u64) -> Result<(), String> {
        let rows = saved.times.len();
        if saved.cells.len() != rows * self.window_count
            || saved.candidates.len() != rows
            || saved.inputs.len() != rows * self.group_count
        {
            return Err("its windows are others".into());
        }
        if let Some(bytes) = saved.batch {
            let batch = batch_from_bytes(&bytes)?;
            self.segments.push_back(Segment { first_row: saved.first_row, batch });
        }
        let groups = self.group_count;
        let moved = |(at, old): (usize, u64)| if old == NO_INPUT { old } else { place(at % groups, old) };
        self.inputs = saved.inputs.into_iter().enumerate().map(moved).collect();
        (self.first, self.times, self.cells) = (saved.first, saved.times.into(), saved.cells.into());
        self.candidates = saved.candidates.into();
        self.dead = saved.dead.into_iter().collect();
        self.doubted = saved.doubted.into_iter().collect();
        for (key, said) in saved.published {
            *self.said(key) = said.into_published();
        }
        Ok(())
    }

    /// Hands out what is said about rows before the horizon, by time: it is final.
    pub(crate) fn take_finals(&mut self, horizon: i64, mut on_final: impl FnMut(u64, u32, Published)) {
        while let Some(first) = self.deadlines.first().copied().filter(|d| d.0 < horizon) {
            self.deadlines.remove(&first);
            let published = self.published.remove(&(first.1, first.2));
            published.into_iter().for_each(|published| on_final(first.1, first.2, published));
        }
    }

    /// Lets go of rows before the horizon, in the order they came: one far ahead in time holds those behind it in memory.
    pub(crate) fn pop_before(&mut self, horizon: i64) {
        let mut gone = 0;
        while self.times.get(gone).is_some_and(|t| *t < horizon) {
            gone += 1;
        }
        if gone == 0 {
            return;
        }
        let until = self.first + gone as u64;
        self.times.drain(..gone);
        self.cells.drain(..gone * self.window_count);
        self.candidates.drain(..gone);
        self.inputs.drain(..gone * self.group_count);
        self.first = until;
        forget_below(&mut self.dead, until);
        forget_below(&mut self.doubted, until);
        match &mut self.by_id {
            Some(index) if self.corrected_at > until => index.pop(gone),
            _ => self.by_id = None,
        }
        let is_past = |s: &Segment| s.first_row + s.batch.num_rows() as u64 <= until;
        while self.segments.front().is_some_and(is_past) {
            self.segments.pop_front();
        }
    }
}

fn forget_below(rows: &mut BTreeSet<u64>, until: u64) {
    while rows.first().is_some_and(|row| *row < until) {
        rows.pop_first();
    }
}
