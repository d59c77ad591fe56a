//! A stage of a step: the rows judged in it, and the inputs of all window groups of one level.

use crate::cell::array_to_cells;
use crate::dirty::Dirty;
use crate::inputs::{Inputs, Keys, Work};
use crate::plan::ValueKind;
use crate::rows::YoungRows;
use crate::shared::Shared;
use arrow_array::{Array, ArrayRef, BooleanArray};
use std::mem::take;

/// The inputs of all groups of one level.
pub(crate) struct Stage<'r> {
    pub(crate) rows: &'r [u64],
    pub(crate) times: Vec<i64>,
    /// The new row that is why each row is here.
    pub(crate) causes: Vec<u64>,
    /// Key columns, evaluated once for all groups of the same key.
    pub(crate) keys: Vec<Keys>,
    pub(crate) groups: Vec<GroupInput>,
}

pub(crate) struct GroupInput {
    pub(crate) group: usize,
    pub(crate) keys: usize,
    /// The group's input filter.
    pub(crate) passes: Option<ArrayRef>,
    /// The arguments as they come, until [`GroupInput::fill`].
    pub(crate) arrays: Vec<(ArrayRef, ValueKind)>,
    pub(crate) arguments: Vec<(Vec<i64>, Option<arrow_buffer::NullBuffer>)>,
    pub(crate) flags: Vec<i64>,
    /// There is no room for its texts: none of its rows comes in.
    pub(crate) is_shut: bool,
    pub(crate) works: Vec<Work>,
}

impl GroupInput {
    /// Turns the arguments into cells, of all rows but these.
    pub(crate) fn fill(&mut self, but: &[usize], shared: &mut Shared<'_>) {
        for (mut array, kind) in take(&mut self.arrays) {
            if !but.is_empty() {
                let mut is_out = vec![false; array.len()];
                but.iter().for_each(|at| is_out[*at] = true);
                array = arrow_select::nullif::nullif(&array, &BooleanArray::from(is_out)).expect("one flag per row");
            }
            self.arguments.push(array_to_cells(&array, kind, shared.texts, shared.newest));
        }
    }
}

impl Stage<'_> {
    pub(crate) fn inputs<'a>(&'a self, input: &'a GroupInput) -> Inputs<'a> {
        Inputs {
            keys: &self.keys[input.keys],
            times: &self.times,
            rows: self.rows,
            causes: &self.causes,
            arguments: &input.arguments,
            flags: &input.flags,
        }
    }
}

pub(crate) fn set_flags(flags: &mut [i64], bit: usize, filter: &BooleanArray) {
    for (at, flag) in flags.iter_mut().enumerate() {
        *flag |= i64::from(filter.is_valid(at) && filter.value(at)) << bit;
    }
}

/// Positions of the stage's rows in the order (event time, event id).
pub(crate) fn log_order(rows: &[u64], times: &[i64], young: &YoungRows) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    if times.windows(2).all(|w| w[0] < w[1]) {
        return order;
    }
    order.sort_by(|a, b| {
        let (a, b) = (*a as usize, *b as usize);
        times[a].cmp(&times[b]).then_with(|| young.event_id(rows[a]).cmp(young.event_id(rows[b])))
    });
    order
}

/// Old rows to judge again, then the new ones.
pub(crate) fn with_old(dirty: &Dirty, new_rows: &[u64]) -> Vec<u64> {
    dirty.rows().iter().map(|note| note.row).chain(new_rows.iter().copied()).collect()
}
