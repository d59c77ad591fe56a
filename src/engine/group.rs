//! A window group's logs, cut into key ranges so that each range is a task of its own.

use crate::inputs::{GroupFacts, Inputs};
use crate::key_log::KeyLog;
use crate::key_range::KeyRange;
use crate::layout::Layout;
use crate::plan::GroupPlan;
use crate::rows::YoungRows;
use hashbrown::{DefaultHashBuilder, HashMap};
use std::hash::BuildHasher;

/// What each window group may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most keys in use; rows of further ones are shed.
    pub keys_max: usize,
    /// Most entries in the logs of keys in use, and values kept by frames that never end. When seven eighths are there, new
    /// keys are shed; when all are, every row.
    pub entries_max: u32,
    /// Most texts of all groups, where one of them never ends: no text is freed then. Beyond it rows of groups that hold texts
    /// are shed.
    pub texts_max: usize,
}

impl Limits {
    /// As much as there can be.
    pub const NONE: Limits = Limits { keys_max: usize::MAX, entries_max: u32::MAX, texts_max: usize::MAX };
}

/// What a group may take in in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) keys: usize,
    pub(crate) entries: usize,
    /// So many of the entries are for keys in use only.
    pub(crate) entries_kept: usize,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) layout: Layout,
    pub(crate) ranges: Vec<KeyRange>,
    limits: Limits,
    /// The rules that read its results; see [`crate::readers::readers`].
    pub(crate) readers: u64,
    /// Newest event time among the rows shed.
    pub(crate) last_shed: i64,
}

impl Group {
    pub(crate) fn new(plan: &GroupPlan, readers: u64, shards: usize, limits: Limits) -> Self {
        let ranges = (0..shards).map(|_| KeyRange::default()).collect();
        Group { layout: Layout::new(plan), ranges, limits, readers, last_shed: i64::MIN }
    }

    /// Counts the keys in use and their entries; what they may grow by in this step.
    pub(crate) fn room(&mut self, horizon: i64) -> Room {
        self.forget_before(horizon);
        let entries_max = self.limits.entries_max as usize;
        Room {
            keys: self.limits.keys_max.saturating_sub(self.key_count()),
            entries: entries_max.saturating_sub(self.entry_count()),
            entries_kept: entries_max / 8,
        }
    }

    /// Keys that nothing can need any more count no longer.
    fn forget_before(&mut self, horizon: i64) {
        let idle_before = self.layout.idle_before(horizon);
        self.ranges.iter_mut().for_each(|range| range.live.forget_before(idle_before));
    }

    pub(crate) fn key_count(&self) -> usize {
        self.ranges.iter().map(|range| range.live.len()).sum()
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.ranges.iter().map(|range| range.live.entries()).sum()
    }

    /// Is the key of stage row `at` in use? `idle_before` is [`Layout::idle_before`].
    pub(crate) fn is_live(&self, inputs: &Inputs<'_>, at: usize, idle_before: i64) -> bool {
        let (key, hash) = (inputs.keys.get(at), inputs.keys.hashes[at]);
        let range = &self.ranges[self.range_of(hash)];
        range.find(key, hash).is_some_and(|slot| !range.logs[slot as usize].is_idle(idle_before))
    }

    /// Until when results of a key that comes into use now may miss events that were shed.
    pub(crate) fn doubtful_until(&self) -> i64 {
        self.last_shed.saturating_add(if self.last_shed == i64::MIN { 0 } else { self.layout.reach() })
    }

    pub(crate) fn facts(&self) -> GroupFacts {
        GroupFacts { readers: self.readers, doubtful_until: self.doubtful_until() }
    }

    /// The key range of a hash.
    pub(crate) fn range_of(&self, hash: u64) -> usize {
        (hash >> 32) as usize % self.ranges.len()
    }

    /// Does the entry at `place` hold exactly the input of stage row `at`?
    pub(crate) fn holds(&self, place: u64, inputs: &Inputs<'_>, at: usize, young: &YoungRows) -> bool {
        let range = &self.ranges[self.range_of(inputs.keys.hashes[at])];
        let Some(log) = range
            .logs
            .get(place as u32 as usize)
            .filter(|_| place >> 32 == self.range_of(inputs.keys.hashes[at]) as u64)
        else {
            return false;
        };
        let mut entry = Vec::new();
        inputs.write_entry(at, &mut entry);
        log.key.as_ref() == inputs.keys.get(at) && log.holds(&entry, &self.layout, |row| young.event_id(row))
    }

    pub(crate) fn weigh(&self) -> (u64, usize) {
        self.ranges.iter().map(KeyRange::weigh).fold((0, 0), |sum, range| (sum.0 + range.0, sum.1 + range.1))
    }

    /// Every log with its place.
    pub(crate) fn logs(&self) -> Vec<(u64, &KeyLog)> {
        let mut logs = Vec::new();
        for (number, range) in self.ranges.iter().enumerate() {
            let live = range.logs.iter().enumerate().filter(|(_, log)| !log.is_free);
            logs.extend(live.map(|(slot, log)| ((number as u64) << 32 | slot as u64, log)));
        }
        logs.sort_unstable_by(|a, b| a.1.key.cmp(&b.1.key));
        logs
    }

    /// Takes in saved logs; where each went, by its place in the engine that saved it.
    pub(crate) fn take_in(
        &mut self,
        logs: Vec<(u64, KeyLog)>,
        hasher: &DefaultHashBuilder,
        horizon: i64,
    ) -> HashMap<u64, u64> {
        let layout = &self.layout;
        let mut places = HashMap::with_capacity(logs.len());
        for (old, mut log) in logs {
            log.hash = hasher.hash_one(log.key.as_ref());
            let number = self.range_of(log.hash);
            let range = &mut self.ranges[number];
            let slot = u32::try_from(range.logs.len()).expect("fewer than 2^32 keys fit in memory");
            range.index.insert(log.hash, slot);
            if self.layout.keeps_keys {
                range.live.keep(None, log.held(layout));
            } else if log.stands_at > i64::MIN {
                range.live.note(None, (log.stands_at, log.held(layout)));
            }
            range.logs.push(log);
            places.insert(old, (number as u64) << 32 | u64::from(slot));
        }
        self.forget_before(horizon);
        places
    }
}
