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

/// Twenty minutes.
const SPAN_S: u32 = 20 * 60;
const LATE_US_MAX: i64 = 30 * SECOND_US;

/// What the workload is made of.
#[derive(Debug, Clone, Copy)]
pub struct Few1 {
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Transaction reports.
    pub events: usize,
    /// Payers.
    pub accounts: u32,
    /// How unequal the payers are: thousandths of the Zipf exponent, 0 = uniform.
    pub zipf_permille: u32,
    /// So many of a thousand events arrive up to 30 s late.
    pub late_permille: u32,
    /// So many of a thousand events are paid by the first account, beside what it draws.
    pub hot_permille: u32,
    /// Seconds of event time over which they are spread.
    pub span_s: u32,
}

impl Default for Few1 {
    fn default() -> Self {
        Few1 {
            seed: 1,
            events: 0,
            accounts: 1_000_000,
            zipf_permille: 1_000,
            late_permille: 0,
            hot_permille: 0,
            span_s: SPAN_S,
        }
    }
}

/// The workload FEW-1, spread evenly over its event time (20 minutes, if nobody says otherwise) at unique microseconds: the order of the iterator is the order
/// of arrival.
pub fn few1(of: Few1) -> impl Iterator<Item = Line> {
    let accounts = of.accounts.max(1);
    Workload {
        rng: Rng::new(of.seed),
        payers: Payers::new(accounts, of.zipf_permille),
        accounts,
        late_permille: u64::from(of.late_permille),
        hot_permille: u64::from(of.hot_permille),
        next: 0,
        events: u64::try_from(of.events).unwrap_or(u64::MAX),
        span_us: u64::from(of.span_s) * SECOND_US.unsigned_abs(),
        late: BinaryHeap::new(),
    }
}

struct Workload {
    rng: Rng,
    payers: Payers,
    accounts: u32,
    late_permille: u64,
    hot_permille: u64,
    next: u64,
    events: u64,
    span_us: u64,
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
    /// Evenly spread; unique up to 1.2 billion events in twenty minutes.
    fn time_of(&self, idx: u64) -> i64 {
        let offset = u128::from(idx) * u128::from(self.span_us) / u128::from(self.events);
        day_start_us() + i64::try_from(offset).unwrap_or(0)
    }

    fn event(&mut self, time: i64) -> String {
        let is_hot = self.hot_permille > 0 && self.rng.chance(self.hot_permille);
        let payer = if is_hot { 0 } else { self.payers.draw(&mut self.rng) };
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
