//! Messages in, answers out. It reads its topic from the beginning each time it starts and so comes to the same ledger; an answer
//! has an id that follows from its message, so that one that is sent again is known as a repetition.

use crate::institution::ledger::{Decision, Ledger};
use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::subscription::Subscription;
use anyhow::Context;
use foreshock_blocking::{Answer, Order, Stage};
use foreshock_log::{ANSWERS, ORDERS};
use foreshock_signatures::{Signer, Type, open};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const POLL: Duration = Duration::from_millis(100);
const FLUSH: Duration = Duration::from_secs(30);

/// An institution.
pub struct Receiver {
    /// Its code.
    pub code: String,
    /// Signs its answers.
    pub signer: Signer,
    /// Public keys of the writer by their names, in base64: only what they have signed is followed.
    pub writers: BTreeMap<String, String>,
    /// Its accounts.
    pub ledger: Ledger,
    /// The newest revision of each request, and what was answered: an older message that comes again changes nothing.
    pub done: BTreeMap<String, (u64, Vec<Answer>)>,
}

impl Receiver {
    /// The answers to a message of this time, in order; none for what the writer has not signed, what is for another one, or older than what
    /// was done.
    pub fn take(&mut self, bytes: &[u8], now: i64) -> Vec<Answer> {
        let opened = match open(bytes, Type::Order, |kid, _| self.writers.get(kid).cloned()) {
            Ok(opened) => opened,
            Err(fault) => {
                tracing::warn!(%fault, "a message that the writer has not signed: not followed");
                return Vec::new();
            }
        };
        let order: Order = match serde_json::from_value(Value::Object(opened.object)) {
            Ok(order) => order,
            Err(error) => {
                tracing::warn!(%error, "a message of another form: not followed");
                return Vec::new();
            }
        };
        if order.target_institution.code != self.code {
            tracing::warn!(of = order.target_institution.code, "a message for another institution: not followed");
            return Vec::new();
        }
        match self.done.get(&order.request_id) {
            Some((revision, _)) if *revision > order.revision => {
                tracing::warn!(request = order.request_id, "an older message comes again: not followed");
                return Vec::new();
            }
            // Sent once more because no receipt came.
            Some((revision, answers)) if *revision == order.revision => return answers.clone(),
            _ => {}
        }
        self.ledger.expire(now);
        let received = Decision { stage: Stage::Received, reason: None, blocked_amount: None, valid_until: None };
        let decided = self.ledger.take(&order, now);
        let answers = vec![self.answer(&order, received, now), self.answer(&order, decided, now)];
        self.done.insert(order.request_id.clone(), (order.revision, answers.clone()));
        answers
    }

    fn answer(&self, order: &Order, decision: Decision, now: i64) -> Answer {
        let stage = serde_json::to_value(decision.stage).unwrap_or_default();
        Answer {
            response_id: format!("{}.{}.{}", order.request_id, order.revision, stage.as_str().unwrap_or_default()),
            institution: self.code.clone(),
            request_id: order.request_id.clone(),
            revision: order.revision,
            stage: decision.stage,
            reason: decision.reason.map(str::to_owned),
            blocked_amount: decision.blocked_amount,
            executed_at: (decision.stage != Stage::Received).then_some(now),
            valid_until: decision.valid_until,
            onward_transfers: Vec::new(),
            operator: None,
        }
    }

    /// An answer with its signature.
    ///
    /// # Errors
    /// Never for an answer of ours.
    pub fn signed(&self, answer: &Answer) -> anyhow::Result<Vec<u8>> {
        let Value::Object(object) = serde_json::to_value(answer)? else { anyhow::bail!("an answer is an object") };
        Ok(serde_json::to_vec(&self.signer.sign(Type::Answer, object))?)
    }
}

/// Answers until asked to stop. `said`: told of each message and what was decided.
///
/// # Errors
/// When the broker cannot be reached.
pub fn receive(
    kafka: &Kafka,
    receiver: &mut Receiver,
    stop: &AtomicBool,
    mut said: impl FnMut(&[u8], &[Answer]),
) -> anyhow::Result<()> {
    let topic = format!("{ORDERS}{}", receiver.code);
    let subscription = Subscription::open(kafka, &[(&topic, None)])?;
    let defaults = [("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "0")];
    let producer: BaseProducer = client_config(kafka, &defaults).create().context("cannot make the Kafka producer")?;
    while !stop.load(Ordering::Acquire) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let received = match subscription.poll(POLL) {
            Ok(Some(received)) => received,
            Ok(None) => {
                // Not before all is read: what seems over may have been extended.
                for id in receiver.ledger.expire(now) {
                    tracing::info!(request = id, "over by our own clock");
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the broker does not answer");
                continue;
            }
        };
        let answers = receiver.take(&received.bytes, received.time_us.unwrap_or(now));
        for answer in &answers {
            let payload = receiver.signed(answer)?;
            let record = BaseRecord::to(ANSWERS).key(&answer.request_id).payload(&payload);
            producer.send(record).map_err(|(error, _)| error).context("an answer cannot be sent")?;
        }
        producer.flush(FLUSH).context("the broker does not take answers")?;
        said(&received.bytes, &answers);
    }
    Ok(())
}
