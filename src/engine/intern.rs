//! Text arguments as small numbers, and back. One table per engine; an id is free again when no live window can hold it.

use crate::index::{AHEAD, Index};
use arrow_array::{Array, StringArray};
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Interner {
    hasher: DefaultHashBuilder,
    index: Index,
    texts: Vec<Text>,
    free: Vec<u32>,
    sweep_at: usize,
    /// So many, the first ones, are another state's too: they stay.
    lent: usize,
}

#[derive(Debug)]
struct Text {
    text: Arc<str>,
    hash: u64,
    /// Newest event time when it was last handed out; what holds the id is no younger.
    stamp: i64,
    is_free: bool,
}

impl Interner {
    /// The ids of a column, 0 where it is NULL. `newest` is the newest event time so far.
    pub(crate) fn intern_all(&mut self, column: &StringArray, newest: i64) -> Vec<i64> {
        let mut ids = Vec::with_capacity(column.len());
        let mut hashes = Vec::with_capacity(AHEAD);
        for from in (0..column.len()).step_by(AHEAD) {
            let rows = from..column.len().min(from + AHEAD);
            hashes.clear();
            hashes.extend(rows.clone().map(|row| self.hasher.hash_one(column.value(row))));
            self.begin(&hashes);
            for (row, hash) in rows.zip(&hashes) {
                let id = if column.is_null(row) { 0 } else { self.intern(column.value(row), *hash, newest) };
                ids.push(i64::from(id));
            }
        }
        ids
    }

    /// Loads what the look-ups of these hashes will need.
    fn begin(&self, hashes: &[u64]) {
        let mut guesses = [None; AHEAD];
        for (guess, hash) in guesses.iter_mut().zip(hashes) {
            *guess = self.index.guess(*hash);
        }
        for number in guesses.into_iter().flatten() {
            black_box(self.texts[number as usize].text.as_bytes().first().copied());
        }
    }

    fn intern(&mut self, text: &str, hash: u64, newest: i64) -> u32 {
        let texts = &self.texts;
        if let Some(id) = self.index.find(hash, |n| texts[n as usize].text.as_ref() == text) {
            // The texts of a state may be younger than what is taken again (`SavedState::lend`).
            let stamp = &mut self.texts[id as usize].stamp;
            *stamp = newest.max(*stamp);
            return id;
        }
        let new = Text { text: text.into(), hash, stamp: newest, is_free: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.texts[id as usize] = new;
                id
            }
            None => {
                self.texts.push(new);
                u32::try_from(self.texts.len() - 1).expect("fewer than 2^32 texts fit in memory")
            }
        };
        self.index.insert(hash, id);
        id
    }

    /// Each text with its stamp, by id; a free id is `None`.
    pub(crate) fn save(&self) -> Vec<Option<(Arc<str>, i64)>> {
        self.texts.iter().map(|t| (!t.is_free).then(|| (t.text.clone(), t.stamp))).collect()
    }

    pub(crate) fn load(texts: Vec<Option<(Arc<str>, i64)>>) -> Self {
        let mut interner = Interner::default();
        for (id, text) in texts.into_iter().enumerate() {
            let id = u32::try_from(id).expect("ids have 32 bits");
            let is_free = text.is_none();
            let (text, stamp) = text.unwrap_or_else(|| ("".into(), i64::MIN));
            let hash = interner.hasher.hash_one(text.as_ref());
            interner.texts.push(Text { text, hash, stamp, is_free });
            if is_free {
                interner.free.push(id);
            } else {
                interner.index.insert(hash, id);
            }
        }
        interner
    }

    /// The same, for an engine that makes what a state lacks.
    pub(crate) fn lent(texts: Vec<Option<(Arc<str>, i64)>>) -> Self {
        let lent = texts.len();
        Interner { lent, ..Interner::load(texts) }
    }

    pub(crate) fn text(&self, id: i64) -> &Arc<str> {
        let idx = usize::try_from(id).expect("an interned id is not negative");
        &self.texts.get(idx).expect("an interned id was handed out by `intern_all`").text
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Frees the ids last handed out before `time`, looking at so many of them. A log that nothing has touched since may
    /// still hold such an id: it lets go of it before it answers again.
    pub(crate) fn free_before(&mut self, time: i64, count: usize) {
        for _ in 0..count.min(self.texts.len()) {
            self.sweep_at = (self.sweep_at + 1) % self.texts.len();
            let text = &mut self.texts[self.sweep_at];
            if text.stamp >= time || text.is_free || self.sweep_at < self.lent {
                continue;
            }
            text.is_free = true;
            text.text = "".into();
            let id = u32::try_from(self.sweep_at).expect("ids have 32 bits");
            self.index.remove(text.hash, id);
            self.free.push(id);
        }
    }
}
