//! Reads the first form of saved episodes. It had no number, times as text, and no drafts of closed episodes; of warnings
//! it had the identifiers alone.

use crate::drafts::Draft;
use crate::episode::Episode;
use crate::identifiers::{Identifiers, Slot};
use crate::taking::{Actions, Key};
use crate::{AlertMessage, BlockingDraft};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Saved {
    identifiers: Vec<(Slot, u128)>,
    episodes: Vec<(u128, SavedEpisode)>,
    by_subject: Vec<(Key, Vec<u128>)>,
}

#[derive(Deserialize)]
struct SavedEpisode {
    message: AlertMessage,
    draft: Option<Box<BlockingDraft>>,
    quiet_us: i64,
    tracked: Vec<(i64, u128)>,
    untracked: Option<(i64, i64)>,
    untracked_count: u64,
}

/// Puts saved episodes in the place of those there are.
pub(crate) fn load(actions: &mut Actions, bytes: &[u8]) -> Result<(), String> {
    let saved: Saved = serde_json::from_slice(bytes).map_err(|error| format!("saved alerts: {error}"))?;
    let mut left: BTreeMap<u128, SavedEpisode> = saved.episodes.into_iter().collect();
    let order = saved.by_subject.into_iter().flat_map(|(_, alerts)| alerts);
    let episodes: Vec<(u128, Episode)> =
        order.filter_map(|alert| Some((alert, left.remove(&alert)?.into_episode()))).collect();
    if let Some(alert) = left.into_keys().next() {
        return Err(format!("saved alerts: alert {} is of no subject", crate::ids::uuid_text(alert)));
    }
    actions.put(episodes.into_iter())?;
    actions.desk.identifiers = Identifiers::load(saved.identifiers.iter().map(|(slot, _)| *slot), None);
    actions.drafts.clear();
    for (slot, alert) in saved.identifiers {
        if let Some(episode) = actions.episodes.get_mut(&alert).filter(|episode| episode.draft.is_none()) {
            episode.draft = actions.desk.of_before(&episode.message, slot).map(|draft| Draft::Warning(Box::new(draft)));
        }
    }
    Ok(())
}

impl SavedEpisode {
    fn into_episode(self) -> Episode {
        let draft = self.draft.map(|mut draft| {
            draft.subject.clone_from(&draft.target.account);
            Draft::Blocking(draft)
        });
        Episode {
            message: self.message,
            draft,
            quiet_us: self.quiet_us.max(0),
            tracked: self.tracked.into_iter().collect(),
            untracked: self.untracked,
            untracked_count: self.untracked_count,
        }
    }
}
