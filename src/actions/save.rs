//! The open episodes and the drafts that stand as bytes, and back. Times are integers: not every time has a text.

use crate::drafts::Draft;
use crate::episode::Episode;
use crate::identifiers::{Identifiers, Slot};
use crate::message::{AlertMessage, AlertState, Bilingual};
use crate::taking::{Actions, Key};
use crate::warning::WarningDraft;
use crate::{BlockingDraft, DraftState, Evidence, RuleRef, Target, ids, save_first};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised whenever the form changes; the form before the last is read too. The first one had no number.
const FORMAT: u32 = 2;

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

#[derive(Serialize, Deserialize)]
struct SavedBlocking {
    request_id: String,
    rule: RuleRef,
    measure: Option<String>,
    account: String,
    institution: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    reason: Bilingual,
    legal_basis: Vec<String>,
    fraud_type: String,
    detection_id: String,
    event_ids: Vec<String>,
    values: Vec<(String, SavedValue)>,
    created_at: i64,
    expires_at: i64,
}

/// A value of the evidence. A float goes by its bits: read from its decimal text it may be another one.
#[derive(Serialize, Deserialize)]
enum SavedValue {
    Plain(serde_json::Value),
    Double(u64),
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
            drafts: self.drafts.iter().map(|(alert, draft)| (*alert, SavedDraft::of(draft))).collect(),
        };
        serde_json::to_vec(&saved).expect("episodes are plain data")
    }

    /// Puts saved episodes and drafts in the place of those there are. Reads this form and the one before.
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
        if format < FORMAT {
            return save_first::load(self, bytes);
        }
        let saved: Saved = serde_json::from_slice(bytes).map_err(fault)?;
        let of_subject = |(key, episodes): (Key, Vec<SavedEpisode>)| {
            episodes.into_iter().map(move |saved| (saved.alert, saved.into_episode(&key)))
        };
        self.put(saved.episodes.into_iter().flat_map(of_subject))?;
        self.desk.identifiers = Identifiers::load(saved.identifiers, saved.forgotten);
        self.drafts.clear();
        for (alert, draft) in saved.drafts {
            self.tally.drafts_forgotten += u64::from(self.drafts.keep(alert, draft.into_draft()));
        }
        Ok(())
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
            draft: episode.draft.as_ref().map(SavedDraft::of),
            quiet_us: episode.quiet_us,
            tracked: episode.tracked.iter().copied().collect(),
            untracked: episode.untracked,
            untracked_count: episode.untracked_count,
        }
    }

    fn into_episode(self, (rule_id, subject): &Key) -> Episode {
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
            draft: self.draft.map(SavedDraft::into_draft),
            quiet_us: self.quiet_us.max(0),
            tracked: self.tracked.into_iter().collect(),
            untracked: self.untracked,
            untracked_count: self.untracked_count,
        }
    }
}

impl SavedDraft {
    fn of(draft: &Draft) -> Self {
        match draft {
            Draft::Blocking(draft) => SavedDraft::Blocking(Box::new(SavedBlocking::of(draft))),
            Draft::Warning(draft) => SavedDraft::Warning(draft.clone()),
        }
    }

    fn into_draft(self) -> Draft {
        match self {
            SavedDraft::Blocking(draft) => Draft::Blocking(Box::new(draft.into_draft())),
            SavedDraft::Warning(draft) => Draft::Warning(draft),
        }
    }
}

impl SavedBlocking {
    /// Only drafts that stand are saved, so nothing is kept of a withdrawal.
    fn of(draft: &BlockingDraft) -> Self {
        let draft = draft.clone();
        let save = |value: serde_json::Value| match value.as_f64().filter(|_| value.is_f64()) {
            Some(double) => SavedValue::Double(double.to_bits()),
            None => SavedValue::Plain(value),
        };
        SavedBlocking {
            request_id: draft.request_id,
            rule: draft.rule,
            measure: draft.measure,
            account: draft.subject,
            institution: draft.institution,
            amount: draft.amount,
            currency: draft.currency,
            reason: draft.reason,
            legal_basis: draft.legal_basis,
            fraud_type: draft.fraud_type,
            detection_id: draft.evidence.detection_id,
            event_ids: draft.evidence.event_ids,
            values: draft.evidence.values.into_iter().map(|(name, value)| (name, save(value))).collect(),
            created_at: draft.created_at,
            expires_at: draft.expires_at,
        }
    }

    fn into_draft(self) -> BlockingDraft {
        let load = |value| match value {
            SavedValue::Plain(value) => value,
            SavedValue::Double(bits) => f64::from_bits(bits).into(),
        };
        BlockingDraft {
            request_id: self.request_id,
            state: DraftState::Draft,
            rule: self.rule,
            measure: self.measure,
            target: Target { account: self.account.clone() },
            institution: self.institution,
            amount: self.amount,
            currency: self.currency,
            reason: self.reason,
            legal_basis: self.legal_basis,
            fraud_type: self.fraud_type,
            evidence: Evidence {
                detection_id: self.detection_id,
                event_ids: self.event_ids,
                values: self.values.into_iter().map(|(name, value)| (name, load(value))).collect(),
            },
            created_at: self.created_at,
            expires_at: self.expires_at,
            withdrawn_because: None,
            withdrawn_at: None,
            subject: self.account,
        }
    }
}

#[cfg(test)]
#[path = "save_tests.rs"]
mod tests;
