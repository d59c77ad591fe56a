//! Foreshock: rules that are SQL, exact sliding windows over event time, warnings and blocking requests.
//!
//! The rooms in reading order; `docs/ARCHITECTURE.md` has the way of one event.

pub mod background;
pub mod bucket;
pub mod carry;
pub mod cases;
pub mod cli;
pub mod config;
pub mod election;
pub mod folder;
pub mod health;
pub mod identity;
pub mod keeper;
pub mod net;
pub mod owner;
pub mod pipeline;
pub mod pool;
pub mod progress;
pub mod restore;
pub mod rules;
pub mod schemas;
pub mod sinks;
pub mod snapshot;
pub mod sources;
pub mod spread;
pub mod standing;
pub mod telemetry;
