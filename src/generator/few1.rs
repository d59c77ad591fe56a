//! Workload FEW-1 of the comparison benches: transaction reports of many accounts over twenty event-minutes, in the
//! order in which they arrive. Streams: only events that are still under way are held.

use crate::Line;
use crate::day_start_us;
use crate::random::Rng;
use foreshock_core::Feed;
use foreshock_core::money::format_minor;
use foreshock_core::time::{SECOND_US, format_rfc3339};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SPAN_US: u64 = 20 * 60 * 1_000_000;
const LATE_US_MAX: i64 = 30 * SECOND_US;

/// The workload FEW-1: `events` transaction reports of `accounts` payers (Zipf with the given exponent in
/// thousandths, 0 = uniform), spread evenly over 20 event-minutes at unique microseconds. `late_permille` of them
/// arrive up to 30 s late: the order of the iterator is the order of arrival.
pub fn few1(
    seed: u64,
    events: usize,
    accounts: u32,
    zipf_exponent_permille: u32,
    late_permille: u32,
) -> impl Iterator<Item = Line> {
    Workload {
        rng: Rng::new(seed),
        payers: Payers::new(accounts.max(1), zipf_exponent_permille),
        accounts: accounts.max(1),
        late_permille: u64::from(late_permille),
        next: 0,
        events: u64::try_from(events).unwrap_or(u64::MAX),
        late: BinaryHeap::new(),
    }
}

struct Workload {
    rng: Rng,
    payers: Payers,
    accounts: u32,
    late_permille: u64,
    next: u64,
    events: u64,
    /// Events under way: (arrival, event time, json), the next to arrive on top.
    late: BinaryHeap<Reverse<(i64, i64, String)>>,
}

impl Iterator for Workload {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            let due = (self.next < self.events).then(|| self.time_of(self.next));
            let is_arrived = |at: i64| due.is_none_or(|due| at <= due);
            if self.late.peek().is_some_and(|Reverse((at, ..))| is_arrived(*at)) {
                return self.late.pop().map(|Reverse((_, time, json))| line(time, json));
            }
            let time = due?;
            let json = self.event(time);
            self.next += 1;
            if self.rng.chance(self.late_permille) {
                let arrival = time + self.rng.between(1, LATE_US_MAX);
                self.late.push(Reverse((arrival, time, json)));
                continue;
            }
            return Some(line(time, json));
        }
    }
}

fn line(time_us: i64, json: String) -> Line {
    Line { time_us, json, feed: Feed::Transactions }
}

impl Workload {
    /// Evenly spread; unique up to 1.2 billion events.
    fn time_of(&self, idx: u64) -> i64 {
        let offset = u128::from(idx) * u128::from(SPAN_US) / u128::from(self.events);
        day_start_us() + i64::try_from(offset).unwrap_or(0)
    }

    fn event(&mut self, time: i64) -> String {
        let payer = self.payers.draw(&mut self.rng);
        let payee = self.rng.below(u64::from(self.accounts));
        let amount = format_minor(self.rng.between(100, 499_999), 2);
        format!(
            concat!(
                r#"{{"txId":"F{:09}","reporter":"bank-a","creDtTm":"{}","kind":"TRANSFER","status":"ACSC","#,
                r#""amount":"{}","currency":"CNY","#,
                r#""debtor":{{"accountToken":"a{:07}","institution":"bank-a","accountType":"PERSONAL"}},"#,
                r#""creditor":{{"accountToken":"a{:07}","accountType":"PERSONAL"}},"channel":"MOBILE_APP"}}"#
            ),
            self.next,
            format_rfc3339(time),
            amount,
            payer,
            payee
        )
    }
}

/// Draws payers: rank k with a weight of 1 / k^s, from a table of running totals.
struct Payers {
    totals: Vec<u64>,
}

impl Payers {
    fn new(accounts: u32, exponent_permille: u32) -> Self {
        let exponent = f64::from(exponent_permille) / 1_000.0;
        let mut total = 0;
        let totals = (1..=accounts).map(|rank| {
            total += weight(f64::from(rank), exponent);
            total
        });
        Payers { totals: totals.collect() }
    }

    fn draw(&self, rng: &mut Rng) -> u64 {
        let ticket = rng.below(self.totals.last().copied().unwrap_or(1));
        u64::try_from(self.totals.partition_point(|&total| total <= ticket)).unwrap_or(0)
    }
}

/// 2^32 / rank^exponent in whole numbers, so that no sum of 2^32 ranks overflows; uniform weights are 1. The float is
/// a weight, never money or time.
fn weight(rank: f64, exponent: f64) -> u64 {
    if exponent == 0.0 {
        return 1;
    }
    let scaled = f64::from(u32::MAX) / rank.powf(exponent);
    (scaled as u64).max(1)
}
