//! The state of a process on disk: its form, where it is kept, and the copy of the process that writes it.

pub mod bucket;
pub mod folder;
pub mod fork;
pub mod snapshot;
