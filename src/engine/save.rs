//! The engine's state as bytes, and back. Everything that is not derived: indexes, hashes and key ranges are made again,
//! so the number of key ranges may differ.

use crate::admission::SavedAdmission;
use crate::engine::Engine;
use crate::intern::Interner;
use crate::key_log::KeyLog;
use crate::rows::SavedRows;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize)]
struct Saving<'a> {
    admission: SavedAdmission,
    newest: i64,
    texts: Vec<Option<(Arc<str>, i64)>>,
    streams: Vec<(SavedRows, Vec<Vec<(u64, &'a KeyLog)>>)>,
}

#[derive(Deserialize)]
struct Saved {
    admission: SavedAdmission,
    newest: i64,
    texts: Vec<Option<(Arc<str>, i64)>>,
    streams: Vec<(SavedRows, Vec<Vec<(u64, KeyLog)>>)>,
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
        for (stream, (rows, groups)) in self.streams.iter_mut().zip(saved.streams) {
            stream.load(rows, groups, &self.hasher)?;
        }
        Ok(())
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
