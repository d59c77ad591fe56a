//! Several processes that share the rules which spread, while some die, hang, end and come. What a reader of committed
//! results sees equals the batch of all rules, each revision once.
//!
//! `FORESHOCK_MOVES=50 cargo test --test spreading` for more; a failing seed is printed (`FORESHOCK_KILL_SEED`).
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;

use broker::Broker;
use exactly_once::{
    Input, check, configure, next, number, pack, produce_by, producer, read_committed, wait_until_taken,
};
use foreshock::kafka::settings::Kafka;
use foreshock::kafka::tail::Tail;
use foreshock::ops::config::Config;
use foreshock_core::Part;
use foreshock_log::EVENTS;
use foreshock_log::{Log, Progress};
use process::{Running, foreshock, signal, text, wait_for};
use rdkafka::Message;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PARTS: u32 = 4;
const EVENTS_PER_MOVE: usize = 1_500;
/// Events come all the time, so that who writes a partition is seen.
const EVENTS_AT_ONCE: usize = 10;
const PAUSE: Duration = Duration::from_millis(150);

fn log_of(kafka: &Kafka, number: u32) -> Vec<Progress> {
    Tail::of(kafka, Log::Part(Part { number, of: PARTS })).and_then(|mut log| log.read()).unwrap_or_default()
}

fn writers(kafka: &Kafka) -> Vec<Option<u32>> {
    let last = |number| -> Option<u32> {
        let last: Progress = Tail::of(kafka, Log::Part(Part { number, of: PARTS })).ok()?.last().ok()??;
        last.owner.split('-').next()?.parse().ok()
    };
    (0..PARTS).map(last).collect()
}

struct Processes {
    path: String,
    folder: PathBuf,
    started: usize,
    running: Vec<Running>,
}

impl Processes {
    fn start(path: &str, folder: &Path, count: usize) -> Processes {
        let mut processes = Processes { path: path.to_owned(), folder: folder.to_owned(), started: 0, running: vec![] };
        (0..count).for_each(|_| processes.join());
        processes
    }

    fn join(&mut self) {
        self.started += 1;
        let log = self.folder.join(format!("{}.log", self.started));
        self.running.push(Running::start_logging(&["run", "--config", &self.path], &log));
    }

    /// Those that have ended leave, and others come for them.
    fn supervise(&mut self) {
        let before = self.running.len();
        self.running.retain_mut(|process| process.0.try_wait().unwrap().is_none());
        (self.running.len()..before).for_each(|_| self.join());
    }

    /// Waits until every process writes some partitions.
    fn wait_until_shared(&mut self, kafka: &Kafka) {
        wait_for("a share for every process", || {
            self.supervise();
            let writers = writers(kafka);
            self.running.iter().all(|process| writers.contains(&Some(process.0.id()))).then_some(())
        });
    }
}

fn move_one(processes: &mut Processes, kafka: &Kafka, round: u64, seed: &mut u64) {
    processes.wait_until_shared(kafka);
    std::thread::park_timeout(Duration::from_millis(next(seed) % 1_500));
    let what = ["KILL", "join", "STOP", "TERM"][(round % 4) as usize];
    let victim = processes.running[next(seed) as usize % processes.running.len()].0.id();
    let of_victim = |(writer, part): (&Option<u32>, u32)| (*writer == Some(victim)).then_some(part);
    let had: BTreeSet<u32> = writers(kafka).iter().zip(0..).filter_map(of_victim).collect();
    let start = Instant::now();
    if what == "join" {
        processes.join();
        processes.wait_until_shared(kafka);
    } else {
        signal(victim, what);
        wait_for("its partitions with others", || {
            processes.supervise();
            let now = writers(kafka);
            had.iter().all(|part| now[*part as usize] != Some(victim)).then_some(())
        });
    }
    println!("round {round}: {what} {victim} with {had:?}: {} ms", start.elapsed().as_millis());
    if what == "STOP" {
        // It wakes without its partitions: it must find that it may write no more.
        signal(victim, "CONT");
    }
    if what != "join" && processes.running.len() > 2 {
        processes.running.retain(|process| process.0.id() != victim);
    }
}

#[test]
fn rules_spread_over_processes_say_what_the_batch_says_while_processes_die_hang_end_and_come() {
    let Some(broker) = Broker::start() else { return };
    let (moves, mut seed) = (number("FORESHOCK_MOVES", 4), number("FORESHOCK_KILL_SEED", 1));
    println!("{moves} moves, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path(), &broker.address());
    let toml = std::fs::read_to_string(&path).unwrap() + &format!("[spread]\npartitions = {PARTS}\n");
    std::fs::write(&path, toml).unwrap();
    let config = Config::read(path.as_ref()).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("rules over the 4 partitions"), "{}", text(&made.stdout));
    let pack = pack(&config);
    let input = Input::new(moves as usize * EVENTS_PER_MOVE, &mut seed);
    let mut processes = Processes::start(&path, folder.path(), 2);
    let is_over = AtomicBool::new(false);
    let log = std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = producer(&broker.address());
            for chunk in input.lines.chunks(EVENTS_AT_ONCE) {
                produce_by(&producer, chunk);
                if !is_over.load(Ordering::Acquire) {
                    std::thread::park_timeout(PAUSE);
                }
            }
        });
        for round in 0..moves {
            move_one(&mut processes, &config.kafka, round, &mut seed);
        }
        is_over.store(true, Ordering::Release);
        let log = scope.spawn(|| wait_until_taken(&config.kafka, input.lines.len()));
        while !log.is_finished() {
            processes.supervise();
            std::thread::park_timeout(PAUSE);
        }
        log.join().unwrap()
    });
    let mut ends = vec![0; PARTS as usize];
    read_committed(&broker.address(), EVENTS, PARTS as i32, |m| ends[m.partition() as usize] = m.offset() + 1);
    let logs: Vec<Vec<Progress>> = (0..PARTS)
        .map(|part| {
            wait_for("the end of a partition", || {
                processes.supervise();
                let log = log_of(&config.kafka, part);
                let to = log.last().map_or(0, |p| p.ranges[0].to);
                (to == ends[part as usize]).then_some(log)
            })
        })
        .collect();
    drop(processes);
    let mut speaking = 0;
    for log in &logs {
        let ranges: Vec<_> = log.iter().flat_map(|p| &p.ranges).collect();
        assert!(ranges.windows(2).all(|w| w[0].to <= w[1].from), "each record in one batch, in order");
        let said: usize = log.iter().map(|p| p.messages).sum();
        let writers: BTreeSet<&str> = log.iter().map(|p| p.owner.as_str()).collect();
        println!("{} batches, {said} messages, by {} processes", log.len(), writers.len());
        speaking += usize::from(said > 0);
    }
    assert!(speaking > 1, "several partitions have something to say");
    check(&broker.address(), &input, &pack, &log);
}
