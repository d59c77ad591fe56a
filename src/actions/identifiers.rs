//! Identifiers of warnings: a second and a digit, none given twice.

use crate::limits::WARNING_IDENTIFIERS_MAX;
use std::collections::BTreeSet;

/// A second since 1970 and a number within it: the form of an identifier has one digit for the number.
pub(crate) type Slot = (i64, u8);

/// Slots given.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    given: BTreeSet<Slot>,
    /// The last one that is not remembered any more: neither it nor one before it is given.
    forgotten: Option<Slot>,
    /// The second asked for last with the slot given: all from the one to the other are taken. So many warnings of one
    /// second need no walk each.
    last: Option<(i64, Slot)>,
}

impl Identifiers {
    /// What is saved of it.
    pub fn save(&self) -> (Vec<Slot>, Option<Slot>) {
        (self.given.iter().copied().collect(), self.forgotten)
    }

    /// What was saved.
    pub fn load(given: impl IntoIterator<Item = Slot>, forgotten: Option<Slot>) -> Self {
        Identifiers { given: given.into_iter().collect(), forgotten, last: None }
    }

    /// The first free slot from a second on, and whether another one had to be forgotten for it. An eleventh warning of
    /// one second takes the next second.
    pub fn give(&mut self, second: i64) -> Option<(Slot, bool)> {
        let mut slot = (second, 0);
        if let Some(forgotten) = self.forgotten {
            slot = slot.max(after(forgotten)?);
        }
        if let Some((_, taken)) = self.last.filter(|(from, _)| *from == second) {
            slot = slot.max(after(taken)?);
        }
        for taken in self.given.range(slot..) {
            if *taken != slot {
                break;
            }
            slot = after(slot)?;
        }
        self.given.insert(slot);
        self.last = Some((second, slot));
        let is_full = self.given.len() > WARNING_IDENTIFIERS_MAX;
        if is_full {
            self.forgotten = self.given.pop_first().max(self.forgotten);
        }
        Some((slot, is_full))
    }
}

fn after((second, number): Slot) -> Option<Slot> {
    if number < 9 { Some((second, number + 1)) } else { Some((second.checked_add(1)?, 0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_is_given_twice_within_one_second() {
        let mut identifiers = Identifiers::default();
        let given: Vec<Slot> = (0..12).map(|_| identifiers.give(100).unwrap().0).collect();
        assert_eq!((given[0], given[9], given[10], given[11]), ((100, 0), (100, 9), (101, 0), (101, 1)));
        assert_eq!(identifiers.give(101), Some(((101, 2), false)));
        assert_eq!(identifiers.give(99), Some(((99, 0), false)));
    }

    #[test]
    fn what_is_forgotten_is_not_given_again_and_there_is_always_a_free_one() {
        let mut identifiers = Identifiers::default();
        let count = WARNING_IDENTIFIERS_MAX + 500;
        let seconds = std::iter::repeat_n(5_000, count).chain(std::iter::repeat_n(100, 50));
        let given: Vec<(Slot, bool)> = seconds.map(|second| identifiers.give(second).unwrap()).collect();
        assert_eq!(given.iter().filter(|(_, is_one_forgotten)| *is_one_forgotten).count(), 550);
        let slots: BTreeSet<Slot> = given.iter().map(|(slot, _)| *slot).collect();
        assert_eq!((slots.len(), identifiers.given.len()), (count + 50, WARNING_IDENTIFIERS_MAX));
        let (saved, forgotten) = identifiers.save();
        let mut loaded = Identifiers::load(saved, forgotten);
        assert_eq!(loaded.give(100), identifiers.give(100));
    }
}
