//! Who writes: one process at a time. The others follow the log without a word, and take over when it falls silent.
//!
//! Nothing here decides who may write: that is the broker, which lets only the last process commit that has begun
//! transactions under the group's name. A process that takes over too early costs a restart of the other, never a result.

use crate::background::{Copy, End};
use crate::config::{Config, Delivery};
use crate::health::Health;
use crate::pipeline::{Pipeline, Turn, rules_hash};
use crate::progress::{OWNER, PROGRESS, Progress, Resume, Sign, Tail};
use crate::sinks::kafka::{KafkaSink, Signed};
use crate::snapshot::{Folder, Snapshot, fitting, keep};
use crate::sources::kafka::KafkaSource;
use foreshock_compiler::Pack;
use foreshock_core::Feed;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a look at the log waits when there is nothing new.
const LOOK: Duration = Duration::from_millis(100);

/// A copy that writes a snapshot for longer than this hangs.
const COPY_MAX: Duration = Duration::from_secs(600);

/// How a process begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It waits while another one writes.
    StandBy,
    /// It takes over at once.
    TakeOver,
}

/// A process that may write.
pub struct Leader {
    pipeline: Pipeline<KafkaSource>,
    sink: KafkaSink,
    config: Config,
    health: Arc<Health>,
    owner: String,
    /// A snapshot under way, of the state after this batch.
    copy: Option<(Copy, u64)>,
}

/// A process that follows.
struct Follower<'a> {
    config: &'a Config,
    pack: &'a Pack,
    expected: &'a [Feed],
    health: &'a Arc<Health>,
    stop: &'a AtomicBool,
    owner: String,
    log: Tail,
    /// `None` before the first batch, and after an error: then it is begun anew.
    pipeline: Option<Pipeline<KafkaSource>>,
}

/// Follows the log until this process is the one that writes; `None` when asked to stop before.
///
/// # Errors
/// When the broker cannot be reached, lacks a topic or no longer has what is needed.
pub fn lead(
    config: &Config,
    pack: &Pack,
    expected: &[Feed],
    begin: Begin,
    health: &Arc<Health>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Leader>> {
    // A name that no other process has: which one does not matter, nothing follows from it.
    let owner = format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(0));
    let log = Tail::open(&config.kafka, PROGRESS)?;
    let mut follower = Follower { config, pack, expected, health, stop, owner, log, pipeline: None };
    follower.begin()?;
    if begin == Begin::StandBy && config.kafka.delivery == Delivery::Transactions {
        follower.stand_by()?;
    }
    if stop.load(Ordering::Acquire) {
        return Ok(None);
    }
    follower.take_over()
}

