//! Arithmetic beyond BIGINT is no value on both executors, never a wrapped number.
#![allow(clippy::unwrap_used)]

use foreshock::offline::files::Files;
use foreshock::offline::net::Net;
use foreshock::ops::pool::Pool;
use foreshock_compiler::{RuleFile, Settings, compile};
use foreshock_core::Presence;
use foreshock_engine::Engine;
use foreshock_feeds::{Counts, Record, decode};
use foreshock_generator::{Few1, few1};
use std::collections::BTreeMap;

const RULE: &str = "/*---\nid: R\ntitle: { zh: 规则, en: rule }\ncategory: flow\nseverity: low\naction: detect\n\
    subject: payer_account\nfraud_type: OTHER\nlegal_basis: [regulation-30]\nowner: test\nstatus: draft\n---*/\n\
    SELECT event_id, event_time, payer_account AS subject, amount FROM transactions\n\
    WHERE currency = 'CNY' AND amount * 9223372036854775807 < 0";

#[test]
fn an_overflow_is_no_value_on_both_executors_and_counted_live() {
    let rule = RuleFile { path: "R.sql".into(), text: RULE.into() };
    let pack = compile(&[rule], &[], &Settings::default()).unwrap();
    let line = few1(Few1 { events: 10, accounts: 5, zipf_permille: 0, ..Few1::default() }).map(|l| l.json);
    let events = line
        .map(|l| decode(&Record { bytes: l.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap())
        .collect();
    let files = Files::of_events([events], 100).unwrap();
    let mut engine = Engine::new(pack.plan.clone(), 1, &[Presence::Expected], |_| 0);
    let batches: Vec<_> = files.batches().unwrap().flat_map(Result::unwrap).collect();
    let output = engine.step(&batches, &Pool { threads: 1 });
    assert_eq!(output.facts.faults, 10);
    assert!(output.verdicts.is_empty());
    let rows: BTreeMap<_, _> = batches.into_iter().map(|b| (b.feed, vec![b.batch])).collect();
    assert!(Net::of_batch(&pack, &rows).unwrap().rows.is_empty(), "no value, no detection, and the others are judged");
}
