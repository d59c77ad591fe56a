//! The key budget of a window group: who comes in and who is shed.

use crate::group::Group;
use crate::inputs::Inputs;
use hashbrown::HashSet;

/// Lets rows into a group as long as there is room for their key.
pub(crate) struct Door {
    /// Keys that may still come into use in this step; `None` when there is room for all.
    room: Option<usize>,
    cut: i64,
    /// Keys that came into use in this step.
    new: HashSet<Box<[u8]>>,
    /// Positions in the stage of rows shed.
    pub(crate) shed: Vec<usize>,
}

impl Door {
    pub(crate) fn new(group: &mut Group, rows: usize, horizon: i64) -> Self {
        let room = group.budget(horizon);
        let cut = group.layout.idle_before(horizon);
        Door { room: (room < rows).then_some(room), cut, new: HashSet::new(), shed: Vec::new() }
    }

    pub(crate) fn lets_in(&mut self, group: &Group, inputs: &Inputs<'_>, at: usize) -> bool {
        let Some(room) = self.room else { return true };
        let key = inputs.keys.get(at);
        if group.is_live(inputs, at, self.cut) || self.new.contains(key) {
            return true;
        }
        if self.new.len() < room {
            self.new.insert(key.into());
            return true;
        }
        self.shed.push(at);
        false
    }
}
