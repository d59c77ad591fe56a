//! Evidence of a detection (regulation, Art. 30): one file with the events that it stands on, as far as the broker has them in their
//! exact bytes, the rule's text and what was published. Whoever has the file and this program finds any change in it and runs the rule again.
//!
//! Knows no broker, no table and no person's rights: who makes a bundle gathers what is in it.

pub mod bundle;
pub mod verify;

pub use bundle::{Bundle, Custody, Detected, Event, Original, RuleText};
