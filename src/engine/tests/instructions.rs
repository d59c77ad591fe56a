//! What a step costs, in instructions.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/instructions.rs"]
mod instructions;
mod support;

use foreshock_engine::Inline;
use support::{Case, Report, batches};

/// A tenth above what it was when this was written.
const MOST: u64 = 5_600;

fn reports(count: usize) -> Vec<Report> {
    let payees: Vec<&'static str> = (0..500).map(|n| &*format!("K{n}").leak()).collect();
    let of =
        |n: usize| Report { payee: payees[n * 7_919 % payees.len()], ..Report::new(format!("E{n}"), n as i64 / 10) };
    (0..count).map(of).collect()
}

#[test]
fn payments_are_put_into_columns() {
    let count = instructions::wanted();
    let rows = reports(count).chunks(500).flat_map(batches).map(|batch| batch.batch.num_rows()).sum::<usize>();
    assert_eq!(rows, count);
}

#[test]
fn payments_to_many_payees_are_judged() {
    let count = instructions::wanted();
    let mut engine = Case::counting(3_600, 1 << 40).engine(1, 1);
    let steps = reports(count);
    let accepted = |part: &[Report]| engine.step(&batches(part), &Inline).facts.accepted;
    assert_eq!(steps.chunks(500).map(accepted).sum::<u64>(), count as u64);
}

#[test]
fn a_payment_is_judged_with_no_more_instructions_than_before() {
    let cost = |test| instructions::per_record(test, 10_000, 30_000);
    let Some((all, before)) = cost("payments_to_many_payees_are_judged").zip(cost("payments_are_put_into_columns"))
    else {
        return;
    };
    let count = all - before;
    assert!(count <= MOST, "{count} instructions, {MOST} are meant: if it is worth it, raise the bound and say why");
}
