//! Where results go.
pub mod events;
pub mod kafka;
pub mod wire;
