//! One blocking request: what is known of it, and the one place where its state changes.

use crate::act::{ActRecord, Cause, Code, Notice};
use crate::answer::Answer;
use crate::command::{Actor, Command, Terms};
use crate::limits;
use crate::order::{Action, Approver, DueBy, EvidenceRef, Institution, Match, Order};
use crate::policy::{MeasurePolicy, Policy, STOP};
use crate::{Outgoing, State};
use foreshock_actions::{BlockingDraft, TargetKind};
use foreshock_core::time::SECOND_US;
use foreshock_core::{measure, money};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Measures that are about an amount of money.
const ABOUT_MONEY: [&str; 4] = [STOP, "FREEZE", "DELAY_SETTLEMENT", "RECALL_PAYMENT"];

/// What two persons are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Proposed {
    /// The request itself.
    Block,
    /// That it lasts once more as long.
    Extension,
    /// That a freeze has taken its place.
    Conversion,
}

/// What waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub what: Proposed,
    pub by: Approver,
    pub at: i64,
    pub terms: Terms,
    /// The terms say all of it, as it stood when it was proposed.
    pub is_resolved: bool,
}

impl Proposal {
    /// Its terms are from now on what would be sent.
    pub fn resolve(&mut self, order: &Order) {
        self.terms.measure = Some(order.measure.clone());
        self.terms.institution = Some(order.target_institution.code.clone());
        self.terms.amount.clone_from(&order.amount);
        self.terms.currency.clone_from(&order.currency);
        self.is_resolved = true;
    }
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub revision: u64,
    pub action: Action,
    pub at: i64,
    pub is_received: bool,
    pub is_retried: bool,
}

/// What was said once and is not said again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub reminder: bool,
    pub expiring: bool,
    pub overdue: u8,
    pub lift_asked: bool,
    pub review: bool,
    pub decision: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The newest draft.
    pub draft: Box<BlockingDraft>,
    pub state: State,
    /// Grows with every change.
    pub revision: u64,
    /// When the state began.
    pub since: i64,
    pub proposal: Option<Proposal>,
    /// What was approved, with its end as it is now.
    pub order: Option<Box<Order>>,
    /// The message that was sent last.
    pub last: Option<Box<Order>>,
    pub sent: Vec<Sent>,
    pub extensions: u8,
    pub told: Told,
    pub appealed_at: Option<i64>,
    /// The end before the last extension, for an institution that refuses it.
    pub extended_from: Option<i64>,
    /// A person has decided about it: no rule acts by itself any more.
    pub is_decided: bool,
    /// Detections behind it when it was over: more of them open it again.
    pub reasons_then: u64,
}

/// Who or what causes something, and when.
#[derive(Debug, Clone)]
pub(crate) struct Why<'a> {
    pub cause: Cause,
    pub command: Option<&'a Command>,
    pub answer: Option<&'a Answer>,
    pub at: i64,
}

impl<'a> Why<'a> {
    pub fn new(cause: Cause, at: i64) -> Self {
        Why { cause, command: None, answer: None, at }
    }

    pub fn of(command: &'a Command, at: i64) -> Self {
        let cause = Cause::Command { command_id: command.command_id.clone(), command: command.kind };
        Why { cause, command: Some(command), answer: None, at }
    }

    pub fn of_answer(answer: &'a Answer, at: i64) -> Self {
        let (response_id, institution) = (answer.response_id.clone(), answer.institution.clone());
        Why { cause: Cause::Answer { response_id, institution }, command: None, answer: Some(answer), at }
    }

    /// A record of the trail, as far as it does not hang on a request.
    pub fn record(&self, request_id: &str) -> ActRecord {
        let command = self.command;
        ActRecord {
            request_id: request_id.to_owned(),
            revision: 0,
            from: None,
            to: None,
            refused: None,
            notice: None,
            cause: self.cause.clone(),
            actor: command.map(|command| command.actor.clone()),
            reason: command.map(|command| command.reason.clone()).or_else(|| self.answer?.reason.clone()),
            target: None,
            terms: None,
            answer: self.answer.map(|answer| Box::new(answer.clone())),
            purpose: command.map(|command| command.purpose.clone()),
            case_ref: command.and_then(|command| command.case_ref.clone()),
            at: self.at,
        }
    }
}

