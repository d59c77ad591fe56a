//! Where records come from.

pub mod files;
pub mod kafka;
pub mod mapping;
