//! Drafts of blocking requests for `blocking.draft.v1`. An officer checks one, another approves it, elsewhere.

use crate::message::{Bilingual, EndReason};
use foreshock_core::TargetKind;
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

/// A rule in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// Rule id.
    pub id: String,
    /// Rule version.
    pub version: String,
}

/// Whom the measure is for, as a token: exactly one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// An account.
    Account(String),
    /// A card.
    Card(String),
    /// A number.
    Phone(String),
    /// A subscriber of a network.
    Imsi(String),
    /// A device.
    Imei(String),
    /// A SIM card.
    Iccid(String),
}

impl Target {
    /// The subject of a rule that is about this kind of thing.
    pub fn new(kind: TargetKind, subject: &str) -> Self {
        let token = subject.to_owned();
        match kind {
            TargetKind::Account => Target::Account(token),
            TargetKind::Card => Target::Card(token),
            TargetKind::Phone => Target::Phone(token),
            TargetKind::Imsi => Target::Imsi(token),
            TargetKind::Imei => Target::Imei(token),
            TargetKind::Iccid => Target::Iccid(token),
        }
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Account(_) => TargetKind::Account,
            Target::Card(_) => TargetKind::Card,
            Target::Phone(_) => TargetKind::Phone,
            Target::Imsi(_) => TargetKind::Imsi,
            Target::Imei(_) => TargetKind::Imei,
            Target::Iccid(_) => TargetKind::Iccid,
        }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        let (Target::Account(token)
        | Target::Card(token)
        | Target::Phone(token)
        | Target::Imsi(token)
        | Target::Imei(token)
        | Target::Iccid(token)) = self;
        token
    }
}

/// One detection behind a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceOf {
    /// The detection.
    pub detection_id: String,
    /// The rule that says it.
    pub rule: RuleRef,
    /// Code of the fraud type.
    pub fraud_type: String,
    /// The event that triggered it.
    pub event_id: String,
    /// Time of that event.
    #[serde(with = "crate::message::rfc3339")]
    #[schemars(with = "String")]
    pub event_time: i64,
    /// The values the rule selected; money in minor units.
    pub values: Map<String, serde_json::Value>,
}

/// Why, for whoever decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The earliest detection that stands.
    pub detection_id: String,
    /// The events that triggered the detections, in the order of their times.
    pub event_ids: Vec<String>,
    /// The values of the earliest detection; money in minor units.
    pub values: Map<String, serde_json::Value>,
    /// All detections that stand, in the order of their times, up to [`crate::limits::REASONS_MAX`].
    #[serde(default)]
    pub detections: Vec<EvidenceOf>,
    /// How many more there are.
    #[serde(default)]
    pub further: u64,
}

/// A proposed blocking request: one for a target, whatever number of rules ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockingDraft {
    /// 32 hexadecimal digits, named by the detection that came first.
    pub request_id: String,
    /// Whether it stands.
    pub state: DraftState,
    /// The rule of the earliest detection.
    pub rule: RuleRef,
    /// All rules that ask for it, in the order of their first detections.
    #[serde(default)]
    pub rules: Vec<RuleRef>,
    /// Proposed measure.
    pub measure: Option<String>,
    /// Whom it is for.
    pub target: Target,
    /// Institution that can take the measure, where a rule selects it.
    pub institution: Option<String>,
    /// Decimal text: what was traced into the target and, by the last balance known, is still there. Only when a rule
    /// selects `amount_at_risk` and a `currency` that exists.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// One sentence for each rule.
    pub reason: Bilingual,
    /// Articles and orders.
    pub legal_basis: Vec<String>,
    /// Code of the fraud type of the earliest detection.
    pub fraud_type: String,
    /// Why.
    pub evidence: Evidence,
    /// Event time of the detection that came first.
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
    /// Newest event time when its last rule left force; only for the reason `rule_changed`.
    #[serde(default, with = "crate::message::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub withdrawn_at: Option<i64>,
}

impl BlockingDraft {
    /// The key of the topic: the target's token.
    pub fn key(&self) -> &str {
        self.target.token()
    }

    /// What is published when its reason is gone.
    pub(crate) fn withdraw(mut self, why: EndReason, at_us: Option<i64>) -> Self {
        self.state = DraftState::Withdrawn;
        self.withdrawn_because = Some(why);
        self.withdrawn_at = at_us;
        self
    }
}
