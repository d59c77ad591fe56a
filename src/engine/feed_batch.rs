//! What comes in: the events of one feed from one source partition.

use arrow_array::RecordBatch;
use foreshock_core::{Feed, ReportAction};

/// Events of one feed from one source partition, in arrival order, in the feed's columns.
#[derive(Debug, Clone)]
pub struct FeedBatch {
    /// The feed.
    pub feed: Feed,
    /// Number of the source partition, below the count given to [`Engine::new`].
    pub partition: usize,
    /// The feed's columns (`foreshock_core::schema`).
    pub batch: RecordBatch,
    /// What each row does; empty when all are new facts.
    pub actions: Vec<ReportAction>,
}

impl FeedBatch {
    pub(crate) fn action(&self, row: usize) -> ReportAction {
        self.actions.get(row).copied().unwrap_or_default()
    }
}
