//! One hash of all that can still matter: the same for every process that took the same batches, whatever its key ranges,
//! hash seeds, text ids, and whatever it has not yet got round to freeing.

use crate::cell::Cell;
use crate::intern::Interner;
use crate::plan::ValueKind;

/// Feeds values into the hash, texts by their content.
pub(crate) struct StateHasher<'a> {
    hasher: blake3::Hasher,
    texts: &'a Interner,
}

impl<'a> StateHasher<'a> {
    pub(crate) fn new(texts: &'a Interner) -> Self {
        StateHasher { hasher: blake3::Hasher::new(), texts }
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

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
