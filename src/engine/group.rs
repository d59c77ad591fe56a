//! A window group's logs, cut into key ranges so that each range is a task of its own.

use crate::accumulator::Cell;
use crate::eval::downcast;
use crate::faults::{Fault, on};
use crate::index::{AHEAD, Index};
use crate::intern::Interner;
use crate::key_log::KeyLog;
use crate::late::Late;
use crate::layout::{Layout, NULL_BIT};
use crate::live_keys::LiveKeys;
use crate::plan::GroupPlan;
use crate::rows::YoungRows;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use hashbrown::{DefaultHashBuilder, HashMap};
use std::hash::BuildHasher;
use std::hint::black_box;

/// Runs the tasks of a level. The engine owns no thread: the caller brings one of these.
pub trait Runner {
    /// Runs every task once and returns when all are done.
    fn run<'a>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'a>>);
}

/// Runs tasks one after the other on the calling thread.
#[derive(Debug, Default, Clone, Copy)]
pub struct Inline;

impl Runner for Inline {
    fn run<'a>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'a>>) {
        for task in tasks {
            task();
        }
    }
}

/// The partition key of every row of a stage, as bytes with their hash.
#[derive(Debug)]
pub(crate) struct Keys {
    bytes: KeyBytes,
    pub(crate) hashes: Vec<u64>,
    /// Rows of which a part of the key is NULL: in no log.
    pub(crate) null: Vec<bool>,
}

#[derive(Debug)]
enum KeyBytes {
    Text(StringArray),
    Encoded { data: Vec<u8>, ends: Vec<usize> },
}

impl Keys {
    pub(crate) fn new(columns: &[ArrayRef], rows: usize, hasher: &DefaultHashBuilder) -> Self {
        let bytes = match columns {
            [one] if one.data_type() == &DataType::Utf8 => KeyBytes::Text(downcast::<StringArray>(one).clone()),
            _ => encode(columns, rows),
        };
        let null = (0..rows).map(|row| columns.iter().any(|c| c.is_null(row))).collect();
        let mut keys = Keys { bytes, hashes: Vec::with_capacity(rows), null };
        for row in 0..rows {
            let hash = hasher.hash_one(keys.get(row));
            keys.hashes.push(hash);
        }
        keys
    }

    pub(crate) fn get(&self, row: usize) -> &[u8] {
        match &self.bytes {
            KeyBytes::Text(texts) => texts.value(row).as_bytes(),
            KeyBytes::Encoded { data, ends } => &data[if row == 0 { 0 } else { ends[row - 1] }..ends[row]],
        }
    }
}

/// Several key columns as one byte string: fixed width for numbers, length before text, so no two keys meet.
fn encode(columns: &[ArrayRef], rows: usize) -> KeyBytes {
    let (mut data, mut ends) = (Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        for column in columns.iter().filter(|c| c.is_valid(row)) {
            match column.data_type() {
                DataType::Utf8 => {
                    let text = downcast::<StringArray>(column).value(row);
                    data.extend_from_slice(&text.len().to_le_bytes());
                    data.extend_from_slice(text.as_bytes());
                }
                DataType::Boolean => data.push(u8::from(downcast::<arrow_array::BooleanArray>(column).value(row))),
                DataType::Timestamp(..) => {
                    let time = downcast::<arrow_array::TimestampMicrosecondArray>(column).value(row);
                    data.extend_from_slice(&time.to_le_bytes());
                }
                DataType::UInt64 => {
                    data.extend_from_slice(&downcast::<arrow_array::UInt64Array>(column).value(row).to_le_bytes());
                }
                _ => data.extend_from_slice(&downcast::<arrow_array::Int64Array>(column).value(row).to_le_bytes()),
            }
        }
        ends.push(data.len());
    }
    KeyBytes::Encoded { data, ends }
}

/// The inputs of one group for the rows of a stage.
pub(crate) struct Inputs<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) times: &'a [i64],
    pub(crate) rows: &'a [u64],
    pub(crate) causes: &'a [u64],
    pub(crate) arguments: &'a [(Vec<i64>, Option<arrow_buffer::NullBuffer>)],
    pub(crate) flags: &'a [i64],
}

