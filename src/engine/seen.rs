//! The ids of events that may still come a second time.
//!
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
    second: i64,
    start: u32,
    length: u32,
}

#[derive(Debug, Default)]
struct Second {
    bytes: Vec<u8>,
    members: Vec<(u64, u32)>,
}

impl Seen {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id)
    }

    /// Begins a look-up, see [`Index::guess`].
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.index.guess(hash)
    }

    /// Notes an id of an event of this time; `false` when it was there already.
    pub(crate) fn insert(&mut self, id: &str, hash: u64, time: i64) -> bool {
        let (places, seconds) = (&self.places, &self.seconds);
        let is_same = |number: u32| {
            let place = places[number as usize];
            let bytes = &seconds[&place.second].bytes;
            &bytes[place.start as usize..(place.start + place.length) as usize] == id.as_bytes()
        };
        if self.index.find(hash, is_same).is_some() {
            return false;
        }
        let second = time.div_euclid(SECOND_US);
        let group = self.seconds.entry(second).or_default();
        let small = |n: usize| u32::try_from(n).expect("the ids of one second are less than 4 GiB");
        let place = Place { second, start: small(group.bytes.len()), length: small(id.len()) };
        group.bytes.extend_from_slice(id.as_bytes());
        let number = self.free.pop().unwrap_or_else(|| small(self.places.len()));
        group.members.push((hash, number));
        match self.places.get_mut(number as usize) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        self.index.insert(hash, number);
        true
    }

    /// The ids by second of event time.
    pub(crate) fn save(&self) -> Vec<(i64, Vec<String>)> {
        let id = |second: &Second, number: u32| {
            let place = self.places[number as usize];
            let bytes = &second.bytes[place.start as usize..(place.start + place.length) as usize];
            String::from_utf8_lossy(bytes).into_owned()
        };
        let ids = |second: &Second| second.members.iter().map(|m| id(second, m.1)).collect();
        self.seconds.iter().map(|(at, second)| (*at, ids(second))).collect()
    }

    pub(crate) fn load(seconds: Vec<(i64, Vec<String>)>) -> Self {
        let mut seen = Seen::default();
        for (at, ids) in seconds {
            for id in ids {
                let hash = seen.hash(&id);
                seen.insert(&id, hash, at.saturating_mul(SECOND_US));
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
