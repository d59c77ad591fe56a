//! Where a request stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The states of a blocking request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// A rule asks for it; nobody has proposed it.
    Draft,
    /// One person has proposed it.
    PendingApproval,
    /// Another one has approved it.
    Approved,
    /// It is on its way to the institution.
    Sent,
    /// The institution has it.
    Delivered,
    /// The institution does not answer, or cannot do it: a person calls.
    Escalated,
    /// The institution has taken the measure.
    InForce,
    /// The institution says no.
    Refused,
    /// A person said no before it left.
    RejectedInternal,
    /// Nobody approved it in time.
    ExpiredUnapproved,
    /// A person took it back before the institution acted.
    Cancelled,
    /// The institution is asked to lift it.
    LiftSent,
    /// The institution has lifted it.
    Lifted,
    /// Its time is over: the institution ends it by its own clock.
    Expired,
    /// A formal freeze took its place.
    Converted,
    /// Its reason was gone before it left.
    Withdrawn,
}

impl State {
    /// Something may be blocked because of it.
    pub fn is_live(self) -> bool {
        use State::{Delivered, Escalated, InForce, LiftSent, Sent};
        matches!(self, Sent | Delivered | Escalated | InForce | LiftSent)
    }

    /// A person may still propose or approve it.
    pub fn is_waiting(self) -> bool {
        matches!(self, State::Draft | State::PendingApproval | State::Approved)
    }

    /// Nothing follows any more, unless new reasons come.
    pub fn is_over(self) -> bool {
        !self.is_live() && !self.is_waiting()
    }
}
