//! Where records come from.

pub mod files;
pub mod mapping;
