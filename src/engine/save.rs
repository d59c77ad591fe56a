//! The engine's state as bytes, and back. Everything that is not derived: indexes, hashes and key ranges are made again,
//! so the number of key ranges may differ.

use crate::admission::{SavedAdmission, SavedAdmissionV1};
use crate::key_log::KeyLog;
use crate::plan::{GroupPlan, RulePlan, StreamPlan};
use crate::readers::reading_rules;
use crate::rows::SavedRows;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The key logs of each group, with their places.
pub(crate) type Logs<L> = Vec<Vec<(u64, L)>>;

/// A state, to be written down (`L` is `&KeyLog`) or read (`KeyLog`).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved<L> {
    pub(crate) admission: SavedAdmission,
    pub(crate) newest: i64,
    pub(crate) texts: Vec<Option<(Arc<str>, i64)>>,
    pub(crate) streams: Vec<SavedStream<L>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedStream<L> {
    pub(crate) plan: SavedPlan,
    pub(crate) rows: SavedRows,
    pub(crate) logs: Logs<L>,
    /// When each group last shed something.
    pub(crate) shed: Vec<i64>,
}

/// What a state must know of the plan it belongs to, to be of use for another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    pub(crate) name: String,
    pub(crate) fingerprint: u128,
    pub(crate) groups: Vec<SavedGroup>,
    /// How many window columns there are.
    pub(crate) windows: usize,
    /// Id and version of each rule.
    pub(crate) rules: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedGroup {
    pub(crate) fingerprint: u128,
    /// Its window columns, in the order of its accumulators.
    pub(crate) windows: Vec<usize>,
    /// Rules that read them; `None` when windows above do. Rows that cannot be detections of these have no results.
    readers: Option<Vec<(String, String)>>,
}

impl SavedGroup {
    fn new(plan: &StreamPlan, group: &GroupPlan) -> Self {
        let rule = |number: usize| (plan.rules[number].id.clone(), plan.rules[number].version.clone());
        SavedGroup {
            fingerprint: group.fingerprint,
            windows: group.cursors.iter().flat_map(|c| &c.accumulators).map(|a| a.window).collect(),
            readers: reading_rules(plan, group).map(|rules| rules.into_iter().map(rule).collect()),
        }
    }

    /// Has it all results that the other one must have?
    pub(crate) fn serves(&self, other: &SavedGroup) -> bool {
        let has_all = match (&self.readers, &other.readers) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(wanted)) => wanted.iter().all(|rule| own.contains(rule)),
        };
        self.fingerprint == other.fingerprint && has_all
    }
}

impl SavedPlan {
    pub(crate) fn new(plan: &StreamPlan) -> Self {
        SavedPlan {
            name: plan.name.clone(),
            fingerprint: plan.fingerprint,
            groups: plan.groups.iter().map(|g| SavedGroup::new(plan, g)).collect(),
            windows: plan.windows.len(),
            rules: plan.rules.iter().map(|r| (r.id.clone(), r.version.clone())).collect(),
        }
    }

    /// Is it of the same rows?
    pub(crate) fn is_of(&self, plan: &StreamPlan) -> bool {
        (&self.name, self.fingerprint) == (&plan.name, plan.fingerprint)
    }

    /// Its group that serves as this one.
    pub(crate) fn group(&self, wanted: &SavedGroup) -> Option<usize> {
        self.groups.iter().position(|g| g.serves(wanted))
    }

    pub(crate) fn rule(&self, rule: &RulePlan) -> Option<usize> {
        self.rules.iter().position(|(id, version)| (id, version) == (&rule.id, &rule.version))
    }
}

/// As it was saved in format 1.
#[derive(Deserialize)]
struct SavedV1 {
    admission: SavedAdmissionV1,
    newest: i64,
    texts: Vec<Option<(Arc<str>, i64)>>,
    streams: Vec<SavedStream<KeyLog>>,
}

impl From<SavedV1> for Saved<KeyLog> {
    fn from(old: SavedV1) -> Self {
        let SavedV1 { admission, newest, texts, streams } = old;
        Saved { admission: admission.into(), newest, texts, streams }
    }
}

/// The state of an engine, read.
#[derive(Debug)]
pub struct SavedState(pub(crate) Saved<KeyLog>);

impl SavedState {
    /// The format that [`crate::Engine::save`] writes. Whoever keeps the bytes keeps this number beside them.
    ///
    /// 1: a payment is remembered by its id alone. Read so, any other report of it is a confirmation until it is forgotten, and
    /// ids of events before the horizon are not known. 2: with what its reports say of it, and what has confirmed them.
    pub const FORMAT: u32 = 2;

    /// From the bytes of [`crate::Engine::save`].
    ///
    /// # Errors
    /// When they are no such state.
    pub fn read(bytes: &[u8]) -> Result<SavedState, String> {
        SavedState::read_format(bytes, SavedState::FORMAT)
    }

    /// The same of an earlier format. The state that comes of it has another [`crate::Engine::state_hash`] than the one that
    /// was saved.
    ///
    /// # Errors
    /// When they are no such state, or the format is not known.
    pub fn read_format(bytes: &[u8], format: u32) -> Result<SavedState, String> {
        let saved = match format {
            1 => postcard::from_bytes::<SavedV1>(bytes).map(Saved::from),
            SavedState::FORMAT => postcard::from_bytes(bytes),
            _ => {
                return Err(format!(
                    "format {format} of an engine's state is not known; this program reads 1 to {}",
                    SavedState::FORMAT
                ));
            }
        };
        saved.map(SavedState).map_err(|e| e.to_string())
    }
}
