//! The engine's state as bytes, and back. Everything that is not derived: indexes, hashes and key ranges are made again,
//! so the number of key ranges may differ.

use crate::admission::SavedAdmission;
use crate::engine::Engine;
use crate::intern::Interner;
use crate::key_log::KeyLog;
use crate::plan::{GroupPlan, RulePlan, StreamPlan};
use crate::readers::reading_rules;
use crate::rows::{Published, SavedRows};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use foreshock_core::{Detection, Value};
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

/// The state of an engine, read.
#[derive(Debug)]
pub struct SavedState(pub(crate) Saved<KeyLog>);

impl SavedState {
    /// From the bytes of [`Engine::save`].
    ///
    /// # Errors
    /// When they are no such state.
    pub fn read(bytes: &[u8]) -> Result<SavedState, String> {
        postcard::from_bytes(bytes).map(SavedState).map_err(|e| e.to_string())
    }
}

impl Engine {
    /// The whole state. Equal states of one process give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        let state = Saved {
            admission: self.admission.save(),
            newest: self.newest,
            texts: self.texts.save(),
            streams: self.streams.iter().map(crate::stream::Stream::save).collect(),
        };
        postcard::to_stdvec(&state).expect("the state is plain data")
    }

    /// Puts a saved state into a new engine of the same rules and partitions.
    ///
    /// # Errors
    /// When it is not of these; the engine must not be used then.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.load_state(SavedState::read(bytes)?)
    }

    /// The same with a state that was read before.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn load_state(&mut self, state: SavedState) -> Result<(), String> {
        let SavedState(saved) = state;
        if saved.streams.len() != self.streams.len() {
            return Err("its rules are others".into());
        }
        self.admission.load(saved.admission)?;
        self.newest = saved.newest;
        self.texts = Interner::load(saved.texts);
        let (hasher, horizon) = (&self.hasher, self.admission.horizon());
        self.streams.iter_mut().zip(saved.streams).try_for_each(|(stream, saved)| stream.load(saved, hasher, horizon))
    }
}

// `core` has no dependency, so its types are written down here.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Value")]
enum ValueDef {
    Null,
    Int(i64),
    Text(String),
    Bool(bool),
    Time(i64),
    Double(f64),
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedValue(#[serde(with = "ValueDef")] Value);

#[derive(Debug, Serialize, Deserialize)]
struct SavedDetection(String, i64, String, Vec<(String, SavedValue)>);

impl SavedDetection {
    fn new(d: &Detection) -> Self {
        let values = d.values.iter().map(|(name, value)| (name.clone(), SavedValue(value.clone())));
        SavedDetection(d.event_id.clone(), d.event_time, d.subject.clone(), values.collect())
    }

    fn into_detection(self) -> Detection {
        let values = self.3.into_iter().map(|(name, value)| (name, value.0)).collect();
        Detection { event_id: self.0, event_time: self.1, subject: self.2, values }
    }
}

/// [`Published`] as it is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPublished {
    revisions: Vec<(String, u32)>,
    said: Option<SavedDetection>,
    said_incomplete: bool,
    pending: Option<(SavedDetection, String)>,
}

impl SavedPublished {
    pub(crate) fn new(published: &Published) -> Self {
        SavedPublished {
            revisions: published.revisions.clone(),
            said: published.said.as_ref().map(SavedDetection::new),
            said_incomplete: published.said_incomplete,
            pending: published.pending.as_ref().map(|(d, cause)| (SavedDetection::new(d), cause.clone())),
        }
    }

    pub(crate) fn forget_cause(&mut self) {
        self.pending.iter_mut().for_each(|(_, cause)| cause.clear());
    }

    pub(crate) fn into_published(self) -> Published {
        Published {
            revisions: self.revisions,
            said: self.said.map(SavedDetection::into_detection),
            said_incomplete: self.said_incomplete,
            pending: self.pending.map(|(d, cause)| (d.into_detection(), cause)),
        }
    }
}

pub(crate) fn batch_to_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut write = || {
        let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref())?;
        writer.write(batch)?;
        writer.finish()
    };
    write().expect("a batch of plain columns can be written to memory");
    bytes
}

pub(crate) fn batch_from_bytes(bytes: &[u8]) -> Result<RecordBatch, String> {
    let reader = StreamReader::try_new(bytes, None).map_err(|e| e.to_string())?;
    let mut batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    batches.pop().ok_or_else(|| "no rows where there should be some".to_owned())
}
