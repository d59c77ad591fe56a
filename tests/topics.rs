//! What happens to topics and partitions while a process runs, on a real Apache Kafka 4.1.2: partitions that end with an
//! aborted transaction or send nothing of use, topics made anew, partitions added.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;

use broker::{Broker, free_port};
use process::{Running, foreshock, text};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use single::{metric, ready, wait_until, with_snapshots};
use std::path::Path;
use std::time::Duration;

const TOPIC: &str = "report.transaction.v1";
const WAIT: Duration = Duration::from_secs(30);

/// A payment so many seconds into a morning.
fn payment(id: &str, second: usize) -> String {
    format!(
        r#"{{"txId":"{id}","reporter":"bank-a","creDtTm":"2026-03-02T{:02}:{:02}:{:02}Z","kind":"TRANSFER","amount":"1.00",
           "currency":"CNY","debtor":{{"accountToken":"A"}},"creditor":{{"accountToken":"B"}}}}"#,
        8 + second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

fn send(producer: &BaseProducer, partition: i32, lines: &[String]) {
    for line in lines {
        producer.send(BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(line)).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(WAIT).unwrap();
}

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config
}

fn wait<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked)
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    client(address).create().unwrap()
}

/// Configured with these settings, its topics made.
fn set_up(folder: &Path, broker: &Broker, settings: &[(&str, &str)]) -> (String, u16) {
    let (path, port) = with_snapshots(folder, &broker.address());
    let mut config = std::fs::read_to_string(&path).unwrap();
    for (from, to) in settings {
        assert!(config.contains(from), "{config}");
        config = config.replace(from, to);
    }
    std::fs::write(&path, config).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    (path, port)
}

/// Where the group of the processes under test stands in the first partition.
fn committed_offset(address: &str) -> Option<Offset> {
    let consumer: BaseConsumer = client(address).set("group.id", "foreshock").create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(TOPIC, 0);
    Some(consumer.committed_offsets(asked, WAIT).ok()?.find_partition(TOPIC, 0)?.offset())
}

