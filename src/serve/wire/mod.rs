//! PostgreSQL's wire protocol, version 3: `psql`, drivers and tools ask in it. The messages are pgwire's; what a client may
//! ask, and who it is, is decided here.

pub mod answer;
pub mod connection;
pub mod cursors;
pub mod listener;
pub mod login;
pub mod parameters;
pub mod settings;
pub mod statement;
