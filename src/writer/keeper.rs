//! Keeps snapshots of a pipeline while it works.

use crate::ops::health::Health;
use crate::state::bucket::Bucket;
use crate::state::folder::Folder;
use crate::state::fork::{Copy, End};
use crate::state::snapshot::{Snapshot, Store, keep};
use crate::writer::pipeline::Pipeline;
use anyhow::Context;
use foreshock_log::Source;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A copy that writes a snapshot for longer than this hangs.
const COPY_MAX: Duration = Duration::from_secs(600);

/// How often an end looks whether an upload has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Where snapshots go.
#[derive(Clone)]
pub struct Places {
    /// Where they are written.
    pub folder: Folder,
    /// Where they are copied to.
    pub bucket: Option<Arc<Bucket>>,
}

impl Places {
    /// All of them, the nearest first.
    pub fn stores(&self) -> impl Iterator<Item = &dyn Store> {
        let bucket = self.bucket.iter().map(|bucket| bucket.as_ref() as &dyn Store);
        std::iter::once(&self.folder as &dyn Store).chain(bucket)
    }
}

/// Writes a snapshot now and then.
pub struct Keeper {
    /// `None` when none are kept.
    places: Option<Places>,
    every: Duration,
    last: Instant,
    /// A snapshot under way, of the state after this batch.
    copy: Option<(Copy, u64)>,
    /// A finished one on its way to the object store.
    upload: Option<JoinHandle<anyhow::Result<()>>>,
    health: Arc<Health>,
}

impl Keeper {
    /// Into these places; `None` for none.
    pub fn new(places: Option<Places>, every: Duration, health: Arc<Health>) -> Keeper {
        Keeper { places, every, last: Instant::now(), copy: None, upload: None, health }
    }

    /// To be called between two batches.
    pub fn turn<S: Source>(&mut self, pipeline: &Pipeline<S>) {
        self.look_after();
        if self.is_due() {
            self.begin(pipeline);
            self.last = Instant::now();
        }
    }

    /// Sees what became of a snapshot that was begun.
    pub fn look_after(&mut self) {
        self.look_after_copy();
        if self.upload.as_ref().is_some_and(JoinHandle::is_finished) {
            self.end_upload();
        }
    }

    /// Is it time for a snapshot?
    pub fn is_due(&self) -> bool {
        self.places.is_some() && self.last.elapsed() >= self.every
    }

    /// Begins to write the state down, in a copy of the process: this one stands still only while it is copied.
    fn begin<S: Source>(&mut self, pipeline: &Pipeline<S>) {
        let Some(Places { folder, .. }) = self.places.clone().filter(|_| pipeline.number() > 0) else { return };
        if let Some((copy, number)) = &self.copy {
            if copy.started.elapsed() > COPY_MAX {
                tracing::error!(batch = number, "the copy that writes a snapshot hangs: given up");
                copy.kill();
            }
            return;
        }
        let number = pipeline.number() - 1;
        match Copy::begin(|| pipeline.snapshot().is_some_and(|snapshot| write(&folder, &snapshot).is_ok())) {
            Ok(copy) => {
                let stall_us = u64::try_from(copy.started.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.health.snapshot_stall_us.fetch_max(stall_us, Ordering::Relaxed);
                self.copy = Some((copy, number));
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn look_after_copy(&mut self) {
        let (Some((copy, number)), Some(Places { folder, .. })) = (&self.copy, &self.places) else { return };
        let number = *number;
        match copy.end() {
            End::NotYet => return,
            End::Done => {
                let millis = u64::try_from(copy.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let bytes = folder.size(number);
                let longest_stall_us = self.health.snapshot_stall_us.load(Ordering::Relaxed);
                tracing::info!(batch = number, bytes, millis, longest_stall_us, "snapshot");
                self.health.set("snapshots", true, "");
                self.begin_upload(number);
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

    /// By a thread of its own: the copy of the process that wrote it must not ask the network.
    fn begin_upload(&mut self, number: u64) {
        let Some(Places { folder, bucket: Some(bucket) }) = self.places.clone() else { return };
        if self.upload.is_some() {
            tracing::warn!(
                batch = number,
                "the object store is slower than snapshots come: this one is not copied there"
            );
            return;
        }
        let thread = std::thread::Builder::new().name("object-store".into());
        let thread = thread.spawn(move || {
            let path = folder.path(number);
            let mut file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            keep(bucket.as_ref(), number, &mut file)
        });
        self.upload = Some(thread.expect("the system gives a thread"));
    }

    fn end_upload(&mut self) {
        let Some(thread) = self.upload.take() else { return };
        let done = thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("its thread ended by a fault of the program")));
        match done {
            Ok(()) => self.health.set("object store", true, ""),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "a snapshot was not copied to the object store");
                self.health.set("object store", false, &error);
            }
        }
    }

    /// A last one, at an orderly end. The object store is waited for so long at most: it may be slow or away.
    pub fn end<S: Source>(&mut self, pipeline: &Pipeline<S>, patience: Duration) {
        self.copy = None;
        let (Some(Places { folder, .. }), Some(snapshot)) = (&self.places, pipeline.snapshot()) else { return };
        if let Err(error) = write(folder, &snapshot) {
            return self.failed(&format!("{error:#}"));
        }
        let until = Instant::now() + patience;
        self.wait_for_upload(until);
        self.begin_upload(snapshot.number);
        self.wait_for_upload(until);
        if self.upload.is_some() {
            tracing::warn!(batch = snapshot.number, "the last snapshot is not yet in the object store");
        }
    }

    fn wait_for_upload(&mut self, until: Instant) {
        while self.upload.as_ref().is_some_and(|upload| !upload.is_finished()) && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        if self.upload.as_ref().is_some_and(JoinHandle::is_finished) {
            self.end_upload();
        }
    }
}

fn write(folder: &Folder, snapshot: &Snapshot) -> anyhow::Result<()> {
    keep(folder, snapshot.number, &mut snapshot.encode().as_slice())
}
