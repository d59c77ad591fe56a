//! Keeps snapshots of a pipeline while it works.

use crate::background::{Copy, End};
use crate::health::Health;
use crate::pipeline::Pipeline;
use crate::snapshot::{Folder, keep};
use crate::sources::Source;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A copy that writes a snapshot for longer than this hangs.
const COPY_MAX: Duration = Duration::from_secs(600);

/// Writes a snapshot now and then.
pub struct Keeper {
    /// `None` when none are kept.
    folder: Option<Folder>,
    every: Duration,
    last: Instant,
    /// A snapshot under way, of the state after this batch.
    copy: Option<(Copy, u64)>,
    health: Arc<Health>,
}

impl Keeper {
    /// Into this folder; an empty path for none.
    pub fn new(folder: PathBuf, every: Duration, health: Arc<Health>) -> Keeper {
        let folder = (!folder.as_os_str().is_empty()).then_some(Folder(folder));
        Keeper { folder, every, last: Instant::now(), copy: None, health }
    }

    /// To be called between two batches.
    pub fn turn<S: Source>(&mut self, pipeline: &Pipeline<S>) {
        self.look_after_copy();
        if self.last.elapsed() >= self.every {
            self.begin(pipeline);
            self.last = Instant::now();
        }
    }

    /// Begins to write the state down, in a copy of the process: this one stands still only while it is copied.
    fn begin<S: Source>(&mut self, pipeline: &Pipeline<S>) {
        let Some(folder) = self.folder.clone().filter(|_| pipeline.number() > 0) else { return };
        if let Some((copy, number)) = &self.copy {
            if copy.started.elapsed() > COPY_MAX {
                tracing::error!(batch = number, "the copy that writes a snapshot hangs: given up");
                copy.kill();
            }
            return;
        }
        let number = pipeline.number() - 1;
        match Copy::begin(|| pipeline.snapshot().is_some_and(|snapshot| keep(&folder, &snapshot).is_ok())) {
            Ok(copy) => {
                let stall_us = u64::try_from(copy.started.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.health.snapshot_stall_us.fetch_max(stall_us, Ordering::Relaxed);
                self.copy = Some((copy, number));
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn look_after_copy(&mut self) {
        let (Some((copy, number)), Some(folder)) = (&self.copy, &self.folder) else { return };
        match copy.end() {
            End::NotYet => return,
            End::Done => {
                let millis = u64::try_from(copy.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let bytes = folder.size(*number);
                let longest_stall_us = self.health.snapshot_stall_us.load(Ordering::Relaxed);
                tracing::info!(batch = number, bytes, millis, longest_stall_us, "snapshot");
                self.health.set("snapshots", true, "");
            }
            // The copy cannot tell why: a file that cannot be written is found out by writing one.
            End::Failed => {
                let why = folder.probe().map_or_else(|e| format!("{e:#}"), |()| "the copy that wrote it died".into());
                self.failed(&why);
            }
        }
        self.copy = None;
    }

    /// Detection goes on: the log still has everything.
    fn failed(&self, error: &str) {
        tracing::error!(error, "no snapshot: a start will take longer");
        self.health.set("snapshots", false, error);
    }

    /// A last one, at an orderly end: there is time.
    pub fn end<S: Source>(&mut self, pipeline: &Pipeline<S>) {
        self.copy = None;
        let (Some(folder), Some(snapshot)) = (&self.folder, pipeline.snapshot()) else { return };
        if let Err(error) = keep(folder, &snapshot) {
            self.failed(&format!("{error:#}"));
        }
    }
}
