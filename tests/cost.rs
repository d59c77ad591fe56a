//! What a record costs from the broker's bytes to a written batch, in instructions: the whole corridor but Kafka's client.
#![allow(clippy::unwrap_used)]

#[path = "support/instructions.rs"]
mod instructions;
mod support;
#[path = "support/world.rs"]
mod world;

use foreshock::ops::config::Config;
use foreshock::ops::health::Health;
use foreshock::rules::work::Work;
use foreshock::writer::pipeline::Pipeline;
use foreshock_compiler::{RuleFile, Settings, compile};
use foreshock_core::Feed;
use foreshock_generator::{Few1, few1};
use foreshock_log::deliver;
use std::sync::Arc;
use std::time::Duration;
use support::{PARTITIONS, Random};
use world::{Sent, SimLedger, SimSource, World};

/// A tenth above what it was when this was written (dev profile: the engine and the decoder are optimised, what lies between is not).
const MOST: u64 = 74_500;

/// FEW-1, in force.
fn work() -> Work {
    let text = include_str!("../benches/few1/rules/FEW1.sql").replace("status:   draft", "status:   shadow");
    Work::of(compile(&[RuleFile { path: "FEW1.sql".into(), text }], &[], &Settings::default()).unwrap())
}

#[test]
fn payments_go_through_the_corridor() {
    let events = instructions::wanted();
    let workload = few1(Few1 { events, accounts: 500, ..Few1::default() });
    let sent = workload.map(|line| Sent::event(Feed::Transactions, line.json));
    let mut input: Vec<Vec<Sent>> = vec![sent.collect()];
    input.resize(PARTITIONS, Vec::new());
    let world = World::new(Random(1), input, None);
    world.borrow_mut().is_calm = true;
    world.borrow_mut().sent[0] = events;
    let mut config = Config::default();
    (config.engine.refuse_future, config.engine.batch_events_max) = (false, 500);
    let mut pipeline = Pipeline::new(config, work(), SimSource::new(&world), "one".into(), Arc::new(Health::default()));
    let mut ledger = SimLedger::open(&world).unwrap();
    let mut taken = 0;
    while taken < events {
        let Some(judged) = pipeline.judge(Duration::ZERO).unwrap() else { continue };
        taken += judged.records;
        deliver(&mut ledger, &judged.messages, &judged.progress, &mut || true).unwrap();
        pipeline.done(judged).unwrap();
    }
    let done = |world: &World| {
        world.log.iter().flat_map(|(progress, _)| progress.ranges.clone()).map(|of| of.to - of.from).sum::<i64>()
    };
    assert_eq!(usize::try_from(done(&world.borrow())), Ok(events));
}

#[test]
fn a_payment_goes_through_the_corridor_with_no_more_instructions_than_before() {
    let Some(count) = instructions::per_record("payments_go_through_the_corridor", 2_000, 10_000) else { return };
    println!("{count} instructions a payment");
    assert!(count <= MOST, "{count} instructions, {MOST} are meant: if it is worth it, raise the bound and say why");
}
