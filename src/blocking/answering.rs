//! What an institution answers about a request.

use crate::act::{Code, Notice};
use crate::answer::{Answer, Stage};
use crate::order::Action;
use crate::request::{Request, Why, by_system};
use crate::{Outgoing, State};
use foreshock_core::money;

impl Request {
    /// Takes an answer of the right form, or says why not: then nothing has changed. Whether it says that the measure was taken.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn take_answer(&mut self, answer: &Answer, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<bool, Code> {
        let Some(order) = &self.order else { return Err(Code::UnknownRevision) };
        if order.target_institution.code != answer.institution {
            return Err(Code::WrongInstitution);
        }
        let Some(at) = self.sent.iter().position(|sent| sent.revision == answer.revision) else {
            return Err(Code::UnknownRevision);
        };
        let is_taken = matches!(answer.stage, Stage::Executed | Stage::Partial);
        let mut is_block = false;
        match self.sent[at].action.0.as_str() {
            Action::LIFT => self.answer_lift(answer.stage, why, out)?,
            Action::CANCEL => self.answer_cancel(answer.stage, why, out)?,
            Action::EXTEND => self.answer_extension(answer.stage, why, out)?,
            _ => {
                self.answer_block(answer, why, out)?;
                is_block = is_taken;
            }
        }
        if is_block && self.check_amount(answer).is_err() {
            self.say(Notice::AmountWrong, why, out);
        }
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.revision == answer.revision) {
            sent.is_received = true;
        }
        Ok(is_block)
    }

    /// Nobody blocks more than was asked.
    fn check_amount(&self, answer: &Answer) -> Result<(), Code> {
        let (Some(blocked), Some(order)) = (&answer.blocked_amount, &self.order) else { return Ok(()) };
        let asked = order.amount.as_ref().zip(order.currency.as_deref().and_then(money::minor_digits));
        let Some((asked, digits)) = asked else { return Err(Code::BadAmount) };
        let minor = |text: &str| money::parse_minor(text, digits).map_err(|_| Code::BadAmount);
        let blocked = minor(blocked)?;
        if (0..=minor(asked)?).contains(&blocked) { Ok(()) } else { Err(Code::BadAmount) }
    }

    fn answer_block(&mut self, answer: &Answer, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        use State::{Cancelled, Delivered, Escalated, Expired, InForce, LiftSent, Lifted, Sent};
        match (answer.stage, self.state) {
            (Stage::Received, Sent | Escalated) => self.go(Delivered, why, out),
            (Stage::Executed | Stage::Partial, Sent | Delivered | Escalated) => {
                if self.state == Sent {
                    self.go(Delivered, why, out);
                }
                self.go(InForce, why, out);
                self.take_validity(answer, why, out);
            }
            // It was taken after we had asked for its end, or after its end.
            (Stage::Executed | Stage::Partial, Cancelled | LiftSent | Lifted | Expired | State::Refused) => {
                self.lift_by_itself(why, out);
            }
            (Stage::Refused, Sent | Delivered | Escalated) => self.go(State::Refused, why, out),
            (Stage::Failed, Sent | Delivered) => {
                self.say(Notice::Failed, why, out);
                self.go(Escalated, why, out);
            }
            (Stage::Failed, Escalated) => self.say(Notice::Failed, why, out),
            // The institution may end it by itself.
            (Stage::Lifted, InForce | LiftSent | Escalated) => self.go(Lifted, why, out),
            _ => return Err(Code::StagePast),
        }
        Ok(())
    }

    /// The institution may end it earlier than was asked, and later never: it is asked to lift it then, in the end.
    fn take_validity(&mut self, answer: &Answer, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        let (Some(order), Some(until)) = (&mut self.order, answer.valid_until) else { return };
        if (why.at + 1..=order.expires_at).contains(&until) {
            order.expires_at = until;
        } else {
            self.say(Notice::ValidityWrong, why, out);
        }
    }

    fn answer_lift(&mut self, stage: Stage, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if self.state != State::LiftSent {
            return Err(Code::StagePast);
        }
        match stage {
            Stage::Lifted => self.go(State::Lifted, why, out),
            Stage::Received => self.say(Notice::Receipt, why, out),
            // Nobody may refuse a lift: a person calls.
            Stage::Refused | Stage::Failed => self.say(Notice::Failed, why, out),
            Stage::Executed | Stage::Partial => return Err(Code::StagePast),
        }
        Ok(())
    }

    fn answer_cancel(&mut self, stage: Stage, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if self.state != State::Cancelled {
            return Err(Code::StagePast);
        }
        match stage {
            Stage::Received | Stage::Executed | Stage::Lifted => self.say(Notice::Receipt, why, out),
            // It was too late to be cancelled.
            Stage::Refused | Stage::Partial => self.lift_by_itself(why, out),
            Stage::Failed => self.say(Notice::Failed, why, out),
        }
        Ok(())
    }

    fn answer_extension(&mut self, stage: Stage, why: &Why<'_>, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        if self.state != State::InForce {
            return Err(Code::StagePast);
        }
        match stage {
            Stage::Received | Stage::Executed | Stage::Partial => self.say(Notice::Receipt, why, out),
            Stage::Refused | Stage::Failed => {
                // It ends when it would have without it.
                if let (Some(order), Some(before)) = (&mut self.order, self.extended_from.take()) {
                    order.expires_at = before;
                }
                self.say_anew(Notice::Failed, why, out);
            }
            Stage::Lifted => self.go(State::Lifted, why, out),
        }
        Ok(())
    }

    fn lift_by_itself(&mut self, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        if self.state == State::LiftSent {
            return self.retry(why, out);
        }
        self.told.overdue = 0;
        self.go(State::LiftSent, why, out);
        self.send(Action::LIFT, by_system("late answer", why.at), why.at, out);
    }
}
