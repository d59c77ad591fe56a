//! What a frame holds, so that a row may enter and leave at either end exactly: integers and multisets, no floats
//! until the final division.

use crate::cell::Cell;
use crate::faults::{Fault, on};
use crate::intern::Interner;
use crate::multiset::Multiset;
use crate::plan::{Function, ValueKind};
use crate::sorted::Sorted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;

/// An `i128` that asks for no 16-byte alignment, so that an accumulator has 32 bytes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Wide([u64; 2]);

impl Wide {
    fn get(self) -> i128 {
        (u128::from(self.0[1]) << 64 | u128::from(self.0[0])).cast_signed()
    }

    fn add(&mut self, value: i128) {
        let sum = (self.get() + value).cast_unsigned();
        self.0 = [sum as u64, (sum >> 64) as u64];
    }
}

/// State of one accumulator of one key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Accumulator {
    Count(i64),
    Sum {
        n: i64,
        sum: Wide,
    },
    Moments(Box<(i128, i128, i128)>),
    Distinct(Multiset),
    Numbers(BTreeMap<i64, u64>),
    /// Text to its id and how often.
    Texts(BTreeMap<Arc<str>, (i64, u64)>),
    Median(Sorted),
    /// (position, value) of the rows that pass, in log order. Boxed: an accumulator has 32 bytes.
    #[allow(clippy::box_collection)]
    Positions(Box<VecDeque<(u64, Cell)>>),
    /// The answer needs the log alone (`lag`, `row_number`).
    Stateless,
}

impl Accumulator {
    pub(crate) fn new(function: Function, kind: Option<ValueKind>) -> Self {
        use Function::*;
        match function {
            Count => Accumulator::Count(0),
            Sum => Accumulator::Sum { n: 0, sum: Wide::default() },
            Avg | VarSample | VarPopulation | StddevSample | StddevPopulation => Accumulator::Moments(Box::default()),
            CountDistinct => Accumulator::Distinct(Multiset::new()),
            Min | Max if kind == Some(ValueKind::Text) => Accumulator::Texts(BTreeMap::new()),
            Min | Max => Accumulator::Numbers(BTreeMap::new()),
            Median => Accumulator::Median(Sorted::new()),
            Earliest | Latest | FirstValue | LastValue => Accumulator::Positions(Box::default()),
            Lag(_) | RowNumber => Accumulator::Stateless,
        }
    }

    /// A copy of one that is a few numbers.
    pub(crate) fn copy_linear(&self) -> Accumulator {
        match self {
            Accumulator::Count(n) => Accumulator::Count(*n),
            Accumulator::Sum { n, sum } => Accumulator::Sum { n: *n, sum: *sum },
            Accumulator::Moments(m) => Accumulator::Moments(m.clone()),
            _ => unreachable!("only counts and sums are copied"),
        }
    }

    /// An empty one of `min` or `max`.
    pub(crate) fn empty_extreme(&self) -> Accumulator {
        match self {
            Accumulator::Texts(_) => Accumulator::Texts(BTreeMap::new()),
            _ => Accumulator::Numbers(BTreeMap::new()),
        }
    }

    /// Of two answers of `min` or `max` over parts of a frame, the one over both.
    pub(crate) fn better(&self, function: Function, one: Cell, other: Cell, texts: &Interner) -> Cell {
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        let is_less = if matches!(self, Accumulator::Texts(_)) { texts.text(a) <= texts.text(b) } else { a <= b };
        Some(if is_less == (function == Function::Min) { a } else { b })
    }

    /// Loads what the next rows will meet.
    pub(crate) fn warm(&self) {
        match self {
            Accumulator::Distinct(set) => set.warm(),
            Accumulator::Positions(rows) => {
                black_box(rows.front().copied());
            }
            _ => {}
        }
    }

    /// Values it keeps.
    pub(crate) fn values(&self) -> usize {
        match self {
            Accumulator::Distinct(set) => set.len(),
            Accumulator::Numbers(map) => map.len(),
            Accumulator::Texts(map) => map.len(),
            Accumulator::Median(sorted) => sorted.len(),
            Accumulator::Positions(rows) => rows.len(),
            Accumulator::Count(_) | Accumulator::Sum { .. } | Accumulator::Moments(_) | Accumulator::Stateless => 0,
        }
    }

    /// Bytes of the state, with an estimate of a B-tree's nodes.
    pub(crate) fn bytes(&self) -> usize {
        let behind = match self {
            Accumulator::Distinct(set) => set.bytes(),
            Accumulator::Moments(_) => size_of::<(i128, i128, i128)>(),
            Accumulator::Numbers(map) => map.len() * 2 * size_of::<(i64, u64)>(),
            Accumulator::Texts(map) => map.len() * 2 * size_of::<(Arc<str>, (i64, u64))>(),
            Accumulator::Median(sorted) => sorted.bytes(),
            Accumulator::Positions(rows) => rows.capacity() * size_of::<(u64, Cell)>(),
            Accumulator::Count(_) | Accumulator::Sum { .. } | Accumulator::Stateless => 0,
        };
        size_of::<Accumulator>() + behind
    }

