//! The ids of events that may still come a second time.
//!
//! A fact that was withdrawn stays known until then, so that it does not count when it comes again.
//! Ids of one second of event time stand together and go together, once the horizon has passed them: what is held is
//! the ids of the lateness and of sources that are ahead, whatever the clocks of these sources say.

use crate::index::{AHEAD, Index};
use foreshock_core::time::SECOND_US;
use hashbrown::DefaultHashBuilder;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::hint::black_box;

#[derive(Debug, Default)]
pub(crate) struct Seen {
    hasher: DefaultHashBuilder,
    index: Index,
    /// By number: where the id stands.
    places: Vec<Place>,
    free: Vec<u32>,
    /// By second of event time.
    seconds: BTreeMap<i64, Second>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    time: i64,
    start: u32,
    /// Length of the id; the highest bit says that the fact does not count any more.
    length: u32,
}

const WITHDRAWN: u32 = 1 << 31;

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    number: u32,
    /// Event time of the fact.
    pub(crate) time: i64,
    /// It does not count any more.
    pub(crate) is_withdrawn: bool,
}

/// An id as it is saved: its bytes, microseconds into its second, whether it is withdrawn.
pub(crate) type SavedId = (Vec<u8>, u32, bool);

#[derive(Debug, Default)]
struct Second {
    bytes: Vec<u8>,
    members: Vec<(u64, u32)>,
}

impl Seen {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id)
    }

    /// Begins a look-up, see [`Index::guess`].
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.index.guess(hash)
    }

    fn id(&self, number: u32) -> &[u8] {
        let place = self.places[number as usize];
        let bytes = &self.seconds[&place.time.div_euclid(SECOND_US)].bytes;
        &bytes[place.start as usize..(place.start + (place.length & !WITHDRAWN)) as usize]
    }

    /// What is known of an id.
    pub(crate) fn find(&self, id: &[u8], hash: u64) -> Option<Known> {
        let number = self.index.find(hash, |number| self.id(number) == id)?;
        let place = self.places[number as usize];
        Some(Known { number, time: place.time, is_withdrawn: place.length & WITHDRAWN != 0 })
    }

    /// Notes an id that is not known, of an event of this time.
    pub(crate) fn insert(&mut self, id: &[u8], hash: u64, time: i64) {
        let group = self.seconds.entry(time.div_euclid(SECOND_US)).or_default();
        let small = |n: usize| u32::try_from(n).expect("the ids of one second are less than 4 GiB");
        let place = Place { time, start: small(group.bytes.len()), length: small(id.len()) };
        group.bytes.extend_from_slice(id);
        let number = self.free.pop().unwrap_or_else(|| small(self.places.len()));
        group.members.push((hash, number));
        match self.places.get_mut(number as usize) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        self.index.insert(hash, number);
    }

    /// The id is from now on that of an event of this time.
    pub(crate) fn move_to(&mut self, known: Known, id: &[u8], hash: u64, time: i64) {
        let second = self.seconds.get_mut(&known.time.div_euclid(SECOND_US));
        second.into_iter().for_each(|second| second.members.retain(|member| member.1 != known.number));
        self.index.remove(hash, known.number);
        self.free.push(known.number);
        self.insert(id, hash, time);
    }

    /// The fact does not count, or counts again.
    pub(crate) fn withdraw(&mut self, known: Known, is_withdrawn: bool) {
        let length = &mut self.places[known.number as usize].length;
        *length = *length & !WITHDRAWN | if is_withdrawn { WITHDRAWN } else { 0 };
    }

    /// The ids by second of event time.
    pub(crate) fn save(&self) -> Vec<(i64, Vec<SavedId>)> {
        let saved = |number: u32| {
            let place = self.places[number as usize];
            let micros = place.time.rem_euclid(SECOND_US) as u32;
            (self.id(number).to_vec(), micros, place.length & WITHDRAWN != 0)
        };
        let ids = |second: &Second| second.members.iter().map(|m| saved(m.1)).collect();
        let held = self.seconds.iter().filter(|(_, second)| !second.members.is_empty());
        held.map(|(at, second)| (*at, ids(second))).collect()
    }

    pub(crate) fn load(seconds: Vec<(i64, Vec<SavedId>)>) -> Self {
        let mut seen = Seen::default();
        for (at, ids) in seconds {
            for (id, micros, is_withdrawn) in ids {
                let hash = seen.hash(&id);
                seen.insert(&id, hash, at.saturating_mul(SECOND_US).saturating_add(i64::from(micros)));
                if let Some(known) = seen.find(&id, hash).filter(|_| is_withdrawn) {
                    seen.withdraw(known, true);
                }
            }
        }
        seen
    }

    /// Forgets the ids of seconds that lie wholly before the horizon.
    pub(crate) fn forget_before(&mut self, horizon: i64) {
        let past = horizon.div_euclid(SECOND_US);
        while let Some(first) = self.seconds.first_entry().filter(|s| *s.key() < past) {
            for members in first.remove().members.chunks(AHEAD) {
                for (hash, _) in members {
                    black_box(self.index.guess(*hash));
                }
                for (hash, number) in members {
                    self.index.remove(*hash, *number);
                    self.free.push(*number);
                }
            }
        }
    }
}
