//! Blocking requests that wait as they are saved, and as the form before had them: a draft of each episode.

use crate::blocking::{EvidenceOf, RuleRef, Target};
use crate::message::Bilingual;
use crate::reason::Reason;
use crate::request::Request;
use crate::{BlockingDraft, ids};
use serde::{Deserialize, Serialize};
use serde_json::Map;

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedRequest {
    target: Target,
    alert: u128,
    created_at: i64,
    reasons: Vec<SavedReason>,
    further: u64,
    is_stale: bool,
}

#[derive(Serialize, Deserialize)]
struct SavedReason {
    detection_id: String,
    rule: RuleRef,
    fraud_type: String,
    event_id: String,
    event_time: i64,
    values: Vec<(String, SavedValue)>,
    measure: Option<String>,
    text: Bilingual,
    legal_basis: Vec<String>,
    institution: Option<String>,
    currency: Option<String>,
    traced: Option<i64>,
    balance: Option<i64>,
    victim: Option<String>,
}

/// A value of the evidence. A float goes by its bits: read from its decimal text it may be another one.
#[derive(Serialize, Deserialize)]
enum SavedValue {
    Plain(serde_json::Value),
    Double(u64),
}

fn save_values(values: &Map<String, serde_json::Value>) -> Vec<(String, SavedValue)> {
    let save = |value: &serde_json::Value| match value.as_f64().filter(|_| value.is_f64()) {
        Some(double) => SavedValue::Double(double.to_bits()),
        None => SavedValue::Plain(value.clone()),
    };
    values.iter().map(|(name, value)| (name.clone(), save(value))).collect()
}

fn load_values(values: Vec<(String, SavedValue)>) -> Map<String, serde_json::Value> {
    let load = |value| match value {
        SavedValue::Plain(value) => value,
        SavedValue::Double(bits) => f64::from_bits(bits).into(),
    };
    values.into_iter().map(|(name, value)| (name, load(value))).collect()
}

impl SavedRequest {
    pub fn of(target: &Target, request: &Request) -> Self {
        SavedRequest {
            target: target.clone(),
            alert: request.alert,
            created_at: request.created_at,
            reasons: request.reasons.iter().map(SavedReason::of).collect(),
            further: request.further,
            is_stale: request.is_stale,
        }
    }

    pub fn into_request(self) -> (Target, Request) {
        let SavedRequest { target, alert, created_at, reasons, further, is_stale } = self;
        let mut request = Request { alert, created_at, reasons: Vec::new(), further, is_stale: false };
        reasons.into_iter().for_each(|reason| request.put(reason.into_reason(), false, true));
        request.is_stale = is_stale;
        (target, request)
    }
}

impl SavedReason {
    fn of(reason: &Reason) -> Self {
        let reason = reason.clone();
        SavedReason {
            detection_id: reason.said.detection_id,
            rule: reason.said.rule,
            fraud_type: reason.said.fraud_type,
            event_id: reason.said.event_id,
            event_time: reason.said.event_time,
            values: save_values(&reason.said.values),
            measure: reason.measure,
            text: reason.text,
            legal_basis: reason.legal_basis,
            institution: reason.institution,
            currency: reason.currency,
            traced: reason.traced,
            balance: reason.balance,
            victim: reason.victim,
        }
    }

    fn into_reason(self) -> Reason {
        Reason {
            detection: ids::member_key(&self.detection_id),
            said: EvidenceOf {
                detection_id: self.detection_id,
                rule: self.rule,
                fraud_type: self.fraud_type,
                event_id: self.event_id,
                event_time: self.event_time,
                values: load_values(self.values),
            },
            measure: self.measure,
            text: self.text,
            legal_basis: self.legal_basis,
            institution: self.institution,
            currency: self.currency,
            traced: self.traced,
            balance: self.balance,
            victim: self.victim,
        }
    }
}

/// A draft of the second form, which was of one episode.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedBlocking {
    rule: RuleRef,
    measure: Option<String>,
    account: String,
    institution: Option<String>,
    currency: Option<String>,
    reason: Bilingual,
    legal_basis: Vec<String>,
    fraud_type: String,
    detection_id: String,
    event_ids: Vec<String>,
    values: Vec<(String, SavedValue)>,
    created_at: i64,
}

impl SavedBlocking {
    /// As the first form had it.
    pub fn of(draft: BlockingDraft) -> Self {
        SavedBlocking {
            account: draft.key().to_owned(),
            values: save_values(&draft.evidence.values),
            rule: draft.rule,
            measure: draft.measure,
            institution: draft.institution,
            currency: draft.currency,
            reason: draft.reason,
            legal_basis: draft.legal_basis,
            fraud_type: draft.fraud_type,
            detection_id: draft.evidence.detection_id,
            event_ids: draft.evidence.event_ids,
            created_at: draft.created_at,
        }
    }

    /// The request of an episode of so many detections, the first of which the draft names.
    pub fn into_request(self, alert: u128, detections: u64) -> (Target, Request) {
        let values = load_values(self.values);
        let number = |name: &str| values.get(name).and_then(serde_json::Value::as_i64);
        let text = |name: &str| values.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let has_currency = self.currency.is_some();
        let reason = Reason {
            detection: ids::member_key(&self.detection_id),
            traced: number("amount_at_risk").filter(|_| has_currency),
            balance: None,
            victim: text("victim"),
            said: EvidenceOf {
                detection_id: self.detection_id,
                rule: self.rule,
                fraud_type: self.fraud_type,
                event_id: self.event_ids.into_iter().next().unwrap_or_default(),
                event_time: self.created_at,
                values,
            },
            measure: self.measure,
            text: self.reason,
            legal_basis: self.legal_basis,
            institution: self.institution,
            currency: self.currency,
        };
        let request = Request {
            alert,
            created_at: self.created_at,
            reasons: vec![reason],
            further: detections.saturating_sub(1),
            is_stale: false,
        };
        (Target::Account(self.account), request)
    }
}
