//! How long a record takes that comes at a steady rate. Two rounds of the same load on one broker: once with a client that
//! passes on what it reads in transactions, a record a batch, and judges nothing; once with Foreshock. Beside either, a
//! consumer that only reads.

use crate::process::{Running, wait_for};
use crate::setup::{Corridor, TOPIC, cpu_seconds, create_topic, next_batch, peak_mb, send};
use crate::statements::greedy_statements;
use foreshock_generator::{Few1, few1};
use foreshock_log::PROGRESS;
use hdrhistogram::Histogram;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A load runs for so long before it counts: a broker that has just been started compiles itself first.
const WARM_UP: Duration = Duration::from_secs(20);
/// What the client that only passes on writes.
const PASSED: &str = "bench.passed";
const ROUNDS: usize = 2;
/// Those who ask the reader.
const CLIENTS: usize = 4;
const WAIT: Duration = Duration::from_secs(15);

/// The records that were committed together, and those after them.
type Next<'a> = dyn FnMut() -> Vec<Range<i64>> + 'a;

pub fn run(rate: usize, seconds: usize) {
    let corridor = Corridor::new(1);
    let count = rate * (seconds + usize::try_from(WARM_UP.as_secs()).unwrap());
    let mut lines = few1(Few1 { events: 2 * ROUNDS * (count + 1), ..Few1::default() }).map(|line| line.json);
    let mut load =
        |first: i64| Load { corridor: &corridor, lines: lines.by_ref().take(count + 1).collect(), rate, first };
    let length = i64::try_from(count).unwrap() + 1;
    create_topic(&corridor, PASSED);
    let (passed, progress) =
        (corridor.reader("passed", PASSED, "read_committed"), corridor.reader("progress", PROGRESS, "read_committed"));
    for round in 0..ROUNDS {
        let first = 2 * i64::try_from(round).unwrap() * length;
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| pass_on(&corridor, first, &is_over));
            load(first).measure("transactions alone", &mut || next_passed(&passed));
            is_over.store(true, Ordering::Release);
        });
        let mut running = corridor.run();
        // What was passed on is judged before the load begins.
        judge_up_to(first + length, &mut running, &progress);
        let (pid, before) = (running.0.id(), cpu_seconds(running.0.id()));
        load(first + length).measure("foreshock", &mut || next_ranges(&mut running, &progress));
        println!("{:.1} CPU seconds of foreshock, warm-up included", cpu_seconds(pid) - before);
        running.stop();
    }
}

/// Two rounds: Foreshock beside a reader that nobody asks, and beside one that is asked by four clients at once for more than
/// there is.
pub fn beside_statements(rate: usize, seconds: usize) {
    let corridor = Corridor::new(1);
    let count = rate * (seconds + usize::try_from(WARM_UP.as_secs()).unwrap());
    let mut lines = few1(Few1 { events: 2 * ROUNDS * (count + 1), ..Few1::default() }).map(|line| line.json);
    let length = i64::try_from(count).unwrap() + 1;
    let progress = corridor.reader("progress", PROGRESS, "read_committed");
    let mut running = corridor.run();
    let reader = Running::start(&["serve", "--config", &corridor.config]);
    wait_for("the reader", || TcpStream::connect(("127.0.0.1", corridor.sql)).ok());
    for half in 0..2 * ROUNDS {
        let (is_over, answered) = (AtomicBool::new(half % 2 == 0), AtomicU64::new(0));
        let name = if half % 2 == 0 { "beside a reader that rests" } else { "beside hostile statements" };
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (is_over, answered, sql) = (&is_over, &answered, corridor.sql);
                scope.spawn(move || ask_again_and_again(sql, client, is_over, answered));
            }
            let first = i64::try_from(half).unwrap() * length;
            let load = Load { corridor: &corridor, lines: lines.by_ref().take(count + 1).collect(), rate, first };
            load.measure(name, &mut || next_ranges(&mut running, &progress));
            is_over.store(true, Ordering::Release);
        });
        println!(
            "{} statements ended; CPU seconds of the reader so far {:.1}, its most memory {} MB",
            answered.into_inner(),
            cpu_seconds(reader.0.id()),
            peak_mb(reader.0.id())
        );
    }
    running.stop();
}

/// One statement after the other, each client from another one on.
fn ask_again_and_again(port: u16, client: usize, is_over: &AtomicBool, answered: &AtomicU64) {
    let statements = greedy_statements();
    for statement in statements.iter().cycle().skip(client * statements.len() / CLIENTS) {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!(
            "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            statement.len()
        );
        // The reader may close before it has read all of a statement that is too long.
        let _ = stream.write_all((head + statement).as_bytes());
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        answered.fetch_add(1, Ordering::AcqRel);
    }
}

