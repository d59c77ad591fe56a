//! The live process against a real Apache Kafka 4.1.2, with Kafka's own console clients at both ends.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;

use broker::Broker;
use process::{Running, foreshock, text};
use single::{config, pass_through, ready, wait_until, with_snapshots};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files_below(&p) } else { vec![p] }).collect()
}

/// Broken records: every file of the JSON test suite as one record, and our own, up to `count`.
fn poison(count: usize) -> Vec<String> {
    let mut lines =
        vec![r#"{"txId":"x""#.to_owned(), "[]".into(), "null".into(), "\u{1F4A3}".into(), "{\"txId\":1}".into()];
    if let Some(data) = process::shared_data() {
        let folder = tempfile::tempdir().unwrap();
        let archive = data.join("json_parsing/JSONTestSuite_test_parsing.tar.gz");
        let unpack = std::process::Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status();
        assert!(unpack.unwrap().success());
        let mut files = files_below(folder.path());
        files.sort();
        assert!(files.len() >= 318, "one record for each file of the suite");
        // The console producer takes lines of text: line ends become spaces, broken UTF-8 the replacement character.
        let record = |f: &PathBuf| text(&std::fs::read(f).unwrap()).replace(['\n', '\r'], " ");
        lines.extend(files.iter().map(record).filter(|l| !l.is_empty()));
    }
    let own = lines.clone();
    lines.extend(own.iter().cycle().take(count.saturating_sub(own.len())).cloned());
    lines.truncate(count);
    lines
}

#[test]
fn every_good_event_is_judged_and_every_bad_one_refused_across_a_broker_restart() {
    let Some(mut broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &broker.address());
    let made = foreshock(&["topics", "create", "--config", &config]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let topic = "report.transaction.v1";
    let (bad, good) = (poison(1_000), 40);
    let mut lines = Vec::new();
    for n in 0..good / 2 {
        lines.extend(pass_through(n));
        lines.extend(bad[n * 25..(n + 1) * 25].iter().cloned());
    }
    broker.produce(topic, &lines);
    let running = Running::start(&["run", "--config", &config]);
    assert_eq!(broker.consume("rejected.v1", 500).len(), 500, "refused before the restart");
    broker.restart();
    let mut lines = Vec::new();
    for n in good / 2..good {
        lines.extend(pass_through(n));
        lines.extend(bad[n * 25..(n + 1) * 25].iter().cloned());
    }
    broker.produce(topic, &lines);
    let refused = broker.consume("rejected.v1", 1_000);
    assert_eq!(refused.len(), 1_000, "each bad record has its reason");
    assert!(refused.iter().all(|l| l.contains("\"code\"") && l.contains("\"sha256\"")));
    let detections = broker.consume("detection.v1", 4 * good);
    let of_rule = |rule: &str| -> BTreeSet<String> {
        let all = detections.iter().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        all.filter(|d| d["rule_id"] == rule).map(|d| d["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let expected = |leg: &str| -> BTreeSet<String> { (0..good).map(|n| format!("tx:bank-a:out{n}{leg}")).collect() };
    assert_eq!(of_rule("M03"), expected("#out"));
    assert_eq!(of_rule("M04"), expected(""));
    assert_eq!(of_rule("M19"), expected(""));
    assert_eq!(of_rule("M22"), expected("#out"));
    let drafts = broker.consume("blocking.draft.v1", 2 * good);
    let asked = |account: &str, amount: &str| {
        let all = drafts.iter().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        let of = |d: &serde_json::Value| d["target"]["account"].as_str().is_some_and(|to| to.starts_with(account));
        all.filter(|d| of(d) && d["amount"] == amount).count()
    };
    assert_eq!(asked("MULE", "110.00"), good, "what each mule account has left");
    assert_eq!(asked("NEXT", "29900.00"), good, "what went on to the next one");
    assert_eq!(running.stop(), Some(0), "SIGTERM drains");
}

/// `FORESHOCK_OUTAGE_S=60` for a long one.
#[test]
fn a_broker_that_is_away_costs_nothing_but_time_and_readyz_says_so_meanwhile() {
    let Some(mut broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), &broker.address());
    let port = broker::free_port();
    let text_of =
        std::fs::read_to_string(&path).unwrap().replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\""));
    std::fs::write(&path, text_of).unwrap();
    assert!(foreshock(&["topics", "create", "--config", &path]).status.success());
    let topic = "report.transaction.v1";
    let running = Running::start(&["run", "--config", &path]);
    wait_until("ready", || ready(port).0);
    broker.produce(topic, &(0..10).flat_map(pass_through).collect::<Vec<_>>());
    assert_eq!(broker.consume("detection.v1", 20).len(), 20);
    broker.stop();
    let (start, outage) = (Instant::now(), std::env::var("FORESHOCK_OUTAGE_S").ok().and_then(|s| s.parse().ok()));
    wait_until("/readyz says that the broker is away", || !ready(port).0);
    println!("/readyz after {} ms: {}", start.elapsed().as_millis(), ready(port).1.lines().last().unwrap_or_default());
    let outage = Duration::from_secs(outage.unwrap_or(5));
    while start.elapsed() < outage {
        assert!(!ready(port).0, "it stays away");
        std::thread::park_timeout(Duration::from_millis(500).min(outage.saturating_sub(start.elapsed())));
    }
    broker.start_again();
    let back = Instant::now();
    broker.produce(topic, &(10..20).flat_map(pass_through).collect::<Vec<_>>());
    let found = broker.consume("detection.v1", 40);
    println!(
        "away for {} s; all 40 detections {} ms after the broker was back",
        outage.as_secs(),
        back.elapsed().as_millis()
    );
    let ids: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), ids.len()), (40, 40), "nothing lost, nothing doubled");
    wait_until("ready again", || ready(port).0);
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn snapshots_that_cannot_be_written_are_said_on_readyz_and_detection_goes_on() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = with_snapshots(folder.path(), &broker.address());
    assert!(foreshock(&["topics", "create", "--config", &path]).status.success());
    let running = Running::start(&["run", "--config", &path]);
    wait_until("ready", || ready(port).0);
    broker.produce("report.transaction.v1", &pass_through(0));
    let state = folder.path().join("state");
    wait_until("a first snapshot", || state.is_dir());
    // No folder can be made where a file is.
    wait_until("a file in the place of the folder", || {
        let _ = std::fs::remove_dir_all(&state);
        std::fs::write(&state, "in the way").is_ok()
    });
    wait_until("/readyz says that snapshots fail", || ready(port).1.contains("snapshots: down"));
    broker.produce("report.transaction.v1", &pass_through(1));
    assert_eq!(broker.consume("detection.v1", 8).len(), 8, "detection goes on");
    std::fs::remove_file(&state).unwrap();
    wait_until("snapshots again", || ready(port).0 && state.is_dir());
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn run_refuses_to_start_without_a_broker_and_with_a_broken_rule() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreshock.toml");
    std::fs::create_dir_all(folder.path().join("sql/rules")).unwrap();
    std::fs::create_dir_all(folder.path().join("sql/views")).unwrap();
    std::fs::write(folder.path().join("sql/rules/BAD.sql"), "SELECT 1").unwrap();
    std::fs::write(&path, format!("[rules]\ndir = \"{}\"\n", folder.path().join("sql").display())).unwrap();
    let broken = foreshock(&["run", "--config", &path.display().to_string()]);
    assert_eq!(broken.status.code(), Some(3));
    assert!(text(&broken.stderr).contains("BAD.sql:1:1"), "{}", text(&broken.stderr));
    std::fs::write(&path, "[kafka]\nbrokerz = \"x\"\n").unwrap();
    let unknown = foreshock(&["run", "--config", &path.display().to_string()]);
    assert_eq!(unknown.status.code(), Some(3));
    let said = text(&unknown.stderr);
    assert!(said.contains("brokerz") && said.contains("brokers") && said.contains("line 2"), "{said}");
}
