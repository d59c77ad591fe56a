//! The net result of a run: detections that stand at its end, in the form of `--out`.

use anyhow::Context;
use arrow::array::RecordBatch;
use foreshock_compiler::batch::{self, Tables};
use foreshock_compiler::{Pack, Rule};
use foreshock_core::Detection;
use foreshock_core::Feed;
use foreshock_core::time::format_rfc3339;
use foreshock_engine::{State, Verdict};
use foreshock_log::values;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use tokio::runtime::Runtime;

/// (event time, rule id, event id).
pub type Key = (i64, String, String);

/// Detections that stand, sorted as `--out` wants them.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Net {
    /// The rows, with the rule's longest frame for `window_start`.
    pub rows: BTreeMap<Key, (Detection, i64)>,
}

impl Net {
    /// The rows that every rule of a pack gives as a batch over events in memory.
    ///
    /// # Errors
    /// What DataFusion says, with the rule.
    pub fn of_batch(pack: &Pack, events: &BTreeMap<Feed, Vec<RecordBatch>>) -> anyhow::Result<Net> {
        Net::of_tables(pack, &batch::tables(events)?)
    }

    /// The same over tables.
    ///
    /// # Errors
    /// What DataFusion says, with the rule.
    pub fn of_tables(pack: &Pack, events: &Tables) -> anyhow::Result<Net> {
        Net::of_tables_on(&tokio::runtime::Builder::new_current_thread().build()?, 1, pack, events)
    }

    /// The same on a runtime with so many threads.
    ///
    /// # Errors
    /// As [`Net::of_tables`].
    pub fn of_tables_on(runtime: &Runtime, threads: usize, pack: &Pack, events: &Tables) -> anyhow::Result<Net> {
        let mut net = Net::default();
        for rule in &pack.rules {
            let detections = runtime.block_on(batch::run_rule(pack, rule, events, threads));
            net.extend(rule, detections.with_context(|| format!("rule `{}` as a batch", rule.header.id))?);
        }
        Ok(net)
    }

    /// Takes in what the engine said.
    pub fn apply(&mut self, pack: &Pack, verdict: &Verdict) {
        let rule = pack.rule_at(&verdict.stream, verdict.rule).expect("verdicts come from this pack");
        let detection = &verdict.detection;
        let key = (detection.event_time, rule.header.id.clone(), detection.event_id.clone());
        match verdict.state {
            State::Detected => {
                self.rows.insert(key, (detection.clone(), rule.longest_frame_us));
            }
            State::Retracted => {
                self.rows.remove(&key);
            }
        }
    }

    /// Adds the rows of one rule.
    pub fn extend(&mut self, rule: &Rule, detections: Vec<Detection>) {
        for detection in detections {
            let key = (detection.event_time, rule.header.id.clone(), detection.event_id.clone());
            self.rows.insert(key, (detection, rule.longest_frame_us));
        }
    }

    /// Detections of each rule.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (_, rule, _) in self.rows.keys() {
            *counts.entry(rule.as_str()).or_insert(0) += 1;
        }
        counts
    }

    /// Writes NDJSON: the same bytes for the same detections.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        for (key, (detection, frame)) in &self.rows {
            writeln!(to, "{}", line(key, detection, *frame))?;
        }
        Ok(())
    }

    /// Lines that are in one of the two only, with their side: `live` or `batch`.
    pub fn differences(&self, batch: &Net) -> Vec<String> {
        let lines = |net: &Net| -> BTreeMap<Key, String> {
            net.rows.iter().map(|(k, (d, f))| (k.clone(), line(k, d, *f))).collect()
        };
        let (live, batch) = (lines(self), lines(batch));
        let only = |a: &BTreeMap<Key, String>, b: &BTreeMap<Key, String>, side: &str| -> Vec<String> {
            a.iter().filter(|(k, l)| b.get(*k) != Some(*l)).map(|(_, l)| format!("only {side}: {l}")).collect()
        };
        let mut all = only(&live, &batch, "live");
        all.extend(only(&batch, &live, "batch"));
        all
    }
}

fn line(key: &Key, detection: &Detection, frame: i64) -> String {
    let (time, rule, event) = key;
    json!({
        "rule_id": rule,
        "event_id": event,
        "event_time": format_rfc3339(*time),
        "window_start": format_rfc3339(time - frame),
        "subject": detection.subject,
        "values": values(detection),
    })
    .to_string()
}
