//! Text arguments as small numbers, and back. One table per engine; an id is never reused.

use hashbrown::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Interner {
    ids: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    pub(crate) fn intern(&mut self, text: &str) -> i64 {
        if let Some(id) = self.ids.get(text) {
            return i64::from(*id);
        }
        let id = u32::try_from(self.texts.len()).expect("fewer than 2^32 texts fit in memory");
        let shared: Arc<str> = text.into();
        self.ids.insert(shared.clone(), id);
        self.texts.push(shared);
        i64::from(id)
    }

    pub(crate) fn find(&self, text: &str) -> Option<i64> {
        self.ids.get(text).map(|id| i64::from(*id))
    }

    pub(crate) fn text(&self, id: i64) -> &Arc<str> {
        let idx = usize::try_from(id).expect("an interned id is not negative");
        self.texts.get(idx).expect("an interned id was handed out by `intern`")
    }
}
