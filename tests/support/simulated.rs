//! Processes of the real pipeline over a simulated broker, store and clock: they start, die, follow, take over and write.
#![allow(clippy::unwrap_used)]

use super::world::{Shared, SimLedger, SimSource, SimStore};
use foreshock::ops::config::Config;
use foreshock::ops::health::Health;
use foreshock::rules::identity::rule_names;
use foreshock::rules::work::Work;
use foreshock::state::snapshot::{Candidates, Snapshot, Store, keep};
use foreshock::writer::carry::{Replay, carry_over};
use foreshock::writer::pipeline::{Judged, Pipeline, Start};
use foreshock_engine::SavedState;
use foreshock_log::{self as log, Progress, deliver};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A process: it follows, or it writes.
pub struct Process {
    /// Which rules it has.
    rules: usize,
    pipeline: Pipeline<SimSource>,
    ledger: Option<SimLedger>,
}

pub struct Simulation {
    pub world: Shared,
    /// The rules that a process can have.
    pub works: Vec<Work>,
    config: Config,
    processes: Vec<Process>,
    started: u64,
    /// State hash after each batch, by rules and number: the same in every process.
    hashes: BTreeMap<(usize, u64), [u8; 32]>,
    pub story: String,
}

pub type Log = Vec<(Progress, Vec<log::Message>)>;

fn hold(pipeline: &mut Pipeline<SimSource>) -> bool {
    pipeline.hold();
    true
}

impl Simulation {
    pub fn new(works: Vec<Work>, config: Config, world: Shared) -> Simulation {
        let (processes, hashes, story) = (Vec::new(), BTreeMap::new(), String::new());
        Simulation { world, works, config, processes, started: 0, hashes, story }
    }

    pub fn random(&self, below: u64) -> u64 {
        self.world.borrow_mut().random.below(below)
    }

    pub fn fresh(&mut self, work: Work) -> Pipeline<SimSource> {
        self.started += 1;
        let mut config = self.config.clone();
        config.engine.shards = 1 + self.random(3) as usize;
        let owner = format!("process {}", self.started);
        Pipeline::new(config, work, SimSource::new(&self.world), owner, Arc::new(Health::default()))
    }

    fn log_from(&self, number: u64) -> Vec<Progress> {
        self.world.borrow().log.iter().map(|(p, _)| p.clone()).filter(|p| p.number >= number).collect()
    }

    /// A process starts as `run` does: the newest snapshot that can be used, then the batches after it.
    pub fn start(&mut self) {
        let rules = if self.works.len() > 1 { self.random(self.works.len() as u64) as usize } else { 0 };
        let work = self.works[rules].clone();
        let base = work.base(&self.config.engine);
        let last = self.world.borrow().log.last().map(|(p, _)| p.number);
        let mut pipeline = self.fresh(work.clone());
        let store = SimStore(self.world.clone());
        if let Some(newest) = Candidates::of([&store as &dyn Store]).next(&base, last).unwrap() {
            if newest.rules == rule_names(&work.pack) {
                pipeline.restore(&newest).expect("a whole snapshot can be used");
            } else {
                let state = self.carried_over(&newest, &work);
                pipeline.restore_with(&newest, state).expect("a state that was carried over can be used");
            }
        }
        let _ = writeln!(self.story, "process {} starts at batch {}, rules {rules}", self.started, pipeline.number());
        self.processes.push(Process { rules, pipeline, ledger: None });
        self.follow(self.processes.len() - 1);
    }

    fn carried_over(&mut self, snapshot: &Snapshot, work: &Work) -> SavedState {
        *self.world.borrow_mut().troubles.entry("a snapshot of other rules").or_insert(0) += 1;
        let (log, config) = (self.log_from(0), self.config.clone());
        let log = log.into_iter().filter(|p| p.number <= snapshot.number).collect();
        let carried = carry_over(snapshot, work, &config, &mut Again { log, simulation: self }).unwrap();
        carried.expect("the two states fit together")
    }

    fn follow(&mut self, at: usize) {
        let log = self.log_from(self.processes[at].pipeline.number());
        let process = &mut self.processes[at];
        for progress in log {
            process.pipeline.follow(std::slice::from_ref(&progress), &AtomicBool::new(false)).unwrap();
            check_hash(&mut self.hashes, (process.rules, progress.number), process.pipeline.state_hash());
        }
    }

    pub fn take_over(&mut self, at: usize) {
        let Some(ledger) = SimLedger::open(&self.world) else { return drop(self.processes.remove(at)) };
        self.processes[at].ledger = Some(ledger);
        self.follow(at);
        self.processes[at].pipeline.lead().unwrap();
        let _ = writeln!(self.story, "take-over at batch {}", self.processes[at].pipeline.number());
    }

    /// One turn of a writing process, which may judge a batch while the one before it is delivered; `false` when it ends by it.
    pub fn turn(&mut self, at: usize) -> bool {
        let batches = 1 + usize::from(self.random(3) == 0);
        let pipeline = &mut self.processes[at].pipeline;
        let judge = || Some((pipeline.judge(Duration::ZERO).unwrap()?, pipeline.state_hash()));
        let judged: Vec<_> = std::iter::repeat_with(judge).take(batches).flatten().collect();
        judged.into_iter().all(|(judged, hash)| self.deliver(at, judged, hash))
    }

