//! Other people's CSV as our events: a mapping file says which column becomes which field (`docs/mappings.md`).
//!
//! `open.rs` reads files; all else takes text and readers and returns values. It knows the column tables of
//! `foreshock-core`, not the decoder: an event that comes out of here is judged by the decoder like any other.
//!
//! The way of a row: bytes (`text.rs`) → lines (`lines.rs`) → fields (`records.rs`) → texts and JSON values by the plan
//! (`importer.rs`, `value.rs`). The plan is the TOML form (`form.rs`), checked (`check.rs`, `context.rs`, `fields.rs`).

mod check;
mod context;
mod fields;
mod form;
mod importer;
pub mod limits;
mod lines;
mod moment;
mod number;
mod open;
mod plan;
mod problem;
mod records;
mod refusal;
mod summary;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod value;

pub use importer::{Importer, Opened, Outcome, Row};
pub use plan::Mapping;
pub use problem::{Problem, Problems};
pub use refusal::{Refusal, codes};
pub use summary::Summary;
