//! What became of an input, for `act.v1`: the audit trail. Every change of a request names what caused it, every refusal its code.

use crate::answer::Answer;
use crate::command::{Actor, CommandKind, Terms};
use crate::state::State;
use foreshock_actions::{Target, rfc3339};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a command or an answer is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// It is not of the form that is documented.
    BadForm,
    /// Its signature is not that of the key it names.
    BadSignature,
    /// No such key is configured, or not for whoever it speaks for.
    UnknownKey,
    /// This id was judged before.
    Duplicate,
    /// It is older than a day.
    TooOld,
    /// It is dated ahead of the writer's clock.
    FromFuture,
    /// There is no such request.
    UnknownRequest,
    /// The request has changed since the person looked at it.
    StaleRevision,
    /// It cannot be done in this state.
    WrongState,
    /// No role of the person may do it.
    RoleNotAllowed,
    /// The person who proposed cannot approve.
    SamePerson,
    /// No reason is given.
    NoReason,
    /// No purpose is given.
    NoPurpose,
    /// Nobody said which institution can act.
    NoInstitution,
    /// The policy does not name this institution.
    UnknownInstitution,
    /// The policy does not allow this measure, or it cannot be taken against this kind of target.
    MeasureNotAllowed,
    /// Nothing was traced and no amount is named, or not in which currency.
    NoAmount,
    /// More than was traced, not more than nothing, or no amount of its currency.
    BadAmount,
    /// There is no legal basis.
    NoLegalBasis,
    /// There is no evidence.
    NoEvidence,
    /// The account was stopped twice.
    LimitOfTwoReached,
    /// Another request is in force for this target.
    AlreadyLive,
    /// It was extended as often as may be.
    NoFurtherExtension,
    /// No order is named.
    NoOrder,
    /// So many targets were stopped that no further one can be counted.
    RegisterFull,
    /// The answer comes from another institution than was asked.
    WrongInstitution,
    /// No message of this revision was sent.
    UnknownRevision,
    /// The answer is about a stage that is past.
    StagePast,
}

/// What is said without a change of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Notice {
    /// A draft that nobody looked at for a while.
    Reminder,
    /// What the draft asks for has changed.
    Changed,
    /// New reasons came after it was over.
    Reopened,
    /// The message was sent once more.
    Retried,
    /// The measure ends soon.
    Expiring,
    /// The lift is not answered in time.
    LiftOverdue,
    /// All its reasons were taken back while it is in force: an officer is asked to lift it.
    LiftAsked,
    /// An extension is proposed.
    ExtensionProposed,
    /// It lasts longer.
    Extended,
    /// A conversion is proposed.
    ConversionProposed,
    /// What was proposed was refused.
    ProposalRefused,
    /// What was proposed was not approved in time.
    ProposalExpired,
    /// The holder has appealed.
    Appealed,
    /// The appeal is to be looked at now.
    ReviewDue,
    /// The appeal is to be decided now.
    DecisionDue,
    /// The institution has the message.
    Receipt,
    /// The institution cannot do it now.
    Failed,
    /// It blocks more than was asked, or says no amount of the currency: a person calls.
    AmountWrong,
    /// It would end the measure before now or after the end that was asked for: a person calls.
    ValidityWrong,
    /// A draft that had to make room for others.
    Forgotten,
}

/// What caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Cause {
    /// A detection, through the draft.
    Draft,
    /// A person.
    #[serde(rename_all = "camelCase")]
    Command {
        /// Its id.
        command_id: String,
        /// What was wanted.
        command: CommandKind,
    },
    /// An institution.
    #[serde(rename_all = "camelCase")]
    Answer {
        /// Its id.
        response_id: String,
        /// Who answers.
        institution: String,
    },
    /// The policy, where it lets a rule act by itself.
    Policy,
    /// The clock.
    Clock,
    /// A record that could not be read, by its place.
    Record {
        /// Topic, partition, offset.
        position: String,
    },
}

/// One record of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActRecord {
    /// The request; empty where a record could not be read.
    pub request_id: String,
    /// Its revision afterwards.
    pub revision: u64,
    /// Its state before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<State>,
    /// Its state afterwards; absent where the request is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<State>,
    /// Why the input was refused; absent when it was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Code>,
    /// What is said besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// What caused it.
    pub cause: Cause,
    /// The person, of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// Why: the words of the person, or the code of the institution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it is about; absent where nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What is proposed, extended or converted, as it would be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// The whole answer, of an institution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<Answer>>,
    /// For what the person works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<String>,
    /// The writer's clock.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub at: i64,
}
