//! Snapshots in a real S3 server, beside a real broker: a machine that is lost with its disk, and a store that is away.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/process.rs"]
mod process;
#[path = "support/s3.rs"]
mod s3;
#[path = "support/single.rs"]
mod single;

use broker::Broker;
use process::{Running, foreshock, signal};
use s3::S3;
use single::{pass_through, ready, wait_until, with_snapshots};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The newest snapshot in a folder below which there may be others.
fn newest(folder: &Path) -> Option<u64> {
    let names = fs::read_dir(folder).ok()?.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter_map(|name| foreshock::state::snapshot::number_of(&name)).max()
}

/// A configuration that copies to the store, with the port of `/readyz`.
fn with_store(folder: &Path, address: &str) -> (String, u16) {
    let (path, port) = with_snapshots(folder, address);
    let text = fs::read_to_string(&path).unwrap() + "object_store = \"s3://snapshots/foreshock\"\n";
    fs::write(&path, text).unwrap();
    (path, port)
}

#[test]
fn a_process_on_another_machine_goes_on_from_the_object_store_and_detection_does_not_need_it() {
    let (Some(broker), Some(mut s3)) = (Broker::start(), S3::start()) else { return };
    let objects = s3.bucket().join("foreshock");
    let topic = "report.transaction.v1";
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, port) = with_store(first.path(), &broker.address());
    assert!(foreshock(&["topics", "create", "--config", &path]).status.success());
    let running = Running::start_in(&s3.environment(), &["run", "--config", &path], &first.path().join("log"));
    wait_until("ready", || ready(port).0);
    broker.produce(topic, &(0..10).flat_map(pass_through).collect::<Vec<_>>());
    assert_eq!(broker.consume("detection.v1", 40).len(), 40);
    wait_until("a snapshot in the object store", || newest(&objects).is_some());

    s3.stop();
    wait_until("/readyz says that the store is away", || ready(port).1.contains("object store: down"));
    broker.produce(topic, &(10..20).flat_map(pass_through).collect::<Vec<_>>());
    assert_eq!(broker.consume("detection.v1", 80).len(), 80, "detection goes on");
    s3.start_again();
    wait_until("ready again", || ready(port).0);
    let written = newest(&first.path().join("state")).unwrap();
    wait_until("the newest state in the store", || newest(&objects).is_some_and(|number| number >= written));

    signal(running.0.id(), "KILL");
    drop(running);
    drop(first);
    let (path, port) = with_store(second.path(), &broker.address());
    let log = second.path().join("log");
    let running = Running::start_in(&s3.environment(), &["run", "--config", &path], &log);
    wait_until("the other machine is ready", || ready(port).0);
    let said = fs::read_to_string(&log).unwrap();
    let whole = said.lines().find(|l| l.contains("the state is whole")).unwrap_or_else(|| panic!("{said}"));
    let whole: serde_json::Value = serde_json::from_str(whole).unwrap();
    let from = whole["fields"]["snapshot"].as_u64();
    assert!(from >= Some(written), "from the store, for there is no other: {whole}");
    broker.produce(topic, &(20..30).flat_map(pass_through).collect::<Vec<_>>());
    let found = broker.consume("detection.v1", 120);
    let ids: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), ids.len()), (120, 120), "nothing lost, nothing doubled");
    assert_eq!(running.stop(), Some(0));
    assert!(newest(&objects) > Some(written), "a last one at an orderly end");
}

#[test]
fn a_store_that_cannot_be_named_is_an_error_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreshock.toml");
    for (text, wanted) in [
        ("dir = \"x\"\nobject_store = \"http://store/x\"", "s3://bucket/prefix"),
        ("object_store = \"s3://bucket/x\"", "needs snapshots.dir"),
    ] {
        fs::write(&path, format!("[snapshots]\n{text}\n")).unwrap();
        let run = foreshock(&["run", "--config", &path.display().to_string()]);
        let said = process::text(&run.stderr);
        assert_eq!(run.status.code(), Some(3), "{said}");
        assert!(said.contains(wanted) && said.contains("object_store"), "{said}");
    }
}
