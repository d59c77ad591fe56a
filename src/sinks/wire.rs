//! What goes on the outgoing topics, as JSON.

use crate::sources::SourceRecord;
use foreshock_compiler::Rule;
use foreshock_core::Feed;
use foreshock_core::time::format_rfc3339;
use foreshock_engine::{State, Verdict};
use foreshock_feeds::Reject;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Topics that Foreshock writes.
pub const DETECTIONS: &str = "detection.v1";
/// Alert episodes.
pub const ALERTS: &str = "alert.v1";
/// Drafts of blocking requests.
pub const BLOCKING_DRAFTS: &str = "blocking.draft.v1";
/// Drafts of public warnings.
pub const WARNING_DRAFTS: &str = "warning.draft.v1";
/// Refused records.
pub const REJECTED: &str = "rejected.v1";
/// Records beyond the lateness.
pub const LATE: &str = "late.v1";

/// All topics that Foreshock writes.
pub const OUT_TOPICS: [&str; 6] = [DETECTIONS, ALERTS, BLOCKING_DRAFTS, WARNING_DRAFTS, REJECTED, LATE];

/// Events on their way to the processes that share the rules which spread: each is in the partitions of all its subjects.
pub const EVENTS: &str = "foreshock.events";

/// Headers on [`EVENTS`]: the feed of an event, where it stood, and in a record without an event the horizon.
pub const FEED: &str = "feed";
/// See [`FEED`].
pub const POSITION: &str = "position";
/// See [`FEED`].
pub const HORIZON: &str = "horizon_us";
/// CloudEvents binary mode: who reports.
pub const SOURCE: &str = "ce_source";

/// A message to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: &'static str,
    /// Partition; `None` for that of the key.
    pub partition: Option<i32>,
    /// Key.
    pub key: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Content.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message without headers, in the partition of its key.
    pub fn new(topic: &'static str, key: String, payload: Vec<u8>) -> Message {
        Message { topic, key, payload, ..Message::default() }
    }
}

/// Where a record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Position {
    fn text(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Does the rule hold for the event?
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum DetectionState {
    /// It holds. A higher revision of the same detection replaces a lower one.
    Detected,
    /// It no longer holds: a late or corrected event changed what the windows contain.
    Retracted,
}

/// One revision of a detection: a rule's verdict on one event.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DetectionMessage")]
struct DetectionMessage<'a> {
    /// The same for the same rule version and event, on every run.
    detection_id: &'a str,
    /// Counts up from 1.
    revision: u32,
    state: DetectionState,
    /// Of a rule on trial: no act follows.
    shadow: bool,
    rule_id: &'a str,
    /// Changes with the rule's SQL, its views or its parameters.
    rule_version: &'a str,
    /// The event that triggered it.
    event_id: &'a str,
    #[schemars(extend("format" = "date-time"))]
    event_time: String,
    /// Event time less the rule's longest frame.
    #[schemars(extend("format" = "date-time"))]
    window_start: String,
    /// What it is about: an account, number, device, person or place, by its token.
    subject: &'a str,
    /// The rule's other columns by name; money in minor units.
    values: serde_json::Map<String, serde_json::Value>,
    /// The event that made this revision.
    cause: &'a str,
    /// There were more keys than the configuration allows: events may be missing in it. No act follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
    engine_version: &'static str,
}

/// A verdict for `detection.v1`.
pub fn detection(rule: &Rule, id: &str, verdict: &Verdict, is_shadow: bool) -> Message {
    let detection = &verdict.detection;
    let state = match verdict.state {
        State::Detected => DetectionState::Detected,
        State::Retracted => DetectionState::Retracted,
    };
    let message = DetectionMessage {
        detection_id: id,
        revision: verdict.revision,
        state,
        shadow: is_shadow,
        rule_id: &rule.header.id,
        rule_version: &rule.version,
        event_id: &detection.event_id,
        event_time: format_rfc3339(detection.event_time),
        window_start: format_rfc3339(detection.event_time - rule.longest_frame_us),
        subject: &detection.subject,
        values: crate::net::values(detection),
        cause: &verdict.cause,
        incomplete: verdict.is_incomplete,
        engine_version: env!("CARGO_PKG_VERSION"),
    };
    let payload = serde_json::to_vec(&message).expect("a detection is plain data");
    Message::new(DETECTIONS, detection.subject.clone(), payload)
}

/// The JSON Schema of `detection.v1`.
pub fn detection_schema() -> serde_json::Value {
    schemars::schema_for!(DetectionMessage<'_>).to_value()
}

/// A refused record for `rejected.v1`: where it stood and why, no byte of it.
pub fn rejected(at: &Position, bytes: &[u8], reject: &Reject) -> Message {
    let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    let body = json!({
        "topic": at.topic,
        "partition": at.partition,
        "offset": at.offset,
        "code": reject.code.code,
        "pointer": reject.pointer,
        "reason": { "zh": reject.code.zh, "en": reject.code.en },
        "length": bytes.len(),
        "sha256": hash,
    });
    Message::new(REJECTED, at.text(), body.to_string().into_bytes())
}

/// An event beyond the lateness for `late.v1`.
pub fn late(at: &Position, feed: Feed, event_id: &str, by_us: i64) -> Message {
    let body = json!({
        "feed": feed.table(), "topic": at.topic, "partition": at.partition, "offset": at.offset, "event_id": event_id, "late_by_us": by_us,
    });
    Message::new(LATE, at.text(), body.to_string().into_bytes())
}

/// An event for the process that has a partition.
pub fn event(record: &SourceRecord, event_id: &str, partition: u32) -> Message {
    let mut headers = vec![(FEED, record.feed.table().to_owned()), (POSITION, record.position.text())];
    headers.extend(record.source.iter().map(|source| (SOURCE, source.clone())));
    let (key, payload) = (event_id.to_owned(), record.bytes.clone());
    Message { topic: EVENTS, partition: Some(partition.cast_signed()), key, headers, payload }
}

/// The horizon after the events before it.
pub fn horizon(at_us: i64, partition: u32) -> Message {
    let headers = vec![(HORIZON, at_us.to_string())];
    Message { topic: EVENTS, partition: Some(partition.cast_signed()), headers, ..Message::default() }
}
