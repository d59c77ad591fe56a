//! Blocking requests at the reader's door: what the trail of acts says of them, and commands of people who have logged in,
//! signed and sent on. What becomes of a command is judged by the writer's register, never here.

pub mod door;
mod follow;
mod known;
mod sending;

pub use known::Known;
pub use sending::Requests;