impl Follower<'_> {
    /// Makes the state of all batches there are, from the newest snapshot that can be used.
    fn begin(&mut self) -> anyhow::Result<()> {
        let last: Option<Progress> = self.log.last()?;
        let folder = Folder(self.config.snapshots.dir.clone());
        let rules = rules_hash(self.pack, &self.config.engine);
        let mut snapshots = fitting(&folder, &rules, last.map(|l| l.number))?;
        snapshots.reverse();
        self.begin_from(snapshots)
    }

    /// The best one last.
    fn begin_from(&mut self, mut snapshots: Vec<Snapshot>) -> anyhow::Result<()> {
        let start = Instant::now();
        let snapshot = snapshots.pop();
        let (number, bytes) = (snapshot.as_ref().map(|s| s.number), snapshot.as_ref().map(|s| s.engine.len()));
        self.log.go_to(number.map_or(0, |n| n + 1))?;
        let log = self.log.read()?;
        let Some(resume) = Resume::new(log, snapshot)? else { return Ok(()) };
        let source = KafkaSource::new(&self.config.kafka, self.expected, Some(&resume))?;
        let mut pipeline = self.pipeline_of(source);
        if let Some(snapshot) = &resume.snapshot
            && let Err(error) = pipeline.restore(snapshot)
        {
            tracing::error!(error = format!("{error:#}"), "snapshot not used: the one before it is");
            return self.begin_from(snapshots);
        }
        let loaded = start.elapsed();
        pipeline.follow(&resume.log, self.stop)?;
        tracing::info!(
            snapshot = number,
            bytes,
            batches = resume.log.len(),
            load_s = loaded.as_secs_f32(),
            follow_s = (start.elapsed() - loaded).as_secs_f32(),
            "the state is whole"
        );
        self.pipeline = Some(pipeline);
        Ok(())
    }

    fn pipeline_of(&self, source: KafkaSource) -> Pipeline<KafkaSource> {
        Pipeline::new(self.config.clone(), self.pack.clone(), source, self.owner.clone(), self.health.clone())
    }

    /// Takes in what the writing process has done since.
    fn follow(&mut self) -> anyhow::Result<bool> {
        if self.pipeline.is_none() {
            self.begin()?;
            return Ok(self.pipeline.is_some());
        }
        let log: Vec<Progress> = self.log.read()?;
        if let Some(mut pipeline) = self.pipeline.take() {
            // Not put back after an error: the state would miss a batch.
            pipeline.follow(&log, self.stop)?;
            self.pipeline = Some(pipeline);
        }
        Ok(!log.is_empty())
    }

    /// Returns when no process shows that it lives.
    fn stand_by(&mut self) -> anyhow::Result<()> {
        let mut signs = Tail::open(&self.config.kafka, OWNER)?;
        let Some(last) = signs.last::<Sign>()? else { return Ok(()) };
        let mut is_gone = last.is_gone;
        let patience = Duration::from_millis(u64::from(self.config.kafka.failover_ms));
        let mut heard = Instant::now();
        let mut is_told = false;
        while !self.stop.load(Ordering::Acquire) && !is_gone && heard.elapsed() < patience {
            match self.follow().and_then(|is_new| Ok((is_new, signs.read::<Sign>()?))) {
                Ok((is_new, found)) => {
                    self.health.set("standby", true, "");
                    is_gone = found.last().is_some_and(|s| s.is_gone);
                    if is_new || !found.is_empty() {
                        heard = Instant::now();
                        if !std::mem::replace(&mut is_told, true) {
                            tracing::info!(owner = last.owner, "another process writes: this one stands by");
                        }
                        continue;
                    }
                }
                // Who does not hear the broker cannot say that the other is silent.
                Err(error) => {
                    self.health.set("standby", false, &format!("{error:#}"));
                    tracing::warn!(error = format!("{error:#}"), "standing by: the broker does not answer");
                    heard = Instant::now();
                }
            }
            std::thread::sleep(LOOK);
        }
        if is_told {
            tracing::info!(silent_ms = heard.elapsed().as_millis() as u64, is_gone, "taking over");
        }
        self.health.forget("standby");
        Ok(())
    }

    /// In this order: once the sink is open no other process can commit, so the log stands still.
    fn take_over(mut self) -> anyhow::Result<Option<Leader>> {
        let mut sink = KafkaSink::new(&self.config.kafka)?;
        self.follow()?;
        if self.stop.load(Ordering::Acquire) {
            return Ok(None);
        }
        let pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline,
            None => self.pipeline_of(KafkaSource::new(&self.config.kafka, self.expected, None)?),
        };
        let mut leader = Leader {
            pipeline,
            config: self.config.clone(),
            health: self.health.clone(),
            owner: self.owner,
            copy: None,
            sink: {
                sink.sign_at_once();
                sink
            },
        };
        leader.pipeline.lead()?;
        leader.sign(false)?;
        Ok(Some(leader))
    }
}

impl Leader {
    /// Records that the broker no longer had when the state was made again.
    pub fn lost(&self) -> u64 {
        self.pipeline.lost()
    }

    /// Number of the next batch.
    pub fn number(&self) -> u64 {
        self.pipeline.number()
    }

