//! The state of a process that begins: the newest whole snapshot, and the batches of the log after it.

use crate::kafka::source::{Intake, KafkaSource};
use crate::kafka::tail::Tail;
use crate::ops::config::{Config, Snapshots};
use crate::ops::health::Health;
use crate::rules::identity::rule_names;
use crate::rules::work::Work;
use crate::state::bucket::Bucket;
use crate::state::folder::Folder;
use crate::state::snapshot::{Candidates, Snapshot};
use crate::writer::carry::{Replay, carry_over};
use crate::writer::keeper::{Keeper, Places};
use crate::writer::pipeline::{Pipeline, Start};
use crate::writer::resume::Resume;
use anyhow::ensure;
use foreshock_core::Feed;
use foreshock_engine::SavedState;
use foreshock_log::{Log, Progress, Range};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// So many records of the log are held in memory.
const BATCHES: usize = 10_000;

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
        self.work.log()
    }

    /// Where its snapshots are; `None` for nowhere.
    ///
    /// # Errors
    /// When the object store's URL or settings cannot be used.
    pub fn places(&self) -> anyhow::Result<Option<Places>> {
        let Snapshots { dir, object_store, .. } = &self.config.snapshots;
        if dir.as_os_str().is_empty() {
            return Ok(None);
        }
        let name = (self.log() != Log::Engine).then(|| self.log().name());
        let folder = Folder(name.as_ref().map_or_else(|| dir.clone(), |name| dir.join(name)));
        let bucket = match object_store.as_str() {
            "" => None,
            url => Some(Arc::new(Bucket::open(url, name.as_deref())?)),
        };
        Ok(Some(Places { folder, bucket }))
    }

    /// Writes them.
    ///
    /// # Errors
    /// As [`Setup::places`].
    pub fn keeper(&self) -> anyhow::Result<Keeper> {
        let every = Duration::from_secs(u64::from(self.config.snapshots.every_s));
        Ok(Keeper::new(self.places()?, every, self.health.clone()))
    }

    fn intake(&self) -> Intake<'_> {
        match self.log() {
            Log::Engine => Intake::Feeds { expected: self.expected },
            Log::Part(part) => Intake::Part(part),
            Log::Register => Intake::Register,
        }
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
        let last = last.map(|last| last.number);
        let base = self.work.base(&self.config.engine);
        let places = self.places()?;
        let mut candidates = Candidates::of(places.iter().flat_map(Places::stores));
        while let Some(snapshot) = candidates.next(&base, last)? {
            match self.restored_from(Some(snapshot), log)? {
                None => {}
                done => return Ok(done),
            }
        }
        self.restored_from(None, log)
    }

    /// `None` when the snapshot cannot be used, or without one nothing was done yet.
    fn restored_from(
        &self,
        snapshot: Option<Snapshot>,
        log: &mut Tail,
    ) -> anyhow::Result<Option<Pipeline<KafkaSource>>> {
        let start = Instant::now();
        let changed = snapshot.as_ref().filter(|snapshot| snapshot.rules != rule_names(&self.work.pack));
        let state = match changed {
            None => None,
            Some(snapshot) => {
                let mut again = Again { setup: self, snapshot, log };
                match carry_over(snapshot, self.work, self.config, &mut again) {
                    Err(_) if self.stop.load(Ordering::Acquire) => return Ok(None),
                    Err(error) => return Err(error),
                    Ok(Ok(state)) => Some(state),
                    Ok(Err(error)) => {
                        tracing::error!(error, "snapshot not used for the changed rules");
                        return Ok(None);
                    }
                }
            }
        };
        let (number, bytes) = (snapshot.as_ref().map(|s| s.number), snapshot.as_ref().map(|s| s.engine.len()));
        log.go_to(number.unwrap_or(0))?;
        let mut batches: VecDeque<Progress> = log.read_some(BATCHES)?.into();
        if let Some(snapshot) = &snapshot
            && !batches.pop_front().is_some_and(|batch| snapshot.is_after(&batch))
        {
            tracing::warn!(number, "snapshot not used: it is of other topics");
            return Ok(None);
        }
        let Some(resume) = Resume::new(batches.into(), snapshot)? else { return Ok(None) };
        let source = KafkaSource::new(&self.config.kafka, self.intake(), Some(&resume.bookmark()))?;
        let mut pipeline = self.pipeline(source);
        let restored = match (&resume.snapshot, state) {
            (Some(snapshot), Some(state)) => pipeline.restore_with(snapshot, state),
            (Some(snapshot), None) => pipeline.restore(snapshot),
            (None, _) => Ok(()),
        };
        if let Err(error) = restored {
            tracing::error!(error = format!("{error:#}"), "snapshot not used: the one before it is");
            return Ok(None);
        }
        let loaded = start.elapsed();
        pipeline.follow(&resume.log, self.stop)?;
        let mut batches = resume.log.len();
        while !self.stop.load(Ordering::Acquire) {
            let more = log.read_some(BATCHES)?;
            if more.is_empty() {
                break;
            }
            batches += more.len();
            pipeline.follow(&more, self.stop)?;
        }
        tracing::info!(
            log = self.log().name(),
            snapshot = number,
            bytes,
            batches,
            load_s = loaded.as_secs_f32(),
            follow_s = (start.elapsed() - loaded).as_secs_f32(),
            "the state is whole"
        );
        Ok(Some(pipeline))
    }
}

