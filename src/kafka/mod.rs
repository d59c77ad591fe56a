//! The broker: clients, what comes from it and what goes to it. The one room that knows `rdkafka`, besides the commands
//! that look at topics.

mod begin;
pub mod client;
pub mod election;
mod partition;
pub mod settings;
mod settle;
pub mod sink;
pub mod source;
pub mod stretch;
pub mod subscription;
pub mod tail;
pub mod topic_ids;
pub mod watch;
