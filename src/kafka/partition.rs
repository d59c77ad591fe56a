//! What a source knows of one of its partitions.

use crate::kafka::watch::Place;
use foreshock_core::Presence;
use foreshock_log::{Range, SourceRecord};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A partition that is read.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) place: Place,
    /// Its topic, as its records name it.
    pub(super) topic: Arc<str>,
    pub(super) presence: Presence,
    /// Next offset to be read; `None` before the first record when it is read from wherever it begins.
    pub(super) next: Option<i64>,
    /// Next offset after what is done.
    pub(super) done: Option<i64>,
    /// Offset of the first record the broker still had when it was last asked.
    pub(super) low: i64,
    /// When it last gave a record.
    pub(super) heard: Instant,
    /// When a record last moved its bound in event time.
    pub(super) moved: Instant,
    /// Records that came before they were wanted.
    pub(super) stash: VecDeque<SourceRecord>,
    /// Paused because it is ahead: of the one that is read again, or in event time.
    pub(super) is_held: bool,
}

impl Partition {
    pub(super) fn new(place: Place, presence: Presence, low: i64) -> Partition {
        let now = Instant::now();
        Partition {
            topic: place.0.as_str().into(),
            place,
            presence,
            next: None,
            done: None,
            low,
            heard: now,
            moved: now,
            stash: VecDeque::new(),
            is_held: false,
        }
    }

    /// Its name in a progress record.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.place.0, self.place.1)
    }

    /// The next offset to take, as a range without records.
    pub(super) fn at(&self) -> Range {
        let at = self.done.unwrap_or(self.low);
        Range { topic: self.place.0.clone(), partition: self.place.1, from: at, to: at }
    }

    /// The broker has let go of everything before `low`: how many records that were not yet read are lost.
    pub(super) fn skip_to(&mut self, low: i64) -> u64 {
        self.low = self.low.max(low);
        match self.next {
            Some(next) if next < low => {
                self.next = Some(low);
                low.abs_diff(next)
            }
            _ => 0,
        }
    }

    /// The topic was made anew: what is read now begins at the beginning.
    pub(super) fn begin_anew(&mut self) {
        self.stash.clear();
        (self.next, self.done, self.low, self.moved) = (Some(0), Some(0), 0, Instant::now());
    }
}