impl Inputs<'_> {
    fn write_entry(&self, at: usize, entry: &mut Vec<i64>) {
        entry.clear();
        let mut flags = self.flags.get(at).copied().unwrap_or(0);
        entry.extend([self.times[at], self.rows[at].cast_signed(), 0]);
        for (slot, (values, nulls)) in self.arguments.iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|n| n.is_null(at));
            flags |= i64::from(is_null) << (NULL_BIT + slot);
            entry.push(if is_null { 0 } else { values[at] });
        }
        entry[2] = flags;
    }
}

/// An old row whose entry is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    pub(crate) row: u64,
    /// Key range and slot of its entry.
    pub(crate) place: u64,
    /// The new row that is why.
    pub(crate) cause: u64,
}

/// Work for one key range: old rows that may leave or change, rows that enter, both in log order.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Rows that leave, or change and enter again.
    pub(crate) leaving: Vec<Leaving>,
    /// Positions in the stage of rows that enter.
    pub(crate) entering: Vec<u32>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.entering.is_empty()
    }
}

/// Answers of one task, by row.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) rows: Vec<u64>,
    pub(crate) causes: Vec<u64>,
    pub(crate) cells: Vec<Cell>,
    /// Where each entering row's entry went.
    pub(crate) places: Vec<u64>,
    /// Rows whose answers may miss events that the key budget shed.
    pub(crate) doubtful: Vec<u64>,
}

