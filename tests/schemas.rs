//! The committed JSON Schemas are those of the code. That the decoder agrees with those of the events is a test of `feeds`.

use foreshock::offline::schemas::{all, text};
use std::path::Path;

#[test]
fn the_committed_schemas_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in all() {
        let committed = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert_eq!(committed, text(&schema), "{name} is stale: run `cargo run -- schemas`");
    }
    let committed = std::fs::read_to_string(folder.join("openapi.json")).unwrap_or_default();
    let description = serde_json::to_value(foreshock::serve::door::description()).unwrap();
    assert_eq!(committed, text(&description), "openapi.json is stale: run `cargo run -- schemas`");
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/livez", "/metrics", "/readyz", "/v1/changes/{table}", "/v1/sql"]);
}
