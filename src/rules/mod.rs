//! Rules as files, as names in the log, and as the work of a process.

pub mod currencies;
pub mod files;
pub mod identity;
pub mod work;
