//! Rule SQL to a checked plan of engine operators, and the one DataFusion session that the live check, the batch and the
//! tests share. Gets text, not files; knows nothing of Kafka.

pub mod aggregates;
pub mod batch;
pub mod cases;
mod casts;
mod checked;
mod checks;
mod codes;
mod currency;
mod deep;
mod dialect;
mod expr;
mod fingerprint;
mod guarded;
pub mod header;
mod inline;
mod locate;
mod near;
mod nullness;
mod output;
mod pack;
mod problem;
mod session;
mod settings;
mod source;
mod spread;
mod stream;
mod sums;

mod walk;
mod warnings;
mod windows;
mod yaml;

pub use dialect::bounds::check_bounds;
pub use header::{Header, Status};
pub use pack::{Pack, Rule, RuleFile, ViewFile, compile, compile_part};
pub use problem::Problem;
pub use session::{data_type, feed_schema};
pub use settings::{Settings, check_settings};
pub use spread::Spread;
