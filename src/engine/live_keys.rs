//! How many keys are in use: exactly, and the same for every process, whatever it has not yet got round to freeing.

use foreshock_core::time::SECOND_US;
use std::collections::BTreeMap;

/// Keys by the second of event time at which each was last used.
#[derive(Debug, Default)]
pub(crate) struct LiveKeys {
    seconds: BTreeMap<i64, u32>,
    total: usize,
}

impl LiveKeys {
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// A key is used at `now`; `before` is when it was last, `None` for a key that was not in use.
    pub(crate) fn note(&mut self, before: Option<i64>, now: i64) {
        let (before, now) = (before.map(|b| b.div_euclid(SECOND_US)), now.div_euclid(SECOND_US));
        if before == Some(now) {
            return;
        }
        match before.and_then(|b| self.seconds.get_mut(&b)) {
            Some(count) => *count -= 1,
            None => self.total += 1,
        }
        *self.seconds.entry(now).or_insert(0) += 1;
    }

    /// Keys last used in a second that lies wholly before `time` are in use no more.
    pub(crate) fn forget_before(&mut self, time: i64) {
        while let Some(first) = self.seconds.first_entry().filter(|s| *s.key() < time.div_euclid(SECOND_US)) {
            self.total -= first.remove() as usize;
        }
    }
}
