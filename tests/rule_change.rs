//! A rule is added while the service is down: what the snapshot has of the others is kept, and the new one knows the past.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;

use broker::Broker;
use process::{Running, foreshock};
use single::{pass_through, ready, wait_until, with_snapshots};
use std::fs;
use std::path::Path;

/// A folder with the views and these rules.
fn rules(folder: &Path, ids: &[&str]) {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let _ = fs::remove_dir_all(folder);
    for part in ["rules", "views"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    for entry in fs::read_dir(sql.join("views")).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), folder.join("views").join(entry.file_name())).unwrap();
    }
    for id in ids {
        let name = format!("rules/{id}.sql");
        fs::copy(sql.join(&name), folder.join(&name)).unwrap();
    }
}

/// What the log of a process says: the fields of the line with this message.
fn said(log: &Path, message: &str) -> serde_json::Value {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut found = lines.map(|line| line["fields"].clone()).filter(|f| f["message"].to_string().contains(message));
    found.next().unwrap_or_else(|| panic!("{message}: not in {text}"))
}

#[test]
fn an_added_rule_knows_the_past_the_others_keep_theirs_and_nothing_is_said_twice() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = with_snapshots(folder.path(), &broker.address());
    let sql = folder.path().join("sql");
    let text = fs::read_to_string(&path).unwrap() + &format!("[rules]\ndir = \"{}\"\n", sql.display());
    fs::write(&path, text).unwrap();
    let (topic, log) = ("report.transaction.v1", folder.path().join("log"));
    let run = || {
        let running = Running::start_logging(&["run", "--config", &path], &log);
        wait_until("ready", || ready(port).0);
        running
    };
    rules(&sql, &["M01", "M04", "T08"]);
    assert!(foreshock(&["topics", "create", "--config", &path]).status.success());
    let running = run();
    // So far back the added rule never looks.
    broker.produce(topic, &pass_through(0));
    assert_eq!(broker.consume("detection.v1", 1).len(), 1);
    let mut pairs = (1..10).flat_map(pass_through).collect::<Vec<_>>();
    // The mule gets the money before the change, and passes it on after it.
    let [received, passed_on] = <[String; 2]>::try_from(pass_through(10)).unwrap();
    pairs.push(received);
    broker.produce(topic, &pairs);
    assert_eq!(broker.consume("detection.v1", 10).len(), 10);
    assert_eq!(running.stop(), Some(0));

    rules(&sql, &["M01", "M03", "M04"]);
    let running = run();
    let changed = said(&log, "window groups of the snapshot under the changed rules");
    assert!(changed["kept"].as_u64() > Some(0) && changed["made_again"].as_u64() > Some(0), "{changed}");
    let again = said(&log, "the rules have changed since the snapshot");
    assert_eq!(again["rules"], "M03");
    assert!(again["from"].as_u64() > Some(0), "from as far back as it needs, not from the first batch: {again}");
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("all batches are taken again"), "{text}");
    broker.produce(topic, &[passed_on]);
    let all = broker.consume("detection.v1", 12);
    assert_eq!(running.stop(), Some(0));
    let detections: Vec<serde_json::Value> = all.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |rule: &str| -> Vec<&str> {
        detections.iter().filter(|d| d["rule_id"] == rule).map(|d| d["event_id"].as_str().unwrap()).collect()
    };
    assert_eq!(of("M04").len(), 11, "each pair once");
    let last = "tx:bank-a:out10#out";
    assert_eq!(of("M03"), [last], "it knows that the money came in, and does not speak of what was before it");
    assert!(detections.iter().all(|d| d["revision"] == 1 && d["state"] == "detected"));
}
