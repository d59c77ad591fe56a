//! What a process works by.

use crate::ops::blocking::Keys;
use crate::ops::config::EngineSettings;
use crate::rules::identity::base_hash;
use foreshock_compiler::{Pack, Settings, compile};
use foreshock_engine::Router;
use foreshock_log::Log;
use std::sync::Arc;

/// The rules of a process. Those of the pack of a partition get events that were admitted before.
#[derive(Debug, Clone)]
pub struct Work {
    /// The rules.
    pub pack: Pack,
    /// Where events go whose rules other processes have.
    pub router: Option<Arc<Router>>,
    /// Its work is the register of blocking requests, and no rule.
    pub keys: Option<Arc<Keys>>,
}

impl Work {
    /// All rules of a pack, in this process.
    pub fn of(pack: Pack) -> Work {
        Work { pack, router: None, keys: None }
    }

    /// The register of blocking requests.
    pub fn register(keys: Arc<Keys>) -> Work {
        let pack = compile(&[], &[], &Settings::default()).expect("no rules are no mistake");
        Work { keys: Some(keys), ..Work::of(pack) }
    }

    /// The log of its batches.
    pub fn log(&self) -> Log {
        match (&self.keys, self.pack.part) {
            (Some(_), _) => Log::Register,
            (None, Some(part)) => Log::Part(part),
            (None, None) => Log::Engine,
        }
    }

    /// Hash of all that changes what the same input leads to, but the rules.
    pub fn base(&self, engine: &EngineSettings) -> String {
        if self.keys.is_some() { self.log().name() } else { base_hash(&self.pack, engine) }
    }
}