fn begin_transaction(address: &str, id: &str) -> BaseProducer {
    let producer: BaseProducer = client(address).set("transactional.id", id).create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

#[test]
fn a_partition_that_ends_with_aborted_records_or_sends_nothing_of_use_holds_up_no_other() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let few =
        [("partitions = 1", "partitions = 4"), ("[engine]", "[engine]\nidle_s = 2\nlateness_s = 1\nyoung_max = 1000")];
    let (path, port) = set_up(folder.path(), &broker, &few);
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    // 0 goes on; 1 ends with an aborted transaction; 2 holds nothing else; 3 goes on to send what does not count.
    send(&producer, 0, &[payment("p0", 0)]);
    send(&producer, 1, &[payment("p1", 0), payment("p2", 0), payment("p3", 0)]);
    send(&producer, 3, &[payment("p4", 0)]);
    for partition in [1, 2] {
        let aborted = begin_transaction(&broker.address(), &format!("abort-{partition}"));
        let lines: Vec<String> = (0..5).map(|n| payment(&format!("a{partition}-{n}"), 1)).collect();
        send(&aborted, partition, &lines);
        aborted.abort_transaction(WAIT).unwrap();
    }
    let running = Running::start(&["run", "--config", &path]);
    wait_until("ready", || ready(port).0);
    // More than young_max in all: while the horizon stands, nothing is read any more.
    let mut sent = 0;
    wait_until("all others go on", || {
        let lines: Vec<String> = (sent..sent + 100).map(|n| payment(&format!("n{n}"), 10 + n)).collect();
        send(&producer, 0, &lines);
        send(&producer, 3, &["no event".to_owned(), payment("p4", 0)]);
        sent += 100;
        std::thread::park_timeout(Duration::from_millis(300));
        let (accepted, young) =
            (metric(port, "foreshock_events_accepted_total"), metric(port, "foreshock_young_rows_count"));
        sent > 3_000 && accepted.is_some_and(|n| n > 2_000) && young.is_some_and(|n| n < 1_000)
    });
    assert!(metric(port, "foreshock_horizon_seconds").unwrap() > 0, "the horizon is shown");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_topic_made_anew_ends_the_process_loudly_or_is_read_from_its_beginning_as_configured() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = set_up(folder.path(), &broker, &[]);
    let admin = admin(&broker.address());
    let make_anew = || {
        let options = AdminOptions::new().operation_timeout(Some(WAIT));
        wait(admin.delete_topics(&[TOPIC], &options)).unwrap().remove(0).unwrap();
        let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
        wait_until("the topic is there again", || {
            wait(admin.create_topics([&topic], &options)).unwrap().remove(0).is_ok()
        });
    };
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    let lines =
        |tag: &str, count: usize| -> Vec<String> { (0..count).map(|n| payment(&format!("{tag}{n}"), n)).collect() };
    send(&producer, 0, &lines("a", 100));
    let log = folder.path().join("log");
    let mut running = Running::start_logging(&["run", "--config", &path], &log);
    wait_until("the first records", || metric(port, "foreshock_events_accepted_total") == Some(100));
    let (standby_path, standby_log) = (folder.path().join("standby.toml"), folder.path().join("standby.log"));
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&standby_path, config.replace(&port.to_string(), &free_port().to_string())).unwrap();
    let mut standby = Running::start_logging(&["run", "--config", standby_path.to_str().unwrap()], &standby_log);
    wait_until("the other one stands by", || {
        std::fs::read_to_string(&standby_log).unwrap().contains("this one stands by")
    });

    make_anew();
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    send(&producer, 0, &lines("b", 120));
    for (process, log) in [(&mut running, &log), (&mut standby, &standby_log)] {
        let mut ended = None;
        wait_until("the process ends", || {
            ended = process.0.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(4));
        let said = std::fs::read_to_string(log).unwrap();
        assert!(said.contains("was deleted and made again") && said.contains("topic_made_anew"), "{said}");
    }
    // Nor does the next one begin as if nothing had happened.
    let next = foreshock(&["run", "--config", &path]);
    assert_eq!(next.status.code(), Some(4));
    assert!(text(&next.stderr).contains("was deleted and made again"), "{}", text(&next.stderr));

    let config = std::fs::read_to_string(&path).unwrap().replace("[kafka]", "[kafka]\ntopic_made_anew = \"go_on\"");
    std::fs::write(&path, config).unwrap();
    let running = Running::start_logging(&["run", "--config", &path], &log);
    // Some may have been judged before the broker said that they are of another topic: all of them once.
    let read = |name: &str| metric(port, &format!("foreshock_events_{name}_total")).unwrap_or(0);
    wait_until("the records of the new one", || read("accepted") + read("duplicate") == 120);
    make_anew();
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    send(&producer, 0, &lines("c", 30));
    wait_until("those of the next one, too", || read("accepted") + read("duplicate") == 150);
    // The same process counts them as done: a partition that is not read up to what is done is never still, and the horizon
    // would wait for it.
    wait_until("their offset", || committed_offset(&broker.address()) == Some(Offset::Offset(30)));
    assert_eq!(running.stop(), Some(0));
    let running = Running::start_logging(&["run", "--config", &path], &log);
    send(&producer, 0, &lines("d", 10));
    wait_until("after a start", || metric(port, "foreshock_events_accepted_total") == Some(10));
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn partitions_added_to_a_topic_are_read_without_a_restart_and_after_one() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = set_up(folder.path(), &broker, &[]);
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    send(&producer, 0, &[payment("a", 0)]);
    let log = folder.path().join("log");
    let running = Running::start_logging(&["run", "--config", &path], &log);
    wait_until("the first record", || metric(port, "foreshock_events_accepted_total") == Some(1));
    let options = AdminOptions::new().operation_timeout(Some(WAIT));
    let more = NewPartitions::new(TOPIC, 3);
    wait(admin(&broker.address()).create_partitions([&more], &options)).unwrap().remove(0).unwrap();
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    send(&producer, 2, &[payment("b", 1), payment("c", 2)]);
    wait_until("records of an added partition", || metric(port, "foreshock_events_accepted_total") == Some(3));
    assert_eq!(running.stop(), Some(0));
    let running = Running::start_logging(&["run", "--config", &path], &log);
    send(&producer, 1, &[payment("d", 3)]);
    wait_until("after a start", || metric(port, "foreshock_events_accepted_total") == Some(1));
    assert_eq!(running.stop(), Some(0));
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("\"batches\":0"), "the snapshot was used: {said}");

    // The same when they are added while nobody runs.
    let more = NewPartitions::new(TOPIC, 5);
    wait(admin(&broker.address()).create_partitions([&more], &options)).unwrap().remove(0).unwrap();
    let producer: BaseProducer = client(&broker.address()).create().unwrap();
    send(&producer, 4, &[payment("e", 4)]);
    let running = Running::start_logging(&["run", "--config", &path], &log);
    wait_until("a partition added before the start", || metric(port, "foreshock_events_accepted_total") == Some(1));
    assert_eq!(running.stop(), Some(0));
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("\"batches\":0") && !said.contains("snapshot not used"), "the snapshot was used: {said}");
}
