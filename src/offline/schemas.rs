//! JSON Schemas (2020-12): of the incoming events from the column tables (`feeds`), of alert and draft from their Rust types.
//! `foreshock schemas --out docs/schemas` writes them; a test fails when the committed ones are stale.

use foreshock_core::Feed;
use foreshock_feeds::json_schema;
use serde_json::Value;

/// Every schema with its file name.
pub fn all() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> =
        Feed::ALL.into_iter().map(|f| (format!("{}.json", f.topic()), json_schema(f))).collect();
    all.push(("detection.v1.json".into(), foreshock_log::detection_schema()));
    all.push(("foreshock.progress.json".into(), foreshock_log::progress_schema()));
    all.push(("alert.v1.json".into(), foreshock_actions::alert_schema()));
    all.push(("blocking.draft.v1.json".into(), foreshock_actions::blocking_draft_schema()));
    all
}

/// A schema as text, the same each time.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
