//! Labelled data of others.
#![allow(dead_code, clippy::unwrap_used)]

use crate::process::{foreshock, text};
use std::path::Path;
use std::process::Command;

/// Its transactions by the shipped mapping, in a file.
pub fn import(data: &Path, set: &str, to: &Path) -> String {
    let out = to.join(format!("{set}.parquet")).display().to_string();
    let input = data.join(format!("{set}/transactions.csv.gz")).display().to_string();
    let done = foreshock(&["import", "--mapping", &format!("mappings/{set}.toml"), &input, "--out", &out]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    out
}

/// The fields of each line after the first of a packed table. None of those that are read here has a quoted field.
pub fn table(data: &Path, name: &str) -> Vec<Vec<String>> {
    let unpacked = Command::new("gzip").arg("-dc").arg(data.join(format!("{name}.csv.gz"))).output().unwrap();
    text(&unpacked.stdout).lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// What `evaluate` says of the detections by the shipped mapping of a set's labels.
pub fn evaluated(data: &Path, set: &str, labels: &str, events: &str, from: Option<&str>) -> serde_json::Value {
    let labels = data.join(set).join(format!("{labels}.csv.gz")).display().to_string();
    let (mapping, out) = (format!("mappings/{set}.labels.toml"), detections_file(events));
    let mut arguments = vec!["evaluate", &out, "--labels", &labels, "--mapping", &mapping, "--output", "json"];
    arguments.extend(from.iter().flat_map(|from| ["--from", from]));
    let done = foreshock(&arguments);
    assert!(done.status.success(), "{}", text(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn detections_file(events: &str) -> String {
    events.replace(".parquet", ".ndjson")
}

/// What these rules say of the events, live and in batch alike.
pub fn detections(events: &str, rules: &[&str], currency: &str) -> Vec<serde_json::Value> {
    let out = detections_file(events);
    let currency = format!("currency={currency}");
    let mut arguments = vec!["replay", events, "--set", &currency, "--compare", "--out", &out];
    arguments.extend(rules.iter().flat_map(|rule| ["--rule", rule]));
    let run = foreshock(&arguments);
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    std::fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
