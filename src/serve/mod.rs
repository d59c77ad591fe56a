//! The process that is asked: it follows the topics into tables and answers statements about them. It knows no window and no
//! plan of a rule, and writes nothing but the commands of people about blocking requests.

pub mod archive;
pub mod assembly;
pub mod audited;
pub mod catalog;
pub mod changes;
pub mod computed;
pub mod door;
pub mod explain;
pub mod floor;
pub mod follow;
pub mod gate;
pub mod gathered;
pub mod itself;
pub mod memory;
pub mod openapi;
pub mod pg_catalog;
pub mod pg_format;
pub mod pg_functions;
pub mod pg_nothing;
pub mod process;
pub mod profile;
pub mod query;
pub mod questions;
pub mod replace;
pub mod requests;
pub mod restrict;
pub mod rows;
pub mod sections;
pub mod session;
pub mod store;
pub mod stream;
pub mod subject;
pub mod tables;
pub mod trace;
pub mod wire;
