//! The state of a process that begins: the newest whole snapshot, and the batches of the log after it.

use crate::config::Config;
use crate::health::Health;
use crate::pipeline::{Pipeline, Work, rules_hash};
use crate::progress::{Log, Progress, Resume, Tail};
use crate::snapshot::{Folder, Snapshot, fitting};
use crate::sources::kafka::{Intake, KafkaSource};
use foreshock_core::Feed;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What a pipeline is made of.
pub struct Setup<'a> {
    /// Configuration.
    pub config: &'a Config,
    /// Its rules.
    pub work: &'a Work,
    /// Feeds that will come.
    pub expected: &'a [Feed],
    /// Where it shows how it is.
    pub health: &'a Arc<Health>,
    /// Set when the process is to end.
    pub stop: &'a AtomicBool,
    /// The process's name.
    pub owner: String,
}

/// A name that no other process has: which one does not matter, nothing follows from it.
pub fn name() -> String {
    format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(0))
}

impl Setup<'_> {
    /// The log of its batches.
    pub fn log(&self) -> Log {
        Log(self.work.pack.part)
    }

    /// Where its snapshots are; empty for nowhere.
    pub fn folder(&self) -> PathBuf {
        let dir = &self.config.snapshots.dir;
        if dir.as_os_str().is_empty() || self.log().0.is_none() { dir.clone() } else { dir.join(self.log().name()) }
    }

    fn intake(&self) -> Intake<'_> {
        self.work.pack.part.map_or(Intake::Feeds { expected: self.expected }, Intake::Part)
    }

    fn pipeline(&self, source: KafkaSource) -> Pipeline<KafkaSource> {
        Pipeline::new(self.config.clone(), self.work.clone(), source, self.owner.clone(), self.health.clone())
    }

    /// Without a state, where nothing was done yet.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn fresh(&self) -> anyhow::Result<Pipeline<KafkaSource>> {
        Ok(self.pipeline(KafkaSource::new(&self.config.kafka, self.intake(), None)?))
    }

    /// The state of all batches there are; `None` when there is none. Ends early when asked to stop: then the pipeline must
    /// not be used.
    ///
    /// # Errors
    /// When the broker no longer has what is needed, or there is a snapshot of a newer program.
    pub fn restored(&self, log: &mut Tail) -> anyhow::Result<Option<Pipeline<KafkaSource>>> {
        let last: Option<Progress> = log.last()?;
        let rules = rules_hash(&self.work.pack, &self.config.engine);
        let mut snapshots = fitting(&Folder(self.folder()), &rules, last.map(|l| l.number))?;
        snapshots.reverse();
        self.restored_from(snapshots, log)
    }

    /// The best one last.
    fn restored_from(
        &self,
        mut snapshots: Vec<Snapshot>,
        log: &mut Tail,
    ) -> anyhow::Result<Option<Pipeline<KafkaSource>>> {
        let start = Instant::now();
        let snapshot = snapshots.pop();
        let (number, bytes) = (snapshot.as_ref().map(|s| s.number), snapshot.as_ref().map(|s| s.engine.len()));
        log.go_to(number.map_or(0, |n| n + 1))?;
        let batches = log.read()?;
        let Some(resume) = Resume::new(batches, snapshot)? else { return Ok(None) };
        let source = KafkaSource::new(&self.config.kafka, self.intake(), Some(&resume))?;
        let mut pipeline = self.pipeline(source);
        if let Some(snapshot) = &resume.snapshot
            && let Err(error) = pipeline.restore(snapshot)
        {
            tracing::error!(error = format!("{error:#}"), "snapshot not used: the one before it is");
            return self.restored_from(snapshots, log);
        }
        let loaded = start.elapsed();
        pipeline.follow(&resume.log, self.stop)?;
        tracing::info!(
            log = self.log().name(),
            snapshot = number,
            bytes,
            batches = resume.log.len(),
            load_s = loaded.as_secs_f32(),
            follow_s = (start.elapsed() - loaded).as_secs_f32(),
            "the state is whole"
        );
        Ok(Some(pipeline))
    }
}
