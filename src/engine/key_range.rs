//! A key range of a window group: the logs of its keys, changed by one task of each step.

use crate::faults::{Fault, on};
use crate::index::{AHEAD, Index};
use crate::inputs::{Answers, Inputs, Leaving, Task};
use crate::key_log::{KeyLog, Spare};
use crate::late::Late;
use crate::layout::{Layout, Terms};
use crate::live_keys::LiveKeys;
use crate::pieces::Pieces;
use std::hint::black_box;

#[derive(Debug, Default)]
pub(crate) struct KeyRange {
    pub(crate) index: Index,
    pub(crate) logs: Pieces<KeyLog>,
    free: Vec<u32>,
    /// Logs changed in this step.
    changed: Vec<Changed>,
    pub(crate) live: LiveKeys,
    sweep_at: usize,
    spare: Spare,
}

/// A log changed in this step.
#[derive(Debug, Clone, Copy)]
struct Changed {
    slot: u32,
    /// Where its cursors stood before.
    stood: i64,
    /// So many entries it held.
    held: u32,
    /// Something was taken out or came in that has no delta.
    is_recomputed: bool,
    /// A row of it was shed.
    misses_row: bool,
}

impl Changed {
    /// May late entries go in by deltas, the cursors staying where they stand?
    fn has_deltas(&self, log: &KeyLog, layout: &Layout) -> bool {
        let has_deltas = layout.has_deltas && log.changed_from <= log.stands_at;
        !self.is_recomputed && (has_deltas || layout.peers_share_answers && log.changed_from == log.stands_at)
    }
}

impl KeyRange {
    /// Applies all changes of a step to this range's logs, then answers for new and touched rows.
    pub(crate) fn step(&mut self, task: &Task<'_>) -> Answers {
        let Task { layout, work, context, about, .. } = *task;
        let terms = Terms { layout, texts: context.texts };
        let mut answers = Answers::with_capacity(work.entering.len(), layout.answers);
        let entering = self.note_all(task, &mut answers.places);
        self.take_out(&work.leaving, &terms);
        let idle_before = layout.idle_before(context.horizon);
        let changed = std::mem::take(&mut self.changed);
        let mut entry = Vec::with_capacity(layout.stride);
        let mut rows = Vec::new();
        for (from, logs) in changed.chunks(AHEAD).enumerate() {
            self.warm(logs, layout);
            for (nth, changed) in logs.iter().enumerate() {
                let log = &mut self.logs[changed.slot as usize];
                log.unfold(&terms, &mut self.spare);
                rows.clear();
                rows.extend(entering.of(from * AHEAD + nth).map(|nth| work.entering[nth] as usize));
                let later =
                    if changed.has_deltas(log, layout) { enter_late(log, &rows, task, &mut answers) } else { &rows };
                log.rewind(&terms);
                enter(log, later, task, &mut entry);
            }
            logs.iter().for_each(|changed| self.logs[changed.slot as usize].begin(layout));
            for Changed { slot, stood, held, misses_row, .. } in logs {
                let log = &mut self.logs[*slot as usize];
                let was_live = *stood >= idle_before && *stood > i64::MIN;
                if !was_live || *misses_row {
                    log.doubtful_until = about.doubtful_until;
                }
                answer(log, task, &mut answers);
                log.fold(&terms, &mut self.spare);
                // All its entries may have been taken out again.
                match (log.stands_at > i64::MIN, layout.keeps_keys) {
                    (true, false) => {
                        self.live.note(was_live.then_some((*stood, *held)), (log.stands_at, log.held(layout)));
                    }
                    (true, true) => self.live.keep(was_live.then_some(*held), log.held(layout)),
                    _ => {}
                }
            }
        }
        self.sweep(2 * work.entering.len() + 16, idle_before);
        answers
    }

    /// Entries in all logs, and the bytes of the range.
    pub(crate) fn weigh(&self) -> (u64, usize) {
        let logs = self.logs.iter().map(KeyLog::weigh);
        logs.fold((0, self.index.bytes()), |sum, log| (sum.0 + log.0, sum.1 + log.1))
    }

