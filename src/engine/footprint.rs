//! What a key and an event of a window group cost in memory, for who plans it.

use crate::accumulator::Accumulator;
use crate::key_log::{KeyLog, Span};
use crate::layout::Layout;
use crate::plan::GroupPlan;

/// A log's head and its slot in the index, which is between a quarter and half full.
const KEY_BYTES: usize = size_of::<KeyLog>() + 3 * size_of::<u64>();

impl GroupPlan {
    /// Bytes of one event in a key's log.
    pub fn entry_bytes(&self) -> usize {
        Layout::new(self).stride * size_of::<i64>()
    }

    /// Bytes of a key without its events: head, index slot, cursors, accumulators. The key's own bytes, distinct
    /// values, `min`, `max` and positions come on top.
    pub fn key_bytes(&self) -> usize {
        Layout::new(self).key_bytes()
    }

    /// The same while it has had one event only. Keys of an endless window never have less than [`GroupPlan::key_bytes`].
    pub fn one_event_key_bytes(&self) -> usize {
        Layout::new(self).one_event_key_bytes()
    }
}

impl Layout {
    /// See [`GroupPlan::key_bytes`].
    fn key_bytes(&self) -> usize {
        self.cursor_bytes() + KEY_BYTES
    }

    /// See [`GroupPlan::one_event_key_bytes`].
    fn one_event_key_bytes(&self) -> usize {
        KEY_BYTES + if self.keeps_keys { self.cursor_bytes() } else { 0 }
    }

    fn cursor_bytes(&self) -> usize {
        self.cursors.len() * size_of::<Span>() + self.answers * size_of::<Accumulator>()
    }
}
