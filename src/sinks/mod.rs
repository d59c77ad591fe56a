//! Where results go.
pub mod events;
