//! What the tasks of a stage get and give: the rows' keys and arguments, what enters and leaves, the answers.

use crate::cell::Cell;
use crate::expr::downcast;
use crate::intern::Interner;
use crate::layout::{Layout, NULL_BIT};
use crate::rows::YoungRows;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

/// The partition key of every row of a stage, as bytes with their hash.
#[derive(Debug)]
pub(crate) struct Keys {
    bytes: KeyBytes,
    pub(crate) hashes: Vec<u64>,
    /// Rows of which a part of the key is NULL: in no log.
    pub(crate) null: Vec<bool>,
}

#[derive(Debug)]
enum KeyBytes {
    Text(StringArray),
    Encoded { data: Vec<u8>, ends: Vec<usize> },
}

impl Keys {
    pub(crate) fn new(columns: &[ArrayRef], rows: usize, hasher: &DefaultHashBuilder) -> Self {
        let bytes = match columns {
            [one] if one.data_type() == &DataType::Utf8 => KeyBytes::Text(downcast::<StringArray>(one).clone()),
            _ => encode(columns, rows),
        };
        let null = (0..rows).map(|row| columns.iter().any(|c| c.is_null(row))).collect();
        let mut keys = Keys { bytes, hashes: Vec::with_capacity(rows), null };
        for row in 0..rows {
            let hash = hasher.hash_one(keys.get(row));
            keys.hashes.push(hash);
        }
        keys
    }

    pub(crate) fn get(&self, row: usize) -> &[u8] {
        match &self.bytes {
            KeyBytes::Text(texts) => texts.value(row).as_bytes(),
            KeyBytes::Encoded { data, ends } => &data[if row == 0 { 0 } else { ends[row - 1] }..ends[row]],
        }
    }
}

/// Several key columns as one byte string: fixed width for numbers, length before text, so no two keys meet.
fn encode(columns: &[ArrayRef], rows: usize) -> KeyBytes {
    let (mut data, mut ends) = (Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        for column in columns.iter().filter(|c| c.is_valid(row)) {
            match column.data_type() {
                DataType::Utf8 => {
                    let text = downcast::<StringArray>(column).value(row);
                    data.extend_from_slice(&text.len().to_le_bytes());
                    data.extend_from_slice(text.as_bytes());
                }
                DataType::Boolean => data.push(u8::from(downcast::<arrow_array::BooleanArray>(column).value(row))),
                DataType::Timestamp(..) => {
                    let time = downcast::<arrow_array::TimestampMicrosecondArray>(column).value(row);
                    data.extend_from_slice(&time.to_le_bytes());
                }
                DataType::UInt64 => {
                    data.extend_from_slice(&downcast::<arrow_array::UInt64Array>(column).value(row).to_le_bytes());
                }
                _ => data.extend_from_slice(&downcast::<arrow_array::Int64Array>(column).value(row).to_le_bytes()),
            }
        }
        ends.push(data.len());
    }
    KeyBytes::Encoded { data, ends }
}

/// The inputs of one group for the rows of a stage.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) times: &'a [i64],
    pub(crate) rows: &'a [u64],
    pub(crate) causes: &'a [u64],
    pub(crate) arguments: &'a [(Vec<i64>, Option<arrow_buffer::NullBuffer>)],
    pub(crate) flags: &'a [i64],
}

impl Inputs<'_> {
    pub(crate) fn write_entry(&self, at: usize, entry: &mut Vec<i64>) {
        entry.clear();
        let mut flags = self.flags.get(at).copied().unwrap_or(0);
        entry.extend([self.times[at], self.rows[at].cast_signed(), 0]);
        for (slot, (values, nulls)) in self.arguments.iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|n| n.is_null(at));
            flags |= i64::from(is_null) << (NULL_BIT + slot);
            entry.push(if is_null { 0 } else { values[at] });
        }
        entry[2] = flags;
    }
}

/// An old row whose entry is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    pub(crate) row: u64,
    /// Key range and slot of its entry.
    pub(crate) place: u64,
    /// The new row that is why.
    pub(crate) cause: u64,
}

/// Work for one key range: old rows that may leave or change, rows that enter, both in log order.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Rows that leave, or change and enter again.
    pub(crate) leaving: Vec<Leaving>,
    /// Positions in the stage of rows that enter.
    pub(crate) entering: Vec<u32>,
    /// Positions in the stage of rows that are shed although their keys are in use.
    pub(crate) missing: Vec<u32>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.entering.is_empty() && self.missing.is_empty()
    }
}

/// Answers of one task, by row.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) rows: Vec<u64>,
    pub(crate) causes: Vec<u64>,
    pub(crate) cells: Vec<Cell>,
    /// Where each entering row's entry went.
    pub(crate) places: Vec<u64>,
    /// Positions in `rows` of those whose answers may miss events that were shed.
    pub(crate) doubtful: Vec<usize>,
}

impl Answers {
    pub(crate) fn with_capacity(rows: usize, answers: usize) -> Self {
        let (causes, cells) = (Vec::with_capacity(rows), Vec::with_capacity(rows * answers));
        let (rows, places) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        Answers { rows, causes, cells, places, doubtful: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: u64, cause: u64, cells: &[Cell], doubtful_until: i64, context: &Context<'_>) {
        self.rows.push(row);
        self.causes.push(cause);
        self.cells.extend_from_slice(cells);
        if doubtful_until > i64::MIN && context.young.time(row) <= doubtful_until {
            self.doubtful.push(self.rows.len() - 1);
        }
    }
}

/// What a task may read.
pub(crate) struct Context<'a> {
    pub(crate) young: &'a YoungRows,
    pub(crate) texts: &'a Interner,
    pub(crate) horizon: i64,
    pub(crate) first_new: u64,
}

/// What a task must know of its group beside the layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFacts {
    /// See [`crate::readers::readers`].
    pub(crate) readers: u64,
    /// Until when results of a key that comes into use now may miss events that were shed.
    pub(crate) doubtful_until: i64,
}

/// What one key range has to do in a step of its group.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    /// Number of the range.
    pub(crate) number: usize,
    pub(crate) layout: &'a Layout,
    pub(crate) work: &'a Work,
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) context: &'a Context<'a>,
    pub(crate) about: GroupFacts,
}
