//! Events of one feed as Arrow columns.

use crate::decode::{Cell, Event};
use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use foreshock_core::{Feed, Type};
use std::sync::Arc;

/// The events' columns, in the order of the feed's table. `schema` is that table as Arrow sees it.
pub fn to_record_batch(feed: Feed, schema: SchemaRef, events: &[Event]) -> RecordBatch {
    let column = |(idx, ty)| column(events, idx, ty);
    let columns = feed.columns().iter().map(|c| c.ty).enumerate().map(column).collect();
    RecordBatch::try_new(schema, columns).expect("an event has a cell of the right type for every column")
}

fn column(events: &[Event], idx: usize, ty: Type) -> ArrayRef {
    let cells = events.iter().map(|e| &e.cells[idx]);
    let int = |c: &Cell| if let Cell::Int(v) = c { Some(*v) } else { None };
    match ty {
        Type::Text => {
            let mut builder = StringBuilder::new();
            cells.for_each(|c| builder.append_option(if let Cell::Text(t) = c { Some(t) } else { None }));
            Arc::new(builder.finish())
        }
        Type::Bigint => {
            let mut builder = Int64Builder::with_capacity(events.len());
            cells.for_each(|c| builder.append_option(int(c)));
            Arc::new(builder.finish())
        }
        Type::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(events.len());
            cells.for_each(|c| builder.append_option(if let Cell::Bool(v) = c { Some(*v) } else { None }));
            Arc::new(builder.finish())
        }
        Type::Time => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(events.len());
            cells.for_each(|c| builder.append_option(int(c)));
            Arc::new(builder.finish().with_timezone("UTC"))
        }
    }
}
