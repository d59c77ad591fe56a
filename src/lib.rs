//! Foreshock: rules that are SQL, exact sliding windows over event time, warnings and blocking requests.
//!
//! The rooms in reading order; `docs/ARCHITECTURE.md` has the way of one event.

pub mod cli;
pub mod evidence;
pub mod history;
pub mod institution;
pub mod kafka;
pub mod offline;
pub mod ops;
pub mod places;
pub mod rights;
pub mod rules;
pub mod serve;
pub mod state;
pub mod writer;
