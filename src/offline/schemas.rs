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
    // One message for each institution; the signature stands beside these fields.
    all.push(("blocking.request.v1.json".into(), foreshock_blocking::order_schema()));
    all.push(("blocking.response.v1.json".into(), foreshock_blocking::answer_schema()));
    all.push(("command.v1.json".into(), foreshock_blocking::command_schema()));
    all.push(("act.v1.json".into(), foreshock_blocking::act_schema()));
    all
}

/// A schema as text, the same each time.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
