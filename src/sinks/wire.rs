//! What goes on the outgoing topics, as JSON.

use foreshock_compiler::Rule;
use foreshock_core::time::format_rfc3339;
use foreshock_engine::{State, Verdict};
use foreshock_feeds::Reject;
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

/// A message to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: &'static str,
    /// Key.
    pub key: String,
    /// Content.
    pub payload: Vec<u8>,
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
    fn key(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// A verdict for `detection.v1`.
pub fn detection(rule: &Rule, id: &str, verdict: &Verdict, is_shadow: bool) -> Message {
    let detection = &verdict.detection;
    let state = match verdict.state {
        State::Detected => "detected",
        State::Retracted => "retracted",
    };
    let body = json!({
        "detection_id": id,
        "revision": verdict.revision,
        "state": state,
        "shadow": is_shadow,
        "rule_id": rule.header.id,
        "rule_version": rule.version,
        "event_id": detection.event_id,
        "event_time": format_rfc3339(detection.event_time),
        "window_start": format_rfc3339(detection.event_time - rule.longest_frame_us),
        "subject": detection.subject,
        "values": crate::net::values(detection),
        "cause": verdict.cause,
        "engine_version": env!("CARGO_PKG_VERSION"),
    });
    Message { topic: DETECTIONS, key: detection.subject.clone(), payload: body.to_string().into_bytes() }
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
    Message { topic: REJECTED, key: at.key(), payload: body.to_string().into_bytes() }
}

/// An event beyond the lateness for `late.v1`.
pub fn late(at: &Position, event_id: &str, by_us: i64) -> Message {
    let body = json!({
        "topic": at.topic, "partition": at.partition, "offset": at.offset, "event_id": event_id, "late_by_us": by_us,
    });
    Message { topic: LATE, key: at.key(), payload: body.to_string().into_bytes() }
}
