//! The open episodes as bytes, and back.

use crate::episode::Episode;
use crate::taking::Actions;
use crate::warning::Identifiers;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Saved {
    identifiers: Vec<((i64, u8), u128)>,
    episodes: Vec<(u128, Episode)>,
    by_subject: Vec<((String, String), Vec<u128>)>,
    deadlines: Vec<(i64, u128)>,
    tracked_count: usize,
}

impl Actions {
    /// The open episodes with all that is told apart in them.
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved {
            identifiers: self.identifiers.save(),
            episodes: self.episodes.iter().map(|(id, episode)| (*id, episode.clone())).collect(),
            by_subject: self.by_subject.iter().map(|(key, open)| (key.clone(), open.clone())).collect(),
            deadlines: self.deadlines.iter().copied().collect(),
            tracked_count: self.tracked_count,
        };
        serde_json::to_vec(&saved).expect("episodes are plain data")
    }

    /// Puts saved episodes in the place of those there are.
    ///
    /// # Errors
    /// When the bytes are no saved episodes.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let saved: Saved = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        self.identifiers = Identifiers::load(saved.identifiers);
        self.episodes = saved.episodes.into_iter().collect();
        for draft in self.episodes.values_mut().filter_map(|e| e.draft.as_mut()) {
            draft.subject.clone_from(&draft.target.account);
        }
        self.by_subject = saved.by_subject.into_iter().collect();
        self.deadlines = saved.deadlines.into_iter().collect();
        self.tracked_count = saved.tracked_count;
        Ok(())
    }

    /// Lets go of the episodes of all rules but these (id, version), and says nothing of it.
    pub fn keep_rules(&mut self, is_kept: impl Fn(&str, &str) -> bool) {
        let of_others = |e: &Episode| !is_kept(&e.message.rule_id, &e.message.rule_version);
        let gone: Vec<u128> = self.episodes.iter().filter(|(_, e)| of_others(e)).map(|(alert, _)| *alert).collect();
        gone.into_iter().for_each(|alert| drop(self.close(alert)));
    }
}
