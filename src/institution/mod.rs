//! A bank or carrier that answers blocking requests, with a toy ledger: for demos, tests, and as a pattern for a real one.
//! It trusts what the writer has signed and its own ledger, and nothing else.

mod ledger;
mod receiver;

pub use ledger::Ledger;
pub use receiver::{Receiver, receive};
