//! The whole corridor, from a real broker to acknowledged results: `cargo bench --bench corridor -- drain 3000000`, how fast it
//! takes what waits; `.. -- open 1000 60`, how long a record takes that comes at a steady rate (an open loop: records a second,
//! seconds), beside a consumer that does nothing but read them, and beside a client that does nothing but pass on in
//! transactions; `.. -- beside 1000 60`, the same beside a reader that is asked for more than there is. What it prints stands in docs/benchmarks.md with its conditions.
//! `FORESHOCK_BINARY` names another binary to measure, `PROPERTIES` holds lines for its `[kafka.properties]`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a broken bench may panic; rates are for people

#[path = "../tests/support/broker.rs"]
mod broker;
#[path = "corridor/open_loop.rs"]
mod open_loop;
#[path = "../tests/support/process.rs"]
mod process;
#[path = "corridor/setup.rs"]
mod setup;
#[path = "../tests/support/statements.rs"]
mod statements;

use foreshock_generator::{Few1, few1};
use rdkafka::producer::{BaseProducer, Producer};
use setup::{Corridor, Drained, drained, send};
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    match words.first().map(String::as_str) {
        Some("drain") => drain(number(1).unwrap_or(3_000_000)),
        Some("open") => open_loop::run(number(1).unwrap_or(1_000), number(2).unwrap_or(60)),
        Some("beside") => open_loop::beside_statements(number(1).unwrap_or(1_000), number(2).unwrap_or(60)),
        // `cargo test --benches` runs it so: there is nothing to measure.
        _ => println!("say `drain EVENTS`, `open RATE SECONDS` or `beside RATE SECONDS`"),
    }
}

fn drain(events: usize) {
    let corridor = Corridor::new(2);
    let mut client = corridor.client();
    client.set("compression.type", "lz4").set("linger.ms", "20");
    let producer: BaseProducer = client.create().unwrap();
    let workload = Few1 { events, ..Few1::default() };
    few1(workload).for_each(|line| send(&producer, &line.json));
    producer.flush(Duration::from_secs(60)).unwrap();
    let Drained { rate, batches, results, cpu_seconds, peak_mb } = drained(&corridor, events);
    println!(
        "drain: {events} events in {batches} batches, {results} results: {rate:.0} events/s, {cpu_seconds:.1} CPU seconds in all, peak {peak_mb} MB"
    );
}
