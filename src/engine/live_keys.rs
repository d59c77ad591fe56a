//! How many keys are in use and how many entries their logs hold: exactly, and the same for every process, whatever it has
//! not yet got round to freeing.

use foreshock_core::time::SECOND_US;
use std::collections::{BTreeMap, VecDeque};

/// Seconds held in a line; a clock that is far off makes entries of its own.
const LINE_MAX: i64 = 1 << 17;

/// Keys and the entries in their logs.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    keys: u32,
    entries: u64,
}

impl Count {
    fn add(&mut self, keys: u32, entries: u32) {
        self.keys += keys;
        self.entries += u64::from(entries);
    }

    fn take(&mut self, keys: u32, entries: u32) {
        self.keys -= keys;
        self.entries -= u64::from(entries);
    }
}

/// Keys by the second of event time at which each was last used.
#[derive(Debug, Default)]
pub(crate) struct LiveKeys {
    /// Second of the first count of the line.
    first: i64,
    line: VecDeque<Count>,
    /// Seconds that are not in the line.
    far: BTreeMap<i64, Count>,
    total: Count,
}

impl LiveKeys {
    pub(crate) fn len(&self) -> usize {
        self.total.keys as usize
    }

    pub(crate) fn entries(&self) -> usize {
        self.total.entries as usize
    }

    /// A key that never goes out of use again holds so many entries; `None` when it just came into use.
    pub(crate) fn keep(&mut self, before: Option<u32>, now: u32) {
        self.total.take(u32::from(before.is_some()), before.unwrap_or(0));
        self.total.add(1, now);
    }

    /// A key is used at a time and then holds so many entries; `before` is how that was, `None` for a key not in use.
    pub(crate) fn note(&mut self, before: Option<(i64, u32)>, now: (i64, u32)) {
        let second = |used: (i64, u32)| (used.0.div_euclid(SECOND_US), used.1);
        let (before, now) = (before.map(second), second(now));
        if before == Some(now) {
            return;
        }
        if let Some((at, entries)) = before {
            self.count(at).take(1, entries);
            self.total.take(1, entries);
        }
        self.count(now.0).add(1, now.1);
        self.total.add(1, now.1);
    }

    fn count(&mut self, second: i64) -> &mut Count {
        if self.line.is_empty() {
            self.first = second;
        }
        let at = second.saturating_sub(self.first);
        if !(0..LINE_MAX).contains(&at) || !self.far.is_empty() && self.far.contains_key(&second) {
            return self.far.entry(second).or_default();
        }
        let at = at as usize;
        if at >= self.line.len() {
            self.line.resize(at + 1, Count::default());
        }
        &mut self.line[at]
    }

    fn forget(&mut self, count: Count) {
        self.total.keys -= count.keys;
        self.total.entries -= count.entries;
    }

    /// Keys last used in a second that lies wholly before `time` are in use no more.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let end = time.div_euclid(SECOND_US);
        while self.first < end {
            let Some(count) = self.line.pop_front() else { break };
            self.forget(count);
            self.first += 1;
        }
        while let Some(first) = self.far.first_entry().filter(|s| *s.key() < end) {
            let count = first.remove();
            self.forget(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_counts_as_a_walk_over_all_keys_does(steps in prop::collection::vec((0_usize..6, 0_i64..40, 0_u8..12, 0_u32..5), 1..200)) {
            let (mut live, mut keys, mut cut) = (LiveKeys::default(), [None::<(i64, u32)>; 6], i64::MIN);
            for (key, second, kind, entries) in steps {
                // Now and then a clock that is far off, and a horizon that moves.
                let time = if kind == 0 { second * LINE_MAX * SECOND_US } else { second * SECOND_US + 7 };
                if kind == 1 {
                    cut = cut.max(second * SECOND_US);
                    live.forget_before(cut);
                } else if time >= cut && keys[key].is_none_or(|(t, _)| t < cut || t <= time) {
                    live.note(keys[key].filter(|(t, _)| *t >= cut), (time, entries));
                    keys[key] = Some((time, entries));
                }
                let in_use: Vec<u32> = keys.iter().flatten().filter(|(t, _)| *t >= cut).map(|(_, n)| *n).collect();
                prop_assert_eq!((live.len(), live.entries()), (in_use.len(), in_use.iter().sum::<u32>() as usize));
            }
        }
    }
}
