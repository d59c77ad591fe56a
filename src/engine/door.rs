//! The budget of a window group: who comes in and who is shed.

use crate::group::{Group, Room};
use crate::inputs::Inputs;
use hashbrown::HashSet;

/// Lets rows into a group as long as there is room for them and their keys.
pub(crate) struct Door {
    /// What may still come in in this step; `None` when there is room for all.
    room: Option<Room>,
    cut: i64,
    /// Keys that came into use in this step.
    new: HashSet<Box<[u8]>>,
    /// Positions in the stage of rows shed.
    pub(crate) shed: Vec<usize>,
}

impl Door {
    pub(crate) fn new(group: &mut Group, rows: usize, horizon: i64) -> Self {
        let room = group.room(horizon);
        let has_room = room.keys >= rows && room.entries >= rows.saturating_add(room.entries_kept);
        let cut = group.layout.idle_before(horizon);
        Door { room: (!has_room).then_some(room), cut, new: HashSet::new(), shed: Vec::new() }
    }

    pub(crate) fn lets_in(&mut self, group: &Group, inputs: &Inputs<'_>, at: usize) -> bool {
        let is_known = self.room.is_none() || self.knows(group, inputs, at);
        let Some(room) = &mut self.room else { return true };
        let has_room = if is_known { room.entries > 0 } else { room.keys > 0 && room.entries > room.entries_kept };
        if !has_room {
            self.shed.push(at);
            return false;
        }
        room.entries -= 1;
        if !is_known {
            room.keys -= 1;
            self.new.insert(inputs.keys.get(at).into());
        }
        true
    }

    /// Is the key of this row in use?
    pub(crate) fn knows(&self, group: &Group, inputs: &Inputs<'_>, at: usize) -> bool {
        group.is_live(inputs, at, self.cut) || self.new.contains(inputs.keys.get(at))
    }
}