    /// Notes which logs change from when on, and where each entering row goes.
    fn note_all(&mut self, task: &Task<'_>, places: &mut Vec<u64>) -> Chains {
        let Task { number, layout, work, inputs, context, .. } = *task;
        for leaving in &work.leaving {
            self.note(leaving.place as u32, context.young.time(leaving.row), leaving.cause, layout);
        }
        let mut entering = Chains::new(work.entering.len());
        for (from, rows) in work.entering.chunks(AHEAD).enumerate() {
            self.begin(rows, inputs);
            for (nth, at) in rows.iter().enumerate() {
                let at = *at as usize;
                let slot = self.slot(inputs.keys.get(at), inputs.keys.hashes[at]);
                let changed = self.note(slot, inputs.times[at], inputs.causes[at], layout);
                // An old row that enters has no answers of its own yet, as a new one, but is not told from the others.
                self.changed[changed].is_recomputed |= inputs.rows[at] < context.first_new;
                entering.add(changed, from * AHEAD + nth);
                places.push((number as u64) << 32 | u64::from(slot));
            }
        }
        for at in &work.missing {
            let at = *at as usize;
            if let Some(slot) = self.find(inputs.keys.get(at), inputs.keys.hashes[at]) {
                // The rows from there on are answered again, for what they may now miss.
                let changed = self.note(slot, inputs.times[at], inputs.causes[at], layout);
                self.changed[changed].is_recomputed = true;
                self.changed[changed].misses_row = true;
            }
        }
        entering
    }

    /// Takes the entries of these rows out of their logs, after all changes of the step have been noted.
    fn take_out(&mut self, leaving: &[Leaving], terms: &Terms<'_>) {
        let mut leaving: Vec<(u32, u64)> = leaving.iter().map(|l| (l.place as u32, l.row)).collect();
        leaving.sort_unstable();
        let mut rows = Vec::new();
        for of_log in leaving.chunk_by(|a, b| a.0 == b.0) {
            let log = &mut self.logs[of_log[0].0 as usize];
            self.changed[log.changed_at as usize].is_recomputed = true;
            rows.clear();
            rows.extend(of_log.iter().map(|(_, row)| *row));
            log.unfold(terms, &mut self.spare);
            log.rewind(terms);
            log.remove(&rows, terms.layout);
        }
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
    fn note(&mut self, slot: u32, time: i64, row: u64, layout: &Layout) -> usize {
        let log = &mut self.logs[slot as usize];
        if log.changed_from == i64::MAX {
            log.changed_at = self.changed.len() as u32;
            let (stood, held) = (log.stands_at, log.held(layout));
            self.changed.push(Changed { slot, stood, held, is_recomputed: false, misses_row: false });
        }
        log.note_change(time, row);
        log.changed_at as usize
    }

    /// The slot of a key's log, when it has one.
    pub(crate) fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        self.index.find(hash, |slot| self.logs[slot as usize].key.as_ref() == key)
    }

    fn slot(&mut self, key: &[u8], hash: u64) -> u32 {
        if let Some(slot) = self.find(key, hash) {
            return slot;
        }
        let log = KeyLog::new(key, hash);
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
    fn sweep(&mut self, count: usize, idle_before: i64) {
        for _ in 0..count.min(self.logs.len()) {
            self.sweep_at = (self.sweep_at + 1) % self.logs.len();
            let log = &self.logs[self.sweep_at];
            if log.is_free || !log.is_idle(idle_before) {
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
fn enter_late<'r>(log: &mut KeyLog, rows: &'r [usize], task: &Task<'_>, answers: &mut Answers) -> &'r [usize] {
    let (Task { layout, inputs, context, .. }, readers) = (*task, task.about.readers);
    let (late, later) = rows.split_at(rows.partition_point(|at| inputs.times[*at] <= log.stands_at));
    let matters = |at: &usize| context.young.matters(inputs.rows[*at], readers);
    let Some(first) = late.first() else { return rows };
    let is_before = inputs.times[*first] < log.stands_at;
    if is_before && layout.has_extremes && late.iter().any(matters) {
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

/// Puts the entries of entering rows, which are sorted, into a log.
fn enter(log: &mut KeyLog, rows: &[usize], task: &Task<'_>, entry: &mut Vec<i64>) {
    let Task { layout, inputs, context, .. } = *task;
    let id_of = |row: u64| context.young.event_id(row);
    let is_inside = |at: &usize| log.ends_after(inputs.times[*at], || id_of(inputs.rows[*at]), layout, id_of);
    let (inside, after) = rows.split_at(rows.partition_point(is_inside));
    if !inside.is_empty() {
        let mut entries = Vec::with_capacity(inside.len() * layout.stride);
        for at in inside {
            inputs.write_entry(*at, entry);
            entries.extend_from_slice(entry);
        }
        log.merge(&entries, layout, id_of);
    }
    for at in after {
        inputs.write_entry(*at, entry);
        log.push(entry);
    }
}

/// Answers for the rows of a log from its first change on, and lets go of what is past.
fn answer(log: &mut KeyLog, task: &Task<'_>, answers: &mut Answers) {
    let (Task { layout, context, .. }, readers) = (*task, task.about.readers);
    let (cause, from, doubtful_until) = (log.cause, log.changed_from, log.doubtful_until);
    let matters = |row: u64| context.young.matters(row, readers);
    log.replay(&Terms { layout, texts: context.texts }, matters, |row, cells| {
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