    fn deliver(&mut self, at: usize, judged: Judged, hash: [u8; 32]) -> bool {
        let process = &mut self.processes[at];
        let (pipeline, ledger) = (&mut process.pipeline, process.ledger.as_mut().unwrap());
        if self.world.borrow_mut().has("death before a write", 60) {
            return false;
        }
        if deliver(ledger, &judged.messages, &judged.progress, &mut || hold(pipeline)).is_err() {
            return false;
        }
        if self.world.borrow_mut().has("death after a write", 60) {
            return false;
        }
        let number = judged.progress.number;
        process.pipeline.done(judged).unwrap();
        check_hash(&mut self.hashes, (process.rules, number), hash);
        true
    }

    pub fn step(&mut self) {
        self.pass_time();
        match self.random(12) {
            0..3 => {
                let partitions = self.world.borrow().input.len();
                let partition = self.random(partitions as u64) as usize;
                let count = self.random(6) as usize;
                let mut world = self.world.borrow_mut();
                world.sent[partition] = (world.sent[partition] + count).min(world.input[partition].len());
            }
            3 if self.processes.len() < 3 => self.start(),
            kind if !self.processes.is_empty() => {
                let at = self.random(self.processes.len() as u64) as usize;
                let writes = self.processes[at].ledger.is_some();
                match (kind, writes) {
                    (4, false) if self.random(3) == 0 => self.take_over(at),
                    (5, _) if self.random(6) == 0 => drop(self.processes.remove(at)),
                    (6, true) => {
                        if let Some(snapshot) = self.processes[at].pipeline.snapshot() {
                            let kept =
                                keep(&SimStore(self.world.clone()), snapshot.number, &mut snapshot.encode().as_slice())
                                    .is_ok();
                            let _ = writeln!(self.story, "snapshot {} {kept}", snapshot.number);
                        }
                    }
                    (_, true) => {
                        if !self.turn(at) {
                            self.processes.remove(at);
                        }
                    }
                    (_, false) => self.follow(at),
                }
            }
            _ => {}
        }
    }

    /// Mostly moments, now and then half an hour.
    fn pass_time(&self) {
        let span = [0, 1, 1_000_000, 70_000_000, 2_000_000_000, 600_000_000][self.random(6) as usize];
        self.world.borrow_mut().clock += i64::try_from(self.random(span + 1)).unwrap();
    }

    /// Everything is sent, nothing fails any more, one last process finishes.
    pub fn finish(&mut self) {
        {
            let mut world = self.world.borrow_mut();
            world.is_calm = true;
            world.sent = world.input.iter().map(Vec::len).collect();
        }
        self.processes.clear();
        self.start();
        self.take_over(0);
        while self.taken() < self.world.borrow().input.iter().map(Vec::len).sum() {
            assert!(self.turn(0));
        }
    }

    pub fn taken(&self) -> usize {
        let ranges = |p: &Progress| p.ranges.iter().map(|r| (r.to - r.from) as usize).sum::<usize>();
        self.world.borrow().log.iter().map(|(p, _)| ranges(p)).sum()
    }

    /// Whatever befalls, then a calm end. The log: each batch once, and each record in one batch.
    pub fn log(&mut self) -> Log {
        for _ in 0..200 {
            self.step();
        }
        self.finish();
        let log = std::mem::take(&mut self.world.borrow_mut().log);
        let mut next = BTreeMap::new();
        for (number, (progress, messages)) in log.iter().enumerate() {
            assert_eq!(progress.number, number as u64, "each batch once, in order");
            for range in &progress.ranges {
                let next = next.entry((range.topic.clone(), range.partition)).or_insert(0);
                assert_eq!(range.from, *next, "each record in one batch, in order");
                *next = range.to;
            }
            let _ = writeln!(self.story, "{progress:?}");
            messages.iter().for_each(|m| self.story.push_str(&String::from_utf8_lossy(&m.payload)));
        }
        let _ = writeln!(self.story, "{:?}", self.hashes);
        log
    }
}

/// The batches up to a snapshot, once more.
struct Again<'a> {
    log: Vec<Progress>,
    simulation: &'a mut Simulation,
}

impl Replay for Again<'_> {
    type Source = SimSource;

    fn last_before(&mut self, newest_us: i64, _: u64) -> anyhow::Result<Option<u64>> {
        let is_before = |p: &&Progress| p.newest_us.is_some_and(|newest| newest < newest_us);
        Ok(self.log.iter().rfind(is_before).map(|p| p.number))
    }

    fn follow(&mut self, work: Work, state: &SavedState, start: &Start) -> anyhow::Result<Pipeline<SimSource>> {
        let mut pipeline = self.simulation.fresh(work);
        pipeline.fill(state, start);
        for progress in self.log.iter().filter(|p| p.number >= start.number) {
            pipeline.follow(std::slice::from_ref(progress), &AtomicBool::new(false))?;
        }
        let part = if start.cut.is_some() { "batches taken again from the midst" } else { "all batches taken again" };
        *self.simulation.world.borrow_mut().troubles.entry(part).or_insert(0) += 1;
        Ok(pipeline)
    }
}

fn check_hash(hashes: &mut BTreeMap<(usize, u64), [u8; 32]>, after: (usize, u64), hash: [u8; 32]) {
    assert_eq!(*hashes.entry(after).or_insert(hash), hash, "two processes have another state after {after:?}");
}
