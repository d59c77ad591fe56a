//! What a person wants, for `command.v1`: signed by the reader that knows the person.

use crate::act::Code;
use crate::limits::{ID_BYTES_MAX, LINE_BYTES_MAX, ROLES_MAX, TEXT_CHARS_MAX};
use foreshock_actions::rfc3339;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommandKind {
    /// Proposes a draft for approval.
    Propose,
    /// Approves what another person has proposed: the request, its extension or its conversion.
    Approve,
    /// Says no to a draft or to what is proposed.
    Refuse,
    /// Takes back a request before the institution acts.
    Cancel,
    /// Asks the institution to lift the measure. One person is enough, whatever the revision is.
    Lift,
    /// Proposes that the measure lasts once more as long.
    Extend,
    /// Proposes that a formal freeze, whose order is named, has taken its place.
    Convert,
    /// Notes that the holder has appealed.
    Appeal,
}

/// Who wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The person, as the reader knows it.
    pub name: String,
    /// The roles of that person.
    pub roles: Vec<String>,
}

/// What differs from the draft, for [`CommandKind::Propose`], and the order of [`CommandKind::Convert`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
    /// The institution that can act, where the draft does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution: Option<String>,
    /// Decimal text: less than was traced, or an amount where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// ISO 4217, with an amount where none was traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Another measure than the draft proposes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Number of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// Chosen by whoever asks: the same id is judged once.
    pub command_id: String,
    /// What is to be done.
    pub kind: CommandKind,
    /// The request.
    pub request_id: String,
    /// The revision that the person has seen: of another one the command is refused, except a lift.
    pub expected_revision: u64,
    /// Why, in the person's words.
    pub reason: String,
    /// Who.
    pub actor: Actor,
    /// For what the person works.
    pub purpose: String,
    /// The case, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<String>,
    /// When the reader took it.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub at: i64,
    /// What differs from the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl Command {
    /// Is it of the form that can be judged?
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Code> {
        let terms = self.terms.clone().unwrap_or_default();
        let ids = [&self.command_id, &self.request_id];
        let other = [terms.institution, terms.amount, terms.currency, terms.measure, terms.order];
        let is_line = |text: &str| text.len() <= LINE_BYTES_MAX && !text.chars().any(char::is_control);
        let short = |text: &String| text.chars().count() <= TEXT_CHARS_MAX;
        let is_right = ids.into_iter().all(|id| is_id(id))
            && !self.actor.name.is_empty()
            && is_line(&self.actor.name)
            && self.case_ref.as_deref().is_none_or(is_line)
            && self.actor.roles.len() <= ROLES_MAX
            && self.actor.roles.iter().chain(other.iter().flatten()).all(|text| text.len() <= ID_BYTES_MAX)
            && short(&self.reason)
            && short(&self.purpose);
        if !is_right {
            return Err(Code::BadForm);
        }
        if self.reason.trim().is_empty() {
            return Err(Code::NoReason);
        }
        if self.purpose.trim().is_empty() {
            return Err(Code::NoPurpose);
        }
        Ok(())
    }
}

/// Is it an id, by the contract?
pub(crate) fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits)
}
