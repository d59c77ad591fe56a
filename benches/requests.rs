//! From an approval to the message on the institution's topic, on a real Kafka: `cargo bench --bench requests -- 400 20` (requests, approvals
//! a second). Sent when it is due, whatever became of those before (open loop); the clock of one process on both ends.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "../tests/support/exactly_once.rs"]
mod exactly_once;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "../tests/support/site.rs"]
mod site;

use exactly_once::producer;
use foreshock_core::time::format_rfc3339;
use foreshock_log::{BLOCKING_DRAFTS, COMMANDS};
use foreshock_signatures::{Signer, Type};
use hdrhistogram::Histogram;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};
use site::{Site, TOPIC, draft};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Revisions of a request: drafted, proposed.
const SEEN: [(&str, &str, &str, u64); 2] = [("propose", "li", "officer", 1), ("approve", "wu", "approver", 2)];

fn command(desk: &Signer, request: usize, (kind, name, role, revision): (&str, &str, &str, u64)) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let Value::Object(body) = json!({
        "commandId": format!("{kind}{request}"), "kind": kind, "requestId": format!("r{request}"), "expectedRevision": revision,
        "reason": "called", "actor": {"name": name, "roles": [role]}, "purpose": "fraud",
        "at": format_rfc3339(i64::try_from(since.as_micros()).unwrap()),
    }) else {
        unreachable!()
    };
    Value::Object(desk.sign(Type::Command, body)).to_string()
}

fn send(producer: &BaseProducer, topic: &str, request: usize, body: &str) {
    producer.send(BaseRecord::<str, str>::to(topic).key(&format!("r{request}")).payload(body)).unwrap();
    producer.poll(Duration::ZERO);
}

fn main() {
    let mut given = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (Some(count), Some(rate)) = (given.next(), given.next()) else { return };
    let Some(site) = Site::open() else { return };
    let desk = Signer::parse(&std::fs::read_to_string(site.folder.path().join("desk.key")).unwrap()).unwrap();
    let producer = producer(&site.broker.address());
    for request in 0..count {
        send(&producer, BLOCKING_DRAFTS, request, &draft(&format!("r{request}"), &format!("acc-{request}")));
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    site.wait_for_state(&format!("r{}", count - 1), "DRAFT");
    for request in 0..count {
        send(&producer, COMMANDS, request, &command(&desk, request, SEEN[0]));
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    site.wait_for_state(&format!("r{}", count - 1), "PENDING_APPROVAL");

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", site.broker.address())
        .set("group.id", "bench")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "5")
        .create()
        .unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    while consumer.assignment().unwrap().count() == 0 {
        let _ = consumer.poll(Duration::from_millis(50));
    }
    let (begin, mut sent, mut found) = (Instant::now(), BTreeMap::new(), BTreeMap::new());
    while found.len() < count {
        let due = |request: usize| begin + Duration::from_secs_f64(request as f64 / rate as f64);
        while sent.len() < count && Instant::now() >= due(sent.len()) {
            let request = sent.len();
            // From when it was due, not from when it got its turn.
            sent.insert(format!("r{request}"), due(request));
            send(&producer, COMMANDS, request, &command(&desk, request, SEEN[1]));
        }
        producer.poll(Duration::ZERO);
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(1)) {
            let id = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            found.entry(id).or_insert_with(Instant::now);
        }
        assert!(begin.elapsed() < Duration::from_secs(600), "{} of {count} after ten minutes", found.len());
    }
    let mut taken: Histogram<u64> = Histogram::new(3).unwrap();
    for (id, at) in &found {
        taken.record(u64::try_from((*at - sent[id]).as_micros()).unwrap()).unwrap();
    }
    let ms = |quantile: f64| taken.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "{count} approvals at {rate}/s: to the institution's topic p50 {:.1} ms, p99 {:.1} ms, all within {:.1} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}
