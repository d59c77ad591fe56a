//! What reads a configuration, a snapshot or a record of the log takes any bytes: an error or a value, never a panic.
//!
//! `PROPTEST_CASES=100000 cargo test --test hostile` for more.
#![allow(clippy::unwrap_used)]

use foreshock::ops::config::Config;
use foreshock::state::snapshot::Snapshot;
use foreshock_engine::SavedState;
use foreshock_log::{DetectionMessage, Progress, Sign};
use proptest::prelude::*;
use std::path::Path;

fn kept() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshot-5/snapshot.bin");
    std::fs::read(path).unwrap()
}

/// Bytes changed, taken out or put in at some places.
fn mutated(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let places = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8);
    places.prop_map(move |changes| {
        let mut bytes = whole.clone();
        for (at, byte, kind) in changes.into_iter().filter(|_| !whole.is_empty()) {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// With the checksum that belongs to its content: a fault of whoever wrote it, not of the disk.
fn checked(format: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("foreshock-snapshot {format}\n{}\n", blake3::hash(body)).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn body() -> Vec<u8> {
    kept().splitn(3, |byte| *byte == b'\n').nth(2).unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_of_any_bytes_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = Snapshot::decode(&bytes);
        for format in 5..7 {
            let _ = Snapshot::decode(&checked(format, &bytes));
        }
    }

    #[test]
    fn a_damaged_snapshot_is_never_taken_for_a_whole_one(bytes in mutated(kept())) {
        let is_other = bytes != kept();
        let read = Snapshot::decode(&bytes);
        prop_assert!(!is_other || !matches!(read, Ok(Some(_))));
    }

    #[test]
    fn a_snapshot_with_wrong_content_under_a_right_checksum_is_an_error(bytes in mutated(body()), format in 5..7_u32) {
        if let Ok(Some(snapshot)) = Snapshot::decode(&checked(format, &bytes)) {
            let _ = SavedState::read_format(&snapshot.engine, snapshot.engine_format);
        }
    }

    #[test]
    fn a_saved_state_of_any_bytes_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        (0..4).for_each(|format| drop(SavedState::read_format(&bytes, format)));
    }

    #[test]
    fn records_of_the_log_are_read_or_not(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for bytes in [text.as_bytes(), &bytes] {
            let _ = serde_json::from_slice::<Progress>(bytes);
            let _ = serde_json::from_slice::<Sign>(bytes);
            let _ = serde_json::from_slice::<DetectionMessage>(bytes);
        }
    }

    #[test]
    fn a_configuration_of_any_text_is_read_or_refused(text in "\\PC{0,120}", key in "[a-z_.]{1,20}", value in "\\PC{0,30}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreshock.toml");
        for text in [text, format!("[kafka]\n{key} = {value}"), format!("[engine]\n{key} = \"{value}\"")] {
            std::fs::write(&path, text).unwrap();
            if let Ok(config) = Config::read(&path) {
                let _ = config.settings();
            }
        }
    }
}
