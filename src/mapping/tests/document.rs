//! The document of the mappings: each example is read, and its rows become what it says.

use super::{PAYMENTS, begin};
use crate::{Mapping, Outcome};
use serde_json::Value;
use toml::Table;

const DOCUMENT: &str = include_str!("../../../docs/mappings.md");

/// (language, text) of the blocks of code.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts = DOCUMENT.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

/// The piece, with what it does not say from a small mapping.
fn whole(piece: &str) -> String {
    let mut base: Table = toml::from_str(PAYMENTS).unwrap();
    base.insert("reporter".into(), "r".into());
    let piece: Table = toml::from_str(piece).unwrap();
    if piece.contains_key("feed") {
        return toml::to_string(&piece).unwrap();
    }
    for (key, value) in piece {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(there)), toml::Value::Table(more)) => there.extend(more),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    toml::to_string(&base).unwrap()
}

#[test]
fn every_example_is_a_mapping_and_its_rows_become_what_the_document_says() {
    let blocks = blocks();
    let (mut mappings, mut rows) = (0, 0);
    for (idx, (language, piece)) in blocks.iter().enumerate() {
        if *language != "toml" {
            continue;
        }
        let mapping = whole(piece);
        Mapping::parse("docs/mappings.md", &mapping).unwrap_or_else(|p| panic!("{p}\n{mapping}"));
        mappings += 1;
        let (Some(("csv", csv)), Some(("json", expected))) = (blocks.get(idx + 1), blocks.get(idx + 2)) else {
            continue;
        };
        let importer = begin(&mapping, csv.as_bytes(), &[]).unwrap_or_else(|p| panic!("{p}\n{piece}"));
        let found: Vec<Value> = importer
            .map(|row| match row.unwrap().outcome {
                Outcome::Event(event) => event,
                Outcome::LeftOut => "left out".into(),
                Outcome::Refused(refusal) => format!("refused: {} {}", refusal.code, refusal.pointer).into(),
            })
            .collect();
        let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found, expected, "{piece}");
        rows += found.len();
    }
    assert!(mappings >= 9 && rows >= 12, "{mappings} {rows}");
}

#[test]
fn every_key_that_there_is_stands_in_the_document() {
    let wrong = |text: &str| Mapping::parse("m.toml", text).unwrap_err().to_string();
    let field = |inner: &str| wrong(&PAYMENTS.replace("column = \"id\"", inner));
    let mut keys = 0;
    for message in [
        wrong("x = 1"),
        field("column = \"id\", x = 1"),
        field("column = \"id\", number = { x = 1 }"),
        wrong("skip = [{ x = 1 }]"),
        wrong("[[case]]\nx = 1"),
        wrong("[lookup.a]\nx = 1"),
    ] {
        let (_, expected) = message.split_once("expected one of ").or(message.split_once("expected ")).unwrap();
        for key in expected.split('`').skip(1).step_by(2) {
            let is_told = DOCUMENT.contains(&format!("`{key}`")) || DOCUMENT.contains(&format!("[{key}]"));
            assert!(is_told || DOCUMENT.contains(&format!("[{key}.")), "{key}");
            assert!(
                DOCUMENT.contains(&format!("{key} = "))
                    || DOCUMENT.contains(&format!("[{key}"))
                    || DOCUMENT.contains(&format!(".{key}]")),
                "{key}"
            );
            keys += 1;
        }
    }
    assert!(keys > 30, "{keys}");
}
