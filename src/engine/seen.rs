//! The ids of events that may still come a second time.
//!
//! A fact that was withdrawn stays known until then, so that it does not count when it comes again.
//! Ids of one second of event time stand together and go together, once the horizon has passed them by long enough: what is
//! held is the ids of the lateness, of a while before, and of sources that are ahead, whatever the clocks of these sources say.

use crate::index::{AHEAD, Index};
use crate::pieces::Pieces;
use foreshock_core::time::SECOND_US;
use hashbrown::DefaultHashBuilder;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::hint::black_box;

#[derive(Debug)]
pub(crate) struct Seen {
    hasher: DefaultHashBuilder,
    index: Index,
    /// By number: where the id stands.
    spots: Pieces<Spot>,
    free: Vec<u32>,
    /// By second of event time.
    seconds: BTreeMap<i64, Second>,
    count: usize,
    /// Seconds before this are final, and so many of the ids are of these.
    final_before: i64,
    final_count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    time: i64,
    start: u32,
    /// Length of the id, below two marks.
    length: u32,
}

const WITHDRAWN: u32 = 1 << 31;
/// The id stands elsewhere now.
const LEFT: u32 = 1 << 30;
const LENGTH: u32 = LEFT - 1;

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
    /// So many of them stand elsewhere now.
    left: usize,
}

impl Second {
    fn len(&self) -> usize {
        self.members.len() - self.left
    }
}

impl Seen {
    /// Ids of events that are not final.
    pub(crate) fn young_count(&self) -> usize {
        self.count - self.final_count
    }

    /// Ids of events that are final.
    pub(crate) fn final_count(&self) -> usize {
        self.final_count
    }

    pub(crate) fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id)
    }

    /// Begins a look-up, see [`Index::guess`].
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        self.index.guess(hash)
    }

    fn id(&self, number: u32) -> &[u8] {
        let spot = self.spots[number as usize];
        let bytes = &self.seconds[&spot.time.div_euclid(SECOND_US)].bytes;
        &bytes[spot.start as usize..(spot.start + (spot.length & LENGTH)) as usize]
    }

    /// What is known of an id.
    pub(crate) fn find(&self, id: &[u8], hash: u64) -> Option<Known> {
        let number = self.index.find(hash, |number| self.id(number) == id)?;
        let spot = self.spots[number as usize];
        Some(Known { number, time: spot.time, is_withdrawn: spot.length & WITHDRAWN != 0 })
    }

    /// Notes an id that is not known, of an event of this time.
    pub(crate) fn insert(&mut self, id: &[u8], hash: u64, time: i64) {
        let second = time.div_euclid(SECOND_US);
        let group = self.seconds.entry(second).or_default();
        let small = |n: usize| u32::try_from(n).expect("the ids of one second are less than 4 GiB");
        let spot = Spot { time, start: small(group.bytes.len()), length: small(id.len()) };
        group.bytes.extend_from_slice(id);
        let number = self.free.pop().unwrap_or_else(|| small(self.spots.len()));
        group.members.push((hash, number));
        match self.spots.get_mut(number as usize) {
            Some(free) => *free = spot,
            None => self.spots.push(spot),
        }
        self.index.insert(hash, number);
        self.count += 1;
        self.final_count += usize::from(second < self.final_before);
    }

    /// The id is from now on that of an event of this time. The spot where it stood is free when its second goes.
    pub(crate) fn move_to(&mut self, known: Known, id: &[u8], hash: u64, time: i64) {
        self.index.remove(hash, known.number);
        self.spots[known.number as usize].length |= LEFT;
        let second = known.time.div_euclid(SECOND_US);
        self.count -= 1;
        self.final_count -= usize::from(second < self.final_before);
        self.seconds.entry(second).or_default().left += 1;
        self.insert(id, hash, time);
    }

    /// The fact does not count, or counts again.
    pub(crate) fn withdraw(&mut self, known: Known, is_withdrawn: bool) {
        let length = &mut self.spots[known.number as usize].length;
        *length = *length & !WITHDRAWN | if is_withdrawn { WITHDRAWN } else { 0 };
    }

    /// The ids by second of event time.
    pub(crate) fn save(&self) -> Vec<(i64, Vec<SavedId>)> {
        let saved = |number: u32| {
            let spot = self.spots[number as usize];
            let micros = spot.time.rem_euclid(SECOND_US) as u32;
            let is_here = spot.length & LEFT == 0;
            is_here.then(|| (self.id(number).to_vec(), micros, spot.length & WITHDRAWN != 0))
        };
        let ids = |second: &Second| second.members.iter().filter_map(|m| saved(m.1)).collect();
        let held = self.seconds.iter().map(|(at, second)| (*at, ids(second)));
        held.filter(|(_, ids): &(i64, Vec<SavedId>)| !ids.is_empty()).collect()
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

    /// All before the horizon is final.
    pub(crate) fn advance(&mut self, horizon: i64) {
        let end = horizon.div_euclid(SECOND_US);
        if end > self.final_before {
            let passed = self.seconds.range(self.final_before..end);
            self.final_count += passed.map(|(_, second)| second.len()).sum::<usize>();
            self.final_before = end;
        }
    }

    /// Forgets the ids of seconds that lie wholly before `time`.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let past = time.div_euclid(SECOND_US);
        while let Some(first) = self.seconds.first_entry().filter(|s| *s.key() < past) {
            let (at, second) = first.remove_entry();
            self.count -= second.len();
            self.final_count -= if at < self.final_before { second.len() } else { 0 };
            for members in second.members.chunks(AHEAD) {
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

impl Default for Seen {
    fn default() -> Self {
        Seen {
            hasher: DefaultHashBuilder::default(),
            index: Index::default(),
            spots: Pieces::default(),
            free: Vec::new(),
            seconds: BTreeMap::new(),
            count: 0,
            final_before: i64::MIN,
            final_count: 0,
        }
    }
}
