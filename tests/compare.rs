//! Public labelled data: live equals batch, and the take-over rule finds every incident of PaySim.
#![allow(clippy::unwrap_used)]

#[path = "support/process.rs"]
mod process;

use process::{foreshock, shared_data, text};
use std::collections::BTreeSet;

fn import(data: &std::path::Path, set: &str, to: &std::path::Path) -> String {
    let out = to.join(format!("{set}.parquet")).display().to_string();
    let input = data.join(format!("{set}/transactions.csv.gz")).display().to_string();
    let done = foreshock(&["import", "--mapping", &format!("mappings/{set}.toml"), &input, "--out", &out]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    out
}

#[test]
fn paysim_take_overs_are_found_once_each_at_the_cash_out_and_nowhere_else() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = import(&data, "paysim", folder.path());
    let out = folder.path().join("out.ndjson").display().to_string();
    let run =
        foreshock(&["replay", &events, "--rule", "TAKEOVER", "--set", "currency=XTS", "--compare", "--out", &out]);
    assert!(run.status.success(), "{}", text(&run.stdout));
    let found: Vec<String> = std::fs::read_to_string(&out)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["event_id"].as_str().unwrap().to_owned())
        .collect();
    let incidents =
        std::process::Command::new("gzip").arg("-dc").arg(data.join("paysim/incidents.csv.gz")).output().unwrap();
    let expected: BTreeSet<String> = text(&incidents.stdout)
        .lines()
        .skip(1)
        .map(|l| format!("tx:paysim:{}", l.split(',').nth(6).unwrap()))
        .collect();
    assert_eq!(expected.len(), 125);
    assert_eq!(found.len(), 125);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

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
