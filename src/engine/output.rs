//! What goes out: verdicts, what was decided about each event, counts.

use arrow_array::RecordBatch;
use foreshock_core::{Detection, Fate, Feed};

/// Is it a detection or the end of one?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The rule holds for the event; a higher revision replaces a lower one.
    Detected,
    /// It no longer holds.
    Retracted,
}

/// What the engine says about one event under one rule.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Stream of the rule.
    pub stream: String,
    /// Rule, as its position in the stream's plan.
    pub rule: usize,
    /// Holds or no longer holds.
    pub state: State,
    /// 1, 2, .. of the same detection.
    pub revision: u32,
    /// The detection.
    pub detection: Detection,
    /// Event that made this revision: the first to arrive of those of its batch that changed the row's windows.
    pub cause: String,
    /// Events were shed that may be missing in it.
    pub is_incomplete: bool,
}

/// Counts of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepFacts {
    /// Events that count, and corrections.
    pub accepted: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Payments that were reported before by another bank, with the same facts.
    pub confirmations: u64,
    /// Events that count although they name a payment of which another report counts: the facts differ, or the same bank
    /// reports it twice.
    pub payment_clashes: u64,
    /// Facts replaced by another version.
    pub replaced: u64,
    /// Facts withdrawn.
    pub withdrawn: u64,
    /// Corrections that would move their fact in time: not accepted.
    pub moved: u64,
    /// Events beyond the lateness.
    pub late: u64,
    /// Values of expressions that could not be computed (overflow and such), taken as NULL.
    pub faults: u64,
    /// Rows that a window group did not take in, for the group held as many keys or entries as it may.
    pub shed: u64,
}

/// What a step gives.
#[derive(Debug, Default)]
pub struct Output {
    /// Verdicts in a fixed order.
    pub verdicts: Vec<Verdict>,
    /// (batch, row, microseconds beyond the bound) of events that came too late.
    pub late: Vec<(usize, usize, i64)>,
    /// (batch, row) of corrections that would move their fact in time.
    pub moved: Vec<(usize, usize)>,
    /// (batch, row) of the events of [`StepFacts::payment_clashes`].
    pub payment_clashes: Vec<(usize, usize)>,
    /// What became of each row of each batch.
    pub fates: Vec<Vec<Fate>>,
    /// The rows that count, in the order taken in.
    pub accepted: Vec<(Feed, RecordBatch)>,
    /// Event ids of facts of earlier batches that no longer count as they were. An id may have come again since, at
    /// another time: see [`Output::corrected`].
    pub removed: Vec<String>,
    /// Event ids and times of these facts.
    pub corrected: Vec<(String, i64)>,
    /// Counts.
    pub facts: StepFacts,
}

/// What the engine holds, in numbers of things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Rows over all streams that can still be judged again.
    pub young_rows: usize,
    /// Keys in use over all window groups.
    pub keys: usize,
    /// Entries in the logs of those keys.
    pub entries: usize,
    /// Event ids of events that are not final.
    pub event_ids: usize,
    /// Event ids of final events, remembered for a while against duplicates.
    pub past_event_ids: usize,
    /// Reports of payments remembered that other banks may still confirm.
    pub payments: usize,
    /// Texts that windows hold.
    pub texts: usize,
}
