//! The sections of a profile: of each what its rows tell of, counted and summed up in one pass over a table.

use crate::serve::gate::Refused;
use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Rows of each section: the rest is summed up in none.
const SECTION_ROWS: usize = 10;
/// Columns before those of the sections: time and amount.
const COMMON: usize = 2;
/// What a thing told of takes in memory beside its name, bytes.
const ENTRY: usize = 2 * (size_of::<Sums>() + size_of::<Box<str>>());

/// The rows of one thing.
#[derive(Debug, Clone, Copy)]
struct Sums {
    events: i64,
    /// 128 bits: no sum of 64-bit amounts overflows it.
    amount: Option<i128>,
    /// First and last time.
    span: Option<(i64, i64)>,
}

impl Sums {
    fn add(&mut self, amount: Option<i64>, time: Option<i64>) {
        self.events += 1;
        if let Some(amount) = amount {
            self.amount = Some(self.amount.unwrap_or(0) + i128::from(amount));
        }
        if let Some(time) = time {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }
}

const NOTHING: Sums = Sums { events: 0, amount: None, span: None };

/// A row of the profile.
#[derive(Debug)]
pub struct Told {
    /// The section.
    pub section: &'static str,
    /// What it is about.
    pub what: Option<String>,
    /// How many rows.
    pub events: i64,
    /// Their amounts, minor units; `None` where none has one.
    pub amount: Option<i64>,
    /// Times of the first and the last one, microseconds.
    pub span: Option<(i64, i64)>,
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    things: HashMap<Box<str>, Sums>,
    /// Of rows that name nothing.
    unnamed: Sums,
}

/// The columns that all sections share.
struct Common<'a> {
    times: &'a TimestampMicrosecondArray,
    amounts: &'a Int64Array,
}

impl Section {
    /// Takes in the rows that are its own; how many bytes it grew by.
    fn add(&mut self, common: &Common<'_>, is_own: &BooleanArray, what: &StringArray) -> usize {
        let mut grown = 0;
        for row in (0..is_own.len()).filter(|row| is_own.is_valid(*row) && is_own.value(*row)) {
            let amount = common.amounts.is_valid(row).then(|| common.amounts.value(row));
            let time = common.times.is_valid(row).then(|| common.times.value(row));
            if what.is_null(row) {
                self.unnamed.add(amount, time);
            } else if let Some(sums) = self.things.get_mut(what.value(row)) {
                sums.add(amount, time);
            } else {
                let mut sums = NOTHING;
                sums.add(amount, time);
                self.things.insert(what.value(row).into(), sums);
                grown += ENTRY + what.value(row).len();
            }
        }
        grown
    }

    /// The things with the most rows, in this order.
    fn told(self) -> Result<Vec<Told>> {
        let unnamed = (self.unnamed.events > 0).then_some((None, self.unnamed));
        let named = self.things.into_iter().map(|(what, sums)| (Some(what.into_string()), sums));
        let mut things: Vec<(Option<String>, Sums)> = named.chain(unnamed).collect();
        // Nothing named comes last, as in SQL.
        things.sort_unstable_by(|(a, of_a), (b, of_b)| {
            let key = |what: &Option<String>, sums: &Sums| (Reverse(sums.events), what.is_none());
            key(a, of_a).cmp(&key(b, of_b)).then_with(|| a.cmp(b))
        });
        things.truncate(SECTION_ROWS);
        things.into_iter().map(|(what, sums)| told(self.name, what, &sums)).collect()
    }
}

fn told(section: &'static str, what: Option<String>, sums: &Sums) -> Result<Told> {
    let amount = sums.amount.map(i64::try_from).transpose().map_err(|_| {
        let message = format!("the amounts of section `{section}` add up to more than 64 bits hold");
        DataFusionError::External(Box::new(Refused { state: "22003", message }))
    })?;
    Ok(Told { section, what, events: sums.events, amount, span: sums.span })
}

/// The sections that a table tells.
#[derive(Debug)]
pub struct Sections {
    sections: Vec<Section>,
    memory: MemoryReservation,
}

