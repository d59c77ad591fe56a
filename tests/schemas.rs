//! The committed JSON Schemas are those of the code, and the decoder agrees with them on what is required.
#![allow(clippy::unwrap_used)]

use foreshock::schemas::{all, feed_schema, text};
use foreshock_core::Feed;
use foreshock_feeds::{Counts, Record, decode};
use serde_json::Value;
use std::path::Path;

#[test]
fn the_committed_schemas_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in all() {
        let committed = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert_eq!(committed, text(&schema), "{name} is stale: run `cargo run -- schemas`");
    }
}

/// Every path that a schema requires, as a JSON pointer.
fn required(schema: &Value, prefix: &str) -> Vec<String> {
    let names = schema["required"].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        let path = format!("{prefix}/{name}");
        let inner = required(&schema["properties"][name], &path);
        all.extend(if inner.is_empty() { vec![path] } else { inner });
    }
    all
}

#[test]
fn the_decoder_refuses_an_event_without_any_field_that_the_schema_requires() {
    let city = foreshock_generator::generate(1, 1);
    for feed in [Feed::Transactions, Feed::Telecom, Feed::Complaints] {
        let line = city.day.iter().find(|l| l.feed == feed).unwrap();
        let pointers = required(&feed_schema(feed), "");
        assert!(pointers.len() >= 4, "{feed:?}: {pointers:?}");
        for pointer in pointers {
            let mut event: Value = serde_json::from_str(&line.json).unwrap();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            let bytes = event.to_string().into_bytes();
            let decoded = decode(&Record { bytes: &bytes, ..Record::default() }, &mut Counts::default());
            assert!(decoded.is_err(), "{feed:?} without {pointer} was accepted");
        }
    }
}
