//! What people want of a request.

use crate::act::{Code, Notice};
use crate::command::{Command, CommandKind};
use crate::order::Action;
use crate::policy::{Policy, allows};
use crate::request::{Proposal, Proposed, Request, Why, approver, is_counted};
use crate::{Outgoing, State, limits};
use foreshock_core::time::SECOND_US;

/// What the register knows of the target of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// How often it was stopped.
    pub stops: u8,
    /// Another request for it is in force or on its way.
    pub is_live: bool,
    /// No further target can be counted.
    pub is_full: bool,
}

impl Request {
    /// Follows a command of the right form, or says why not: then nothing has changed.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn follow(
        &mut self,
        command: &Command,
        policy: &Policy,
        standing: Standing,
        at: i64,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Code> {
        let why = Why::of(command, at);
        self.check_role(command, policy)?;
        if command.kind == CommandKind::Lift {
            return self.lift(&why, command, out);
        }
        if command.expected_revision != self.revision {
            return Err(Code::StaleRevision);
        }
        match command.kind {
            CommandKind::Propose => self.propose(command, policy, standing, &why, out),
            CommandKind::Approve => self.approve(command, policy, standing, &why, out),
            CommandKind::Refuse => self.refuse_proposed(&why, out),
            CommandKind::Cancel => self.cancel(&why, command, out),
            CommandKind::Extend | CommandKind::Convert => self.propose_change(command, policy, standing, &why, out),
            CommandKind::Appeal => self.appeal(&why, out),
            CommandKind::Lift => Err(Code::WrongState),
        }
    }

    fn check_role(&self, command: &Command, policy: &Policy) -> Result<(), Code> {
        if matches!(command.kind, CommandKind::Cancel | CommandKind::Lift) {
            return policy.allows_lift(self.measure(), &command.actor.roles);
        }
        let named = command.terms.as_ref().and_then(|terms| terms.measure.as_deref());
        let rules = match named.filter(|_| command.kind == CommandKind::Propose) {
            Some(named) => policy.measure(named)?,
            None => self.policy(policy)?,
        };
        let roles = &command.actor.roles;
        match command.kind {
            CommandKind::Propose | CommandKind::Extend | CommandKind::Convert => allows(&rules.propose, roles),
            CommandKind::Approve => allows(&rules.approve, roles),
            CommandKind::Cancel | CommandKind::Lift => Err(Code::RoleNotAllowed),
            CommandKind::Refuse => allows(&rules.approve, roles).or_else(|_| allows(&rules.propose, roles)),
            CommandKind::Appeal => allows(&rules.propose, roles).or_else(|_| allows(&rules.lift, roles)),
        }
    }

    fn check_standing(&self, measure: &str, standing: Standing) -> Result<(), Code> {
        if standing.is_live {
            return Err(Code::AlreadyLive);
        }
        self.check_stops(measure, standing)
    }

    fn check_stops(&self, measure: &str, standing: Standing) -> Result<(), Code> {
        if !is_counted(measure, self.draft.target.kind()) {
            return Ok(());
        }
        if standing.stops >= limits::STOPS_MAX {
            return Err(Code::LimitOfTwoReached);
        }
        if standing.is_full { Err(Code::RegisterFull) } else { Ok(()) }
    }

    fn propose(
        &mut self,
        command: &Command,
        policy: &Policy,
        standing: Standing,
        why: &Why<'_>,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Code> {
        if self.state != State::Draft {
            return Err(Code::WrongState);
        }
        let by = approver(&command.actor, "propose", why.at);
        let terms = command.terms.clone().unwrap_or_default();
        let mut proposal = Proposal { what: Proposed::Block, by: by.clone(), at: why.at, terms, is_resolved: false };
        let order = self.order_of(&proposal, policy, by, standing.stops)?;
        self.check_standing(&order.measure, standing)?;
        proposal.resolve(&order);
        self.is_decided = true;
        self.proposal = Some(proposal);
        self.go(State::PendingApproval, why, out);
        Ok(())
    }

