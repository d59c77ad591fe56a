//! What drafts ask for.

use crate::act::{Cause, Notice};
use crate::commanding::Standing;
use crate::policy::Policy;
use crate::request::{Proposal, Proposed, Request, Why, by_system};
use crate::{Outgoing, State, Terms, limits};
use foreshock_actions::{BlockingDraft, DraftState};

impl Request {
    /// A new version of its draft. `false`: it is over, was sent once, and there are new reasons: they need a request of their own.
    pub fn take_draft(&mut self, draft: &BlockingDraft, at: i64, out: &mut Vec<Outgoing>) -> bool {
        let why = Why::new(Cause::Draft, at);
        let mut draft = draft.clone();
        draft.request_id.clone_from(&self.draft.request_id);
        let (is_withdrawn, is_same) = (draft.state == DraftState::Withdrawn, draft == *self.draft);
        let before = std::mem::replace(&mut *self.draft, draft);
        if is_withdrawn {
            self.lose_reasons(&why, out);
            return true;
        }
        self.told.lift_asked = false;
        match self.state {
            State::Draft | State::PendingApproval if !is_same => self.say_anew(Notice::Changed, &why, out),
            State::Withdrawn => self.go(State::Draft, &why, out),
            State::RejectedInternal | State::ExpiredUnapproved if self.reasons() > self.reasons_then => {
                self.told.reminder = false;
                self.go(State::Draft, &why, out);
            }
            state if state.is_over() && state != State::Converted && self.reasons() > self.reasons_then => {
                *self.draft = before;
                return false;
            }
            _ => {}
        }
        true
    }

    fn lose_reasons(&mut self, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        if self.state.is_waiting() {
            self.go(State::Withdrawn, why, out);
        } else if self.state.is_live() && self.state != State::LiftSent && !self.told.lift_asked {
            self.told.lift_asked = true;
            self.say_anew(Notice::LiftAsked, why, out);
        }
    }

    /// Where the policy lets the rule act without a person, nobody has decided about it, and all is there that must be, the request goes out.
    pub fn act_by_policy(&mut self, policy: &Policy, standing: Standing, at: i64, out: &mut Vec<Outgoing>) {
        let is_automatic = |rules: &crate::MeasurePolicy| rules.automatic.contains(&self.draft.rule.id);
        if self.state != State::Draft
            || self.is_decided
            || standing.is_live
            || !self.policy(policy).is_ok_and(is_automatic)
        {
            return;
        }
        let by = by_system("automatic", at);
        let what = Proposed::Block;
        let proposal = Proposal { what, by: by.clone(), at, terms: Terms::default(), is_resolved: false };
        if let Ok(order) = self.order_of(&proposal, policy, by.clone(), standing.stops) {
            self.send_out(order, by, &Why::new(Cause::Policy, at), out);
        }
    }

    /// When what is over can be forgotten.
    pub fn forgotten_at(&self) -> Option<i64> {
        self.state.is_over().then(|| self.since.saturating_add(limits::CLOSED_US))
    }
}
