//! Reads the first form of saved episodes. It had no number, times as text, and no drafts of closed episodes; of warnings
//! it had the identifiers alone.

use crate::episode::Episode;
use crate::identifiers::{Identifiers, Slot};
use crate::save_request::SavedBlocking;
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
    let (mut episodes, mut requests) = (Vec::new(), Vec::new());
    for (alert, mut episode) in order.filter_map(|alert| Some((alert, left.remove(&alert)?))).collect::<Vec<_>>() {
        let detections =
            episode.untracked_count.saturating_add(u64::try_from(episode.tracked.len()).unwrap_or(u64::MAX));
        requests.extend(episode.draft.take().map(|draft| SavedBlocking::of(*draft).into_request(alert, detections)));
        episodes.push((alert, episode.into_episode()));
    }
    if let Some(alert) = left.into_keys().next() {
        return Err(format!("saved alerts: alert {} is of no subject", crate::ids::uuid_text(alert)));
    }
    actions.put(episodes.into_iter())?;
    actions.desk.identifiers = Identifiers::load(saved.identifiers.iter().map(|(slot, _)| *slot), None);
    actions.warnings.clear();
    actions.put_requests(requests);
    for (slot, alert) in saved.identifiers {
        if let Some(episode) = actions.episodes.get_mut(&alert) {
            episode.warning = actions.desk.of_before(&episode.message, slot).map(Box::new);
        }
    }
    Ok(())
}

impl SavedEpisode {
    fn into_episode(self) -> Episode {
        Episode {
            message: self.message,
            warning: None,
            quiet_us: self.quiet_us.max(0),
            tracked: self.tracked.into_iter().collect(),
            untracked: self.untracked,
            untracked_count: self.untracked_count,
        }
    }
}
