//! One hash of all that can still matter: the same for every process that took the same batches, whatever its key ranges,
//! hash seeds, text ids, and whatever it has not yet got round to freeing.

use crate::accumulator::Cell;
use crate::engine::Engine;
use crate::intern::Interner;
use crate::plan::ValueKind;

/// Feeds values into the hash, texts by their content.
pub(crate) struct StateHasher<'a> {
    hasher: blake3::Hasher,
    texts: &'a Interner,
}

impl StateHasher<'_> {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.hasher.update(&number.to_le_bytes());
    }

    pub(crate) fn cell(&mut self, cell: Cell, kind: Option<ValueKind>) {
        match cell {
            None => self.number(0),
            Some(id) if kind == Some(ValueKind::Text) => {
                self.number(1);
                let text = self.texts.text(id).clone();
                self.bytes(text.as_bytes());
            }
            Some(value) => {
                self.number(2);
                self.number(value);
            }
        }
    }
}

impl Engine {
    /// The canonical hash of the state.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut to = StateHasher { hasher: blake3::Hasher::new(), texts: &self.texts };
        let admission = postcard::to_stdvec(&self.admission.save()).expect("the state is plain data");
        to.bytes(&admission);
        to.number(self.newest);
        for stream in &self.streams {
            stream.hash_state(self.admission.horizon(), &mut to);
        }
        *to.hasher.finalize().as_bytes()
    }
}
