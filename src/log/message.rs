//! What goes on the outgoing topics.

use crate::position::Position;
use crate::source::{Kind, SourceRecord};
use crate::topics::{EVENTS, FEED, HORIZON, LATE, POSITION, REJECTED, SOURCE};
use foreshock_core::Feed;
use foreshock_feeds::Reject;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// A message to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: Cow<'static, str>,
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
    pub fn new(topic: impl Into<Cow<'static, str>>, key: String, payload: Vec<u8>) -> Message {
        Message { topic: topic.into(), key, payload, ..Message::default() }
    }
}

/// A refused record for `rejected.v1`: where it stood and why, no byte of it.
pub fn rejected(at: &Position, bytes: &[u8], reject: &Reject) -> Message {
    let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    let body = json!({
        "topic": &*at.topic,
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
        "feed": feed.table(), "topic": &*at.topic, "partition": at.partition, "offset": at.offset, "event_id": event_id, "late_by_us": by_us,
    });
    Message::new(LATE, at.text(), body.to_string().into_bytes())
}

/// An event for the process that has a partition.
pub fn event(record: &SourceRecord, event_id: &str, partition: u32) -> Message {
    let mut headers = vec![(POSITION, record.position.text())];
    if let Kind::Event(feed) = record.kind {
        headers.insert(0, (FEED, feed.table().to_owned()));
    }
    // Of an event that was decoded, so it is a text.
    let source = record.source.iter().map(|source| String::from_utf8_lossy(source).into_owned());
    headers.extend(source.map(|source| (SOURCE, source)));
    let (key, payload) = (event_id.to_owned(), record.bytes.clone());
    Message { topic: EVENTS.into(), partition: Some(partition.cast_signed()), key, headers, payload }
}

/// The horizon after the events before it.
pub fn horizon(at_us: i64, partition: u32) -> Message {
    let headers = vec![(HORIZON, at_us.to_string())];
    Message { topic: EVENTS.into(), partition: Some(partition.cast_signed()), headers, ..Message::default() }
}