fn judge_up_to(offset: i64, running: &mut Running, progress: &BaseConsumer) {
    while next_ranges(running, progress).last().is_none_or(|range| range.end < offset) {}
}

/// Reads on from an offset, and writes for all that came together one record, in a transaction.
fn pass_on(corridor: &Corridor, first: i64, is_over: &AtomicBool) {
    let mut client = corridor.client();
    client.set("transactional.id", "bench").set("linger.ms", "1");
    let producer: BaseProducer = client.create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    let consumer = corridor.reader(&format!("pass-{first}"), TOPIC, "read_committed");
    let (mut from, mut to) = (first, first);
    while !is_over.load(Ordering::Acquire) {
        let mut wait = Duration::from_millis(100);
        while let Some(message) = consumer.poll(wait) {
            wait = Duration::ZERO;
            to = to.max(message.unwrap().offset() + 1);
        }
        if to > from {
            producer.begin_transaction().unwrap();
            let record = BaseRecord::<(), str>::to(PASSED);
            producer.send(record.payload(&format!("{from} {to}"))).map_err(|(error, _)| error).unwrap();
            while producer.in_flight_count() > 0 {
                producer.poll(Duration::ZERO);
                std::thread::sleep(Duration::from_micros(200));
            }
            producer.commit_transaction(WAIT).unwrap();
            from = to;
        }
    }
}

fn next_passed(passed: &BaseConsumer) -> Vec<Range<i64>> {
    let Some(message) = passed.poll(Duration::from_millis(100)) else { return Vec::new() };
    let message = message.unwrap();
    let (from, to) = std::str::from_utf8(message.payload().unwrap()).unwrap().split_once(' ').unwrap();
    let range = from.parse().unwrap()..to.parse().unwrap();
    vec![range]
}

fn next_ranges(running: &mut Running, progress: &BaseConsumer) -> Vec<Range<i64>> {
    let batch = next_batch(running, progress);
    batch.into_iter().flat_map(|batch| batch.ranges).map(|range| range.from..range.to).collect()
}

/// Records at a steady rate.
struct Load<'a> {
    corridor: &'a Corridor,
    lines: Vec<String>,
    rate: usize,
    /// Offset of the first one.
    first: i64,
}

impl Load<'_> {
    /// Sends all, and says how long they took until they were committed.
    fn measure(self, name: &str, next: &mut Next<'_>) {
        let producer: BaseProducer = self.corridor.client().create().unwrap();
        let control = self.corridor.reader(&format!("read-{}", self.first), TOPIC, "read_uncommitted");
        // One record before the clock starts: everybody is connected then.
        send(&producer, &self.lines[0]);
        producer.flush(WAIT).unwrap();
        wait_for("the first record", || next().last().filter(|range| range.end > self.first).cloned());
        let (is_over, gap) = (AtomicBool::new(false), Duration::from_secs(1) / u32::try_from(self.rate).unwrap());
        let start = Instant::now() + Duration::from_millis(100);
        // A record counts from the moment it should have been sent, whether the sender was in time or not.
        let due = |place: i64| start + gap * u32::try_from(place).unwrap();
        let taken = |histogram: &mut Histogram<u64>, offset: i64| {
            let place = offset - self.first;
            if place > 0 && due(place) >= start + WARM_UP {
                histogram.record(u64::try_from(due(place).elapsed().as_micros()).unwrap()).unwrap();
            }
        };
        let (own, others) = std::thread::scope(|scope| {
            scope.spawn(|| {
                for (place, line) in self.lines.iter().enumerate().skip(1) {
                    std::thread::sleep(due(i64::try_from(place).unwrap()).saturating_duration_since(Instant::now()));
                    send(&producer, line);
                    producer.poll(Duration::ZERO);
                }
                producer.flush(WAIT).unwrap();
            });
            let reads = scope.spawn(|| {
                let mut histogram = Histogram::new(3).unwrap();
                while !is_over.load(Ordering::Acquire) {
                    if let Some(Ok(message)) = control.poll(Duration::from_millis(20)) {
                        taken(&mut histogram, message.offset());
                    }
                }
                histogram
            });
            let (mut histogram, mut done) = (Histogram::new(3).unwrap(), 1);
            while done < self.lines.len() {
                for offset in next().into_iter().flatten() {
                    taken(&mut histogram, offset);
                    done += 1;
                }
            }
            is_over.store(true, Ordering::Release);
            (histogram, reads.join().unwrap())
        });
        self.print("reading alone", &others);
        self.print(name, &own);
    }

    #[allow(clippy::cast_precision_loss)] // milliseconds are for people
    fn print(&self, name: &str, histogram: &Histogram<u64>) {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "open loop, {}/s, {name}: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms over {} records",
            self.rate,
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0),
            histogram.len()
        );
    }
}
