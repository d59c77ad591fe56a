//! Commands on their way: signed, sent, and waited for until the register has judged them.

use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::ops::health::Health;
use crate::serve::requests::Known;
use crate::serve::requests::follow::follow;
use anyhow::Context;
use foreshock_blocking::{ActRecord, Cause, Command};
use foreshock_log::COMMANDS;
use foreshock_signatures::{Signer, Type};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// The broker must take a command within this.
const SEND_MAX: Duration = Duration::from_secs(5);
/// The register must judge it within this, or who asks is told to ask again.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The id of a command was used for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherCommand;

impl std::fmt::Display for OtherCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another command had this commandId: choose another one")
    }
}

impl std::error::Error for OtherCommand {}

/// Is it the outcome of the same person's same wish?
fn is_of(command: &Command, outcome: &[ActRecord]) -> bool {
    outcome.iter().all(|act| {
        let is_kind = matches!(&act.cause, Cause::Command { command: kind, .. } if *kind == command.kind);
        is_kind && act.request_id == command.request_id && act.actor.as_ref() == Some(&command.actor)
    })
}

/// The requests as this reader knows them, and its way to the register.
pub struct Requests {
    known: Mutex<Known>,
    /// Grows whenever something was read.
    told: watch::Sender<u64>,
    signer: Signer,
    producer: FutureProducer,
}

impl Requests {
    /// Follows the trail from now on.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn start(
        kafka: &Kafka,
        signer: Signer,
        health: &Arc<Health>,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<(Arc<Requests>, JoinHandle<()>)> {
        let defaults =
            [("enable.idempotence", "true"), ("acks", "all"), ("linger.ms", "0"), ("message.timeout.ms", "5000")];
        let producer = client_config(kafka, &defaults).create().context("cannot make the Kafka producer")?;
        let requests = Requests { known: Mutex::default(), told: watch::Sender::new(0), signer, producer };
        let requests = Arc::new(requests);
        let (of_thread, kafka, health, stop) = (requests.clone(), kafka.clone(), health.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("acts".into());
        Ok((requests, thread.spawn(move || follow(&kafka, &of_thread, &health, &stop))?))
    }

    /// What is known now.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// All is read from the beginning.
    pub fn begin(&self) {
        *self.known() = Known::default();
    }

    /// Those who wait look again.
    pub fn tell(&self) {
        self.told.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Sends a command, unless it was judged before, and waits for what becomes of it; `None` when that is not known in time:
    /// the same command can be sent again.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn command(&self, command: &Command) -> anyhow::Result<Option<Vec<ActRecord>>> {
        let mut told = self.told.subscribe();
        if let Some(outcome) = self.known().outcome(&command.command_id) {
            anyhow::ensure!(is_of(command, outcome), OtherCommand);
            return Ok(Some(outcome.to_vec()));
        }
        let Value::Object(object) = serde_json::to_value(command)? else { anyhow::bail!("a command is an object") };
        let payload = serde_json::to_vec(&self.signer.sign(Type::Command, object))?;
        let record = FutureRecord::to(COMMANDS).key(&command.request_id).payload(&payload);
        let sent = self.producer.send(record, SEND_MAX).await;
        sent.map_err(|(error, _)| anyhow::Error::new(error).context("the broker does not take the command"))?;
        let judged = async {
            loop {
                if let Some(outcome) = self.known().outcome(&command.command_id) {
                    return outcome.to_vec();
                }
                if told.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let outcome = tokio::time::timeout(WAIT_MAX, judged).await.ok();
        anyhow::ensure!(outcome.as_ref().is_none_or(|outcome| is_of(command, outcome)), OtherCommand);
        Ok(outcome)
    }
}