    /// Is [`Accumulator::begin`] of use?
    pub(crate) fn has_table(&self) -> bool {
        matches!(self, Accumulator::Distinct(set) if set.is_large())
    }

    /// Loads what this value will meet when it enters or leaves.
    pub(crate) fn begin(&self, value: Cell) {
        if let (Accumulator::Distinct(set), Some(value)) = (self, value) {
            set.begin(value);
        }
    }

    /// A row enters: at the end of the frame, or at its start when a cursor goes back.
    pub(crate) fn add(&mut self, position: u64, value: Cell, texts: &Interner) {
        if let Accumulator::Positions(rows) = self {
            match rows.front() {
                Some(first) if position < first.0 => rows.push_front((position, value)),
                _ => rows.push_back((position, value)),
            }
            return;
        }
        let Some(v) = value else { return };
        match self {
            Accumulator::Count(n) => *n += 1,
            Accumulator::Sum { n, sum } => {
                *n += 1;
                sum.add(i128::from(v));
            }
            Accumulator::Moments(m) => {
                let v = i128::from(v);
                **m = (m.0 + 1, m.1 + v, m.2.wrapping_add(v * v));
            }
            Accumulator::Distinct(set) => set.add(v),
            Accumulator::Numbers(map) => *map.entry(v).or_insert(0) += 1,
            Accumulator::Texts(map) => map.entry(texts.text(v).clone()).or_insert((v, 0)).1 += 1,
            Accumulator::Median(sorted) => sorted.add(v),
            Accumulator::Positions(_) | Accumulator::Stateless => {}
        }
    }

    /// A row leaves: at the start of the frame, or at its end when a cursor goes back.
    pub(crate) fn remove(&mut self, position: u64, value: Cell, texts: &Interner) {
        if let Accumulator::Positions(rows) = self {
            if rows.front().is_some_and(|r| r.0 == position) {
                rows.pop_front();
            } else {
                let last = rows.pop_back();
                debug_assert!(last.is_some_and(|r| r.0 == position), "rows leave at the ends");
            }
            return;
        }
        let Some(v) = value else { return };
        match self {
            Accumulator::Count(n) => *n -= 1,
            Accumulator::Sum { n, sum } => {
                *n -= 1;
                sum.add(-i128::from(v));
            }
            Accumulator::Moments(m) => {
                let v = i128::from(v);
                **m = (m.0 - 1, m.1 - v, m.2.wrapping_sub(v * v));
            }
            Accumulator::Distinct(set) => set.remove(v),
            Accumulator::Numbers(map) => take_one(map, &v, |n| n),
            Accumulator::Texts(map) => take_one(map, texts.text(v), |(_, n)| n),
            Accumulator::Median(sorted) => sorted.remove(v),
            Accumulator::Positions(_) | Accumulator::Stateless => {}
        }
    }

    /// Forgets passing rows that no answer can need any more, for frames that never let go of a row:
    /// the first one and the last one before `position` stay.
    pub(crate) fn thin(&mut self, position: u64) {
        if let Accumulator::Positions(rows) = self {
            while rows.len() > 2 && rows[2].0 < position {
                rows.remove(1);
            }
        }
    }

    /// The answer for the frame as it stands. `None` is NULL; a sum beyond BIGINT is NULL too.
    pub(crate) fn answer(&self, function: Function) -> Cell {
        use Function::*;
        match self {
            Accumulator::Count(n) => Some(*n),
            Accumulator::Sum { n, sum } if *n > 0 || on(Fault::SumWithoutCount) => i64::try_from(sum.get()).ok(),
            Accumulator::Sum { .. } => None,
            Accumulator::Moments(m) => {
                statistic(function, m.0, m.1, m.2).map(|x| i64::from_ne_bytes(x.to_bits().to_ne_bytes()))
            }
            Accumulator::Distinct(set) => i64::try_from(set.len()).ok(),
            Accumulator::Numbers(map) => {
                if function == Min { map.first_key_value() } else { map.last_key_value() }.map(|(v, _)| *v)
            }
            Accumulator::Texts(map) => {
                let text = if function == Min { map.first_key_value() } else { map.last_key_value() };
                text.map(|(_, (id, _))| *id)
            }
            Accumulator::Median(sorted) => {
                sorted.middle().map(mean).map(|x| i64::from_ne_bytes(x.to_bits().to_ne_bytes()))
            }
            Accumulator::Positions(rows) => {
                let row = if matches!(function, Earliest | FirstValue) { rows.front() } else { rows.back() };
                row.and_then(|r| r.1)
            }
            Accumulator::Stateless => None,
        }
    }
}

fn take_one<K: Ord, V>(map: &mut BTreeMap<K, V>, key: &K, count_of: impl Fn(&mut V) -> &mut u64) {
    let count = count_of(map.get_mut(key).expect("only values that entered leave"));
    *count -= 1;
    if *count == 0 {
        map.remove(key);
    }
}

