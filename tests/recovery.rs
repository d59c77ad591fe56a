//! Exactly once across kill -9 and take-over: what a reader of committed results sees equals the batch, each revision
//! once. A process is killed, or left running while the next one takes over from it.
//!
//! `FORESHOCK_KILLS=500 cargo test --test recovery` for more kills; a failing seed is printed (`FORESHOCK_KILL_SEED`).
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;

use broker::Broker;
use exactly_once::{Input, check, configure, next, number, pack, produce, taken, wait_until_taken};
use foreshock::kafka::tail::read_all;
use foreshock::ops::config::Config;
use process::{Running, foreshock, text, wait_for};
use std::time::{Duration, Instant};

const EVENTS_PER_KILL: usize = 120;

#[test]
fn nothing_is_lost_or_doubled_when_processes_are_killed_or_taken_over_again_and_again() {
    let Some(broker) = Broker::start() else { return };
    let (kills, mut seed) = (number("FORESHOCK_KILLS", 20), number("FORESHOCK_KILL_SEED", 1));
    println!("{kills} kills, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let address = broker.address();
    let path = configure(folder.path(), &address);
    let config = Config::read(path.as_ref()).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let pack = pack(&config);
    let input = Input::new(kills as usize * EVENTS_PER_KILL, &mut seed);

    let mut chunks = input.lines.chunks(EVENTS_PER_KILL);
    let mut zombie = None;
    for kill in 0..kills {
        produce(&address, chunks.next().unwrap_or_default());
        let log = folder.path().join("process.log");
        let running = Running::start_logging(&["run", "--take-over", "--config", &path], &log);
        let before = read_all(&config.kafka).map_or(0, |log| taken(&log));
        // Any moment from the start of the process, or from when it begins to write, however long its state takes.
        let writes = kill.is_multiple_of(2);
        if writes {
            let said = || std::fs::read_to_string(&log).unwrap().contains("this process writes");
            wait_for("a process that writes", || said().then_some(()));
        }
        let moment = Duration::from_millis(next(&mut seed) % if writes { 1_000 } else { 2_300 });
        let start = Instant::now();
        while start.elapsed() < moment {
            std::thread::park_timeout(moment.saturating_sub(start.elapsed()));
        }
        let dies = !next(&mut seed).is_multiple_of(3);
        // The one before it, if it was left alive, has lost its right to commit by now; it goes at last.
        drop(zombie.take());
        if dies {
            drop(running);
        } else {
            zombie = Some(running);
        }
        let after = read_all(&config.kafka).map_or(0, |log| taken(&log));
        let end = if dies { "killed" } else { "left alive" };
        let from = if writes { "of writing" } else { "of life" };
        println!("process {kill} {end} after {} ms {from}: {before} to {after} events done", moment.as_millis());
    }
    // The last events are for the last process.
    drop(zombie);
    chunks.for_each(|chunk| produce(&address, chunk));
    let running = Running::start(&["run", "--take-over", "--config", &path]);
    let log = wait_until_taken(&config.kafka, input.lines.len());
    assert_eq!(running.stop(), Some(0));
    check(&address, &input, &pack, &log);
}
