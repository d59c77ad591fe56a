//! What a frame holds, so that a row may enter and leave at either end exactly: integers and multisets, no floats
//! until the final division.

use crate::faults::{Fault, on};
use crate::intern::Interner;
use crate::plan::{Function, ValueKind};
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Distinct values up to this many are searched one by one, beyond it by hash.
const SMALL_MAX: usize = 12;

/// One value of the log: NULL is `None`.
pub(crate) type Cell = Option<i64>;

/// A multiset of values: few in a line, many in a table.
#[derive(Debug)]
pub(crate) enum Multiset {
    Small(Vec<(i64, u32)>),
    Large(HashMap<i64, u32>),
}

impl Multiset {
    fn len(&self) -> usize {
        match self {
            Multiset::Small(v) => v.len(),
            Multiset::Large(m) => m.len(),
        }
    }

    fn add(&mut self, value: i64) {
        match self {
            Multiset::Small(pairs) => {
                if let Some(pair) = pairs.iter_mut().find(|p| p.0 == value) {
                    pair.1 += 1;
                    return;
                }
                pairs.push((value, 1));
                if pairs.len() > SMALL_MAX {
                    *self = Multiset::Large(pairs.drain(..).collect());
                }
            }
            Multiset::Large(map) => *map.entry(value).or_insert(0) += 1,
        }
    }

    fn remove(&mut self, value: i64) {
        match self {
            Multiset::Small(pairs) => {
                let at = pairs.iter().position(|p| p.0 == value).expect("only values that entered leave");
                pairs[at].1 -= 1;
                if pairs[at].1 == 0 {
                    pairs.swap_remove(at);
                }
            }
            Multiset::Large(map) => {
                let count = map.get_mut(&value).expect("only values that entered leave");
                *count -= 1;
                if *count == 0 {
                    map.remove(&value);
                }
                if map.is_empty() {
                    *self = Multiset::Small(Vec::new());
                }
            }
        }
    }
}

/// State of one accumulator of one key.
#[derive(Debug)]
pub(crate) enum Accumulator {
    Count(i64),
    Sum {
        n: i64,
        sum: i128,
    },
    Moments(Box<(i128, i128, i128)>),
    Distinct(Multiset),
    Numbers(BTreeMap<i64, u32>),
    Texts(BTreeMap<Arc<str>, u32>),
    /// Sorted values.
    Median(Vec<i64>),
    /// (position, value) of the rows that pass, in log order.
    Positions(VecDeque<(u64, Cell)>),
    /// The answer needs the log alone (`lag`, `row_number`).
    Stateless,
}

impl Accumulator {
    pub(crate) fn new(function: Function, kind: Option<ValueKind>) -> Self {
        use Function::*;
        match function {
            Count => Accumulator::Count(0),
            Sum => Accumulator::Sum { n: 0, sum: 0 },
            Avg | VarSample | VarPopulation | StddevSample | StddevPopulation => Accumulator::Moments(Box::default()),
            CountDistinct => Accumulator::Distinct(Multiset::Small(Vec::new())),
            Min | Max if kind == Some(ValueKind::Text) => Accumulator::Texts(BTreeMap::new()),
            Min | Max => Accumulator::Numbers(BTreeMap::new()),
            Median => Accumulator::Median(Vec::new()),
            Earliest | Latest | FirstValue | LastValue => Accumulator::Positions(VecDeque::new()),
            Lag(_) | RowNumber => Accumulator::Stateless,
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
                *sum += i128::from(v);
            }
            Accumulator::Moments(m) => {
                let v = i128::from(v);
                **m = (m.0 + 1, m.1 + v, m.2 + v * v);
            }
            Accumulator::Distinct(set) => set.add(v),
            Accumulator::Numbers(map) => *map.entry(v).or_insert(0) += 1,
            Accumulator::Texts(map) => *map.entry(texts.text(v).clone()).or_insert(0) += 1,
            Accumulator::Median(sorted) => sorted.insert(sorted.partition_point(|x| *x < v), v),
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
                *sum -= i128::from(v);
            }
            Accumulator::Moments(m) => {
                let v = i128::from(v);
                **m = (m.0 - 1, m.1 - v, m.2 - v * v);
            }
            Accumulator::Distinct(set) => set.remove(v),
            Accumulator::Numbers(map) => take_one(map, &v),
            Accumulator::Texts(map) => take_one(map, texts.text(v)),
            Accumulator::Median(sorted) => {
                sorted.remove(sorted.partition_point(|x| *x < v));
            }
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
    pub(crate) fn answer(&self, function: Function, texts: &Interner) -> Cell {
        use Function::*;
        match self {
            Accumulator::Count(n) => Some(*n),
            Accumulator::Sum { n, sum } if *n > 0 || on(Fault::SumWithoutCount) => i64::try_from(*sum).ok(),
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
                text.and_then(|(t, _)| texts.find(t))
            }
            Accumulator::Median(sorted) => median(sorted).map(|x| i64::from_ne_bytes(x.to_bits().to_ne_bytes())),
            Accumulator::Positions(rows) => {
                let row = if matches!(function, Earliest | FirstValue) { rows.front() } else { rows.back() };
                row.and_then(|r| r.1)
            }
            Accumulator::Stateless => None,
        }
    }
}

fn take_one<K: Ord + Clone>(map: &mut BTreeMap<K, u32>, key: &K) {
    let count = map.get_mut(key).expect("only values that entered leave");
    *count -= 1;
    if *count == 0 {
        map.remove(key);
    }
}

/// `avg`, `var`, `stddev` from n, the sum and the sum of squares: one formula, used live and in batch.
#[allow(clippy::cast_precision_loss)] // the one division at the end; both executors make it the same way
pub fn statistic(function: Function, n: i128, s1: i128, s2: i128) -> Option<f64> {
    let spread = || (n * s2 - s1 * s1) as f64;
    match function {
        Function::Avg if n > 0 => Some(s1 as f64 / n as f64),
        Function::VarPopulation if n > 0 => Some(spread() / (n * n) as f64),
        Function::StddevPopulation if n > 0 => Some((spread() / (n * n) as f64).sqrt()),
        Function::VarSample if n > 1 => Some(spread() / (n * (n - 1)) as f64),
        Function::StddevSample if n > 1 => Some((spread() / (n * (n - 1)) as f64).sqrt()),
        _ => None,
    }
}

/// The middle value, or the mean of the two middle ones, of sorted values.
#[allow(clippy::cast_precision_loss)]
pub fn median(sorted: &[i64]) -> Option<f64> {
    let n = sorted.len();
    if n == 0 {
        return None;
    }
    let (low, high) = (i128::from(sorted[(n - 1) / 2]), i128::from(sorted[n / 2]));
    Some((low + high) as f64 / 2.0)
}
