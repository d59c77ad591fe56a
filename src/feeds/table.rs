//! Columns that another writer made (Parquet) as the columns of a feed: exact conversions or none, and the values of each
//! row checked as the decoder checks a record's.

mod convert;
mod values;

use crate::codes::{self, Code};
use crate::decode::Counts;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter;
use foreshock_core::{Feed, Type, ids};
use std::fmt;

/// Most column names that an error lists.
const NAMES_MAX: usize = 12;

/// A column that cannot be converted exactly: the whole file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeProblem {
    /// Column.
    pub column: &'static str,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl fmt::Display for TypeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column `{}` is {}, not {}", self.column, self.found, self.expected)
    }
}

impl std::error::Error for TypeProblem {}

/// A row that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRefused {
    /// Its number in the batch, from 0.
    pub row: usize,
    /// Reason.
    pub code: Code,
    /// The column where it stands.
    pub column: &'static str,
}

/// What was taken from a batch.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The right rows, in their order.
    pub batch: RecordBatch,
    /// The others, in theirs.
    pub refused: Vec<RowRefused>,
    /// What was tolerated: codes of open sets that became `OTHER`, and columns that the feed does not read.
    pub counts: Counts,
}

/// The feed whose table has these columns. More columns may be there; they are ignored.
///
/// # Errors
/// When a column is missing, which is never taken for NULL, or stands twice: with the table that it looks like.
pub fn feed_of(schema: &Schema) -> Result<Feed, String> {
    let count = |name: &str| schema.fields().iter().filter(|f| f.name() == name).count();
    let missing =
        |feed: Feed| feed.columns().iter().map(|c| c.name).filter(|name| count(name) == 0).collect::<Vec<_>>();
    let found = |feed: &Feed| (feed.columns().len() - missing(*feed).len(), std::cmp::Reverse(missing(*feed).len()));
    let feed = Feed::ALL.into_iter().max_by_key(found).unwrap_or(Feed::Transactions);
    if feed.columns().iter().all(|c| count(c.name) == 0) {
        return Err("no column of it is one of a feed's table".to_owned());
    }
    if let [first, ..] = missing(feed).as_slice() {
        let like = schema.fields().iter().find(|f| f.name().eq_ignore_ascii_case(first));
        let hint = like.map_or(String::new(), |f| format!("; it has `{}`, and case matters", f.name()));
        return Err(format!("it looks like `{}`, but lacks {}{hint}", feed.table(), list(&missing(feed))));
    }
    match feed.columns().iter().find(|c| count(c.name) > 1) {
        Some(column) => Err(format!("column `{}` stands twice", column.name)),
        None => Ok(feed),
    }
}

fn list(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 { format!(" and {more} more columns") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// Turns a batch into the feed's columns. `schema` is the feed's table as Arrow sees it.
///
/// Conversions are exact: whole numbers of any width, decimals without decimals, times of any unit (digits beyond the
/// microsecond are cut, one without a time zone is UTC), texts of any layout, whole numbers as texts. NULL stands for an
/// absent field, as in JSON.
///
/// # Errors
/// The column that has another type.
pub fn take(feed: Feed, schema: SchemaRef, batch: &RecordBatch) -> Result<Taken, TypeProblem> {
    let mut rows = Rows { refused: vec![None; batch.num_rows()], unknown_codes: 0 };
    let mut columns = Vec::with_capacity(feed.columns().len());
    for column in feed.columns() {
        let array = batch.column_by_name(column.name).ok_or_else(|| TypeProblem {
            column: column.name,
            expected: convert::expected(column),
            found: "missing".to_owned(),
        })?;
        let array = convert::convert(column, array, &mut rows)?;
        columns.push(values::check(column, array, &mut rows));
    }
    check_ids(feed, &columns, &mut rows);
    let unknown_fields = (batch.num_columns() - feed.columns().len()) as u64;
    let counts = Counts { unknown_codes: rows.unknown_codes, unknown_fields };
    let keep: BooleanArray = rows.refused.iter().map(|refused| Some(refused.is_none())).collect();
    let refused: Vec<RowRefused> = rows.refused.into_iter().flatten().collect();
    if !refused.is_empty() {
        for column in &mut columns {
            *column = filter(column, &keep).expect("the mask has an entry for every row");
        }
    }
    let batch =
        RecordBatch::try_new(schema, columns).expect("every column was converted, and no NULL is where none may be");
    Ok(Taken { batch, refused, counts })
}

/// What was found in the rows so far.
pub(crate) struct Rows {
    refused: Vec<Option<RowRefused>>,
    unknown_codes: u64,
}

impl Rows {
    /// Refuses a row; of several reasons the first one counts.
    fn refuse(&mut self, row: usize, code: Code, column: &'static str) {
        if let Some(refused @ None) = self.refused.get_mut(row) {
            *refused = Some(RowRefused { row, code, column });
        }
    }
}

/// An event id is put together from the feed, and the reporter and the record id of the row.
fn check_ids(feed: Feed, columns: &[ArrayRef], rows: &mut Rows) {
    let of = |idx: usize| columns.get(idx).and_then(|c| c.as_string_opt::<i32>());
    let record_id = feed.columns().iter().position(|c| c.path == feed.id_field() && c.ty == Type::Text);
    let (Some(event_ids), Some(reporters)) = (of(0), of(2)) else { return };
    for row in 0..event_ids.len() {
        let (whole, reporter) = (event_ids.value(row), reporters.value(row));
        let inside =
            |prefix: &str| whole.strip_prefix(prefix)?.strip_prefix(':')?.strip_prefix(reporter)?.strip_prefix(':');
        let named = record_id.and_then(of).map(|ids| ids.value(row));
        let is_right =
            inside(feed.prefix()).is_some_and(|id| ids::is_token(id) && named.is_none_or(|named| named == id));
        if !is_right {
            rows.refuse(row, codes::EVENT_ID, "event_id");
        }
    }
}
