//! What `alert.v1` carries.

use crate::RuleFacts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an episode stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Its first detection has come.
    Opened,
    /// A further detection has come, or one of several was taken back.
    Updated,
    /// It is over: see `reason`.
    Closed,
}

/// Why an episode is closed, or a draft withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Event time has passed its quiet time. What it drafted stands.
    Quiet,
    /// All its detections were taken back (`count` is 0).
    Retracted,
    /// There were too many: it was closed early. What it drafted stands.
    Evicted,
    /// Its rule is no longer in force in this version.
    RuleChanged,
    /// By the last balance known nothing is left that could be stopped. Only of blocking drafts; it comes back when something is.
    Gone,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// An episode: detections of one subject under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertMessage {
    /// UUIDv8 of rule, subject and the event that opened it; the key of the topic.
    pub alert_id: String,
    /// Where it stands.
    pub state: AlertState,
    /// Rule id.
    pub rule_id: String,
    /// Version of the rule that opened it.
    pub rule_version: String,
    /// Title of the rule.
    pub title: Bilingual,
    /// Severity of the rule.
    pub severity: String,
    /// Code of the fraud type.
    pub fraud_type: String,
    /// What it is about.
    pub subject: String,
    /// Event time of its first detection.
    #[serde(with = "crate::message::rfc3339")]
    #[schemars(with = "String")]
    pub first: i64,
    /// Event time of its last detection.
    #[serde(with = "crate::message::rfc3339")]
    #[schemars(with = "String")]
    pub last: i64,
    /// Detections that stand.
    pub count: u64,
    /// The first of their ids, at most [`crate::limits::DETECTIONS_LISTED_MAX`].
    pub detection_ids: Vec<String>,
    /// Why it is closed; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// Newest event time when its rule left force; only for the reason `rule_changed`.
    #[serde(default, with = "crate::message::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub closed_at: Option<i64>,
}

impl AlertMessage {
    /// An episode without detections yet.
    pub(crate) fn new(alert_id: String, rule: &RuleFacts, subject: &str, at_us: i64) -> Self {
        AlertMessage {
            alert_id,
            state: AlertState::Opened,
            rule_id: rule.id.clone(),
            rule_version: rule.version.clone(),
            title: rule.title(),
            severity: rule.severity.clone(),
            fraud_type: rule.fraud_type.clone(),
            subject: subject.to_owned(),
            first: at_us,
            last: at_us,
            count: 0,
            detection_ids: Vec::new(),
            reason: None,
            closed_at: None,
        }
    }
}

/// Event time as text; also for the drafts.
pub mod rfc3339 {
    use foreshock_core::time::{format_rfc3339, parse_rfc3339};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
    pub fn serialize<S: Serializer>(us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_rfc3339(*us))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not a time"))
    }
}

/// The same where there may be none.
pub mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::rfc3339")] i64);

    #[allow(clippy::ref_option)] // serde asks for a reference
    pub fn serialize<S: Serializer>(us: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        us.map(Time).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
    }
}
