//! Processes that stand by and go at once: one of them is the first.
#![allow(clippy::unwrap_used)]

use foreshock::kafka::election::Election;
use foreshock::kafka::settings::Kafka;
use foreshock_log::{OWNER, Sign};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use std::time::Duration;

fn cluster() -> (MockCluster<'static, DefaultProducerContext>, Kafka) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(OWNER, 1, 1).unwrap();
    let kafka = Kafka { brokers: cluster.bootstrap_servers(), failover_ms: 600_000, ..Kafka::default() };
    (cluster, kafka)
}

#[test]
fn of_many_that_stand_at_once_one_is_the_first() {
    let (_cluster, kafka) = cluster();
    let mut elections: Vec<Election> =
        (0..8).map(|n| Election::open(&kafka, &format!("process-{n}")).unwrap()).collect();
    let first: Vec<bool> = std::thread::scope(|scope| {
        let standing: Vec<_> = elections.iter_mut().map(|e| scope.spawn(|| e.stand(7).unwrap())).collect();
        standing.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert_eq!(first.iter().filter(|is_first| **is_first).count(), 1, "{first:?}");
}

#[test]
fn a_candidate_counts_until_its_time_is_over_or_a_process_writes() {
    let (_cluster, kafka) = cluster();
    let open = |name: &str, kafka: &Kafka| Election::open(kafka, name).unwrap();
    let (mut first, mut second) = (open("first", &kafka), open("second", &kafka));
    assert!(first.stand(7).unwrap());
    assert!(!second.stand(7).unwrap());
    let impatient = Kafka { failover_ms: 0, ..kafka.clone() };
    assert!(open("impatient", &impatient).stand(7).unwrap(), "the time of the others is over");
    assert!(!second.stand(7).unwrap(), "for this one it is not");

    let sign = Sign { owner: "first".into(), next: 8, is_gone: true, is_candidate: false };
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    producer.send(BaseRecord::<(), _>::to(OWNER).payload(&serde_json::to_vec(&sign).unwrap())).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    let found = second.listen().unwrap();
    assert_eq!(found.last(), Some(&sign));
    assert!(second.stand(8).unwrap(), "a new election");
}
