//! Warnings of warnings whose episode is closed: they stand until they expire, and are withdrawn when their rule leaves force.

use crate::limits::{WARNING_HOURS, WARNINGS_STANDING_MAX};
use crate::warning::WarningDraft;
use foreshock_core::time::SECOND_US;
use std::collections::{BTreeMap, BTreeSet};

impl WarningDraft {
    /// Event time at which nobody waits for it any more.
    pub fn expires_us(&self) -> i64 {
        self.sent_s.saturating_add(WARNING_HOURS * 3_600).saturating_mul(SECOND_US)
    }
}

/// The warnings of closed episodes, by episode.
#[derive(Debug)]
pub(crate) struct Warnings {
    by_alert: BTreeMap<u128, WarningDraft>,
    by_expiry: BTreeSet<(i64, u128)>,
    pub count_max: usize,
}

impl Default for Warnings {
    fn default() -> Self {
        Warnings { by_alert: BTreeMap::new(), by_expiry: BTreeSet::new(), count_max: WARNINGS_STANDING_MAX }
    }
}

impl Warnings {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&u128, &WarningDraft)> {
        self.by_alert.iter()
    }

    /// The episode is closed and its draft stands. Says whether another one had to be forgotten.
    pub fn keep(&mut self, alert: u128, draft: WarningDraft) -> bool {
        self.remove(alert);
        self.by_expiry.insert((draft.expires_us(), alert));
        self.by_alert.insert(alert, draft);
        let is_full = self.by_alert.len() > self.count_max;
        if is_full && let Some((_, first)) = self.by_expiry.pop_first() {
            self.by_alert.remove(&first);
        }
        is_full
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        self.by_alert.clear();
        self.by_expiry.clear();
    }

    /// The episode is open again, or its draft is withdrawn.
    pub fn remove(&mut self, alert: u128) -> Option<WarningDraft> {
        let draft = self.by_alert.remove(&alert)?;
        self.by_expiry.remove(&(draft.expires_us(), alert));
        Some(draft)
    }

    /// Lets go of those that expire before a time.
    pub fn expire_before(&mut self, horizon_us: i64) {
        while let Some(&(expires, alert)) = self.by_expiry.first() {
            if expires >= horizon_us {
                break;
            }
            self.by_expiry.pop_first();
            self.by_alert.remove(&alert);
        }
    }
}