impl Answers {
    fn with_capacity(rows: usize, answers: usize) -> Self {
        let (causes, cells) = (Vec::with_capacity(rows), Vec::with_capacity(rows * answers));
        let (rows, places) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        Answers { rows, causes, cells, places, doubtful: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: u64, cause: u64, cells: &[Cell], doubtful_until: i64, context: &Context<'_>) {
        self.rows.push(row);
        self.causes.push(cause);
        self.cells.extend_from_slice(cells);
        if doubtful_until > i64::MIN && context.young.time(row) <= doubtful_until {
            self.doubtful.push(row);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct KeyRange {
    index: Index,
    logs: Vec<KeyLog>,
    free: Vec<u32>,
    /// Logs changed in this step.
    changed: Vec<Changed>,
    live: LiveKeys,
    sweep_at: usize,
}

/// A log changed in this step.
#[derive(Debug, Clone, Copy)]
struct Changed {
    slot: u32,
    /// Where its cursors stood before.
    stood: i64,
    /// Something was taken out or came in that has no delta.
    is_recomputed: bool,
}

impl Changed {
    /// May late entries go in by deltas?
    fn has_deltas(&self, log: &KeyLog, layout: &Layout) -> bool {
        layout.has_deltas && !self.is_recomputed && log.changed_from <= log.stands_at
    }
}

/// What a task must know of its group beside the layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFacts {
    /// See [`crate::readers::readers`].
    pub(crate) readers: u64,
    /// Until when results of a key that comes into use now may miss events that were shed.
    pub(crate) doubtful_until: i64,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) layout: Layout,
    pub(crate) ranges: Vec<KeyRange>,
    /// Most keys in use; rows of further ones are shed.
    keys_max: usize,
    /// The rules that read its results; see [`crate::readers::readers`].
    pub(crate) readers: u64,
    /// Newest event time among the rows shed.
    pub(crate) last_shed: i64,
}

impl Group {
    pub(crate) fn new(plan: &GroupPlan, readers: u64, shards: usize, keys_max: usize) -> Self {
        let ranges = (0..shards).map(|_| KeyRange::default()).collect();
        Group { layout: Layout::new(plan), ranges, keys_max, readers, last_shed: i64::MIN }
    }

    /// Counts the keys in use; what they are allowed to grow by in this step.
    pub(crate) fn budget(&mut self, horizon: i64) -> usize {
        let cut = self.layout.idle_before(horizon);
        self.ranges.iter_mut().for_each(|range| range.live.forget_before(cut));
        self.keys_max.saturating_sub(self.live_count())
    }

    pub(crate) fn live_count(&self) -> usize {
        self.ranges.iter().map(|range| range.live.len()).sum()
    }

    /// Is the key of stage row `at` in use? `cut` is [`Layout::idle_before`].
    pub(crate) fn is_live(&self, inputs: &Inputs<'_>, at: usize, cut: i64) -> bool {
        let (key, hash) = (inputs.keys.get(at), inputs.keys.hashes[at]);
        let range = &self.ranges[self.range_of(hash)];
        let slot = range.index.find(hash, |s| range.logs[s as usize].key.as_ref() == key);
        slot.is_some_and(|slot| !range.logs[slot as usize].is_idle(cut))
    }

    /// Until when results of a key that comes into use now may miss events that were shed.
    pub(crate) fn doubtful_until(&self) -> i64 {
        self.last_shed.saturating_add(if self.last_shed == i64::MIN { 0 } else { self.layout.reach() })
    }

    pub(crate) fn facts(&self) -> GroupFacts {
        GroupFacts { readers: self.readers, doubtful_until: self.doubtful_until() }
    }

    /// The key range of a hash.
    pub(crate) fn range_of(&self, hash: u64) -> usize {
        (hash >> 32) as usize % self.ranges.len()
    }

    /// Does the entry at `place` hold exactly the input of stage row `at`?
    pub(crate) fn holds(&self, place: u64, inputs: &Inputs<'_>, at: usize) -> bool {
        let range = &self.ranges[self.range_of(inputs.keys.hashes[at])];
        let Some(log) = range
            .logs
            .get(place as u32 as usize)
            .filter(|_| place >> 32 == self.range_of(inputs.keys.hashes[at]) as u64)
        else {
            return false;
        };
        let mut entry = Vec::new();
        inputs.write_entry(at, &mut entry);
        log.key.as_ref() == inputs.keys.get(at) && log.holds(&entry, &self.layout)
    }

    pub(crate) fn weigh(&self) -> (u64, usize) {
        self.ranges.iter().map(KeyRange::weigh).fold((0, 0), |sum, range| (sum.0 + range.0, sum.1 + range.1))
    }

    /// Every log with its place.
    pub(crate) fn logs(&self) -> Vec<(u64, &KeyLog)> {
        let mut logs = Vec::new();
        for (number, range) in self.ranges.iter().enumerate() {
            let live = range.logs.iter().enumerate().filter(|(_, log)| !log.is_free);
            logs.extend(live.map(|(slot, log)| ((number as u64) << 32 | slot as u64, log)));
        }
        logs.sort_unstable_by(|a, b| a.1.key.cmp(&b.1.key));
        logs
    }

    /// Takes in saved logs; where each went, by its place in the engine that saved it.
    pub(crate) fn take_in(&mut self, logs: Vec<(u64, KeyLog)>, hasher: &DefaultHashBuilder) -> HashMap<u64, u64> {
        let mut places = HashMap::with_capacity(logs.len());
        for (old, mut log) in logs {
            log.hash = hasher.hash_one(log.key.as_ref());
            let number = self.range_of(log.hash);
            let range = &mut self.ranges[number];
            let slot = u32::try_from(range.logs.len()).expect("fewer than 2^32 keys fit in memory");
            range.index.insert(log.hash, slot);
            if self.layout.keeps_keys {
                range.live.keep();
            } else if log.stands_at > i64::MIN {
                range.live.note(None, log.stands_at);
            }
            range.logs.push(log);
            places.insert(old, (number as u64) << 32 | u64::from(slot));
        }
        places
    }

    pub(crate) fn key_count(&self) -> usize {
        self.live_count()
    }
}

impl KeyRange {
    /// Applies all changes of a step to this range's logs, then answers for new and touched rows.
    pub(crate) fn step(
        &mut self,
        number: usize,
        layout: &Layout,
        work: &Work,
        inputs: &Inputs<'_>,
        context: &Context<'_>,
        about: GroupFacts,
    ) -> Answers {
        let mut answers = Answers::with_capacity(work.entering.len(), layout.answers);
        for leaving in &work.leaving {
            self.note(leaving.place as u32, context.young.time(leaving.row), leaving.cause);
        }
        let mut entering = Chains::new(work.entering.len());
        for (from, rows) in work.entering.chunks(AHEAD).enumerate() {
            self.begin(rows, inputs);
            for (nth, at) in rows.iter().enumerate() {
                let at = *at as usize;
                let slot = self.slot(inputs.keys.get(at), inputs.keys.hashes[at], layout);
                let changed = self.note(slot, inputs.times[at], inputs.causes[at]);
                // An old row that enters has no answers of its own yet, as a new one, but is not told from the others.
                self.changed[changed].is_recomputed |= inputs.rows[at] < context.first_new;
                entering.add(changed, from * AHEAD + nth);
                answers.places.push((number as u64) << 32 | u64::from(slot));
            }
        }
        for Leaving { row, place, .. } in &work.leaving {
            let log = &mut self.logs[*place as u32 as usize];
            self.changed[log.changed_at as usize].is_recomputed = true;
            log.rewind(layout, context.texts);
            log.remove(context.young.time(*row), *row, layout);
        }
        let cut = layout.idle_before(context.horizon);
        let changed = std::mem::take(&mut self.changed);
        let mut entry = Vec::with_capacity(layout.stride);
        let mut rows = Vec::new();
        for (from, logs) in changed.chunks(AHEAD).enumerate() {
            self.warm(logs, layout);
            for (nth, changed) in logs.iter().enumerate() {
                let log = &mut self.logs[changed.slot as usize];
                rows.clear();
                rows.extend(entering.of(from * AHEAD + nth).map(|nth| work.entering[nth] as usize));
                let later = if changed.has_deltas(log, layout) {
                    enter_late(log, &rows, layout, inputs, about.readers, context, &mut answers)
                } else {
                    &rows
                };
                log.rewind(layout, context.texts);
                for at in later {
                    inputs.write_entry(*at, &mut entry);
                    let id = || context.young.event_id(inputs.rows[*at]);
                    let is_after = |other: u64| !on(Fault::TiesByArrival) && context.young.event_id(other) > id();
                    log.insert(&entry, layout, is_after);
                }
            }
            logs.iter().for_each(|changed| self.logs[changed.slot as usize].begin(layout));
            for Changed { slot, stood, .. } in logs {
                let log = &mut self.logs[*slot as usize];
                let was_live = *stood >= cut && *stood > i64::MIN;
                if !was_live {
                    log.doubtful_until = about.doubtful_until;
                }
                answer(log, layout, context, about.readers, &mut answers);
                // All its entries may have been taken out again.
                match (log.stands_at > i64::MIN, layout.keeps_keys) {
                    (true, false) => self.live.note(was_live.then_some(*stood), log.stands_at),
                    (true, true) if !was_live => self.live.keep(),
                    _ => {}
                }
            }
        }
        self.sweep(2 * work.entering.len() + 16, cut);
        answers
    }

    /// Entries in all logs, and the bytes of the range.
    fn weigh(&self) -> (u64, usize) {
        let logs = self.logs.iter().map(KeyLog::weigh);
        logs.fold((0, self.index.bytes()), |sum, log| (sum.0 + log.0, sum.1 + log.1))
    }

    /// Loads what the look-ups of these rows will need.
    fn begin(&self, rows: &[u32], inputs: &Inputs<'_>) {
        let mut guesses = [None; AHEAD];
        for (guess, at) in guesses.iter_mut().zip(rows) {
            *guess = self.index.guess(inputs.keys.hashes[*at as usize]);
        }
        for slot in guesses.into_iter().flatten() {
            black_box(self.logs[slot as usize].key.first().copied());
        }
    }

    /// Loads what the steps of these logs will need: each loop asks for lines that do not wait for each other.
    fn warm(&self, changed: &[Changed], layout: &Layout) {
        for Changed { slot, .. } in changed {
            self.logs[*slot as usize].warm(layout);
        }
        for Changed { slot, .. } in changed {
            self.logs[*slot as usize].warm_more(layout);
        }
    }

    /// Notes a change of a log; its place among the changed ones of this step.
    fn note(&mut self, slot: u32, time: i64, row: u64) -> usize {
        let log = &mut self.logs[slot as usize];
        if log.changed_from == i64::MAX {
            log.changed_at = self.changed.len() as u32;
            self.changed.push(Changed { slot, stood: log.stands_at, is_recomputed: false });
        }
        log.note_change(time, row);
        log.changed_at as usize
    }

    fn slot(&mut self, key: &[u8], hash: u64, layout: &Layout) -> u32 {
        let logs = &self.logs;
        if let Some(slot) = self.index.find(hash, |s| logs[s as usize].key.as_ref() == key) {
            return slot;
        }
        let log = KeyLog::new(key, hash, layout);
        let slot = if let Some(free) = self.free.pop() {
            self.logs[free as usize] = log;
            free
        } else {
            self.logs.push(log);
            u32::try_from(self.logs.len() - 1).expect("fewer than 2^32 keys fit in memory")
        };
        self.index.insert(hash, slot);
        slot
    }

    /// Frees keys that nothing can need any more, a few per step, so that a step never stalls.
    fn sweep(&mut self, count: usize, cut: i64) {
        for _ in 0..count.min(self.logs.len()) {
            self.sweep_at = (self.sweep_at + 1) % self.logs.len();
            let log = &self.logs[self.sweep_at];
            if log.is_free || !log.is_idle(cut) {
                continue;
            }
            let slot = self.sweep_at as u32;
            self.index.remove(log.hash, slot);
            self.logs[self.sweep_at] = KeyLog::free();
            self.free.push(slot);
        }
    }
}

/// Takes the late ones of a log's entering rows in by deltas, where all that matter have one; the rows that are left.
fn enter_late<'r>(
    log: &mut KeyLog,
    rows: &'r [usize],
    layout: &Layout,
    inputs: &Inputs<'_>,
    readers: u64,
    context: &Context<'_>,
    answers: &mut Answers,
) -> &'r [usize] {
    let (late, later) = rows.split_at(rows.partition_point(|at| inputs.times[*at] <= log.stands_at));
    let matters = |at: &usize| context.young.matters(inputs.rows[*at], readers);
    if late.is_empty() || layout.has_extremes && late.iter().any(matters) {
        return rows;
    }
    let (mut entries, mut entry) = (Vec::with_capacity(late.len() * layout.stride), Vec::new());
    for at in late {
        inputs.write_entry(*at, &mut entry);
        entries.extend_from_slice(&entry);
    }
    let cause = late.iter().map(|at| inputs.causes[*at]).min().unwrap_or(u64::MAX);
    log.insert_late(&Late { entries: &entries, cause, readers }, layout, context, answers);
    log.changed_from = later.first().map_or(i64::MAX, |at| inputs.times[*at]);
    later
}

