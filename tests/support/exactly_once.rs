//! Input for processes that are killed, and what a reader of committed results must see then.
#![allow(dead_code, clippy::unwrap_used)]

use foreshock::kafka::settings::Kafka;
use foreshock::kafka::tail::read_all;
use foreshock::offline::files::Files;
use foreshock::offline::net::Net;
use foreshock::ops::config::Config;
use foreshock::rules::files::{Choice, load};
use foreshock_compiler::Pack;
use foreshock_core::Feed;
use foreshock_core::time::{DAY_US, format_rfc3339};
use foreshock_feeds::{Counts, Event, Record, decode};
use foreshock_log::{Progress, values};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

pub const PARTITIONS: i32 = 2;

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Splitmix64: the next of a seeded sequence.
pub fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn event(line: &str) -> Event {
    decode(&Record { bytes: line.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap()
}

/// Events in the order of their time, and then one a day later for each partition used, so that everything is final.
pub struct Input {
    pub lines: Vec<(Feed, i32, String)>,
}

impl Input {
    pub fn new(count: usize, seed: &mut u64) -> Input {
        let day = foreshock_generator::generate(1, 1 + count as u32 / 10_000).day;
        assert!(day.len() >= count, "{} events in the generated day", day.len());
        let mut lines: Vec<_> = day.into_iter().take(count).map(|l| (l.feed, 0, l.json)).collect();
        for (_, partition, _) in &mut lines {
            *partition = (next(seed) % PARTITIONS as u64) as i32;
        }
        let newest = lines.iter().map(|(_, _, l)| event(l).time).max().unwrap();
        let used: BTreeMap<(Feed, i32), String> = lines.iter().map(|(f, p, l)| ((*f, *p), l.clone())).collect();
        for (nth, ((feed, partition), line)) in used.into_iter().enumerate() {
            let mut last: Value = serde_json::from_str(&line).unwrap();
            last[feed.id_field()] = format!("last-{nth}").into();
            last[feed.columns()[1].path] = format_rfc3339(newest + DAY_US).into();
            lines.push((feed, partition, last.to_string()));
        }
        Input { lines }
    }

    fn batch(&self, pack: &Pack) -> BTreeMap<(String, String), Value> {
        let events = self.lines.iter().map(|(_, _, l)| event(l)).collect();
        let mut rows: BTreeMap<Feed, Vec<_>> = BTreeMap::new();
        for batch in Files::of_events([events], usize::MAX).unwrap().batches().unwrap().flat_map(Result::unwrap) {
            rows.entry(batch.feed).or_default().push(batch.batch);
        }
        let net = Net::of_batch(pack, &rows).unwrap();
        let row = |((_, rule, event), (detection, _)): (&(i64, String, String), &(foreshock_core::Detection, i64))| {
            ((rule.clone(), event.clone()), Value::Object(values(detection)))
        };
        net.rows.iter().map(row).collect()
    }
}

pub fn produce(address: &str, lines: &[(Feed, i32, String)]) {
    produce_by(&producer(address), lines);
}

pub fn producer(address: &str) -> BaseProducer {
    ClientConfig::new().set("bootstrap.servers", address).set("enable.idempotence", "true").create().unwrap()
}

pub fn produce_by(producer: &BaseProducer, lines: &[(Feed, i32, String)]) {
    for (feed, partition, line) in lines {
        let record = BaseRecord::<(), _>::to(feed.topic()).partition(*partition).payload(line);
        producer.send(record).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// All records of a topic that a reader of committed ones sees.
pub fn committed(address: &str, topic: &str) -> Vec<Value> {
    let mut records = Vec::new();
    read_committed(address, topic, PARTITIONS, |message| {
        records.push(serde_json::from_slice(message.payload().unwrap()).unwrap());
    });
    records
}

pub fn read_committed(address: &str, topic: &str, partitions: i32, mut on_record: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", "reader")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    (0..partitions).for_each(|p| list.add_partition_offset(topic, p, Offset::Beginning).unwrap());
    consumer.assign(&list).unwrap();
    let mut ended = BTreeSet::new();
    while ended.len() < partitions as usize {
        match consumer.poll(Duration::from_secs(30)).unwrap() {
            Ok(message) => on_record(&message),
            Err(KafkaError::PartitionEOF(partition)) => {
                ended.insert(partition);
            }
            Err(error) => panic!("{topic}: {error}"),
        }
    }
}

pub fn taken(log: &[Progress]) -> usize {
    log.iter().flat_map(|p| &p.ranges).map(|r| (r.to - r.from) as usize).sum()
}

pub fn wait_until_taken(kafka: &Kafka, count: usize) -> Vec<Progress> {
    let start = Instant::now();
    loop {
        let log = read_all(kafka).unwrap();
        if taken(&log) >= count {
            return log;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "{} of {count} events after five minutes", taken(&log));
    }
}

/// Each revision once and in order; the last state of each detection.
fn net(detections: &[Value]) -> BTreeMap<(String, String), Value> {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for d in detections {
        let before = last.insert(d["detection_id"].as_str().unwrap(), d).map_or(0, |d| d["revision"].as_u64().unwrap());
        assert_eq!(d["revision"].as_u64().unwrap(), before + 1, "a revision is lost or doubled: {d}");
    }
    let stands = last.into_values().filter(|d| d["state"] == "detected");
    let key = |d: &Value| (d["rule_id"].as_str().unwrap().to_owned(), d["event_id"].as_str().unwrap().to_owned());
    stands.map(|d| (key(d), d["values"].clone())).collect()
}

/// A draft is said again only when it has changed, is withdrawn only when it stood, and loses a detection only when that was taken back: a
/// batch that came twice would go back to what was said before.
fn check_drafts(drafts: &[Value], detections: &[Value]) {
    let ids = |draft: &Value| -> BTreeSet<String> {
        let all = draft["evidence"]["detections"].as_array().unwrap();
        all.iter().map(|one| one["detectionId"].as_str().unwrap().to_owned()).collect()
    };
    let gone = detections.iter().filter(|d| d["state"] != "detected");
    let taken_back: BTreeSet<&str> = gone.map(|d| d["detection_id"].as_str().unwrap()).collect();
    let mut last: BTreeMap<String, &Value> = BTreeMap::new();
    for draft in drafts {
        let Some(before) = last.insert(draft["requestId"].to_string(), draft) else {
            assert_eq!(draft["state"], "draft", "a draft is lost: {draft}");
            continue;
        };
        assert!(before != draft, "a draft is doubled: {draft}");
        assert!(draft["state"] == "draft" || before["state"] == "draft", "withdrawn twice: {draft}");
        let lost: Vec<String> = ids(before).difference(&ids(draft)).cloned().collect();
        assert!(lost.iter().all(|id| taken_back.contains(id.as_str())), "{lost:?} left a draft unsaid: {draft}");
    }
}

/// A configuration in a folder, with snapshots; its path.
pub fn configure(folder: &Path, address: &str) -> String {
    let path = folder.join("foreshock.toml");
    let toml = format!(
        "[kafka]\nbrokers = \"{address}\"\npartitions = {PARTITIONS}\n[engine]\nrefuse_future = false\nbatch_events_max = 20\n\
         [snapshots]\ndir = \"{}\"\nevery_s = 1\n[http]\nlisten = \"\"\n",
        folder.join("state").display()
    );
    std::fs::write(&path, toml).unwrap();
    path.display().to_string()
}

/// The rules that a process of this configuration runs.
pub fn pack(config: &Config) -> Pack {
    load(&config.rules.dir, &Choice { ids: Vec::new(), no_drafts: true }, &config.settings()).unwrap().unwrap()
}

/// What a reader of committed records sees is what the batch says: nothing lost, nothing doubled, nothing else.
pub fn check(address: &str, input: &Input, pack: &Pack, log: &[Progress]) {
    let mut next: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for range in log.iter().flat_map(|p| &p.ranges) {
        let next = next.insert((range.topic.clone(), range.partition), range.to).unwrap_or(0);
        assert_eq!(range.from, next, "each record is in one batch, in order: {range:?}");
    }
    assert_eq!(taken(log), input.lines.len(), "each event is in one batch: {next:?}");
    let detections = committed(address, "detection.v1");
    let (live, batch) = (net(&detections), input.batch(pack));
    let missing: Vec<_> = batch.keys().filter(|k| !live.contains_key(*k)).collect();
    let spurious: Vec<_> = live.keys().filter(|k| !batch.contains_key(*k)).collect();
    assert!(missing.is_empty() && spurious.is_empty(), "missing {missing:?}, spurious {spurious:?}");
    assert_eq!(live, batch, "the values too");
    assert!(live.len() > 10, "{} detections", live.len());
    let drafts = committed(address, "blocking.draft.v1");
    check_drafts(&drafts, &detections);
    println!(
        "{} batches, {} revisions, {} detections, {} drafts: none lost, none doubled, none besides",
        log.len(),
        detections.len(),
        live.len(),
        drafts.len()
    );
}
