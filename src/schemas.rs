//! JSON Schemas (2020-12): of the incoming events from the column tables, of alert and draft from their Rust types.
//! `foreshock schemas --out docs/schemas` writes them; a test fails when the committed ones are stale.

use foreshock_core::Feed;
use foreshock_core::schema::{Check, Column};
use serde_json::{Map, Value, json};

/// Fields that the decoder puts together into columns: (feed, field, schema).
fn computed(feed: Feed) -> Vec<(&'static str, Value)> {
    let token = token();
    let time = json!({ "type": "string", "format": "date-time" });
    match feed {
        Feed::Transactions => vec![("uetr", token.clone()), ("endToEndId", token)],
        Feed::Telecom => vec![("seizureTime", time.clone()), ("answerTime", time)],
        Feed::Complaints => vec![("lossAmount", json!({ "type": "string", "description": "decimal, or ATTEMPT" }))],
        Feed::SuspiciousReports => vec![("reason", json!({ "type": "string" }))],
    }
}

fn token() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$" })
}

/// The schema of a feed's events.
pub fn feed_schema(feed: Feed) -> Value {
    let mut root = object();
    for column in feed.columns() {
        if !column.path.is_empty() {
            let is_required = !column.nullable && !has_default(column);
            put(&mut root, column.path, field(column), is_required);
        }
    }
    for (name, schema) in computed(feed) {
        put(&mut root, name, schema, false);
    }
    put(&mut root, feed.id_field(), token(), true);
    let reporter =
        json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "description": "else the CloudEvents source" });
    put(&mut root, "reporter", reporter, false);
    put(&mut root, "reportAction", json!({ "const": "NEWF" }), false);
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("$id".into(), json!(format!("urn:foreshock:{}", feed.topic())));
    root.insert("title".into(), json!(feed.topic()));
    Value::Object(root)
}

fn has_default(column: &Column) -> bool {
    matches!(column.check, Check::Code(_, Some(_)) | Check::OpenCode(_, Some(_)))
}

fn field(column: &Column) -> Value {
    let mut schema = match column.check {
        Check::Time => json!({ "type": "string", "format": "date-time" }),
        Check::Place => json!({ "type": "string", "pattern": "^[A-Z0-9-]{1,16}$" }),
        Check::Code(codes, _) => json!({ "enum": codes }),
        Check::OpenCode(codes, _) => json!({ "type": "string", "examples": codes }),
        Check::Currency => json!({ "type": "string", "pattern": "^[A-Z]{3}$" }),
        Check::Money => json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$" }),
        Check::MoneyPositive => json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$" }),
        Check::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Check::Bool => json!({ "type": "boolean" }),
        Check::Permille => json!({ "type": ["number", "string"] }),
        Check::Token | Check::EventId | Check::Reporter | Check::Derived => token(),
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".into(), json!(format!("{} / {}", column.en, column.zh)));
    }
    schema
}

fn object() -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".into(), json!("object"));
    map.insert("properties".into(), json!({}));
    map
}

/// Places a field at a path such as `debtor.accountToken` or `transaction.0.amount_local`.
fn put(parent: &mut Map<String, Value>, path: &str, schema: Value, is_required: bool) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if is_required {
        let required = parent.entry("required").or_insert_with(|| json!([]));
        if let Some(list) = required.as_array_mut()
            && !list.contains(&json!(first))
        {
            list.push(json!(first));
        }
    }
    let properties = parent.entry("properties").or_insert_with(|| json!({}));
    let Some(properties) = properties.as_object_mut() else { return };
    match rest.split_once('.') {
        _ if rest.is_empty() => {
            properties.insert(first.to_owned(), schema);
        }
        _ if rest == "0" => {
            properties.insert(first.to_owned(), json!({ "type": "array", "items": schema }));
        }
        Some(("0", inner)) => {
            let mut items = object();
            put(&mut items, inner, schema, false);
            properties.insert(first.to_owned(), json!({ "type": "array", "items": items }));
        }
        _ => {
            let child = properties.entry(first).or_insert_with(|| Value::Object(object()));
            if let Some(child) = child.as_object_mut() {
                put(child, rest, schema, is_required);
            }
        }
    }
}

/// Every schema with its file name.
pub fn all() -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> =
        Feed::ALL.into_iter().map(|f| (format!("{}.json", f.topic()), feed_schema(f))).collect();
    all.push(("detection.v1.json".into(), foreshock_log::detection_schema()));
    all.push(("alert.v1.json".into(), foreshock_actions::alert_schema()));
    all.push(("blocking.draft.v1.json".into(), foreshock_actions::blocking_draft_schema()));
    all
}

/// A schema as text, the same each time.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
