//! How good rules are: detections against labels, of our generator or of others.
//!
//! `labels.rs` reads cases by a mapping, `judge.rs` compares (values in, values out), `table.rs` and `plot.rs` show it.

pub mod judge;
pub mod labels;
pub mod plot;
pub mod table;

use foreshock_core::time::parse_rfc3339;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What makes a detection right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Its event is one of a case. Each row counts.
    Event,
    /// Its subject is an account of a case, in the time of the case. Each subject counts once a day and rule.
    Account,
}

/// A fraud, or something honest that looks like one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// What it is: a typology, the name of a story.
    pub kind: String,
    /// Not honest.
    pub is_fraud: bool,
    /// Ids of its events.
    pub events: BTreeSet<String>,
    /// Accounts (numbers, devices) that take part.
    pub accounts: BTreeSet<String>,
    /// Event time of its beginning and end, in microseconds.
    pub span: Option<(i64, i64)>,
    /// Time after its end, in microseconds, in which a detection still belongs to it.
    pub slack_us: i64,
    /// Event time from which on nothing can be stopped any more.
    pub stop_before: Option<i64>,
    /// Minor units that are lost.
    pub amount: Option<i64>,
}

/// A net detection: a line of `--out` of `replay` or `backtest`.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// Rule.
    pub rule_id: String,
    event_id: String,
    event_time: String,
    /// What it is about.
    pub subject: String,
    values: BTreeMap<String, serde_json::Value>,
}

impl Row {
    /// The event itself, also where a view made two rows of it.
    pub fn source(&self) -> &str {
        let named = self.values.get("source_event_id").and_then(serde_json::Value::as_str);
        named.unwrap_or_else(|| self.event_id.split('#').next().unwrap_or_default())
    }

    /// Event time in microseconds.
    pub fn at_us(&self) -> i64 {
        parse_rfc3339(&self.event_time).unwrap_or(i64::MIN)
    }

    /// What the rule says is at risk, in minor units.
    pub fn amount(&self) -> Option<i64> {
        self.values.get("amount_at_risk")?.as_i64()
    }
}
