//! Three processes, one of which writes. It is killed, stopped, or asked to end; another one goes on. Brokers restart in
//! between. What a reader of committed results sees equals the batch, each revision once.
//!
//! `FORESHOCK_FAILOVERS=100 cargo test --test failover` for more; a failing seed is printed (`FORESHOCK_KILL_SEED`).
//! `FORESHOCK_PROCESSES=2`: one stands by.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;

use broker::Broker;
use exactly_once::{Input, check, configure, next, number, pack, produce, wait_until_taken};
use foreshock::kafka::settings::Kafka;
use foreshock::kafka::tail::Tail;
use foreshock::ops::config::Config;
use foreshock_log::{OWNER, PROGRESS, Progress, Sign};
use process::{Running, foreshock, signal, text, wait_for};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EVENTS_PER_ROUND: usize = 300;
const ROUNDS_PER_BROKER_RESTART: u64 = 10;

/// The process that wrote last: a batch, or a sign of life when that is younger.
fn owner(kafka: &Kafka) -> Option<u32> {
    let progress: Option<Progress> = Tail::open(kafka, PROGRESS).ok()?.last().ok()?;
    let sign: Option<Sign> = Tail::open(kafka, OWNER).ok()?.last().ok()?;
    let first = progress.as_ref().map_or(0, |p| p.number + 1);
    let sign = sign.filter(|s| !s.is_candidate).filter(|s| progress.is_none() || s.next >= first).map(|s| s.owner);
    sign.or(progress.map(|p| p.owner))?.split('-').next()?.parse().ok()
}

/// Some processes, each with its log; one that has ended is started again.
struct Pair {
    path: String,
    folder: PathBuf,
    started: usize,
    slots: Vec<(Running, PathBuf)>,
}

impl Pair {
    fn start(path: &str, folder: &Path) -> Pair {
        let mut pair = Pair { path: path.to_owned(), folder: folder.to_owned(), started: 0, slots: Vec::new() };
        pair.slots = (0..number("FORESHOCK_PROCESSES", 3)).map(|_| pair.run()).collect();
        pair
    }

    fn run(&mut self) -> (Running, PathBuf) {
        self.started += 1;
        let log = self.folder.join(format!("{}.log", self.started));
        (Running::start_logging(&["run", "--config", &self.path], &log), log)
    }

    /// All but this one are started again when they have ended.
    fn supervise(&mut self, but: Option<u32>) {
        for at in 0..self.slots.len() {
            let process = &mut self.slots[at].0.0;
            if Some(process.id()) != but && process.try_wait().unwrap().is_some() {
                self.slots[at] = self.run();
            }
        }
    }

    /// The process that writes and one that stands by with its state whole.
    fn is_ready(&self, writes: u32) -> bool {
        let stands_by = |log: &Path| std::fs::read_to_string(log).unwrap().contains("this one stands by");
        self.slots.iter().all(|(process, log)| process.0.id() == writes || stands_by(log))
            && self.slots.iter().any(|(process, _)| process.0.id() == writes)
    }
}

#[test]
fn a_second_process_goes_on_when_the_writing_one_dies_hangs_or_ends_and_nothing_is_lost_or_doubled() {
    let Some(mut broker) = Broker::start() else { return };
    let (rounds, mut seed) = (number("FORESHOCK_FAILOVERS", 4), number("FORESHOCK_KILL_SEED", 1));
    println!("{rounds} rounds, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path(), &broker.address());
    let config = Config::read(path.as_ref()).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let pack = pack(&config);
    let input = Input::new(2 * rounds as usize * EVENTS_PER_ROUND, &mut seed);
    let mut chunks = input.lines.chunks(EVENTS_PER_ROUND);
    let mut pair = Pair::start(&path, folder.path());
    let mut times = Vec::new();
    for round in 0..rounds {
        produce(&broker.address(), chunks.next().unwrap());
        let writes = wait_for("a process that writes", || {
            pair.supervise(None);
            owner(&config.kafka).filter(|pid| pair.is_ready(*pid))
        });
        std::thread::park_timeout(Duration::from_millis(next(&mut seed) % 1_500));
        let end = ["KILL", "STOP", "KILL", "TERM"][(round % 4) as usize];
        let start = Instant::now();
        signal(writes, end);
        produce(&broker.address(), chunks.next().unwrap());
        let taken_over = wait_for("a take-over", || {
            pair.supervise(Some(writes));
            owner(&config.kafka).filter(|pid| *pid != writes)
        });
        let taken = start.elapsed();
        println!("round {round}: {writes} {end}, {taken_over} writes after {} ms", taken.as_millis());
        times.push((taken, end));
        if end == "STOP" {
            // It wakes as a zombie: it must find that it may write no more, and end.
            signal(writes, "CONT");
        }
        let zombie = pair.slots.iter_mut().find(|s| s.0.0.id() == writes).unwrap();
        wait_for("the end of the old process", || zombie.0.0.try_wait().unwrap());
        pair.supervise(None);
        if round % ROUNDS_PER_BROKER_RESTART == ROUNDS_PER_BROKER_RESTART / 2 {
            broker.restart();
            println!("round {round}: broker restarted");
        }
    }
    chunks.for_each(|chunk| produce(&broker.address(), chunk));
    let done = std::thread::scope(|scope| {
        let log = scope.spawn(|| wait_until_taken(&config.kafka, input.lines.len()));
        while !log.is_finished() {
            pair.supervise(None);
            std::thread::park_timeout(Duration::from_millis(50));
        }
        log.join().unwrap()
    });
    println!("{} processes were started", pair.started);
    drop(pair);
    check(&broker.address(), &input, &pack, &done);
    for end in ["KILL", "STOP", "TERM"] {
        let mut of: Vec<Duration> = times.iter().filter(|t| t.1 == end).map(|t| t.0).collect();
        of.sort_unstable();
        if let (Some(last), middle) = (of.last(), of.len() / 2) {
            println!(
                "{end}: {} times, median {} ms, longest {} ms",
                of.len(),
                of[middle].as_millis(),
                last.as_millis()
            );
        }
    }
}
