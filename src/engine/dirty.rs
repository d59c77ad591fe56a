//! Old rows to judge again in this step, each with the row that is why: the first to arrive of those that changed it.

use crate::shared::Shared;

/// Rows in order, each once; notes made while they are read join them at [`Dirty::settle`].
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    rows: Vec<(u64, u64)>,
    notes: Vec<(u64, u64)>,
}

impl Dirty {
    pub(crate) fn note(&mut self, row: u64, cause: u64) {
        self.notes.push((row, cause));
    }

    pub(crate) fn settle(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        self.rows.append(&mut self.notes);
        // By row, then cause: the lowest cause of a row comes first and stays.
        self.rows.sort_unstable();
        self.rows.dedup_by_key(|(row, _)| *row);
    }

    /// The rows and their causes, in order.
    pub(crate) fn rows(&self) -> &[(u64, u64)] {
        &self.rows
    }

    /// Why a row is judged: a new row is its own cause.
    pub(crate) fn cause(&self, row: u64) -> u64 {
        self.rows.binary_search_by_key(&row, |r| r.0).map_or(row, |at| self.rows[at].1)
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
