//! Other people's CSV as our events: a mapping file says which column becomes which field (`docs/mappings.md`).
//!
//! `open.rs` reads files; all else takes text and readers and returns values. It knows the column tables of
//! `foreshock-core`, not the decoder: an event that comes out of here is judged by the decoder like any other.
//!
//! The way of a row: bytes (`text.rs`) → lines (`lines.rs`) → fields (`records.rs`) → texts and JSON values by the plan
//! (`importer.rs`, `value.rs`). The plan is the TOML form (`form.rs`), checked (`check.rs`, `context.rs`, `fields.rs`).
//!
//! ```no_run
//! use foreshock_mapping::{Importer, Outcome, Row};
//!
//! # fn decode(event: &serde_json::Value) -> Result<(), (&'static str, &'static str, &'static str)> { Ok(()) }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut importer = Importer::open("mappings/paysim.toml".as_ref(), "transactions.csv.gz".as_ref())?;
//! while let Some(row) = importer.next() {
//!     let Row { line, outcome } = row?;
//!     let refusal = match outcome {
//!         Outcome::LeftOut => continue,
//!         Outcome::Refused(refusal) => refusal,
//!         Outcome::Event(event) => match decode(&event) {
//!             Ok(event) => continue,
//!             Err((code, pointer, reason)) => importer.refuse(code, pointer, reason),
//!         },
//!     };
//!     eprintln!("refused transactions.csv.gz:{line} {refusal}");
//! }
//! println!("{}", importer.summary());
//! # Ok(())
//! # }
//! ```

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