impl Request {
    pub fn new(draft: &BlockingDraft, at: i64) -> Self {
        Request {
            draft: Box::new(draft.clone()),
            state: State::Draft,
            revision: 1,
            since: at,
            proposal: None,
            order: None,
            last: None,
            sent: Vec::new(),
            extensions: 0,
            told: Told::default(),
            appealed_at: None,
            extended_from: None,
            is_decided: false,
            reasons_then: 0,
        }
    }

    pub fn id(&self) -> &str {
        &self.draft.request_id
    }

    /// Detections behind the newest draft.
    pub fn reasons(&self) -> u64 {
        let named = u64::try_from(self.draft.evidence.detections.len()).unwrap_or(u64::MAX);
        named.saturating_add(self.draft.evidence.further)
    }

    /// The measure, as approved or else as the draft and what was proposed say.
    pub fn measure(&self) -> Option<&str> {
        let proposed = self.proposal.as_ref().and_then(|proposal| proposal.terms.measure.as_deref());
        let approved = self.order.as_ref().filter(|_| !self.state.is_waiting()).map(|order| order.measure.as_str());
        approved.or(proposed).or(self.draft.measure.as_deref())
    }

    pub fn policy<'p>(&self, policy: &'p Policy) -> Result<&'p MeasurePolicy, Code> {
        policy.measure(self.measure().ok_or(Code::MeasureNotAllowed)?)
    }

    /// Changes the state and says so.
    pub fn go(&mut self, to: State, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        let from = std::mem::replace(&mut self.state, to);
        (self.since, self.revision) = (why.at, self.revision + 1);
        if !matches!(to, State::PendingApproval | State::InForce) {
            self.proposal = None;
        }
        if to.is_over() {
            self.reasons_then = self.reasons();
        }
        out.push(self.act(Some(from), None, why));
    }

    /// Says something that is no change of the state.
    pub fn say(&mut self, notice: Notice, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        out.push(self.act(Some(self.state), Some(notice), why));
    }

    /// The same of what a person must have seen before deciding further.
    pub fn say_anew(&mut self, notice: Notice, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        self.revision += 1;
        self.say(notice, why, out);
    }

    pub fn act(&self, from: Option<State>, notice: Option<Notice>, why: &Why<'_>) -> Outgoing {
        let (revision, to) = (self.revision, Some(self.state));
        let terms = self.proposal.as_ref().map(|proposal| proposal.terms.clone());
        let target = Some(self.draft.target.clone());
        Outgoing::Act(Box::new(ActRecord { revision, from, to, notice, target, terms, ..why.record(self.id()) }))
    }

    /// The input is refused: nothing has changed.
    pub fn refuse(&self, code: Code, why: &Why<'_>) -> Outgoing {
        let (revision, state) = (self.revision, Some(self.state));
        let record = ActRecord { revision, from: state, to: state, refused: Some(code), ..why.record(self.id()) };
        Outgoing::Act(Box::new(record))
    }

    /// Sends a message about what was approved: of the revision that the request has now.
    pub fn send(&mut self, action: &str, by: Approver, at: i64, out: &mut Vec<Outgoing>) {
        let Some(order) = &self.order else { return };
        let message = Order {
            revision: self.revision,
            action: Action(action.to_owned()),
            approved_by: by,
            due_by: due_by(action, at),
            ..(**order).clone()
        };
        let (revision, action) = (message.revision, message.action.clone());
        self.sent.push(Sent { revision, action, at, is_received: false, is_retried: false });
        if self.sent.len() > limits::SENT_MAX {
            self.sent.remove(1);
        }
        self.last = Some(Box::new(message.clone()));
        out.push(Outgoing::Order(Box::new(message)));
    }

    /// What would be sent if these terms were approved now by somebody: all that must be there is checked. What was proposed is never
    /// more than the terms say, whatever the draft says by now; of money it is less where less is there.
    ///
    /// # Errors
    /// What is missing.
    pub fn order_of(&self, proposal: &Proposal, policy: &Policy, by: Approver, stops: u8) -> Result<Order, Code> {
        let (draft, terms, at) = (&self.draft, &proposal.terms, by.time);
        let name = terms.measure.as_deref().or(draft.measure.as_deref()).ok_or(Code::MeasureNotAllowed)?;
        let rules = policy.measure(name)?;
        if !measure::targets(name).is_some_and(|targets| targets.contains(&draft.target.kind())) {
            return Err(Code::MeasureNotAllowed);
        }
        let code = terms.institution.as_ref().or(draft.institution.as_ref()).ok_or(Code::NoInstitution)?;
        let institution = policy.institutions.get(code).ok_or(Code::UnknownInstitution)?;
        let amount = if ABOUT_MONEY.contains(&name) { Some(self.amount(terms, proposal.is_resolved)?) } else { None };
        if draft.legal_basis.is_empty() {
            return Err(Code::NoLegalBasis);
        }
        let Some(first) = draft.evidence.detections.first() else { return Err(Code::NoEvidence) };
        let life_us = i64::from(rules.hours) * 3_600 * SECOND_US;
        let matching = amount.as_ref().map(|(amount, currency)| Match {
            amount: draft.amount.as_ref().unwrap_or(amount).clone(),
            currency: currency.clone(),
            transaction_time: first.event_time,
        });
        Ok(Order {
            request_id: draft.request_id.clone(),
            revision: self.revision,
            action: Action(name.to_owned()),
            measure: name.to_owned(),
            target_institution: Institution { code: code.clone(), scheme: institution.scheme.clone() },
            target: draft.target.clone(),
            matching,
            amount: amount.as_ref().map(|(amount, _)| amount.clone()),
            currency: amount.as_ref().map(|(_, currency)| currency.clone()),
            direction: amount.as_ref().map(|_| "DEBIT_ONLY".to_owned()),
            legal_basis: draft.legal_basis.clone(),
            confidential: true,
            review_date: at.saturating_add(life_us),
            fraud_type: draft.fraud_type.clone(),
            reason: draft.reason.clone(),
            evidence: self.evidence()?,
            requested_by: proposal.by.clone(),
            approved_by: by,
            effective_from: at,
            expires_at: at.saturating_add(life_us),
            due_by: due_by(name, at),
            sequence_on_target: if is_counted(name, draft.target.kind()) { stops + 1 } else { 0 },
        })
    }

    /// Decimal text and currency: what was traced, or less; where nothing was, what a person names.
    fn amount(&self, terms: &Terms, is_resolved: bool) -> Result<(String, String), Code> {
        let currency = self.draft.currency.as_ref().or(terms.currency.as_ref()).ok_or(Code::NoAmount)?;
        if terms.currency.as_ref().is_some_and(|named| named != currency) {
            return Err(Code::BadAmount);
        }
        let digits = money::minor_digits(currency).ok_or(Code::BadAmount)?;
        let minor = |text: &String| money::parse_minor(text, digits).map_err(|_| Code::BadAmount);
        let traced = self.draft.amount.as_ref().map(minor).transpose()?;
        let named = terms.amount.as_ref().map(minor).transpose()?;
        let asked = match (named, traced) {
            (Some(named), Some(traced)) if is_resolved => named.min(traced),
            (Some(named), Some(traced)) if named > traced => return Err(Code::BadAmount),
            (Some(minor), _) | (None, Some(minor)) => minor,
            (None, None) => return Err(Code::NoAmount),
        };
        if asked <= 0 {
            return Err(Code::BadAmount);
        }
        Ok((money::format_minor(asked, digits), currency.clone()))
    }

    fn evidence(&self) -> Result<EvidenceRef, Code> {
        let canonical = serde_json_canonicalizer::to_vec(&self.draft.evidence).map_err(|_| Code::NoEvidence)?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(EvidenceRef {
            manifest_id: format!("{}.{}", self.id(), self.revision),
            sha256: hex(&Sha256::digest(canonical)),
            detections: self.reasons(),
        })
    }
}

/// Is it counted how often this target is stopped?
pub(crate) fn is_counted(measure: &str, kind: TargetKind) -> bool {
    measure == STOP && kind == TargetKind::Account
}

/// A person as a message names it.
pub(crate) fn approver(actor: &Actor, method: &str, time: i64) -> Approver {
    Approver { officer: actor.name.clone(), roles: actor.roles.clone(), method: method.to_owned(), time }
}

/// What stands where no person decides.
pub(crate) fn by_system(method: &str, time: i64) -> Approver {
    Approver { officer: "policy".into(), roles: Vec::new(), method: method.to_owned(), time }
}

fn due_by(action: &str, at: i64) -> DueBy {
    let executed = if action == Action::LIFT { limits::LIFT_US } else { limits::EXECUTION_TARGET_US };
    DueBy { received: at.saturating_add(limits::RECEIPT_US), executed: at.saturating_add(executed) }
}
