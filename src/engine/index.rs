//! A table from a hash to a small number, made for look-ups in batches.
//!
//! A slot is eight bytes: half of the hash, and the number. The slot's place comes from that half alone, so growing and
//! removing never read a key. A first pass over a batch may `guess`: loads that do not wait for each other hide the
//! memory's latency, which is most of the cost of a cold key (docs/benchmarks.md).

/// How many look-ups are begun before the first is finished. Their lines must stay in the first two caches.
pub(crate) const AHEAD: usize = 64;

const EMPTY: u64 = u64::MAX;
const SLOTS_MIN: usize = 4;
/// A table that doubles moves all that it holds within one step, which stalls it; so it consists of parts that grow each at
/// another time.
const PARTS: usize = 64;

/// Numbers by hash. The caller holds the keys and compares them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// None before the first key.
    parts: Vec<Part>,
    used: usize,
}

/// The keys whose tags begin with the same bits.
#[derive(Debug, Default)]
struct Part {
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

/// The part of a slot: the upper bits of its tag, for its place within the part comes from the lower ones.
fn part(slot: u64) -> usize {
    (slot >> (64 - PARTS.ilog2())) as usize
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| size_of::<Part>() + part.slots.len() * size_of::<u64>()).sum()
    }

    /// The number that most likely belongs to the hash.
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The number of a key, which `is_same` compares with the key behind a number.
    pub(crate) fn find(&self, hash: u64, is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let wanted = slot(hash, 0);
        self.parts.get(part(wanted))?.find(wanted, is_same)
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        let slot = slot(hash, number);
        let number = part(slot);
        self.parts[number].insert(slot, number);
        self.used += 1;
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let wanted = slot(hash, number);
        let Some(part) = self.parts.get_mut(part(wanted)) else { return };
        self.used -= usize::from(part.remove(wanted));
    }
}

impl Part {
    fn home(&self, slot: u64) -> usize {
        tag(slot) as usize & (self.slots.len() - 1)
    }

    fn find(&self, wanted: u64, mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = tag(wanted) as usize & self.slots.len().wrapping_sub(1);
        // Without slots there is none to look at.
        while *self.slots.get(at)? != EMPTY {
            let number = self.slots[at] as u32;
            if tag(self.slots[at]) == tag(wanted) && is_same(number) {
                return Some(number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// The part with this number is full somewhere between a half and five eighths: no other one grows with it.
    fn is_full(&self, number: usize) -> bool {
        let slots = self.slots.len();
        self.used >= slots / 2 + slots * number / (8 * PARTS)
    }

    fn insert(&mut self, slot: u64, number: usize) {
        if self.is_full(number) {
            self.grow();
        }
        self.used += 1;
        self.place(slot);
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

    /// Takes a slot out, where it is; those after it move up, so that no look-up ends before its key.
    fn remove(&mut self, wanted: u64) -> bool {
        if self.slots.is_empty() {
            return false;
        }
        let mask = self.slots.len() - 1;
        let mut hole = self.home(wanted);
        while self.slots[hole] != wanted {
            if self.slots[hole] == EMPTY {
                return false;
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
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use hashbrown::HashMap;
    use proptest::prelude::*;

    proptest! {
        /// Few hashes, in one part so close together that runs of slots meet and wrap around, or in several.
        #[test]
        fn it_answers_as_a_map_does(
            steps in prop::collection::vec((0_u32..200, any::<bool>()), 0..600),
            spread in prop_oneof![Just(0x1_0000_0001_u64), Just(0x1400_0001)],
        ) {
            let hash = |key: u32| u64::from(key % 16) * spread;
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
