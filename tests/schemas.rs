//! The committed JSON Schemas and the page about the rules are those of the code. That the decoder agrees with those of the events is a test of `feeds`.

use foreshock::offline::rules_page::page;
use foreshock::offline::schemas::{all, text};
use std::path::Path;

#[test]
fn the_committed_schemas_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let evidence = ("evidence.v1.json".to_owned(), foreshock::evidence::bundle::schema());
    for (name, schema) in all().into_iter().chain([evidence]) {
        let committed = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert_eq!(committed, text(&schema), "{name} is stale: run `cargo run -- schemas`");
    }
    let committed = std::fs::read_to_string(folder.join("openapi.json")).unwrap_or_default();
    let description = serde_json::to_value(foreshock::serve::door::description()).unwrap();
    assert_eq!(committed, text(&description), "openapi.json is stale: run `cargo run -- schemas`");
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    let of_requests = ["/v1/requests", "/v1/requests/{id}", "/v1/requests/{id}/{kind}"];
    let before = ["/livez", "/metrics", "/readyz", "/v1/changes/{table}"];
    assert_eq!(paths, [&before[..], &["/v1/evidence/{id}"], &of_requests, &["/v1/sql"]].concat());
}

#[test]
fn the_committed_page_about_the_rules_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (rules, views) = foreshock::rules::files::read(&root.join("sql")).unwrap();
    let pack = foreshock_compiler::compile(&rules, &views, &foreshock_compiler::Settings::default()).unwrap();
    let committed = std::fs::read_to_string(root.join("docs/rules-shipped.md")).unwrap_or_default();
    assert_eq!(committed, page(&pack), "stale: run `cargo run -- rules page > docs/rules-shipped.md`");
    for rule in &pack.rules {
        for part in ["**Pattern**", "**Looks alike**"] {
            let section = committed.split(&format!("\n## {}\n", rule.header.id)).nth(1).unwrap();
            assert!(section.split("\n## ").next().unwrap().contains(part), "{} says nothing of {part}", rule.header.id);
        }
    }
}
