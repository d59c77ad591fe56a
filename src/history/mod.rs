//! What the log held, kept for years: one Delta Lake table for each table of the reader, in a folder or an object store. Any engine
//! that reads Delta reads it. It knows tables, days and numbers of batches, and nothing of topics, statements or persons' rights.

pub mod book;
pub mod facts;
pub mod library;
pub mod past;
mod stores;
pub mod upkeep;
mod wall;

pub use book::{Book, Kind};
pub use library::Library;
pub use past::Past;
