//! Which report of another bank has confirmed which report that counts. Of each bank one: a bank's further reports are its
//! own repeats of the payment.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A report that has confirmed another one, see [`crate::payment::Payment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) reporter: u64,
    pub(crate) event: u64,
    /// Time of the oldest event on which it hangs that it is this report that this event has confirmed.
    pub(crate) rests_on: i64,
}

/// All confirmations. An event confirms one report at most.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    /// By the event that is confirmed and the bank that does: the event that confirms it, what it rests on.
    by_confirmed: BTreeMap<(u64, u64), (u64, i64)>,
    /// By the event that confirms: its key there.
    by_event: HashMap<u64, (u64, u64)>,
}

impl Confirmations {
    /// What the bank has confirmed the event with.
    pub(crate) fn of(&self, confirmed: u64, reporter: u64) -> Option<Confirmation> {
        let (event, rests_on) = *self.by_confirmed.get(&(confirmed, reporter))?;
        Some(Confirmation { reporter, event, rests_on })
    }

    /// The event that this one has confirmed.
    pub(crate) fn confirmed_by(&self, event: u64) -> Option<u64> {
        self.by_event.get(&event).map(|(confirmed, _)| *confirmed)
    }

    /// Notes one, in the place of another one by the same event. The bank has not confirmed this before.
    pub(crate) fn put(&mut self, confirmed: u64, by: Confirmation) {
        self.take(by.event);
        let key = (confirmed, by.reporter);
        self.by_confirmed.insert(key, (by.event, by.rests_on));
        self.by_event.insert(by.event, key);
    }

    /// The event confirms nothing any more.
    pub(crate) fn take(&mut self, event: u64) {
        if let Some(key) = self.by_event.remove(&event) {
            self.by_confirmed.remove(&key);
        }
    }

    /// The event is nothing that can be confirmed any more.
    pub(crate) fn end(&mut self, confirmed: u64) {
        let ended: Vec<Confirmation> = self.all(confirmed).collect();
        ended.into_iter().for_each(|by| self.take(by.event));
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_confirmed.is_empty() && self.by_event.is_empty()
    }

    /// Those of an event, in one order.
    pub(crate) fn all(&self, confirmed: u64) -> impl Iterator<Item = Confirmation> {
        let of_event = self.by_confirmed.range((confirmed, 0)..=(confirmed, u64::MAX));
        of_event.map(|((_, reporter), (event, rests_on))| Confirmation {
            reporter: *reporter,
            event: *event,
            rests_on: *rests_on,
        })
    }
}
