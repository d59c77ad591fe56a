//! Old rows to judge again in this step, each with the row that is why: the first to arrive of those that changed it.

use crate::shared::Shared;

/// An old row, why it is judged again, and by which rules (bits, [`crate::readers`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub(crate) row: u64,
    pub(crate) cause: u64,
    pub(crate) rules: u64,
}

/// Rows in order, each once; notes made while they are read join them at [`Dirty::settle`].
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    rows: Vec<Note>,
    notes: Vec<Note>,
}

impl Dirty {
    /// Of a row something changed that these rules read. Only they judge it again: what a rule says of a row must not hang on
    /// which other rules there are.
    pub(crate) fn note(&mut self, row: u64, cause: u64, rules: u64) {
        self.notes.push(Note { row, cause, rules });
    }

    pub(crate) fn settle(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        self.rows.append(&mut self.notes);
        // By row, then cause: the lowest cause of a row comes first and stays.
        self.rows.sort_unstable();
        self.rows.dedup_by(|later, kept| {
            let is_same = later.row == kept.row;
            kept.rules |= if is_same { later.rules } else { 0 };
            is_same
        });
    }

    /// The rows, in order.
    pub(crate) fn rows(&self) -> &[Note] {
        &self.rows
    }

    /// Why a row is judged: a new row is its own cause.
    pub(crate) fn cause(&self, row: u64) -> u64 {
        self.find(row).map_or(row, |note| note.cause)
    }

    /// The rules that judge a row: all judge a new one.
    pub(crate) fn rules(&self, row: u64) -> u64 {
        self.find(row).map_or(u64::MAX, |note| note.rules)
    }

    fn find(&self, row: u64) -> Option<&Note> {
        self.rows.binary_search_by_key(&row, |note| note.row).ok().map(|at| &self.rows[at])
    }
}

/// How a stream's step goes on from level to level.
pub(crate) struct Step<'a, 's> {
    pub(crate) shared: &'a mut Shared<'s>,
    /// Old rows that no longer count, and those one of whose window results changed in this step.
    pub(crate) dirty: Dirty,
    /// The rows from this number on are new.
    pub(crate) first_new: u64,
}
