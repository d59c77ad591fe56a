//! The engine's state as bytes, and back. Everything that is not derived: indexes, hashes and key ranges are made again,
//! so the number of key ranges may differ.

use crate::admission::SavedAdmission;
use crate::engine::Engine;
use crate::intern::Interner;
use crate::key_log::KeyLog;
use crate::rows::{Published, SavedRows};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use foreshock_core::{Detection, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The key logs of each group, with their places.
pub(crate) type Logs<L> = Vec<Vec<(u64, L)>>;

#[derive(Serialize)]
struct Saving<'a> {
    admission: SavedAdmission,
    newest: i64,
    texts: Vec<Option<(Arc<str>, i64)>>,
    streams: Vec<(SavedRows, Logs<&'a KeyLog>, Vec<i64>)>,
}

#[derive(Deserialize)]
struct Saved {
    admission: SavedAdmission,
    newest: i64,
    texts: Vec<Option<(Arc<str>, i64)>>,
    /// Of each: the young rows, the logs of each group, when each group last shed something.
    streams: Vec<(SavedRows, Logs<KeyLog>, Vec<i64>)>,
}

impl Engine {
    /// The whole state. Equal states of one process give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        let state = Saving {
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
    /// When the bytes are not such a state; the engine must not be used then.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let saved: Saved = postcard::from_bytes(bytes).map_err(|e| e.to_string())?;
        if saved.streams.len() != self.streams.len() {
            return Err("its rules are others".into());
        }
        self.admission.load(saved.admission)?;
        self.newest = saved.newest;
        self.texts = Interner::load(saved.texts);
        for (stream, (rows, groups, shed)) in self.streams.iter_mut().zip(saved.streams) {
            stream.load(rows, groups, &shed, &self.hasher)?;
        }
        Ok(())
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
