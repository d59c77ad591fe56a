//! Decode, and the whole engine step, by criterion. Conditions and figures stand in docs/benchmarks.md.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use foreshock::offline::files::Files;
use foreshock::ops::pool::Pool;
use foreshock_compiler::{Settings, feed_schema};
use foreshock_core::{Feed, Presence};
use foreshock_engine::{Engine, FeedBatch};
use foreshock_feeds::{Columns, Counts, Record, decode, decode_into};
use foreshock_generator::{Few1, few1, generate};
use std::hint::black_box;
use std::path::Path;

const FEW1_EVENTS: usize = 200_000;
const ACCOUNTS: u32 = 100_000;

fn lines() -> Vec<String> {
    few1(Few1 { events: FEW1_EVENTS, accounts: ACCOUNTS, ..Few1::default() }).map(|l| l.json).collect()
}

/// In columns, micro-batch by micro-batch, with the number of source partitions.
struct Loaded {
    batches: Vec<Vec<FeedBatch>>,
    partitions: usize,
}

fn loaded(lines: &[String]) -> Loaded {
    let event = |l: &String| decode(&Record { bytes: l.as_bytes(), ..Record::default() }, &mut Counts::default());
    let events = lines.iter().map(|l| event(l).expect("generated events are valid")).collect();
    let files = Files::of_events([events], 8_192).expect("the disk has room");
    let batches = files.batches().expect("they are there");
    Loaded { batches: batches.collect::<Result<_, _>>().expect("they are there"), partitions: files.firsts().len() }
}

fn step_all(loaded: &Loaded, pack: &foreshock_compiler::Pack) -> usize {
    let mut engine = Engine::new(pack.plan.clone(), 1, &vec![Presence::Expected; loaded.partitions], |_| 120_000_000);
    let pool = Pool { threads: 1 };
    loaded.batches.iter().map(|b| engine.step(b, &pool).verdicts.len()).sum()
}

fn pack(dir: &str) -> foreshock_compiler::Pack {
    let loaded = foreshock::rules::files::load(
        Path::new(dir),
        &foreshock::rules::files::Choice::default(),
        &Settings::default(),
    );
    loaded.expect("the folder is there").expect("the rules are valid")
}

fn benches(c: &mut Criterion) {
    let lines = lines();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1_000)).sample_size(20);
    group.bench_function("transaction", |b| {
        b.iter(|| {
            let (mut columns, mut counts) = (Columns::with_capacity(Feed::Transactions, 1_000), Counts::default());
            for line in &lines[..1_000] {
                let record = Record { bytes: line.as_bytes(), feed: Some(Feed::Transactions), ..Record::default() };
                let _ = black_box(decode_into(&record, &mut counts, |_| &mut columns));
            }
            columns.finish(feed_schema(Feed::Transactions))
        });
    });
    group.finish();
    let mut group = c.benchmark_group("engine");
    let few1 = loaded(&lines);
    group.throughput(Throughput::Elements(FEW1_EVENTS as u64)).sample_size(10);
    let rule = pack("benches/few1");
    group.bench_function("few1", |b| b.iter(|| step_all(&few1, &rule)));
    let city = generate(1, 1);
    let day: Vec<String> = city.day.into_iter().map(|l| l.json).collect();
    group.throughput(Throughput::Elements(day.len() as u64));
    let day = loaded(&day);
    let rules = pack("sql");
    group.bench_function("city day, all rules", |b| b.iter(|| step_all(&day, &rules)));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
