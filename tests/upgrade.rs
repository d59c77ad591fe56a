//! A snapshot of program 0.1 (format 5), kept from its last commit: this program begins with it and goes on to say what
//! the batch says.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "support/world.rs"]
mod world;

use foreshock::offline::net::Net;
use foreshock::offline::standing::Standing;
use foreshock::ops::config::Config;
use foreshock::ops::health::Health;
use foreshock::rules::files::read;
use foreshock::rules::identity::{base_hash, rule_names};
use foreshock::rules::work::Work;
use foreshock::state::snapshot::Snapshot;
use foreshock::writer::pipeline::Pipeline;
use foreshock_compiler::{Pack, Settings, compile, feed_schema};
use foreshock_core::time::{DAY_US, format_rfc3339};
use foreshock_core::{Detection, Feed, Presence};
use foreshock_engine::{Engine, FeedBatch, Inline, PackPlan};
use foreshock_feeds::to_record_batch;
use foreshock_log::{DETECTIONS, Kind, values};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use support::{COMPLAINTS, Random, START_US, decoded, lateness_us};
use world::{Sent, SimSource, World};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshot-5").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

/// What is said of each detection at last: its values, or nothing when it no longer stands. By rule and event.
type Said = BTreeMap<(String, String), Option<Value>>;

/// Of the two reports of a payment the first to arrive counts: which one that was hangs on the partitions. They say the same.
fn one_report(event_id: &str) -> String {
    event_id.replace("tx:s:ps", "tx:r:pr")
}

fn said(list: &Value) -> Said {
    let text = |d: &Value, name: &str| d[name].as_str().unwrap().to_owned();
    let one = |d: &Value| {
        let values = (d["state"] == "detected").then(|| as_read(&d["values"]));
        ((text(d, "rule_id"), one_report(&text(d, "event_id"))), values)
    };
    list.as_array().unwrap().iter().map(one).collect()
}

/// The records that the old program had, and one a day later in each partition, so that everything is final at the end.
fn input() -> Vec<Vec<Sent>> {
    let lines: Vec<Vec<String>> = serde_json::from_value(json("input.json")).unwrap();
    let last = format_rfc3339(START_US + DAY_US);
    let sent = |(partition, mut lines): (usize, Vec<String>)| {
        let (feed, last) = if partition == COMPLAINTS {
            let json = format!(
                r#"{{"complaintId":"last","reporter":"z","receivedAt":"{last}","channel":"APP","fraudType":"OTHER"}}"#
            );
            (Feed::Complaints, json)
        } else {
            let json = format!(
                r#"{{"txId":"last{partition}","reporter":"z","creDtTm":"{last}","kind":"FEE","amount":"1.00","currency":"CNY",
                   "debtor":{{"accountToken":"z"}},"creditor":{{"accountToken":"z"}}}}"#
            );
            (Feed::Transactions, json)
        };
        lines.push(last);
        lines.into_iter().map(|json| Sent::event(feed, json)).collect()
    };
    lines.into_iter().enumerate().map(sent).collect()
}

/// Statistics to ten digits: each reading of JSON may change their last bit.
fn as_read(values: &Value) -> Value {
    let one = |value: &Value| match value.as_f64().filter(|_| value.is_f64()) {
        Some(float) => format!("{float:.9e}").into(),
        None => value.clone(),
    };
    values.as_object().unwrap().iter().map(|(name, value)| (name.clone(), one(value))).collect()
}

/// What the batch says of the events that count.
fn batch(pack: &Pack, input: &[Vec<Sent>]) -> Said {
    let mut engine = Engine::new(PackPlan::default(), 1, &[Presence::Expected; 3], lateness_us);
    let mut standing = Standing::default();
    for (partition, sent) in input.iter().enumerate() {
        let Kind::Event(feed) = sent[0].kind else { panic!("an event") };
        let events: Vec<_> = sent.iter().map(|one| decoded(&one.json)).collect();
        let actions = events.iter().map(|event| event.action).collect();
        let batch = to_record_batch(feed, feed_schema(feed), &events);
        standing.take(&engine.step(&[FeedBatch { feed, partition, batch, actions }], &Inline));
    }
    let net = Net::of_batch(pack, &standing.facts()).unwrap();
    let row = |((_, rule, event), (detection, _)): (&(i64, String, String), &(Detection, i64))| {
        ((rule.clone(), one_report(event)), Some(as_read(&Value::Object(values(detection)))))
    };
    // The records that make all others final are not final themselves.
    let is_final = |(_, _, event): &(i64, String, String)| !event.starts_with("tx:z:") && !event.starts_with("cpl:z:");
    net.rows.iter().filter(|(key, _)| is_final(key)).map(row).collect()
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
fn a_snapshot_of_the_last_format_is_read_and_what_follows_is_said_as_the_batch_says_it() {
    let (rules, views) = read(&fixture("")).unwrap();
    let pack = compile(&rules, &views, &Settings::default()).unwrap();
    let snapshot = Snapshot::decode(&std::fs::read(fixture("snapshot.bin")).unwrap()).unwrap().unwrap();
    let config = config();
    assert_eq!(snapshot.base, base_hash(&pack, &config.engine), "settings are told apart as before");
    assert_eq!(snapshot.rules, rule_names(&pack), "the same rules have the same versions as before");

    let input = input();
    let expected = batch(&pack, &input);
    let world = World::new(Random(7), input, None);
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
    found.retain(|(_, event), values| values.is_some() && !event.contains(":z:last"));
    let differs = expected.iter().filter(|(of, values)| found.get(*of) != Some(*values));
    let differs: Vec<String> =
        differs.map(|(of, v)| format!("{of:?}: batch {v:?}, live {:?}", found.get(of))).collect();
    assert!(differs.is_empty(), "{} of {}: {}", differs.len(), expected.len(), differs.join("\n"));
    assert_eq!(found.len(), expected.len(), "nothing besides");
    assert!(found.len() > 100);
}
