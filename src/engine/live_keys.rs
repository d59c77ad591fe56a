//! How many keys are in use: exactly, and the same for every process, whatever it has not yet got round to freeing.

use foreshock_core::time::SECOND_US;
use std::collections::{BTreeMap, VecDeque};

/// Seconds held in a line; a clock that is far off makes entries of its own.
const LINE_MAX: i64 = 1 << 17;

/// Keys by the second of event time at which each was last used.
#[derive(Debug, Default)]
pub(crate) struct LiveKeys {
    /// Second of the first count of the line.
    first: i64,
    line: VecDeque<u32>,
    /// Seconds that are not in the line.
    far: BTreeMap<i64, u32>,
    total: usize,
}

impl LiveKeys {
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// A key comes into use that never goes out of use again.
    pub(crate) fn keep(&mut self) {
        self.total += 1;
    }

    /// A key is used at `now`; `before` is when it was last, `None` for a key that was not in use.
    pub(crate) fn note(&mut self, before: Option<i64>, now: i64) {
        let (before, now) = (before.map(|b| b.div_euclid(SECOND_US)), now.div_euclid(SECOND_US));
        if before == Some(now) {
            return;
        }
        match before {
            Some(before) => *self.count(before) -= 1,
            None => self.total += 1,
        }
        *self.count(now) += 1;
    }

    fn count(&mut self, second: i64) -> &mut u32 {
        if self.line.is_empty() {
            self.first = second;
        }
        let at = second.saturating_sub(self.first);
        if !(0..LINE_MAX).contains(&at) || !self.far.is_empty() && self.far.contains_key(&second) {
            return self.far.entry(second).or_insert(0);
        }
        let at = at as usize;
        if at >= self.line.len() {
            self.line.resize(at + 1, 0);
        }
        &mut self.line[at]
    }

    /// Keys last used in a second that lies wholly before `time` are in use no more.
    pub(crate) fn forget_before(&mut self, time: i64) {
        let end = time.div_euclid(SECOND_US);
        while self.first < end {
            let Some(count) = self.line.pop_front() else { break };
            self.total -= count as usize;
            self.first += 1;
        }
        while let Some(first) = self.far.first_entry().filter(|s| *s.key() < end) {
            self.total -= first.remove() as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_counts_as_a_walk_over_all_keys_does(steps in prop::collection::vec((0_usize..6, 0_i64..40, 0_u8..12), 1..200)) {
            let (mut live, mut keys, mut cut) = (LiveKeys::default(), [None; 6], i64::MIN);
            for (key, second, kind) in steps {
                // Now and then a clock that is far off, and a horizon that moves.
                let time = if kind == 0 { second * LINE_MAX * SECOND_US } else { second * SECOND_US + 7 };
                if kind == 1 {
                    cut = cut.max(second * SECOND_US);
                    live.forget_before(cut);
                } else if time >= cut && keys[key].is_none_or(|t| t < cut || t < time) {
                    live.note(keys[key].filter(|t| *t >= cut), time);
                    keys[key] = Some(time);
                }
                prop_assert_eq!(live.len(), keys.iter().flatten().filter(|t| **t >= cut).count());
            }
        }
    }
}
