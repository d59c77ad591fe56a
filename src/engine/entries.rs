//! The entries of a log in their order: found by search, put in and taken out.

use crate::faults::{Fault, on};
use crate::key_log::{KeyLog, row_number};
use crate::layout::Layout;

impl KeyLog {
    /// First position whose time is at least `time`, searched back from the end: changes are young.
    pub(crate) fn position_at(&self, time: i64, layout: &Layout) -> u64 {
        self.back_while(self.end, layout, |entry| entry[0] >= time)
    }

    /// The first of the positions before `until` from which on all entries are so; the log's order makes them the last ones.
    fn back_while(&self, until: u64, layout: &Layout, is_so: impl Fn(&[i64]) -> bool) -> u64 {
        let (mut low, mut high, mut step) = (self.base, until, 1);
        while low < high {
            // Steps that double, then halves: what is near is found as fast as by a walk.
            let at = if step > 0 { high.saturating_sub(step).max(low) } else { low.midpoint(high) };
            if is_so(self.entry(at, layout)) {
                (high, step) = (at, step * 2);
            } else {
                (low, step) = (at + 1, 0);
            }
        }
        high
    }

    /// First position from this one on whose time is at least `time`.
    pub(crate) fn first_from(&self, position: u64, time: i64, layout: &Layout) -> u64 {
        let (mut low, mut high, mut step) = (position, self.end, 1);
        while low < high {
            let at = if step > 0 { low.saturating_add(step - 1).min(high - 1) } else { low.midpoint(high) };
            if self.time(at, layout) < time {
                (low, step) = (at + 1, step * 2);
            } else {
                (high, step) = (at, 0);
            }
        }
        low
    }

    /// Does the youngest entry come after one of this time and id?
    pub(crate) fn ends_after<'i>(
        &self,
        time: i64,
        id: impl Fn() -> &'i str,
        layout: &Layout,
        id_of: impl Fn(u64) -> &'i str,
    ) -> bool {
        self.end > self.base && sorts_after(self.entry(self.end - 1, layout), time, id, &id_of)
    }

    /// Adds an entry that comes after all others.
    pub(crate) fn push(&mut self, entry: &[i64]) {
        self.data.extend_from_slice(entry);
        self.end += 1;
    }

    /// Puts sorted entries in their places: every younger entry moves once.
    pub(crate) fn merge<'i>(&mut self, entries: &[i64], layout: &Layout, id_of: impl Fn(u64) -> &'i str) {
        let stride = layout.stride;
        let (mut until, mut left) = (self.end, entries.len());
        self.data.resize(self.data.len() + left, 0);
        for entry in entries.chunks_exact(stride).rev() {
            let (time, id) = (entry[0], id_of(row_number(entry)));
            let at = self.back_while(until, layout, |other| sorts_after(other, time, || id, &id_of));
            let words = self.word(at, layout)..self.word(until, layout);
            let start = words.start;
            self.data.copy_within(words, start + left);
            left -= stride;
            self.data[start + left..start + left + stride].copy_from_slice(entry);
            until = at;
        }
        self.end += (entries.len() / stride) as u64;
    }

    fn word(&self, position: u64, layout: &Layout) -> usize {
        self.skip + (position - self.base) as usize * layout.stride
    }

    /// Takes the entries of these rows out, which are sorted. None lies before what has changed.
    pub(crate) fn remove(&mut self, rows: &[u64], layout: &Layout) {
        let stride = layout.stride;
        let mut to = self.word(self.position_at(self.changed_from, layout), layout);
        for from in (to..self.data.len()).step_by(stride) {
            if rows.binary_search(&row_number(&self.data[from..from + stride])).is_err() {
                self.data.copy_within(from..from + stride, to);
                to += stride;
            }
        }
        debug_assert_eq!((self.data.len() - to) / stride, rows.len(), "all rows that leave are there");
        self.end -= ((self.data.len() - to) / stride) as u64;
        self.data.truncate(to);
    }

    /// Does the entry of a row hold exactly these words?
    pub(crate) fn holds<'i>(&self, entry: &[i64], layout: &Layout, id_of: impl Fn(u64) -> &'i str) -> bool {
        let id = id_of(row_number(entry));
        let at = self.back_while(self.end, layout, |other| {
            sorts_after(other, entry[0], || id, &id_of) || on(Fault::TiesByArrival) && other[0] == entry[0]
        });
        // It stands before the first one that sorts after it; ties by arrival are no order, there all are looked at.
        let (from, until) =
            if on(Fault::TiesByArrival) { (at, self.end) } else { (at.saturating_sub(1).max(self.base), at) };
        (from..until).any(|position| self.entry(position, layout) == entry)
    }
}

/// Does an entry come after one of this time and id?
fn sorts_after<'i>(entry: &[i64], time: i64, id: impl Fn() -> &'i str, id_of: &impl Fn(u64) -> &'i str) -> bool {
    entry[0] > time || entry[0] == time && !on(Fault::TiesByArrival) && id_of(row_number(entry)) > id()
}
