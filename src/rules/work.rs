//! What a process works by.

use foreshock_compiler::Pack;
use foreshock_engine::Router;
use std::sync::Arc;

/// The rules of a process. Those of the pack of a partition get events that were admitted before.
#[derive(Debug, Clone)]
pub struct Work {
    /// The rules.
    pub pack: Pack,
    /// Where events go whose rules other processes have.
    pub router: Option<Arc<Router>>,
}

impl Work {
    /// All rules of a pack, in this process.
    pub fn of(pack: Pack) -> Work {
        Work { pack, router: None }
    }
}
