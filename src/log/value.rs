//! Values of detections as JSON: the one place.

use foreshock_core::time::format_rfc3339;
use foreshock_core::{Detection, Value};
use serde_json::{Map, json};
use std::borrow::Cow;

/// Most bytes of a text in a detection: a message must be no larger than a topic takes.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// The detection with no text longer than that: what is cut says so, with the length it had.
pub fn bounded(detection: &Detection) -> Cow<'_, Detection> {
    let is_long = |value: &Value| matches!(value, Value::Text(text) if text.len() > TEXT_BYTES_MAX);
    if !detection.values.iter().any(|(_, value)| is_long(value)) {
        return Cow::Borrowed(detection);
    }
    let mut shorter = detection.clone();
    for (_, value) in shorter.values.iter_mut().filter(|(_, value)| is_long(value)) {
        if let Value::Text(text) = value {
            let length = text.len();
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            text.push_str(&format!(".. (cut, {length} bytes)"));
        }
    }
    Cow::Owned(shorter)
}

/// A detection's other columns by name.
pub fn values(detection: &Detection) -> Map<String, serde_json::Value> {
    detection.values.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// One value.
pub fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(v) => json!(v),
        Value::Text(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::Time(us) => json!(format_rfc3339(*us)),
        Value::Double(v) => json!(v),
    }
}
