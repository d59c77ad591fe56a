//! A snapshot of program 0.1 (format 5), kept from its last commit: this program begins with it and goes on as that one did.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "support/world.rs"]
mod world;

use foreshock::ops::config::Config;
use foreshock::ops::health::Health;
use foreshock::rules::files::read;
use foreshock::rules::identity::{base_hash, rule_names};
use foreshock::rules::work::Work;
use foreshock::state::snapshot::Snapshot;
use foreshock::writer::pipeline::Pipeline;
use foreshock_compiler::{Settings, compile};
use foreshock_core::Feed;
use foreshock_log::DETECTIONS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use support::{COMPLAINTS, Random};
use world::{Sent, SimSource, World};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshot-5").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// What is said of each detection at last: its state and, while it stands, its values.
fn said(list: &Value) -> BTreeMap<String, (Value, Value)> {
    let one = |d: &Value| {
        let values = if d["state"] == "detected" { d["values"].clone() } else { Value::Null };
        (d["detection_id"].as_str().unwrap().to_owned(), (d["state"].clone(), values))
    };
    list.as_array().unwrap().iter().map(one).collect()
}

/// As the old program was configured.
fn config() -> Config {
    let mut config = Config::default();
    config.engine.refuse_future = false;
    config.engine.batch_events_max = 6;
    config.engine.idle_s = 0;
    config.engine.lateness_s = 10;
    config.engine.feed_lateness_s.insert(Feed::Complaints.table().into(), 4);
    config
}

#[test]
fn a_snapshot_of_the_last_format_is_read_and_what_follows_is_said_as_the_old_program_said_it() {
    let (rules, views) = read(&fixture("")).unwrap();
    let pack = compile(&rules, &views, &Settings::default()).unwrap();
    let snapshot = Snapshot::decode(&std::fs::read(fixture("snapshot.bin")).unwrap()).unwrap().unwrap();
    let config = config();
    assert_eq!(snapshot.base, base_hash(&pack, &config.engine), "settings are told apart as before");
    assert_eq!(snapshot.rules, rule_names(&pack), "the same rules have the same versions as before");

    let feed = |partition| if partition == COMPLAINTS { Feed::Complaints } else { Feed::Transactions };
    let lines: Vec<Vec<String>> = serde_json::from_value(json("input.json")).unwrap();
    let sent = |(partition, lines): (usize, Vec<String>)| {
        lines.into_iter().map(|json| Sent { feed: feed(partition), json, horizon_us: None }).collect()
    };
    let world = World::new(Random(7), lines.into_iter().enumerate().map(sent).collect(), None);
    {
        let mut world = world.borrow_mut();
        world.is_calm = true;
        world.sent = world.input.iter().map(Vec::len).collect();
    }
    let health = Arc::new(Health::default());
    let source = SimSource::new(&world);
    let mut pipeline = Pipeline::new(config, Work::of(pack), source, "new".into(), health);
    pipeline.restore(&snapshot).expect("a snapshot of the format before this one");
    pipeline.lead().unwrap();

    let taken: i64 = snapshot.partitions.iter().map(|range| range.to).sum();
    let total: usize = world.borrow().input.iter().map(Vec::len).sum();
    let (mut left, mut found) = (total - usize::try_from(taken).unwrap(), said(&json("said_before.json")));
    assert!(left > total / 3, "much is left to be judged");
    while left > 0 {
        let Some(judged) = pipeline.judge(Duration::ZERO).unwrap() else { continue };
        left -= judged.records;
        for message in judged.messages.iter().filter(|message| message.topic == DETECTIONS) {
            let one: Value = serde_json::from_slice(&message.payload).unwrap();
            found.extend(said(&Value::Array(vec![one])));
        }
        pipeline.done(judged).unwrap();
    }
    let expected = said(&json("said_in_all.json"));
    let differs: Vec<_> = expected.iter().filter(|(id, said)| found.get(*id) != Some(*said)).collect();
    // Values of rows that are not yet final may still be said: the old program and this one cut batches otherwise.
    assert_eq!(found.len(), expected.len());
    assert!(differs.is_empty(), "{differs:?}");
}
