//! Bytes of a record to an [`Event`] or a [`Reject`]. Pure; knows nothing of Kafka or rules.
//!
//! The column tables in `foreshock_core::schema` say what each field must be; this room only applies them.

mod codes;
mod columns;
mod convert;
mod decode;
mod derived;
mod envelope;
mod fields;
mod json;
mod read;
mod row;
mod schema;
pub mod table;

pub use codes::{CODES, CORRECTION_TIME, Code};
pub use columns::{Columns, to_record_batch};
pub use decode::{Counts, Record, Reject, decode, decode_into};
pub use envelope::{HEADER_POINTER, Reporters};
pub use row::{Cell, Event, Head};
pub use schema::json_schema;
