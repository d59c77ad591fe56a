//! The budget of a window group: who comes in and who is shed.

use crate::group::{Group, Room};
use crate::inputs::Inputs;
use hashbrown::HashSet;

/// Lets rows into a group as long as there is room for them and their keys.
pub(crate) struct Door {
    /// What may still come in in this step; `None` when there is room for all.
    room: Option<Room>,
    /// What a row takes of the room for entries.
    row_cost: usize,
    idle_before: i64,
    /// Keys that came into use in this step.
    new: HashSet<Box<[u8]>>,
    /// Positions in the stage of rows shed.
    pub(crate) shed: Vec<usize>,
}

impl Door {
    /// For at most so many rows. `is_shut`: none comes in.
    pub(crate) fn new(group: &mut Group, rows: usize, horizon: i64, is_shut: bool) -> Self {
        let mut room = group.room(horizon);
        let row_cost = group.layout.row_cost();
        if is_shut {
            room.entries = 0;
        }
        let has_room =
            room.keys >= rows && room.entries >= rows.saturating_mul(row_cost).saturating_add(room.entries_kept);
        let idle_before = group.layout.idle_before(horizon);
        Door { room: (!has_room).then_some(room), row_cost, idle_before, new: HashSet::new(), shed: Vec::new() }
    }

    pub(crate) fn lets_in(&mut self, group: &Group, inputs: &Inputs<'_>, at: usize) -> bool {
        let is_known = self.room.is_none() || self.knows(group, inputs, at);
        let Some(room) = &mut self.room else { return true };
        let needed = self.row_cost + if is_known { 0 } else { room.entries_kept };
        let has_room = room.entries >= needed && (is_known || room.keys > 0);
        if !has_room {
            self.shed.push(at);
            return false;
        }
        room.entries -= self.row_cost;
        if !is_known {
            room.keys -= 1;
            self.new.insert(inputs.keys.get(at).into());
        }
        true
    }

    /// Is the key of this row in use?
    pub(crate) fn knows(&self, group: &Group, inputs: &Inputs<'_>, at: usize) -> bool {
        group.is_live(inputs, at, self.idle_before) || self.new.contains(inputs.keys.get(at))
    }
}
