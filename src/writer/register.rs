//! The register of blocking requests as a pipeline has it: records to drafts, commands and answers, whose signatures are
//! checked here, and what follows to messages, signed where they go to an institution.

use crate::ops::blocking::Keys;
use foreshock_actions::BlockingDraft;
use foreshock_blocking::{Action, Answer, Code, Command, Order, Outgoing, Policy, Register};
use foreshock_log::{ACTS, Kind, Message, ORDERS, SourceRecord};
use foreshock_signatures::{Fault, Type, open};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So far behind the machine's own clock it is said that this one is not believed.
const BEHIND_US: i64 = 3_600_000_000;

/// The register with what it needs of the outside.
pub(super) struct Desk {
    register: Register,
    /// By what is signed, and the policy that counts as soon as this process writes.
    keys: Arc<Keys>,
    /// The time of the last look, of this process.
    seen_us: i64,
}

impl Desk {
    pub(super) fn new(keys: Arc<Keys>) -> Desk {
        Desk { register: Register::new(), keys, seen_us: i64::MIN }
    }

    pub(super) fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.register = Register::load(bytes)?;
        Ok(())
    }

    pub(super) fn save(&self) -> Vec<u8> {
        self.register.save()
    }

    /// The policy of this process, where another one counts as yet.
    pub(super) fn new_policy(&self) -> Option<Policy> {
        (*self.register.policy() != self.keys.policy).then(|| self.keys.policy.clone())
    }

    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.register.set_policy(policy);
    }

    /// Is something due at this time?
    pub(super) fn is_due(&self, now_us: i64) -> bool {
        self.register.due_at().is_some_and(|at| at <= now_us)
    }

    /// The clock of a batch of these records: see [`Register::time`].
    pub(super) fn clock(&mut self, now_us: i64, records: &[SourceRecord]) -> i64 {
        let newest = records.iter().filter_map(|record| record.time_us).max();
        self.seen_us = self.register.time(self.seen_us, now_us, newest);
        if self.seen_us < now_us - BEHIND_US && !records.is_empty() {
            let clock_us = self.seen_us;
            tracing::error!(
                now_us,
                clock_us,
                "this machine's clock is far ahead of all that was said before: not believed"
            );
        }
        self.seen_us
    }

    /// What is in force or on its way, and what waits for a person.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.register.counts()
    }

    pub(super) fn take_tally(&mut self) -> foreshock_blocking::Tally {
        self.register.take_tally()
    }

    /// Judges a batch at a time.
    pub(super) fn take(&mut self, records: &[SourceRecord], clock_us: i64, messages: &mut Vec<Message>) {
        let mut out = Vec::new();
        self.register.tick(clock_us, &mut out);
        for record in records {
            self.take_one(record, &mut out);
        }
        self.register.finish(&mut out);
        messages.extend(lifts_first(out).into_iter().map(|one| self.message(one)));
    }

    fn take_one(&mut self, record: &SourceRecord, out: &mut Vec<Outgoing>) {
        let judged = match record.kind {
            Kind::Draft => self.take_draft(record, out),
            Kind::Command => self.take_command(record, out),
            Kind::Answer => self.take_answer(record, out),
            Kind::Event(_) | Kind::Horizon(_) => return,
        };
        if let Err(code) = judged {
            let at = &record.position;
            tracing::warn!(topic = &*at.topic, partition = at.partition, offset = at.offset, ?code, "not taken");
            self.register.refuse_record(&format!("{}/{}/{}", at.topic, at.partition, at.offset), code, out);
        }
    }

    fn take_draft(&mut self, record: &SourceRecord, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        let draft: BlockingDraft = serde_json::from_slice(&record.bytes).map_err(|_| Code::BadForm)?;
        self.register.take_draft(&draft, record.time_us, out);
        Ok(())
    }

    fn take_command(&mut self, record: &SourceRecord, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        let readers = &self.register.policy().readers;
        let command: Command = opened(record, Type::Command, |kid, _| readers.get(kid).cloned())?;
        self.register.take_command(&command, out);
        Ok(())
    }

    fn take_answer(&mut self, record: &SourceRecord, out: &mut Vec<Outgoing>) -> Result<(), Code> {
        let institutions = &self.register.policy().institutions;
        // Only its own keys speak for an institution.
        let key = |kid: &str, object: &Map<String, Value>| {
            let institution = institutions.get(object.get("institution")?.as_str()?)?;
            institution.keys.get(kid).cloned()
        };
        let answer: Answer = opened(record, Type::Answer, key)?;
        self.register.take_answer(&answer, out);
        Ok(())
    }

    fn message(&self, one: Outgoing) -> Message {
        match one {
            Outgoing::Act(act) => {
                let payload = serde_json::to_vec(&act).expect("acts are plain data");
                Message::new(ACTS, act.request_id, payload)
            }
            Outgoing::Order(order) => self.order(&order),
        }
    }

    fn order(&self, order: &Order) -> Message {
        let Ok(Value::Object(object)) = serde_json::to_value(order) else { unreachable!("an order is an object") };
        let payload = serde_json::to_vec(&self.keys.signer.sign(Type::Order, object)).expect("orders are plain data");
        let topic = format!("{ORDERS}{}", order.target_institution.code);
        Message::new(topic, order.request_id.clone(), payload)
    }
}

/// A lift goes before the messages of all other requests. Those of its own keep their order: a lift that comes before what it lifts would
/// lift nothing.
fn lifts_first(out: Vec<Outgoing>) -> Vec<Outgoing> {
    let order = |one: &Outgoing| {
        if let Outgoing::Order(order) = one {
            Some((order.request_id.clone(), order.action.0 == Action::LIFT))
        } else {
            None
        }
    };
    let lifted: BTreeSet<String> =
        out.iter().filter_map(order).filter(|(_, is_lift)| *is_lift).map(|(id, _)| id).collect();
    let is_first = |one: &Outgoing| order(one).is_some_and(|(id, _)| lifted.contains(&id));
    let (mut first, others): (Vec<Outgoing>, Vec<Outgoing>) = out.into_iter().partition(is_first);
    first.extend(others);
    first
}

/// The content of a record whose signature fits.
fn opened<T: DeserializeOwned>(
    record: &SourceRecord,
    typ: Type,
    key: impl FnOnce(&str, &Map<String, Value>) -> Option<String>,
) -> Result<T, Code> {
    let opened = open(&record.bytes, typ, key).map_err(|fault| match fault {
        Fault::Form | Fault::Header => Code::BadForm,
        Fault::Key => Code::UnknownKey,
        Fault::Signature => Code::BadSignature,
    })?;
    serde_json::from_value(Value::Object(opened.object)).map_err(|_| Code::BadForm)
}
