//! What an operator sets and sees.

pub mod config;
pub mod health;
pub mod pool;
pub mod telemetry;
