//! The open episodes and the drafts that stand as bytes, and back. Times are integers: not every time has a text.

use crate::blocking::Target;
use crate::episode::Episode;
use crate::identifiers::{Identifiers, Slot};
use crate::message::{AlertMessage, AlertState, Bilingual};
use crate::request::Request;
use crate::save_request::{SavedBlocking, SavedRequest};
use crate::taking::{Actions, Key};
use crate::warning::WarningDraft;
use crate::{ids, save_first};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised whenever the form changes; the forms before are read too. The first one had no number, the second one had the blocking
/// drafts with their episodes.
const FORMAT: u32 = 3;

/// What says the form. Bytes of the first form have no number.
#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    identifiers: Vec<Slot>,
    forgotten: Option<Slot>,
    /// Of each rule and subject in the order they opened.
    episodes: Vec<(Key, Vec<SavedEpisode>)>,
    drafts: Vec<(u128, SavedDraft)>,
    #[serde(default)]
    requests: Vec<SavedRequest>,
}

#[derive(Serialize, Deserialize)]
struct SavedEpisode {
    alert: u128,
    rule_version: String,
    title: Bilingual,
    severity: String,
    fraud_type: String,
    first: i64,
    last: i64,
    detection_ids: Vec<String>,
    draft: Option<SavedDraft>,
    quiet_us: i64,
    tracked: Vec<(i64, u128)>,
    untracked: Option<(i64, i64)>,
    untracked_count: u64,
}

#[derive(Serialize, Deserialize)]
enum SavedDraft {
    Blocking(Box<SavedBlocking>),
    Warning(Box<WarningDraft>),
}

impl Actions {
    /// The open episodes with all that is told apart in them, and the drafts that stand.
    pub fn save(&self) -> Vec<u8> {
        let (identifiers, forgotten) = self.desk.identifiers.save();
        let open = |alert: &u128| Some(SavedEpisode::of(*alert, self.episodes.get(alert)?));
        let of_subject = |(key, alerts): (&Key, &Vec<u128>)| (key.clone(), alerts.iter().filter_map(open).collect());
        let saved = Saved {
            format: FORMAT,
            identifiers,
            forgotten,
            episodes: self.by_subject.iter().map(of_subject).collect(),
            drafts: self.warnings.iter().map(|(alert, draft)| (*alert, SavedDraft::of(draft))).collect(),
            requests: self.requests.iter().map(|(target, request)| SavedRequest::of(target, request)).collect(),
        };
        serde_json::to_vec(&saved).expect("episodes are plain data")
    }

