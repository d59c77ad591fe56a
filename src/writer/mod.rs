//! The process that writes: from records to messages, who may write, and how it begins and keeps its state.

pub mod beside;
pub mod carry;
mod decode;
mod flow;
pub mod keeper;
pub mod messages;
mod outcome;
pub mod pipeline;
mod register;
pub mod restore;
pub mod resume;
pub mod share;
pub mod standby;
pub mod writing;