/// The batches up to a snapshot, once more.
struct Again<'a> {
    setup: &'a Setup<'a>,
    snapshot: &'a Snapshot,
    log: &'a mut Tail,
}

impl Again<'_> {
    /// Some more batches, none beyond the snapshot.
    fn batches(&mut self) -> anyhow::Result<Vec<Progress>> {
        let batches: Vec<Progress> = self.log.read_some(BATCHES)?;
        Ok(batches.into_iter().take_while(|batch| batch.number <= self.snapshot.number).collect())
    }
}

impl Replay for Again<'_> {
    type Source = KafkaSource;

    fn last_before(&mut self, newest_us: i64, number: u64) -> anyhow::Result<Option<u64>> {
        let is_before = |record: &Progress| record.newest_us.is_none_or(|newest| newest < newest_us);
        self.log.go_past(|record| record.number <= number && is_before(record))?;
        let after = self.log.read_some::<Progress>(1)?.pop().map_or(number + 1, |record| record.number);
        let Some(last) = after.checked_sub(1) else { return Ok(None) };
        self.log.go_to(last)?;
        let last = self.log.read_some::<Progress>(1)?.pop();
        Ok(last.filter(|record| record.newest_us.is_some() && is_before(record)).map(|record| record.number))
    }

    fn follow(&mut self, work: Work, state: &SavedState, start: &Start) -> anyhow::Result<Pipeline<KafkaSource>> {
        let Setup { config, stop, .. } = *self.setup;
        self.log.go_to(start.number)?;
        let log = self.batches()?;
        let resume = Resume { waits_for: self.snapshot.waits_for.clone(), snapshot: None, log };
        let mut bookmark = resume.bookmark();
        // The state that is filled numbers its partitions as the snapshot does.
        let place = |range: &Range| (range.topic.clone(), range.partition);
        bookmark.order = self.snapshot.partitions.iter().map(place).collect();
        let source = KafkaSource::new(&config.kafka, self.setup.intake(), Some(&bookmark))?;
        let health = Arc::new(Health::default());
        let mut pipeline = Pipeline::new(config.clone(), work, source, self.setup.owner.clone(), health);
        pipeline.fill(state, start);
        pipeline.follow(&resume.log, stop)?;
        while pipeline.number() <= self.snapshot.number {
            let more = self.batches()?;
            ensure!(!more.is_empty() && !stop.load(Ordering::Acquire), "the log ends before the snapshot");
            pipeline.follow(&more, stop)?;
        }
        if pipeline.lost() > 0 {
            tracing::error!(
                lost = pipeline.lost(),
                "the broker no longer has records for the new rules: windows that reach back to them are incomplete"
            );
        }
        Ok(pipeline)
    }
}
