//! The state machine of `standards.md` section 3.4 as a table of its own, written from that table and not from the code.

use crate::State::{self, *};

/// What happens, as the second column of the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Submit,
    Approve,
    Refuse,
    WrittenOut,
    Cancel,
    Receipt,
    Executed,
    BankRefused,
    BankFailed,
    NoAnswer,
    Lift,
    Lifted,
    End,
    Unapproved,
    FreezeConfirmed,
    ReasonsGone,
    NewReasons,
}

/// From where an event leads where. Beyond the table: a draft can be refused and its reasons can go (issue and `blueprint.md`); a
/// lift is possible from wherever something may be blocked, and what is executed too late is lifted.
pub(super) const TABLE: &[(State, Event, State)] = &[
    (Draft, Event::Submit, PendingApproval),
    (Draft, Event::Refuse, RejectedInternal),
    (Draft, Event::Unapproved, ExpiredUnapproved),
    (Draft, Event::ReasonsGone, Withdrawn),
    (Draft, Event::Approve, Approved),
    (PendingApproval, Event::Approve, Approved),
    (PendingApproval, Event::Unapproved, ExpiredUnapproved),
    (PendingApproval, Event::Refuse, RejectedInternal),
    (PendingApproval, Event::ReasonsGone, Withdrawn),
    (Withdrawn, Event::NewReasons, Draft),
    (RejectedInternal, Event::NewReasons, Draft),
    (ExpiredUnapproved, Event::NewReasons, Draft),
    (Approved, Event::WrittenOut, Sent),
    (Sent, Event::Receipt, Delivered),
    (Sent, Event::NoAnswer, Escalated),
    (Sent, Event::BankFailed, Escalated),
    (Sent, Event::BankRefused, Refused),
    (Sent, Event::Cancel, Cancelled),
    (Sent, Event::Lift, LiftSent),
    (Delivered, Event::Cancel, Cancelled),
    (Delivered, Event::Executed, InForce),
    (Delivered, Event::BankRefused, Refused),
    (Delivered, Event::BankFailed, Escalated),
    (Delivered, Event::NoAnswer, Escalated),
    (Delivered, Event::Lift, LiftSent),
    (Escalated, Event::Receipt, Delivered),
    (Escalated, Event::Executed, InForce),
    (Escalated, Event::BankRefused, Refused),
    (Escalated, Event::Cancel, Cancelled),
    (Escalated, Event::Lift, LiftSent),
    (Escalated, Event::Lifted, Lifted),
    (Escalated, Event::End, Expired),
    (InForce, Event::FreezeConfirmed, Converted),
    (InForce, Event::Lift, LiftSent),
    (InForce, Event::Lifted, Lifted),
    (InForce, Event::End, Expired),
    (LiftSent, Event::Lifted, Lifted),
    (LiftSent, Event::Lift, LiftSent),
    (LiftSent, Event::Executed, LiftSent),
    (LiftSent, Event::End, Expired),
    (Cancelled, Event::Executed, LiftSent),
    (Cancelled, Event::BankRefused, LiftSent),
    (Cancelled, Event::Lift, LiftSent),
    (Refused, Event::Lift, LiftSent),
    (Lifted, Event::Lift, LiftSent),
    (Expired, Event::Lift, LiftSent),
    (Converted, Event::Lift, LiftSent),
    (Refused, Event::Executed, LiftSent),
    (Lifted, Event::Executed, LiftSent),
    (Expired, Event::Executed, LiftSent),
];

/// May these follow each other because of one of these events?
pub(super) fn allows(from: State, to: State, because: &[Event]) -> bool {
    TABLE.iter().any(|(a, event, b)| *a == from && *b == to && because.contains(event))
}
