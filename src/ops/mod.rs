//! What an operator sets and sees.

pub mod blocking;
pub mod config;
pub mod health;
pub mod intake;
pub mod latency;
pub mod leaders;
pub mod pool;
pub mod priority;
pub mod telemetry;
