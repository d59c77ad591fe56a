//! What falls due while nothing is said.

use crate::act::{Cause, Notice};
use crate::order::Action;
use crate::request::{Request, Why};
use crate::{Outgoing, State, limits};

/// What is due, and when.
type Due = (i64, What);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Reminder,
    DraftOver,
    ApprovalOver,
    ProposalOver,
    Retry,
    Escalate,
    Expiring,
    End,
    LiftOverdue,
    Review,
    Decision,
}

impl Request {
    /// When something is due next, by the writer's clock.
    pub fn due_at(&self) -> Option<i64> {
        self.next_due().map(|(at, _)| at)
    }

    fn next_due(&self) -> Option<Due> {
        let mut all: Vec<Due> = Vec::new();
        let mut add = |from: i64, after: i64, what| all.push((from.saturating_add(after), what));
        let ends_at = self.order.as_ref().map(|order| order.expires_at);
        match self.state {
            State::Draft => {
                if !self.told.reminder {
                    add(self.since, limits::DRAFT_REMINDER_US, What::Reminder);
                }
                add(self.since, limits::DRAFT_LIFE_US, What::DraftOver);
            }
            State::PendingApproval => add(self.since, limits::APPROVAL_US, What::ApprovalOver),
            State::Sent | State::LiftSent | State::Cancelled => {
                if let Some(sent) = self.sent.last().filter(|sent| !sent.is_received) {
                    match (sent.is_retried, self.state) {
                        (false, _) => add(sent.at, limits::RECEIPT_US, What::Retry),
                        (true, State::Sent) => add(sent.at, 2 * limits::RECEIPT_US, What::Escalate),
                        (true, _) => {}
                    }
                }
                if self.state == State::LiftSent && self.told.overdue < limits::LIFT_OVERDUE_MAX {
                    add(self.since, limits::LIFT_US << self.told.overdue, What::LiftOverdue);
                }
            }
            State::Delivered => add(self.since, limits::EXECUTION_US, What::Escalate),
            State::InForce => {
                if let Some(proposal) = &self.proposal {
                    add(proposal.at, limits::APPROVAL_US, What::ProposalOver);
                }
                if let Some(ends_at) = ends_at.filter(|_| !self.told.expiring) {
                    add(ends_at, -limits::EXPIRING_US, What::Expiring);
                }
            }
            _ => {}
        }
        if self.state.is_live() {
            if let Some(ends_at) = ends_at {
                // A lift of what was taken after its end waits for its answer, too.
                let lifted_by = self.since.saturating_add(limits::LIFT_LIFE_US);
                add(if self.state == State::LiftSent { ends_at.max(lifted_by) } else { ends_at }, 0, What::End);
            }
            if let Some(appealed_at) = self.appealed_at {
                if !self.told.review {
                    add(appealed_at, limits::REVIEW_US, What::Review);
                }
                if !self.told.decision {
                    add(appealed_at, limits::DECISION_US, What::Decision);
                }
            }
        }
        all.into_iter().min()
    }

    /// Does all that is due at this time.
    pub fn fall_due(&mut self, at: i64, out: &mut Vec<Outgoing>) {
        let why = Why::new(Cause::Clock, at);
        while let Some((_, what)) = self.next_due().filter(|(due, _)| *due <= at) {
            self.fall_due_once(what, &why, out);
        }
    }

    fn fall_due_once(&mut self, what: What, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        match what {
            What::Reminder => {
                self.told.reminder = true;
                self.say(Notice::Reminder, why, out);
            }
            What::DraftOver | What::ApprovalOver => self.go(State::ExpiredUnapproved, why, out),
            What::ProposalOver => {
                self.proposal = None;
                self.say_anew(Notice::ProposalExpired, why, out);
            }
            What::Retry => self.retry(why, out),
            What::Escalate => self.go(State::Escalated, why, out),
            What::Expiring => {
                self.told.expiring = true;
                self.say(Notice::Expiring, why, out);
            }
            What::End => self.go(State::Expired, why, out),
            What::LiftOverdue => {
                self.told.overdue += 1;
                self.say(Notice::LiftOverdue, why, out);
                out.extend(self.last.clone().filter(|last| last.action.0 == Action::LIFT).map(Outgoing::Order));
            }
            What::Review => {
                self.told.review = true;
                self.say(Notice::ReviewDue, why, out);
            }
            What::Decision => {
                self.told.decision = true;
                self.say(Notice::DecisionDue, why, out);
            }
        }
    }

    /// The same bytes once more: who has them already sees that from their id and revision.
    pub fn retry(&mut self, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        if let Some(sent) = self.sent.last_mut() {
            sent.is_retried = true;
        }
        self.say(Notice::Retried, why, out);
        out.extend(self.last.clone().map(Outgoing::Order));
    }
}