    /// Runs until `stop` is set; what was taken is finished first.
    ///
    /// # Errors
    /// When something cannot be delivered, or another process has taken over.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        mut on_turn: impl FnMut(&Turn) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let every = Duration::from_secs(u64::from(self.config.snapshots.every_s));
        let mut last = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let turn = self.turn()?;
            on_turn(&turn)?;
            self.look_after_snapshot();
            if last.elapsed() >= every {
                self.begin_snapshot();
                last = Instant::now();
            }
        }
        // In this order: the next process need not wait for the snapshot, which is of what is committed.
        self.pipeline.end()?;
        self.sign(true)?;
        self.last_snapshot();
        Ok(())
    }

    /// One micro-batch: take, judge, act, deliver, commit.
    fn turn(&mut self) -> anyhow::Result<Turn> {
        let Some(judged) = self.pipeline.judge(LOOK) else {
            self.sign(false)?;
            return Ok(Turn { lost: self.pipeline.lost(), ..Turn::default() });
        };
        let pipeline = &mut self.pipeline;
        self.sink.deliver(&judged.messages, &judged.progress, &mut || pipeline.hold())?;
        self.pipeline.done(judged)
    }

    /// Shows that this process lives, and sees from the answer whether the broker does.
    fn sign(&mut self, is_gone: bool) -> anyhow::Result<()> {
        let health = &self.health;
        let wait = || health.set("kafka sink", false, "waiting for acknowledgements");
        let sign = Sign { owner: self.owner.clone(), next: self.pipeline.number(), is_gone };
        match self.sink.sign(&sign, &mut { wait })? {
            Signed::NotDue => {}
            Signed::Given => self.pipeline.answered(),
            Signed::NotGiven(error) => {
                tracing::warn!(error, "no sign of life could be given: the broker does not answer");
                self.health.set("kafka sink", false, &error);
            }
        }
        Ok(())
    }

    /// Begins to write the state down, in a copy of the process: this one stands still only while it is copied.
    fn begin_snapshot(&mut self) {
        if self.config.snapshots.dir.as_os_str().is_empty() || self.pipeline.number() == 0 {
            return;
        }
        if let Some((copy, number)) = &self.copy {
            if copy.started.elapsed() > COPY_MAX {
                tracing::error!(batch = number, "the copy that writes a snapshot hangs: given up");
                copy.kill();
            }
            return;
        }
        let folder = Folder(self.config.snapshots.dir.clone());
        let pipeline = &self.pipeline;
        let number = pipeline.number() - 1;
        match Copy::begin(|| pipeline.snapshot().is_some_and(|snapshot| keep(&folder, &snapshot).is_ok())) {
            Ok(copy) => {
                let stall_us = u64::try_from(copy.started.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.health.snapshot_stall_us.fetch_max(stall_us, Ordering::Relaxed);
                self.copy = Some((copy, number));
            }
            Err(error) => self.snapshot_failed(&error.to_string()),
        }
    }

    fn look_after_snapshot(&mut self) {
        let Some((copy, number)) = &self.copy else { return };
        match copy.end() {
            End::NotYet => return,
            End::Done => {
                let millis = u64::try_from(copy.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let bytes = Folder(self.config.snapshots.dir.clone()).size(*number);
                let longest_stall_us = self.health.snapshot_stall_us.load(Ordering::Relaxed);
                tracing::info!(batch = number, bytes, millis, longest_stall_us, "snapshot");
                self.health.set("snapshots", true, "");
            }
            // The copy cannot tell why: a file that cannot be written is found out by writing one.
            End::Failed => self.snapshot_failed(&self.why_not_written()),
        }
        self.copy = None;
    }

    fn why_not_written(&self) -> String {
        let folder = Folder(self.config.snapshots.dir.clone());
        folder.probe().map_or_else(|error| format!("{error:#}"), |()| "the copy that wrote it died".into())
    }

    /// Detection goes on: the log still has everything.
    fn snapshot_failed(&self, error: &str) {
        tracing::error!(error, "no snapshot: a start will take longer");
        self.health.set("snapshots", false, error);
    }

    /// At an orderly end there is time.
    fn last_snapshot(&mut self) {
        self.copy = None;
        if self.config.snapshots.dir.as_os_str().is_empty() {
            return;
        }
        let Some(snapshot) = self.pipeline.snapshot() else { return };
        if let Err(error) = keep(&Folder(self.config.snapshots.dir.clone()), &snapshot) {
            self.snapshot_failed(&format!("{error:#}"));
        }
    }
}
