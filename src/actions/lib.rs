//! What a detection leads to: alert episodes, drafts of blocking requests, drafts of public warnings.
//!
//! Comes from the engine as one finding after the other, goes to the sinks as [`Act`]s. Knows no transport, clock,
//! file or random number: time is event time in microseconds, and the same findings in the same order give the same
//! acts, byte for byte. Nothing here takes effect: a person approves what is drafted.

pub mod areas;
mod blocking;
mod cap;

mod ending;
mod episode;
#[cfg(test)]
mod hostile_tests;
mod identifiers;
mod ids;
mod issuer;
pub mod limits;
mod message;
mod personal;
mod reason;
#[cfg(test)]
mod replay_tests;
mod request;
mod requests;
mod save;
mod save_first;
mod save_request;
mod taking;
mod tally;
#[cfg(test)]
mod testing;
mod warning;
mod warnings;
mod xml;

pub use blocking::{BlockingDraft, DraftState, Evidence, EvidenceOf, RuleRef, Target};
pub use foreshock_core::TargetKind;
pub use ids::detection_id;
pub use issuer::{Issuer, IssuerFault};
pub use message::{AlertMessage, AlertState, Bilingual, EndReason, optional as rfc3339_optional, rfc3339};
pub use personal::personal_data;
pub use taking::Actions;
pub use tally::Tally;

use foreshock_core::Detection;

/// What acts need to know of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFacts {
    /// Rule id.
    pub id: String,
    /// Rule version.
    pub version: String,
    /// Title in Chinese.
    pub title_zh: String,
    /// Title in English.
    pub title_en: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// What an episode leads to.
    pub follow_up: FollowUp,
    /// Proposed measure, for [`FollowUp::Block`].
    pub measure: Option<String>,
    /// What the subject is, for [`FollowUp::Block`].
    pub target: TargetKind,
    /// Code of the fraud type.
    pub fraud_type: String,
    /// Articles and orders.
    pub legal_basis: Vec<String>,
    /// Event time without a detection after which an episode closes, in microseconds.
    pub quiet_us: i64,
}

impl RuleFacts {
    pub(crate) fn title(&self) -> Bilingual {
        Bilingual { zh: self.title_zh.clone(), en: self.title_en.clone() }
    }
}

/// What an episode leads to, besides its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing more.
    AlertOnly,
    /// A draft of a public warning.
    Warn,
    /// A draft of a blocking request.
    Block,
}

/// What the engine says of one event under one rule.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// See [`detection_id`].
    pub detection_id: &'a str,
    /// `false`: the detection is taken back.
    pub detected: bool,
    /// The rule.
    pub rule: &'a RuleFacts,
    /// The row it returned.
    pub detection: &'a Detection,
}

/// What is to be published. The large ones are boxed.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// For `alert.v1`.
    Alert(Box<AlertMessage>),
    /// For `blocking.draft.v1`.
    BlockingDraft(Box<BlockingDraft>),
    /// For `warning.draft.v1`: a warning, or the CAP Cancel that withdraws one.
    WarningDraft {
        /// The area.
        key: String,
        /// CAP 1.2.
        xml: String,
    },
}

/// JSON Schema of [`AlertMessage`].
pub fn alert_schema() -> serde_json::Value {
    schemars::schema_for!(AlertMessage).to_value()
}

/// JSON Schema of [`BlockingDraft`].
pub fn blocking_draft_schema() -> serde_json::Value {
    schemars::schema_for!(BlockingDraft).to_value()
}
