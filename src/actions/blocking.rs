//! Drafts of blocking requests for `blocking.draft.v1`. An officer checks one, another approves it, elsewhere.

use crate::message::Bilingual;
use crate::{Finding, ids, limits};
use foreshock_core::time::{SECOND_US, format_rfc3339};
use foreshock_core::{Detection, Value, money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// Whether a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DraftState {
    /// Waits for an officer.
    Draft,
    /// Its reason is gone: all detections of the episode were taken back.
    Withdrawn,
}

/// The rule behind a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// Rule id.
    pub id: String,
    /// Rule version.
    pub version: String,
}

/// Whom the measure is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Account token: the subject.
    pub account: String,
}

/// Why, for whoever decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The detection that opened the episode.
    pub detection_id: String,
    /// The event that triggered it.
    pub event_ids: Vec<String>,
    /// The values the rule selected; money in minor units.
    pub values: Map<String, serde_json::Value>,
}

/// A proposed blocking request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockingDraft {
    /// 32 hexadecimal digits; the same for the same episode.
    pub request_id: String,
    /// Whether it stands.
    pub state: DraftState,
    /// The rule behind it.
    pub rule: RuleRef,
    /// Proposed measure.
    pub measure: Option<String>,
    /// Whom it is for.
    pub target: Target,
    /// Institution that holds the account, where the rule selects it.
    pub institution: Option<String>,
    /// Decimal text; only when the rule selects `amount_at_risk` and a `currency` that exists.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// One sentence.
    pub reason: Bilingual,
    /// Articles and orders.
    pub legal_basis: Vec<String>,
    /// Code of the fraud type.
    pub fraud_type: String,
    /// Why.
    pub evidence: Evidence,
    /// Event time of the detection.
    #[serde(with = "crate::message::rfc3339")]
    #[schemars(with = "String")]
    pub created_at: i64,
    /// 48 hours later.
    #[serde(with = "crate::message::rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: i64,
    /// The key of the topic; in the message it is `target.account`.
    #[serde(skip)]
    pub subject: String,
}

/// The draft that a new episode leads to.
pub(crate) fn draft(alert: u128, finding: &Finding) -> BlockingDraft {
    let (rule, detection) = (finding.rule, finding.detection);
    let text = |name| text_value(detection, name).map(str::to_owned);
    BlockingDraft {
        request_id: ids::request_id(alert),
        state: DraftState::Draft,
        rule: RuleRef { id: rule.id.clone(), version: rule.version.clone() },
        measure: rule.measure.clone(),
        target: Target { account: detection.subject.clone() },
        institution: text("institution"),
        amount: amount_at_risk(detection),
        currency: text("currency"),
        reason: Bilingual {
            zh: format!("规则 {} 命中：{}", rule.id, rule.title_zh),
            en: format!("rule {} fired: {}", rule.id, rule.title_en),
        },
        legal_basis: rule.legal_basis.iter().take(limits::LEGAL_BASIS_MAX).cloned().collect(),
        fraud_type: rule.fraud_type.clone(),
        evidence: Evidence {
            detection_id: finding.detection_id.to_owned(),
            event_ids: vec![detection.event_id.clone()],
            values: evidence_values(detection),
        },
        created_at: detection.event_time,
        expires_at: detection.event_time.saturating_add(limits::BLOCKING_HOURS * 3_600 * SECOND_US),
        subject: detection.subject.clone(),
    }
}

/// A value of the detection that is text; NULL counts as absent.
pub(crate) fn text_value<'a>(detection: &'a Detection, name: &str) -> Option<&'a str> {
    match value(detection, name)? {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn value<'a>(detection: &'a Detection, name: &str) -> Option<&'a Value> {
    detection.values.iter().find(|(column, _)| column == name).map(|(_, value)| value)
}

/// Minor units mean nothing without the currency, so without it there is no amount rather than a guess.
fn amount_at_risk(detection: &Detection) -> Option<String> {
    let digits = money::minor_digits(text_value(detection, "currency")?)?;
    match value(detection, "amount_at_risk")? {
        Value::Int(minor) => Some(money::format_minor(*minor, digits)),
        _ => None,
    }
}

fn evidence_values(detection: &Detection) -> Map<String, serde_json::Value> {
    let kept = detection.values.iter().take(limits::EVIDENCE_VALUES_MAX);
    kept.map(|(name, value)| (name.clone(), to_json(value))).collect()
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(v) => (*v).into(),
        Value::Text(v) => v.as_str().into(),
        Value::Bool(v) => (*v).into(),
        Value::Time(us) => format_rfc3339(*us).into(),
        Value::Double(v) => (*v).into(),
    }
}
