//! What an institution answers, for `blocking.response.v1`: signed by the institution.

use crate::act::Code;
use crate::command::is_id;
use crate::limits::{ID_BYTES_MAX, TEXT_CHARS_MAX};
use foreshock_actions::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// The message is there.
    Received,
    /// The measure is taken.
    Executed,
    /// The measure is taken for a part of the amount.
    Partial,
    /// It is not taken, for the reason given.
    Refused,
    /// It is lifted.
    Lifted,
    /// It cannot be taken now.
    Failed,
}

/// Money that had already gone on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Onward {
    /// Where it went.
    pub institution: String,
    /// To whom, as a token.
    pub account: String,
    /// Decimal text.
    pub amount: String,
    /// When.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub time: i64,
}

/// An answer. Fields beyond these are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Chosen by the institution: the same id is judged once.
    pub response_id: String,
    /// Who answers.
    pub institution: String,
    /// The request.
    pub request_id: String,
    /// The revision of the message that it answers.
    pub revision: u64,
    /// How far it is.
    pub stage: Stage,
    /// Why not, or why only in part: a code of `standards.md` section 3.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Decimal text: what is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_amount: Option<String>,
    /// When the measure was taken or lifted.
    #[serde(default, with = "foreshock_actions::rfc3339_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub executed_at: Option<i64>,
    /// When the institution ends it by itself.
    #[serde(default, with = "foreshock_actions::rfc3339_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub valid_until: Option<i64>,
    /// Where money had already gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub onward_transfers: Vec<Onward>,
    /// Who did it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// Most onward transfers of an answer.
const ONWARD_MAX: usize = 32;

impl Answer {
    /// Is it of the form that can be judged?
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Code> {
        let short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.chars().count() <= TEXT_CHARS_MAX);
        let is_amount = |text: &String| text.len() <= ID_BYTES_MAX && foreshock_core::Decimal::parse(text).is_some();
        let onward = |to: &Onward| is_id(&to.institution) && is_id(&to.account) && is_amount(&to.amount);
        let is_right = [&self.response_id, &self.institution, &self.request_id].into_iter().all(|id| is_id(id))
            && short(&self.reason)
            && short(&self.operator)
            && self.blocked_amount.as_ref().is_none_or(is_amount)
            && self.onward_transfers.len() <= ONWARD_MAX
            && self.onward_transfers.iter().all(onward);
        if is_right { Ok(()) } else { Err(Code::BadForm) }
    }
}
