//! How the time of a run grows with its length, for inputs that a hostile or a plain source may send:
//! `cargo run --release -p foreshock-engine --example growth [case]`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use foreshock_core::ReportAction;
use foreshock_engine::{Frame, Function, Inline};
use std::time::Instant;
use support::{Case, Report, SECOND, batches};

const UETR: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// A name, a case, its reports for a length, and the size of batches.
type Growth = (&'static str, Case, fn(i64) -> Vec<Report>, usize);

fn main() {
    let wanted = std::env::args().nth(1);
    let hour = Frame::Range { preceding: Some(3_600 * SECOND), end: 0 };
    let one =
        |function| Case { windows: vec![(Function::Count, hour), (function, hour)], ..Case::counting(3_600, 1 << 40) };
    let count = || Case::counting(3_600, 1 << 40);
    let cases: Vec<Growth> = vec![
        ("in order, many keys", count(), in_order, 8_192),
        ("one key in order, avg", one(Function::Avg), one_key, 8_192),
        ("one key in order, median", one(Function::Median), one_key, 8_192),
        ("one key in falling amounts, median", one(Function::Median), falling, 8_192),
        ("one time", count(), one_time, 64),
        ("one time, few candidates", Case { amount_at_least: Some(1_000_000), ..count() }, one_time, 64),
        ("one time, max", one(Function::Max), one_time, 64),
        ("withdrawn and reported again", count(), back_and_forth, 64),
        ("each corrected later", count(), corrected, 64),
        ("each of many keys corrected later", count(), corrected_keys, 64),
        ("one payment id", count(), one_payment, 8_192),
    ];
    for (name, case, reports, size) in cases {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let times: Vec<String> =
            [1, 2, 4].map(|k| format!("{:>8.0}", ns_per_event(&case, &reports(k * 16_384), size))).into();
        println!("{name:<40} {} ns an event at 16, 33, 66 thousand", times.join(" "));
    }
}

#[allow(clippy::cast_precision_loss)]
fn ns_per_event(case: &Case, reports: &[Report], size: usize) -> f64 {
    let batches: Vec<_> = reports.chunks(size).map(batches).collect();
    let mut engine = case.engine(1, 1);
    let begin = Instant::now();
    for batch in &batches {
        engine.step(batch, &Inline);
    }
    begin.elapsed().as_nanos() as f64 / reports.len() as f64
}

fn in_order(n: i64) -> Vec<Report> {
    let payees: Vec<&'static str> = (0..10_000).map(|n| &*format!("K{n}").leak()).collect();
    let of = |i: i64| Report {
        time: i * SECOND / 100,
        payee: payees[(i * 7_919 % 10_000) as usize],
        ..Report::new(format!("tx:bank-{i:08}"), 0)
    };
    (0..n).map(of).collect()
}

fn one_key(n: i64) -> Vec<Report> {
    (0..n)
        .map(|i| Report { time: i * SECOND / 100, amount: i * 7_919 % 100_003, ..Report::new(format!("t{i}"), 0) })
        .collect()
}

fn falling(n: i64) -> Vec<Report> {
    (0..n).map(|i| Report { time: i * SECOND / 100, amount: n - i, ..Report::new(format!("t{i}"), 0) }).collect()
}

fn one_time(n: i64) -> Vec<Report> {
    (0..n).map(|i| Report { amount: i, ..Report::new(format!("t{i:08}"), 1) }).collect()
}

fn back_and_forth(n: i64) -> Vec<Report> {
    let action = |i| if i % 2 == 0 { ReportAction::Update } else { ReportAction::Withdraw };
    (0..n).map(|i| Report { uetr: Some(UETR), action: action(i), ..Report::new("t", 1) }).collect()
}

/// First all, then each once more.
fn corrected(n: i64) -> Vec<Report> {
    let all = |i: i64| Report { time: i * SECOND * 50 / n, ..Report::new(format!("t{i}"), 0) };
    let again = |i: i64| Report { action: ReportAction::Update, amount: 7, ..all(i) };
    (0..n / 2).map(all).chain((0..n / 2).rev().map(again)).collect()
}

fn corrected_keys(n: i64) -> Vec<Report> {
    let payees: Vec<&'static str> = (0..10_000).map(|n| &*format!("K{n}").leak()).collect();
    let mut reports = corrected(n);
    reports.iter_mut().for_each(|r| r.payee = payees[(r.time as usize * 31) % 10_000]);
    reports
}

fn one_payment(n: i64) -> Vec<Report> {
    (0..n).map(|i| Report { time: i * SECOND / 100, uetr: Some(UETR), ..Report::new(format!("t{i}"), 0) }).collect()
}