/// Answers for the rows of a log from its first change on, and lets go of what is past.
fn answer(log: &mut KeyLog, layout: &Layout, context: &Context<'_>, readers: u64, answers: &mut Answers) {
    let (cause, from, doubtful_until) = (log.cause, log.changed_from, log.doubtful_until);
    let matters = |row: u64| context.young.matters(row, readers);
    log.replay(layout, context.texts, matters, |row, cells| {
        let is_old = row < context.first_new;
        let is_peer = is_old && on(Fault::PeersNotJudgedAgain) && context.young.time(row) == from;
        if !(is_peer || is_old && on(Fault::NoCorrection)) {
            answers.push(row, cause, cells, doubtful_until, context);
        }
    });
    log.evict(context.horizon, layout);
}

/// The entering rows of each changed log, in their order.
struct Chains {
    /// Of each changed log: its first and last entering row.
    ends: Vec<(u32, u32)>,
    /// Of each entering row: the next of the same log.
    next: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Chains {
    fn new(rows: usize) -> Self {
        Chains { ends: Vec::with_capacity(rows), next: vec![NONE; rows] }
    }

    fn add(&mut self, changed: usize, row: usize) {
        if self.ends.len() <= changed {
            self.ends.resize(changed + 1, (NONE, NONE));
        }
        let (first, last) = &mut self.ends[changed];
        if *first == NONE {
            *first = row as u32;
        } else {
            self.next[*last as usize] = row as u32;
        }
        *last = row as u32;
    }

    fn of(&self, changed: usize) -> impl Iterator<Item = usize> {
        let mut at = self.ends.get(changed).map_or(NONE, |e| e.0);
        std::iter::from_fn(move || {
            let row = at as usize;
            at = *self.next.get(row)?;
            Some(row)
        })
    }
}

/// What a task may read.
pub(crate) struct Context<'a> {
    pub(crate) young: &'a YoungRows,
    pub(crate) texts: &'a Interner,
    pub(crate) horizon: i64,
    pub(crate) first_new: u64,
}
