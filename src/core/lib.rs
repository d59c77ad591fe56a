//! What things are: columns of the feeds, money, time, ids, detections. Standard library only; knows nothing of
//! JSON, SQL, Kafka, clocks or threads. Every other room reads from here, this room reads from none.

pub mod decimal;
pub mod detection;
pub mod fate;
pub mod ids;
pub mod limits;
pub mod measure;
pub mod money;
pub mod partition;
pub mod report;
pub mod schema;
pub mod time;

pub use decimal::Decimal;
pub use detection::{Detection, Value};
pub use fate::Fate;
pub use measure::TargetKind;
pub use partition::{Part, Presence};
pub use report::ReportAction;
pub use schema::{Column, Feed, Type};