    /// Puts saved episodes and drafts in the place of those there are. Reads this form and those before.
    ///
    /// # Errors
    /// When the bytes are of a newer program, or no saved episodes: nothing is changed then.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let fault = |error: serde_json::Error| format!("saved alerts: {error}");
        let Form { format } = serde_json::from_slice(bytes).map_err(fault)?;
        if format > FORMAT {
            return Err(format!(
                "saved alerts: form {format} is of a newer program than this one, which reads {FORMAT}; use the newer one"
            ));
        }
        if format < 2 {
            return save_first::load(self, bytes);
        }
        let saved: Saved = serde_json::from_slice(bytes).map_err(fault)?;
        let mut requests: Vec<(Target, Request)> = saved.requests.into_iter().map(SavedRequest::into_request).collect();
        let mut episodes = Vec::new();
        for (key, of_subject) in saved.episodes {
            for mut episode in of_subject {
                let (alert, draft) = (episode.alert, episode.draft.take());
                let detections =
                    episode.untracked_count.saturating_add(u64::try_from(episode.tracked.len()).unwrap_or(u64::MAX));
                let warning = draft.and_then(|draft| draft.warning_or(alert, detections, &mut requests));
                episodes.push((alert, episode.into_episode(&key, warning)));
            }
        }
        self.put(episodes.into_iter())?;
        self.desk.identifiers = Identifiers::load(saved.identifiers, saved.forgotten);
        self.warnings.clear();
        for (alert, draft) in saved.drafts {
            let warning = draft.warning_or(alert, 1, &mut requests);
            let is_full = warning.is_some_and(|warning| self.warnings.keep(alert, *warning));
            self.tally.drafts_forgotten += u64::from(is_full);
        }
        self.put_requests(requests);
        Ok(())
    }

    /// Takes in requests in the place of those there are.
    pub(crate) fn put_requests(&mut self, requests: Vec<(Target, Request)>) {
        self.requests.clear();
        for (target, request) in requests {
            self.requests.keep(target, request, &mut self.tally);
        }
    }

    /// Takes in episodes, those of one subject in the order they opened. All that follows from them is made anew.
    pub(crate) fn put(&mut self, episodes: impl Iterator<Item = (u128, Episode)>) -> Result<(), String> {
        let (mut all, mut by_subject) = (BTreeMap::new(), BTreeMap::<Key, Vec<u128>>::new());
        for (alert, mut episode) in episodes {
            let has_detections = episode.has_untracked() || !episode.tracked.is_empty();
            let is_whole = has_detections && episode.has_untracked() == episode.untracked.is_some();
            episode.recount();
            let message = &episode.message;
            if !is_whole || message.first > message.last {
                return Err(format!("saved alerts: alert {} contradicts itself", message.alert_id));
            }
            let key = (message.rule_id.clone(), message.subject.clone());
            by_subject.entry(key).or_default().push(alert);
            if all.insert(alert, episode).is_some() {
                return Err(format!("saved alerts: alert {} is there twice", ids::uuid_text(alert)));
            }
        }
        self.deadlines = all.iter().map(|(alert, episode)| (episode.deadline(), *alert)).collect();
        self.tracked_count = all.values().map(Episode::tracked_count).sum();
        (self.episodes, self.by_subject) = (all, by_subject);
        Ok(())
    }
}

impl SavedEpisode {
    fn of(alert: u128, episode: &Episode) -> Self {
        let message = episode.message.clone();
        SavedEpisode {
            alert,
            rule_version: message.rule_version,
            title: message.title,
            severity: message.severity,
            fraud_type: message.fraud_type,
            first: message.first,
            last: message.last,
            detection_ids: message.detection_ids,
            draft: episode.warning.as_deref().map(SavedDraft::of),
            quiet_us: episode.quiet_us,
            tracked: episode.tracked.iter().copied().collect(),
            untracked: episode.untracked,
            untracked_count: episode.untracked_count,
        }
    }

    fn into_episode(self, (rule_id, subject): &Key, warning: Option<Box<WarningDraft>>) -> Episode {
        let message = AlertMessage {
            alert_id: ids::uuid_text(self.alert),
            state: AlertState::Opened,
            rule_id: rule_id.clone(),
            rule_version: self.rule_version,
            title: self.title,
            severity: self.severity,
            fraud_type: self.fraud_type,
            subject: subject.clone(),
            first: self.first,
            last: self.last,
            count: 0,
            detection_ids: self.detection_ids,
            reason: None,
            closed_at: None,
        };
        Episode {
            message,
            warning,
            quiet_us: self.quiet_us.max(0),
            tracked: self.tracked.into_iter().collect(),
            untracked: self.untracked,
            untracked_count: self.untracked_count,
        }
    }
}

impl SavedDraft {
    fn of(warning: &WarningDraft) -> Self {
        SavedDraft::Warning(Box::new(warning.clone()))
    }

    /// The warning; a blocking draft of an episode of so many detections, which only the second form has here, goes to the requests.
    fn warning_or(
        self,
        alert: u128,
        detections: u64,
        requests: &mut Vec<(Target, Request)>,
    ) -> Option<Box<WarningDraft>> {
        match self {
            SavedDraft::Warning(draft) => Some(draft),
            SavedDraft::Blocking(draft) => {
                requests.push(draft.into_request(alert, detections));
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;
