//! From the program of the last release to this one while events come, on a real Apache Kafka: a process of the old one writes,
//! one stands by, and one after the other is replaced. What a reader of committed records sees equals the batch.
//!
//! Needs the old program: `FORESHOCK_OLD_BINARY=<its path> cargo test --test rolling_upgrade`. What every run checks of it is in
//! `tests/upgrade.rs`.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;

use broker::Broker;
use exactly_once::{Input, check, configure, pack, produce, wait_until_taken};
use foreshock::ops::config::Config;
use process::{Running, wait_for};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EVENTS: usize = 3_000;

/// A process of a program, with its log.
fn start(program: &Path, config: &str, folder: &Path, name: &str) -> (Running, PathBuf) {
    let log = folder.join(format!("{name}.log"));
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUST_LOG", "info,librdkafka=off");
    command.args(["run", "--config", config]).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    (Running(command.spawn().unwrap()), log)
}

fn wait_for_words(log: &Path, words: &str) {
    wait_for(words, || std::fs::read_to_string(log).unwrap().contains(words).then_some(()));
}

#[test]
fn processes_of_the_old_program_are_replaced_one_by_one_and_nothing_is_lost_doubled_or_read_from_the_beginning() {
    let Some(old) = std::env::var_os("FORESHOCK_OLD_BINARY").map(PathBuf::from) else {
        return println!("SKIPPED: FORESHOCK_OLD_BINARY names no program to upgrade from");
    };
    let Some(broker) = Broker::start() else { return };
    let new = PathBuf::from(env!("CARGO_BIN_EXE_foreshock"));
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path(), &broker.address());
    let config = Config::read(path.as_ref()).unwrap();
    let topics = Command::new(&old).args(["topics", "create", "--config", &path]).stdout(Stdio::null()).status();
    assert!(topics.unwrap().success());
    let pack = pack(&config);
    let input = Input::new(EVENTS, &mut 1);
    let quarter = input.lines.len() / 4;
    // Before the first start: the horizon then waits for the partitions that hold something.
    produce(&broker.address(), &input.lines[..quarter]);
    let mut sent = quarter;
    let mut send = |up_to: usize| {
        produce(&broker.address(), &input.lines[sent..up_to]);
        sent = up_to;
        wait_until_taken(&config.kafka, up_to)
    };

    let (first, log) = start(&old, &path, folder.path(), "old-1");
    wait_for_words(&log, "this process writes");
    let (second, log) = start(&old, &path, folder.path(), "old-2");
    wait_for_words(&log, "this one stands by");
    assert_eq!(first.stop(), Some(0));
    let (third, log) = start(&new, &path, folder.path(), "new-1");
    send(2 * quarter);
    wait_for_words(&log, "this one stands by");
    // The last of the old ones ends without a word.
    drop(second);
    send(3 * quarter);
    wait_for_words(&log, "this process writes");
    let (fourth, log) = start(&new, &path, folder.path(), "new-2");
    wait_for_words(&log, "this one stands by");
    assert_eq!(third.stop(), Some(0));
    let done = send(input.lines.len());
    assert_eq!(fourth.stop(), Some(0));
    for name in ["new-1", "new-2"] {
        let said = std::fs::read_to_string(folder.path().join(format!("{name}.log"))).unwrap();
        let line = said.lines().find(|line| line.contains("the state is whole")).unwrap();
        println!("{name}: {line}");
        assert!(
            !line.contains("\"snapshot\":null") && line.contains("\"snapshot\":"),
            "{name} began with a snapshot: {line}"
        );
    }
    check(&broker.address(), &input, &pack, &done);
}
