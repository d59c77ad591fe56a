//! A table from a hash to a small number, made for look-ups in batches.
//!
//! A slot is eight bytes: half of the hash, and the number. The slot's place comes from that half alone, so growing and
//! removing never read a key. A first pass over a batch may `guess`: loads that do not wait for each other hide the
//! memory's latency, which is most of the cost of a cold key (docs/benchmarks.md).

/// How many look-ups are begun before the first is finished. Their lines must stay in the first two caches.
pub(crate) const AHEAD: usize = 64;

const EMPTY: u64 = u64::MAX;
const SLOTS_MIN: usize = 16;

/// Numbers by hash. The caller holds the keys and compares them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    slots: Vec<u64>,
    used: usize,
}

fn slot(hash: u64, number: u32) -> u64 {
    debug_assert!(number != u32::MAX, "the highest number marks an empty slot");
    hash << 32 | u64::from(number)
}

/// Half of the hash, in the upper half of a slot.
fn tag(slot: u64) -> u64 {
    slot >> 32
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<u64>()
    }

    fn home(&self, slot: u64) -> usize {
        tag(slot) as usize & (self.slots.len() - 1)
    }

    /// The number that most likely belongs to the hash.
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        let wanted = slot(hash, 0);
        let mut at = tag(wanted) as usize & self.slots.len().wrapping_sub(1);
        while *self.slots.get(at)? != EMPTY {
            if tag(self.slots[at]) == tag(wanted) {
                return Some(self.slots[at] as u32);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// The number of a key, which `is_same` compares with the key behind a number.
    pub(crate) fn find(&self, hash: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let wanted = slot(hash, 0);
        let mut at = self.home(wanted);
        while self.slots[at] != EMPTY {
            let number = self.slots[at] as u32;
            if tag(self.slots[at]) == tag(wanted) && is_same(number) {
                return Some(number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        self.used += 1;
        self.place(slot(hash, number));
    }

    fn place(&mut self, slot: u64) {
        let mut at = self.home(slot);
        while self.slots[at] != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; (self.slots.len() * 2).max(SLOTS_MIN)];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot != EMPTY {
                self.place(slot);
            }
        }
    }

    /// Takes a key out; those after it move up, so that no look-up ends before its key.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        if self.slots.is_empty() {
            return;
        }
        let wanted = slot(hash, number);
        let mask = self.slots.len() - 1;
        let mut hole = self.home(wanted);
        while self.slots[hole] != wanted {
            if self.slots[hole] == EMPTY {
                return;
            }
            hole = (hole + 1) & mask;
        }
        self.used -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let moving = self.slots[at];
            if moving == EMPTY {
                break;
            }
            let distance = |to: usize| to.wrapping_sub(self.home(moving)) & mask;
            if distance(hole) < distance(at) {
                self.slots[hole] = moving;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use hashbrown::HashMap;
    use proptest::prelude::*;

    proptest! {
        /// Few hashes that lie close together, so that runs of slots meet and wrap around.
        #[test]
        fn it_answers_as_a_map_does(steps in prop::collection::vec((0_u32..200, any::<bool>()), 0..600)) {
            let hash = |key: u32| u64::from(key % 16) * 0x1_0000_0001;
            let (mut index, mut map) = (Index::default(), HashMap::new());
            for (key, adds) in steps {
                let known = map.contains_key(&key);
                if adds && !known {
                    index.insert(hash(key), key);
                    map.insert(key, ());
                } else if !adds {
                    index.remove(hash(key), key);
                    map.remove(&key);
                }
                prop_assert_eq!(index.len(), map.len());
                for key in 0..200 {
                    let found = index.find(hash(key), |n| n == key);
                    prop_assert_eq!(found.is_some(), map.contains_key(&key));
                }
            }
        }
    }
}