impl Sections {
    /// `memory`: where what they hold is counted.
    pub fn new(names: impl Iterator<Item = &'static str>, memory: MemoryReservation) -> Sections {
        let section = |name| Section { name, things: HashMap::new(), unnamed: NOTHING };
        Sections { sections: names.map(section).collect(), memory }
    }

    /// Takes in rows: time, amount, and for each section whether a row is its own and what it tells of.
    ///
    /// # Errors
    /// When the pool has no room.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        let common = Common {
            times: rows.column(0).as_primitive::<TimestampMicrosecondType>(),
            amounts: rows.column(1).as_primitive::<Int64Type>(),
        };
        for (at, section) in self.sections.iter_mut().enumerate() {
            let (is_own, what) = (rows.column(COMMON + 2 * at), rows.column(COMMON + 2 * at + 1));
            // A text may come as a view of one.
            let what = cast(what, &DataType::Utf8)?;
            let grown = section.add(&common, is_own.as_boolean(), what.as_string::<i32>());
            self.memory.try_grow(grown)?;
        }
        Ok(())
    }

    /// The rows of all sections, in their order.
    ///
    /// # Errors
    /// When a sum has no place in 64 bits.
    pub fn told(self) -> Result<Vec<Told>> {
        let told: Result<Vec<Vec<Told>>> = self.sections.into_iter().map(Section::told).collect();
        Ok(told?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringViewArray};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};
    use std::sync::Arc;

    fn rows(amounts: Vec<Option<i64>>, own: Vec<Option<bool>>, what: Vec<Option<&str>>) -> RecordBatch {
        let times = TimestampMicrosecondArray::from_iter_values((1..).take(own.len())).with_timezone("UTC");
        let columns: [ArrayRef; 4] = [
            Arc::new(times),
            Arc::new(Int64Array::from(amounts)),
            Arc::new(BooleanArray::from(own)),
            Arc::new(StringViewArray::from(what)),
        ];
        RecordBatch::try_from_iter(["a", "b", "c", "d"].into_iter().zip(columns)).unwrap()
    }

    fn sections(bytes: usize) -> Sections {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        Sections::new(["one"].into_iter(), MemoryConsumer::new("test").register(&pool))
    }

    #[test]
    fn things_come_by_their_rows_then_by_name_and_what_names_nothing_last() {
        let mut sections = sections(1_000_000);
        let own = vec![Some(true), Some(true), Some(false), None, Some(true), Some(true)];
        let what = vec![Some("b"), Some("a"), Some("a"), Some("a"), Some("b"), None];
        let amounts = vec![Some(i64::MAX), None, Some(9), Some(9), Some(-1), Some(3)];
        sections.add(&rows(amounts, own, what)).unwrap();
        let told: Vec<_> =
            sections.told().unwrap().into_iter().map(|t| (t.what, t.events, t.amount, t.span.unwrap())).collect();
        let b = (Some("b".to_owned()), 2, Some(i64::MAX - 1), (1, 5));
        assert_eq!(told, [b, (Some("a".to_owned()), 1, None, (2, 2)), (None, 1, Some(3), (6, 6))]);
    }

    #[test]
    fn a_section_shows_the_ten_with_the_most_rows() {
        let mut sections = sections(1_000_000);
        let names: Vec<String> = (10..30).flat_map(|n| vec![format!("n{n}"); n]).collect();
        let count = names.len();
        let what = names.iter().map(|name| Some(name.as_str())).collect();
        sections.add(&rows(vec![None; count], vec![Some(true); count], what)).unwrap();
        let told: Vec<_> = sections.told().unwrap().into_iter().filter_map(|row| row.what).collect();
        let most: Vec<String> = (20..30).rev().map(|n| format!("n{n}")).collect();
        assert_eq!(told, most);
    }

    #[test]
    fn a_sum_beyond_64_bits_and_a_pool_without_room_are_errors() {
        let two = || rows(vec![Some(i64::MAX); 2], vec![Some(true); 2], vec![Some("a"); 2]);
        let mut wide = sections(1_000_000);
        wide.add(&two()).unwrap();
        assert!(wide.told().unwrap_err().to_string().contains("64 bits"));
        assert!(sections(10).add(&two()).is_err());
    }
}
