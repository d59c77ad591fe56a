//! Drafts of blocking requests for `blocking.draft.v1`. An officer checks one, another approves it, elsewhere.

use crate::message::{Bilingual, EndReason};
use crate::{Finding, Tally, ids, limits};
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
    /// Its reason is gone: see `withdrawnBecause`.
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
    /// Why it is withdrawn; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_because: Option<EndReason>,
    /// Newest event time when its rule left force; only for the reason `rule_changed`.
    #[serde(default, with = "crate::message::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub withdrawn_at: Option<i64>,
    /// The key of the topic; in the message it is `target.account`.
    #[serde(skip)]
    pub subject: String,
}

/// The draft that a new episode leads to.
pub(crate) fn draft(alert: u128, finding: &Finding, tally: &mut Tally) -> BlockingDraft {
    let (rule, detection) = (finding.rule, finding.detection);
    let mut text = |name| text_value(detection, name, tally).map(str::to_owned);
    let (institution, currency) = (text("institution"), text("currency"));
    BlockingDraft {
        request_id: ids::request_id(alert),
        state: DraftState::Draft,
        rule: RuleRef { id: rule.id.clone(), version: rule.version.clone() },
        measure: rule.measure.clone(),
        target: Target { account: detection.subject.clone() },
        institution,
        amount: amount_at_risk(detection, currency.as_deref(), tally),
        currency,
        reason: Bilingual {
            zh: format!("规则 {} 命中：{}", rule.id, rule.title_zh),
            en: format!("rule {} fired: {}", rule.id, rule.title_en),
        },
        legal_basis: first(&rule.legal_basis, limits::LEGAL_BASIS_MAX, &mut tally.legal_basis_cut).to_vec(),
        fraud_type: rule.fraud_type.clone(),
        evidence: Evidence {
            detection_id: finding.detection_id.to_owned(),
            event_ids: vec![detection.event_id.clone()],
            values: evidence_values(detection, tally),
        },
        created_at: detection.event_time,
        expires_at: detection.event_time.saturating_add(limits::BLOCKING_HOURS * 3_600 * SECOND_US),
        withdrawn_because: None,
        withdrawn_at: None,
        subject: detection.subject.clone(),
    }
}

impl BlockingDraft {
    /// What is published when its reason is gone.
    pub(crate) fn withdraw(mut self: Box<Self>, why: EndReason, at_us: Option<i64>) -> Box<Self> {
        self.state = DraftState::Withdrawn;
        self.withdrawn_because = Some(why);
        self.withdrawn_at = at_us;
        self
    }
}

/// A value of the detection that is text; NULL counts as absent, and so does anything else, which is counted.
pub(crate) fn text_value<'a>(detection: &'a Detection, name: &str, tally: &mut Tally) -> Option<&'a str> {
    match value(detection, name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text),
        None | Some(Value::Null) => None,
        Some(_) => {
            tally.columns_ignored += 1;
            None
        }
    }
}

fn value<'a>(detection: &'a Detection, name: &str) -> Option<&'a Value> {
    detection.values.iter().find(|(column, _)| column == name).map(|(_, value)| value)
}

/// The rule says that nothing is left that a bank could stop: the alert is said, and nothing is asked for.
pub(crate) fn is_gone(detection: &Detection) -> bool {
    matches!(value(detection, "amount_at_risk"), Some(Value::Int(..=0)))
}

/// Minor units mean nothing without the currency, so without it there is no amount rather than a guess.
fn amount_at_risk(detection: &Detection, currency: Option<&str>, tally: &mut Tally) -> Option<String> {
    let amount = value(detection, "amount_at_risk").filter(|value| !matches!(value, Value::Null))?;
    let written = match (amount, currency.and_then(money::minor_digits)) {
        (Value::Int(minor), Some(digits)) => Some(money::format_minor(*minor, digits)),
        _ => None,
    };
    tally.amounts_omitted += u64::from(written.is_none());
    written
}

fn evidence_values(detection: &Detection, tally: &mut Tally) -> Map<String, serde_json::Value> {
    let kept = first(&detection.values, limits::EVIDENCE_VALUES_MAX, &mut tally.evidence_values_cut);
    kept.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// The first ones; the others are counted.
fn first<'a, T>(all: &'a [T], count_max: usize, left_out: &mut u64) -> &'a [T] {
    let (first, others) = all.split_at(all.len().min(count_max));
    *left_out += u64::try_from(others.len()).unwrap_or(u64::MAX);
    first
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
