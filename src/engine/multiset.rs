//! How often each value is in a frame: one in place, few in a line, many in a table. Its length is the exact distinct
//! count. Most keys of a busy stream hold one value.

use hashbrown::DefaultHashBuilder;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hash::BuildHasher;
use std::hint::black_box;

/// Distinct values up to this many are searched one by one, beyond it by hash.
const SMALL_MAX: usize = 12;

#[derive(Debug)]
pub(crate) enum Multiset {
    /// One value at most; none when the count is 0.
    One(i64, u64),
    Small(Vec<(i64, u64)>),
    Large(Box<Table>),
}

impl Multiset {
    pub(crate) fn new() -> Self {
        Multiset::One(0, 0)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Multiset::One(_, count) => usize::from(*count > 0),
            Multiset::Small(pairs) => pairs.len(),
            Multiset::Large(table) => table.used,
        }
    }

    /// How often the value is there.
    pub(crate) fn count(&self, value: i64) -> i64 {
        let count = match self {
            Multiset::One(held, count) => u64::from(*held == value) * count,
            Multiset::Small(pairs) => pairs.iter().find(|p| p.0 == value).map_or(0, |p| p.1),
            Multiset::Large(table) => table.slots[table.slot(value)].1,
        };
        count.cast_signed()
    }

    /// Bytes behind the set's own place.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Multiset::One(..) => 0,
            Multiset::Small(pairs) => pairs.capacity() * size_of::<(i64, u64)>(),
            Multiset::Large(table) => size_of::<Table>() + table.slots.len() * size_of::<(i64, u64)>(),
        }
    }

    /// Loads what a look-up of the value will need.
    pub(crate) fn begin(&self, value: i64) {
        if let Multiset::Large(table) = self {
            black_box(table.slots[table.home(value)]);
        }
    }

    /// Is [`Multiset::begin`] of use?
    pub(crate) fn is_large(&self) -> bool {
        matches!(self, Multiset::Large(_))
    }

    /// Loads the values of a small set, the head of a large one.
    pub(crate) fn warm(&self) {
        match self {
            Multiset::One(value, count) => black_box((Some((*value, *count)), None)),
            Multiset::Small(pairs) => black_box((pairs.first().copied(), pairs.last().copied())),
            Multiset::Large(table) => black_box((Some((0, table.used as u64)), None)),
        };
    }

    pub(crate) fn add(&mut self, value: i64) {
        match self {
            Multiset::One(held, count) if *count == 0 || *held == value => {
                (*held, *count) = (value, *count + 1);
            }
            Multiset::One(held, count) => *self = Multiset::Small(vec![(*held, *count), (value, 1)]),
            Multiset::Small(pairs) => {
                if let Some(pair) = pairs.iter_mut().find(|p| p.0 == value) {
                    pair.1 += 1;
                    return;
                }
                pairs.push((value, 1));
                if pairs.len() > SMALL_MAX {
                    let pairs = std::mem::take(pairs);
                    *self = Multiset::Large(Box::new(Table::new(pairs)));
                }
            }
            Multiset::Large(table) => table.add(value, 1),
        }
    }

    pub(crate) fn remove(&mut self, value: i64) {
        match self {
            Multiset::One(held, count) => {
                debug_assert!(*held == value && *count > 0, "only values that entered leave");
                *count -= 1;
            }
            Multiset::Small(pairs) => {
                let at = pairs.iter().position(|p| p.0 == value).expect("only values that entered leave");
                pairs[at].1 -= 1;
                if pairs[at].1 == 0 {
                    pairs.swap_remove(at);
                }
                if let [(value, count)] = pairs.as_slice() {
                    *self = Multiset::One(*value, *count);
                }
            }
            Multiset::Large(table) => {
                table.remove(value);
                if table.used < SMALL_MAX / 2 {
                    *self = Multiset::Small(table.pairs().collect());
                }
            }
        }
    }
}

