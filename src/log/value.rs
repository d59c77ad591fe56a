//! Values of detections as JSON: the one place.

use foreshock_core::time::format_rfc3339;
use foreshock_core::{Detection, Value};
use serde_json::{Map, json};

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
