//! The young rows of an event by its id, youngest first. Made when the first correction comes and kept up from then on:
//! without it each correction would look at all young rows.

use crate::corrections::event_of;
use arrow_array::{Array, StringArray};
use hashbrown::{DefaultHashBuilder, HashMap};
use std::collections::VecDeque;
use std::hash::BuildHasher;

#[derive(Debug, Default)]
pub(crate) struct IdIndex {
    hasher: DefaultHashBuilder,
    /// By hash of the event's id: its youngest row.
    last: HashMap<u64, u64>,
    /// Of each row: the hash, and the row before it of the same hash.
    rows: VecDeque<(u64, Option<u64>)>,
    /// Number of the first of these rows.
    first: u64,
}

impl IdIndex {
    /// For rows from this number on.
    pub(crate) fn new(first: u64) -> Self {
        IdIndex { first, ..IdIndex::default() }
    }

    /// Adds the next rows: these, from position `from` on.
    pub(crate) fn push(&mut self, row_ids: &StringArray, from: usize) {
        for at in from..row_ids.len() {
            let row = self.first + self.rows.len() as u64;
            let hash = self.hasher.hash_one(event_of(row_ids.value(at)));
            self.rows.push_back((hash, self.last.insert(hash, row)));
        }
    }

    /// Lets go of so many rows, the first ones.
    pub(crate) fn pop(&mut self, count: usize) {
        for (hash, _) in self.rows.drain(..count) {
            if self.last.get(&hash) == Some(&self.first) {
                self.last.remove(&hash);
            }
            self.first += 1;
        }
    }

    /// Rows that are most likely of this event, youngest first.
    pub(crate) fn of_event(&self, event_id: &str) -> impl Iterator<Item = u64> {
        self.back_from(self.last.get(&self.hasher.hash_one(event_id)).copied())
    }

    /// The rows before this one that are most likely of the same event, youngest first.
    pub(crate) fn before(&self, row: u64) -> impl Iterator<Item = u64> {
        self.back_from(self.rows[(row - self.first) as usize].1)
    }

    fn back_from(&self, row: Option<u64>) -> impl Iterator<Item = u64> {
        let held = |row: Option<u64>| row.filter(|row| *row >= self.first);
        std::iter::successors(held(row), move |row| held(self.rows[(row - self.first) as usize].1))
    }
}
