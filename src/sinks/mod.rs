//! Where results go.
pub mod events;
pub mod kafka;
pub mod ledger;
pub mod wire;