    fn approve(
        &mut self,
        command: &Command,
        policy: &Policy,
        standing: Standing,
        why: &Why<'_>,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Code> {
        let Some(proposal) = self.proposal.clone() else { return Err(Code::WrongState) };
        if proposal.by.officer == command.actor.name {
            return Err(Code::SamePerson);
        }
        let by = approver(&command.actor, "approve", why.at);
        // The policy may be another one by now.
        allows(&self.policy(policy)?.propose, &proposal.by.roles)?;
        match proposal.what {
            Proposed::Block => {
                let order = self.order_of(&proposal, policy, by.clone(), standing.stops)?;
                self.check_standing(&order.measure, standing)?;
                self.send_out(order, by, why, out);
            }
            Proposed::Extension => {
                let rules = self.policy(policy)?;
                self.check_stops(self.measure().unwrap_or_default(), standing)?;
                if self.extensions >= rules.extensions {
                    return Err(Code::NoFurtherExtension);
                }
                let Some(order) = &mut self.order else { return Err(Code::WrongState) };
                self.extended_from = Some(order.expires_at);
                order.requested_by = proposal.by;
                order.expires_at = order.expires_at.saturating_add(i64::from(rules.hours) * 3_600 * SECOND_US);
                order.sequence_on_target += u8::from(order.sequence_on_target > 0);
                self.extensions += 1;
                self.told.expiring = false;
                self.proposal = None;
                self.say_anew(Notice::Extended, why, out);
                self.send(Action::EXTEND, by, why.at, out);
            }
            Proposed::Conversion => self.go(State::Converted, why, out),
        }
        Ok(())
    }

    /// Approved, and out in the same batch.
    pub fn send_out(&mut self, order: crate::Order, by: crate::Approver, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        self.go(State::Approved, why, out);
        self.go(State::Sent, why, out);
        let action = order.action.0.clone();
        self.order = Some(Box::new(order));
        self.told = crate::request::Told::default();
        self.send(&action, by, why.at, out);
    }

    fn refuse_proposed(&mut self, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        self.is_decided = true;
        match (self.state, &self.proposal) {
            (State::Draft | State::PendingApproval, _) => self.go(State::RejectedInternal, why, out),
            (State::InForce, Some(_)) => {
                self.proposal = None;
                self.say_anew(Notice::ProposalRefused, why, out);
            }
            _ => return Err(Code::WrongState),
        }
        Ok(())
    }

    fn cancel(&mut self, why: &Why<'_>, command: &Command, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if !matches!(self.state, State::Sent | State::Delivered | State::Escalated) {
            return Err(Code::WrongState);
        }
        self.go(State::Cancelled, why, out);
        self.send(Action::CANCEL, approver(&command.actor, "cancel", why.at), why.at, out);
        Ok(())
    }

    /// Whatever was asked for is to end. What may be blocked outside is lifted, whatever we know of it.
    fn lift(&mut self, why: &Why<'_>, command: &Command, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if self.order.is_none() || self.state.is_waiting() {
            return Err(Code::WrongState);
        }
        if self.state == State::LiftSent {
            self.retry(why, out);
            return Ok(());
        }
        self.told.overdue = 0;
        self.go(State::LiftSent, why, out);
        self.send(Action::LIFT, approver(&command.actor, "lift", why.at), why.at, out);
        Ok(())
    }

    fn propose_change(
        &mut self,
        command: &Command,
        policy: &Policy,
        standing: Standing,
        why: &Why<'_>,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), Code> {
        if self.state != State::InForce || self.proposal.is_some() {
            return Err(Code::WrongState);
        }
        let terms = command.terms.clone().unwrap_or_default();
        let (what, notice) = if command.kind == CommandKind::Extend {
            if self.extensions >= self.policy(policy)?.extensions {
                return Err(Code::NoFurtherExtension);
            }
            self.check_stops(self.measure().unwrap_or_default(), standing)?;
            (Proposed::Extension, Notice::ExtensionProposed)
        } else {
            if terms.order.as_ref().is_none_or(|order| order.trim().is_empty()) {
                return Err(Code::NoOrder);
            }
            (Proposed::Conversion, Notice::ConversionProposed)
        };
        let by = approver(&command.actor, if what == Proposed::Extension { "extend" } else { "convert" }, why.at);
        self.proposal = Some(Proposal { what, by, at: why.at, terms, is_resolved: true });
        self.say_anew(notice, why, out);
        Ok(())
    }

    fn appeal(&mut self, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if !self.state.is_live() || self.appealed_at.is_some() {
            return Err(Code::WrongState);
        }
        self.appealed_at = Some(why.at);
        self.say_anew(Notice::Appealed, why, out);
        Ok(())
    }
}
