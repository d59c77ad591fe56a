//! What one detection says for a blocking request.

use crate::blocking::{EvidenceOf, RuleRef};
use crate::message::Bilingual;
use crate::{Finding, RuleFacts, Tally, ids, limits};
use foreshock_core::time::format_rfc3339;
use foreshock_core::{Detection, Value, money};
use serde_json::Map;

/// One detection that asks for a measure.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    /// The detection, as a key.
    pub detection: u128,
    /// What a reader is told of it.
    pub said: EvidenceOf,
    /// Proposed measure.
    pub measure: Option<String>,
    /// One sentence.
    pub text: Bilingual,
    /// Articles and orders.
    pub legal_basis: Vec<String>,
    /// Institution of the target, where the rule selects it.
    pub institution: Option<String>,
    /// ISO 4217, where the rule selects one that exists.
    pub currency: Option<String>,
    /// Minor units traced into the target; `None` when the rule does not say, or not in which currency.
    pub traced: Option<i64>,
    /// Minor units that the target held after the event.
    pub balance: Option<i64>,
    /// Who paid, where the rule selects it.
    pub victim: Option<String>,
}

impl Reason {
    /// What a finding says.
    pub fn of(finding: &Finding, tally: &mut Tally) -> Self {
        let (rule, detection) = (finding.rule, finding.detection);
        let mut text = |name| text_value(detection, name, tally).map(str::to_owned);
        let (institution, victim, currency) = (text("institution"), text("victim"), text("currency"));
        let currency = currency.filter(|code| money::minor_digits(code).is_some());
        let legal_basis = first(&rule.legal_basis, limits::LEGAL_BASIS_MAX, &mut tally.legal_basis_cut).to_vec();
        let traced = minor(detection, "amount_at_risk", currency.as_deref(), tally);
        let balance = minor(detection, "balance_left", currency.as_deref(), tally);
        Reason {
            detection: ids::member_key(finding.detection_id),
            said: EvidenceOf {
                detection_id: finding.detection_id.to_owned(),
                rule: RuleRef { id: rule.id.clone(), version: rule.version.clone() },
                fraud_type: rule.fraud_type.clone(),
                event_id: detection.event_id.clone(),
                event_time: detection.event_time,
                values: evidence_values(detection, tally),
            },
            measure: rule.measure.clone(),
            text: sentence(rule),
            legal_basis,
            institution,
            currency,
            traced,
            balance,
            victim,
        }
    }
}

fn sentence(rule: &RuleFacts) -> Bilingual {
    Bilingual {
        zh: format!("规则 {} 命中：{}", rule.id, rule.title_zh),
        en: format!("rule {} fired: {}", rule.id, rule.title_en),
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

/// Minor units mean nothing without the currency, so without it there is no amount rather than a guess.
fn minor(detection: &Detection, name: &str, currency: Option<&str>, tally: &mut Tally) -> Option<i64> {
    match (value(detection, name)?, currency) {
        (Value::Null, _) => None,
        (Value::Int(minor), Some(_)) => Some(*minor),
        _ => {
            tally.amounts_omitted += 1;
            None
        }
    }
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
