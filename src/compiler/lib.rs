//! Rule SQL to a checked plan of engine operators, and the one DataFusion session that the live check, the batch and the
//! tests share. Gets text, not files; knows nothing of Kafka.

pub mod aggregates;
pub mod batch;
pub mod cases;
mod checked;
mod checks;
mod currency;
mod dialect;
mod expr;
mod fingerprint;
pub mod header;
mod nullness;
mod pack;
mod parameters;
mod problem;
mod session;
mod source;
mod spread;
mod stream;
mod walk;
mod windows;

pub use header::{Header, Status};
pub use pack::{Pack, Rule, RuleFile, Settings, ViewFile, compile, compile_part};
pub use problem::Problem;
pub use session::feed_schema;
pub use spread::Spread;
