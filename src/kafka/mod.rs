//! The broker: clients, what comes from it and what goes to it. The one room that knows `rdkafka`, besides the commands
//! that look at topics.

pub mod client;
pub mod election;
pub mod settings;
pub mod sink;
pub mod source;
pub mod tail;