/// Its pairs, in the order of the values.
impl Serialize for Multiset {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut pairs: Vec<(i64, u64)> = match self {
            Multiset::One(value, count) => Vec::from_iter((*count > 0).then_some((*value, *count))),
            Multiset::Small(pairs) => pairs.clone(),
            Multiset::Large(table) => table.pairs().collect(),
        };
        pairs.sort_unstable();
        pairs.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Multiset {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(i64, u64)>::deserialize(from)?;
        Ok(match pairs.as_slice() {
            [] => Multiset::new(),
            [(value, count)] => Multiset::One(*value, *count),
            _ if pairs.len() <= SMALL_MAX => Multiset::Small(pairs),
            _ => Multiset::Large(Box::new(Table::new(pairs))),
        })
    }
}

/// Open addressing, at most half full; a slot with count 0 is empty.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<(i64, u64)>,
    used: usize,
    hasher: DefaultHashBuilder,
}

const EMPTY: (i64, u64) = (0, 0);

impl Table {
    fn new(pairs: Vec<(i64, u64)>) -> Self {
        let slots = vec![EMPTY; 4 * SMALL_MAX.next_power_of_two()];
        let mut table = Table { slots, used: 0, hasher: DefaultHashBuilder::default() };
        pairs.into_iter().for_each(|(value, count)| table.add(value, count));
        table
    }

    fn home(&self, value: i64) -> usize {
        self.hasher.hash_one(value) as usize & (self.slots.len() - 1)
    }

    fn pairs(&self) -> impl Iterator<Item = (i64, u64)> {
        self.slots.iter().copied().filter(|s| s.1 > 0)
    }

    /// The slot of the value, or the empty one where it would go.
    fn slot(&self, value: i64) -> usize {
        let mut at = self.home(value);
        while self.slots[at].1 > 0 && self.slots[at].0 != value {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    fn add(&mut self, value: i64, count: u64) {
        let at = self.slot(value);
        if self.slots[at].1 > 0 {
            self.slots[at].1 += count;
            return;
        }
        self.slots[at] = (value, count);
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            self.resize(self.slots.len() * 2);
        }
    }

    fn resize(&mut self, length: usize) {
        for (value, count) in std::mem::replace(&mut self.slots, vec![EMPTY; length]) {
            if count > 0 {
                let at = self.slot(value);
                self.slots[at] = (value, count);
            }
        }
    }

    fn remove(&mut self, value: i64) {
        let hole = self.slot(value);
        debug_assert!(self.slots[hole].1 > 0, "only values that entered leave");
        self.slots[hole].1 -= 1;
        if self.slots[hole].1 > 0 {
            return;
        }
        self.used -= 1;
        self.close(hole);
        if self.used * 16 < self.slots.len() && self.slots.len() > 4 * SMALL_MAX.next_power_of_two() {
            self.resize(self.slots.len() / 4);
        }
    }

    /// Values after an emptied slot move up, so that no search ends before its value.
    fn close(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let moving = self.slots[at];
            if moving.1 == 0 {
                break;
            }
            let home = self.home(moving.0);
            if (hole.wrapping_sub(home) & mask) < (at.wrapping_sub(home) & mask) {
                self.slots[hole] = moving;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::Multiset;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Grows past the small form and shrinks back.
        #[test]
        fn it_counts_as_a_map_does(steps in prop::collection::vec((0_i64..80, 0_u8..5), 0..800), half in 0_usize..800) {
            let (mut set, mut map) = (Multiset::new(), BTreeMap::new());
            for (nth, (value, kind)) in steps.into_iter().enumerate() {
                let adds = (kind > 1) == (nth < half);
                if adds {
                    set.add(value);
                    *map.entry(value).or_insert(0) += 1;
                } else if let Some((value, count)) = map.range_mut(value..).next() {
                    let value = *value;
                    set.remove(value);
                    *count -= 1;
                    if *count == 0 {
                        map.remove(&value);
                    }
                }
                prop_assert_eq!(set.len(), map.len());
            }
        }
    }
}