/// `avg`, `var`, `stddev` from n, the sum and the sum of squares: one formula, used live and in batch. NULL when the squares
/// are beyond 128 bits, which `avg` does not ask for.
#[allow(clippy::cast_precision_loss)] // the one division at the end; both executors make it the same way
pub fn statistic(function: Function, n: i128, s1: i128, s2: i128) -> Option<f64> {
    if s2 < 0 && function != Function::Avg {
        return None;
    }
    match function {
        Function::Avg if n > 0 => Some(s1 as f64 / n as f64),
        Function::VarPopulation if n > 0 => Some(spread(n, s1, s2) / (n * n) as f64),
        Function::StddevPopulation if n > 0 => Some((spread(n, s1, s2) / (n * n) as f64).sqrt()),
        Function::VarSample if n > 1 => Some(spread(n, s1, s2) / (n * (n - 1)) as f64),
        Function::StddevSample if n > 1 => Some((spread(n, s1, s2) / (n * (n - 1)) as f64).sqrt()),
        _ => None,
    }
}

/// `n * s2 - s1 * s1`, exact until it is rounded. It is not negative. A million large amounts are beyond 128 bits.
#[allow(clippy::cast_precision_loss)]
fn spread(n: i128, s1: i128, s2: i128) -> f64 {
    let small = || n.checked_mul(s2)?.checked_sub(s1.checked_mul(s1)?);
    if let Some(spread) = small() {
        return spread as f64;
    }
    let (all, mean) = (product(n.unsigned_abs(), s2.unsigned_abs()), product(s1.unsigned_abs(), s1.unsigned_abs()));
    let (low, borrows) = all.1.overflowing_sub(mean.1);
    let high = all.0.wrapping_sub(mean.0).wrapping_sub(u128::from(borrows));
    high as f64 * 2_f64.powi(128) + low as f64
}

/// A product as its upper and its lower 128 bits.
fn product(a: u128, b: u128) -> (u128, u128) {
    const HALF: u32 = 64;
    let halves = |x: u128| (x >> HALF, x & u128::from(u64::MAX));
    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let (low, (cross, carries)) = (a0 * b0, (a1 * b0).overflowing_add(a0 * b1));
    let (low, carry) = low.overflowing_add(cross << HALF);
    (a1 * b1 + (cross >> HALF) + (u128::from(carries) << HALF) + u128::from(carry), low)
}

/// The middle value, or the mean of the two middle ones, of sorted values.
pub fn median(sorted: &[i64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(mean((sorted[last / 2], sorted[last.div_ceil(2)])))
}

#[allow(clippy::cast_precision_loss)]
fn mean((low, high): (i64, i64)) -> f64 {
    (i128::from(low) + i128::from(high)) as f64 / 2.0
}

const _: () = assert!(size_of::<Accumulator>() == 32, "two accumulators in a cache line");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_million_large_amounts_is_exact() {
        let (n, v) = (1_000_000_i128, 1_000_000_000_000_000_i128);
        // Half are 0, half are v.
        let (s1, s2) = (n / 2 * v, n / 2 * v * v);
        assert_eq!(statistic(Function::VarPopulation, n, s1, s2), Some(2.5e29));
        assert_eq!(statistic(Function::StddevPopulation, n, s1, s2), Some(5e14));
        assert_eq!(statistic(Function::VarPopulation, n, n * v, n * v * v), Some(0.0), "all are v");
        assert_eq!(statistic(Function::VarPopulation, 2, 2, 4), Some(1.0));
        assert_eq!(statistic(Function::VarPopulation, 2, 2, -1), None, "beyond 128 bits");
    }

    #[test]
    fn an_average_needs_no_squares() {
        let texts = Interner::default();
        let mut accumulator = Accumulator::new(Function::Avg, None);
        for rows in 1..=9 {
            accumulator.add(rows, Some(i64::MIN), &texts);
            let bits = accumulator.answer(Function::Avg).map(|bits| f64::from_bits(bits.cast_unsigned()));
            assert_eq!(bits, Some(-(2_f64.powi(63))), "{rows} rows");
        }
    }

    #[test]
    fn a_product_of_two_wide_numbers_is_exact() {
        assert_eq!(product(u128::MAX, u128::MAX), (u128::MAX - 1, 1));
        assert_eq!(product(1 << 100, 1 << 60), (1 << 32, 0));
        assert_eq!(product(3, 5), (0, 15));
    }

    #[test]
    fn squares_that_pass_128_bits_come_back_when_their_rows_leave() {
        let texts = Interner::default();
        let mut accumulator = Accumulator::new(Function::VarPopulation, None);
        (0..9).for_each(|at| accumulator.add(at, Some(i64::MIN), &texts));
        accumulator.add(9, Some(2), &texts);
        accumulator.add(10, Some(4), &texts);
        (0..9).for_each(|at| accumulator.remove(at, Some(i64::MIN), &texts));
        let bits = accumulator.answer(Function::VarPopulation).map(|bits| f64::from_bits(bits.cast_unsigned()));
        assert_eq!(bits, Some(1.0));
    }
}
