//! What is on the topics, for whoever writes them and whoever reads them: records and their positions, the record of each
//! batch, the messages; and the two ends that a process of ours has, [`Source`] and [`Ledger`].
//!
//! Knows no broker, no client, no rule and no window. Both ends are traits: `kafka` has the real ones, the tests simulated ones.

mod detection;
mod fates;
mod ledger;
mod message;
mod position;
mod progress;
mod source;
mod topics;
mod value;

pub use detection::{DetectionMessage, DetectionState, detection_schema};
pub use fates::{decode as decode_fates, encode as encode_fates};
pub use ledger::{GivenUp, Ledger, OnWait, TakenOver, TooLarge, deliver};
pub use message::{Message, event, horizon, late, rejected};
pub use position::{Position, Range, batch_and_place, ranges, seq};
pub use progress::{Progress, Sign, Tick, check_order, progress_schema};
pub use source::{Kind, MadeAnew, Source, SourceRecord};
pub use topics::{
    ACTS, ALERTS, ANSWERS, BATCH, BLOCKING_DRAFTS, COMMANDS, DETECTIONS, EVENTS, FEED, HORIZON, LATE, Log, ORDERS,
    OUT_TOPICS, OWNER, PARTS_PROGRESS, POSITION, PROGRESS, REGISTER_PROGRESS, REJECTED, SOURCE, WARNING_DRAFTS,
};
pub use value::{TEXT_BYTES_MAX, bounded, to_json, values};
