//! Facts of one feed as Arrow columns.

use crate::row::{Cell, Event, Value};
use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use foreshock_core::{Feed, ReportAction, Type};
use std::sync::Arc;

/// Most rows that there is room for before the first.
const ROWS_AT_FIRST: usize = 256;

/// The columns of a feed while they grow, row by row.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Column>,
    actions: Vec<ReportAction>,
}

#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Int(Int64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

impl Columns {
    /// Without a row, with room for so many, within bounds: most may be of others, and what is young is kept as it is. Texts have
    /// none: most columns of a feed are empty.
    pub fn with_capacity(feed: Feed, rows: usize) -> Columns {
        let rows = rows.min(ROWS_AT_FIRST);
        let column = |ty| match ty {
            Type::Text => Column::Text(StringBuilder::with_capacity(rows, 0)),
            Type::Bigint => Column::Int(Int64Builder::with_capacity(rows)),
            Type::Boolean => Column::Bool(BooleanBuilder::with_capacity(rows)),
            Type::Time => Column::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")),
        };
        Columns { columns: feed.columns().iter().map(|c| column(c.ty)).collect(), actions: Vec::with_capacity(rows) }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The next row, of an event of the feed.
    pub fn push_event(&mut self, event: &Event) {
        self.push(event.action, event.cells.iter().map(Cell::value));
    }

    /// The next row: a value for each column, of its type.
    pub(crate) fn push<'a>(&mut self, action: ReportAction, values: impl IntoIterator<Item = Value<'a>>) {
        let before = self.len();
        self.actions.push(action);
        for (column, value) in self.columns.iter_mut().zip(values) {
            // Most values of a record are NULL: they are put in together, before the next that is not.
            if value != Value::Null {
                column.fill(before);
                column.push(value);
            }
        }
    }

    /// The columns, in the order of the feed's table, and what each row does. `schema` is that table as Arrow sees it.
    pub fn finish(self, schema: SchemaRef) -> (RecordBatch, Vec<ReportAction>) {
        let rows = self.len();
        let columns = self.columns.into_iter().map(|column| column.finish(rows)).collect();
        let rows = RecordBatch::try_new(schema, columns);
        (rows.expect("a row has a value of the right type for every column"), self.actions)
    }
}

impl Column {
    #[inline]
    fn push(&mut self, value: Value<'_>) {
        let int = |value| if let Value::Int(number) = value { Some(number) } else { None };
        match self {
            Column::Text(to) => to.append_option(if let Value::Text(text) = value { Some(text) } else { None }),
            Column::Int(to) => to.append_option(int(value)),
            Column::Bool(to) => to.append_option(if let Value::Bool(is) = value { Some(is) } else { None }),
            Column::Time(to) => to.append_option(int(value)),
        }
    }

    /// NULL up to this row.
    #[inline]
    fn fill(&mut self, rows: usize) {
        match self {
            Column::Text(to) => to.append_nulls(rows - to.len()),
            Column::Int(to) => to.append_nulls(rows - to.len()),
            Column::Bool(to) => to.append_nulls(rows - to.len()),
            Column::Time(to) => to.append_nulls(rows - to.len()),
        }
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        self.fill(rows);
        match self {
            Column::Text(mut column) => Arc::new(column.finish()),
            Column::Int(mut column) => Arc::new(column.finish()),
            Column::Bool(mut column) => Arc::new(column.finish()),
            Column::Time(mut column) => Arc::new(column.finish()),
        }
    }
}

/// The events' columns, in the order of the feed's table. `schema` is that table as Arrow sees it.
pub fn to_record_batch(feed: Feed, schema: SchemaRef, events: &[Event]) -> RecordBatch {
    let mut columns = Columns::with_capacity(feed, events.len());
    events.iter().for_each(|event| columns.push_event(event));
    columns.finish(schema).0
}
