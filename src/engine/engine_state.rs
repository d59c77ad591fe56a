//! The engine's whole state: as bytes and back, and as one hash.

use crate::engine::Engine;
use crate::intern::Interner;
use crate::save::{Saved, SavedState};
use crate::state_hash::StateHasher;
use crate::stream::Stream;

impl Engine {
    /// The whole state. Equal states of one process give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        let state = Saved {
            admission: self.admission.save(),
            newest: self.newest,
            texts: self.texts.save(),
            streams: self.streams.iter().map(Stream::save).collect(),
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

    /// The canonical hash of the state.
    pub fn state_hash(&self) -> [u8; 32] {
        let mut to = StateHasher::new(&self.texts);
        let admission = postcard::to_stdvec(&self.admission.save()).expect("the state is plain data");
        to.bytes(&admission);
        to.number(self.newest);
        for stream in &self.streams {
            stream.hash_state(self.admission.horizon(), &mut to);
        }
        to.finish()
    }
}
