//! What an institution is asked to do, for `blocking.request.v1.<institution>` (`standards.md` section 3.3 of the project's
//! references). It is signed where it leaves.

use foreshock_actions::{Bilingual, Target, rfc3339};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Action(pub String);

impl Action {
    /// Once more as long.
    pub const EXTEND: &'static str = "EXTEND";
    /// No longer.
    pub const LIFT: &'static str = "LIFT";
    /// Not at all, if it is not done yet.
    pub const CANCEL: &'static str = "CANCEL";
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Institution {
    /// Its code.
    pub code: String,
    /// `CNAPS`, `BICFI`, `CARRIER`.
    pub scheme: String,
}

/// What must fit, or the institution must not act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Decimal text: what was traced into the target.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// Time of the first payment behind it.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub transaction_time: i64,
}

/// What stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRef {
    /// Names it.
    pub manifest_id: String,
    /// SHA-256 of the canonical form (RFC 8785) of the draft's evidence, in hexadecimal digits.
    pub sha256: String,
    /// Detections behind it.
    pub detections: u64,
}

/// A person who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approver {
    /// The person, or `policy`.
    pub officer: String,
    /// The roles of that person.
    pub roles: Vec<String>,
    /// The command.
    pub method: String,
    /// By the writer's clock.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub time: i64,
}

/// By when an answer is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DueBy {
    /// The receipt.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub received: i64,
    /// The measure, or its end.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub executed: i64,
}

/// One message to an institution. The same request and revision is the same message, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The request.
    pub request_id: String,
    /// Its revision: with the id the key of this message.
    pub revision: u64,
    /// A measure, or `EXTEND`, `LIFT`, `CANCEL` of the one that was asked for.
    pub action: Action,
    /// The measure that the request is about.
    pub measure: String,
    /// Who is asked.
    pub target_institution: Institution,
    /// Against whom: exactly one, as a token.
    pub target: Target,
    /// For measures about money.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<Match>,
    /// Decimal text: at most this much, never all. For measures about money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `DEBIT_ONLY`: what comes in is not held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Articles and orders.
    pub legal_basis: Vec<String>,
    /// The holder is told by the institution after the review, not before.
    pub confidential: bool,
    /// When secrecy is looked at again.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub review_date: i64,
    /// Code of the fraud type.
    pub fraud_type: String,
    /// Why, in words.
    pub reason: Bilingual,
    /// What stands behind it.
    pub evidence: EvidenceRef,
    /// Who proposed it.
    pub requested_by: Approver,
    /// Who approved it: another person, or the policy. Who lifts or cancels stands here too.
    pub approved_by: Approver,
    /// From when on.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub effective_from: i64,
    /// The institution ends it by its own clock then, whatever becomes of us.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub expires_at: i64,
    /// By when an answer is expected.
    pub due_by: DueBy,
    /// How often this target was stopped, this time included; 0 for measures that are not counted.
    pub sequence_on_target: u8,
}
