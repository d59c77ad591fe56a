//! One day after another of public data, cut in many ways: the net result has the same bytes.
#![allow(clippy::unwrap_used)]

#[path = "support/labelled.rs"]
mod labelled;
#[path = "support/process.rs"]
mod process;

use labelled::import;
use process::{foreshock, shared_data, text};
use std::collections::BTreeSet;

#[test]
fn the_net_result_has_the_same_bytes_for_every_cut_and_number_of_key_ranges() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = import(&data, "amlsim", folder.path());
    let mut outputs = BTreeSet::new();
    for (batch, shards) in [("1000", "1"), ("8192", "2"), ("777", "4")] {
        let out = folder.path().join(format!("{batch}-{shards}.ndjson")).display().to_string();
        let arguments =
            ["replay", &events, "--set", "currency=USD", "--batch", batch, "--shards", shards, "--out", &out];
        let run = foreshock(&arguments);
        assert!(run.status.success(), "{}", text(&run.stderr));
        outputs.insert(std::fs::read(&out).unwrap());
    }
    assert_eq!(outputs.len(), 1);
}
