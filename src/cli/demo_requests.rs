//! What the demo shows of blocking requests: two officers, played by this process, bring the first draft to its bank and lift it
//! again. The register, the bank and the topics are the real ones.

use crate::institution::{Ledger, Receiver, receive};
use crate::kafka::client::client_config;
use crate::kafka::settings::Kafka;
use crate::kafka::subscription::Subscription;
use crate::ops::blocking::{Keys, parse_policy};
use crate::ops::config::Config;
use crate::ops::health::Health;
use crate::rules::work::Work;
use crate::writer::beside::write_beside;
use anyhow::Context;
use foreshock_blocking::{ActRecord, Actor, Answer, Cause, Code, Command, CommandKind, State};
use foreshock_log::{ACTS, ANSWERS, COMMANDS, ORDERS, REGISTER_PROGRESS};
use foreshock_signatures::{Signer, Type};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The banks of the generated city.
const BANKS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];
const POLL: Duration = Duration::from_millis(100);
const FLUSH: Duration = Duration::from_secs(10);

/// The topics that it needs besides.
pub fn topics() -> Vec<String> {
    let plain = [COMMANDS, ANSWERS, ACTS, REGISTER_PROGRESS].map(str::to_owned);
    plain.into_iter().chain(BANKS.map(|bank| format!("{ORDERS}{bank}"))).collect()
}

/// Keys of everybody who plays a part.
struct Cast {
    register: Arc<Keys>,
    desk: Signer,
    banks: Vec<Receiver>,
}

fn cast() -> anyhow::Result<Cast> {
    let key = |name: &str| Signer::generate(name).map_err(anyhow::Error::msg);
    let (writer, desk) = (key("demo-writer")?, key("demo-desk")?);
    let mut policy = format!(
        "[measures.STOP_PAYMENT]\npropose = [\"officer\"]\napprove = [\"approver\"]\nlift = [\"officer\", \"approver\"]\n\
         hours = 48\nextensions = 1\n[readers]\n\"{}\" = \"{}\"\n",
        desk.kid(),
        desk.public()
    );
    let mut banks = Vec::new();
    for code in BANKS {
        let signer = key(code)?;
        let public = signer.public();
        let _ = write!(policy, "[institutions.{code}]\nscheme = \"CNAPS\"\nkeys = {{ \"{code}\" = \"{public}\" }}\n");
        let writers = BTreeMap::from([(writer.kid().to_owned(), writer.public())]);
        banks.push(Receiver { code: code.into(), signer, writers, ledger: Ledger::new(None), done: BTreeMap::new() });
    }
    Ok(Cast { register: Arc::new(Keys { policy: parse_policy(&policy)?, signer: writer }), desk, banks })
}

/// Plays it beside the demo until asked to stop.
///
/// # Errors
/// When there are no random bytes for keys.
pub fn play<'s>(
    scope: &'s Scope<'s, '_>,
    config: &'s Config,
    health: &'s Arc<Health>,
    stop: &'s AtomicBool,
) -> anyhow::Result<()> {
    let Cast { register, desk, banks } = cast()?;
    let told = |part: &'static str, done: anyhow::Result<()>| {
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), part, "ended");
        }
    };
    scope.spawn(move || {
        let work = Work::register(register);
        told("the register", write_beside(config, &work, work.log().name(), health, stop));
    });
    for mut bank in banks {
        scope.spawn(move || {
            let code = bank.code.clone();
            let said = |message: &[u8], answers: &[Answer]| {
                let Ok(order) = serde_json::from_slice::<Value>(message) else { return };
                let text = |name: &str| order[name].as_str().unwrap_or_default();
                let decided =
                    answers.last().map_or_else(|| "not followed".into(), |answer| format!("{:?}", answer.stage));
                let (amount, currency) = (text("amount"), text("currency"));
                println!(
                    "  BANK      {code}: {} {amount} {currency} of {}, request {}: {decided}",
                    text("action"),
                    order["target"]["account"].as_str().unwrap_or_default(),
                    text("requestId")
                );
            };
            told("a bank", receive(&config.kafka, &mut bank, stop, said));
        });
    }
    scope.spawn(move || told("the officers", officers(&config.kafka, &desk, stop)));
    Ok(())
}

/// Two officers and what they know.
#[derive(Default)]
struct Officers {
    /// Drafts that nobody has taken up, with their revisions.
    drafts: BTreeMap<String, u64>,
    /// The one request that they take up, and no other.
    taken: Option<String>,
    /// A command is under way.
    waits: bool,
    commands: u32,
}

impl Officers {
    /// What they want, now that this was said.
    fn hear(&mut self, act: &ActRecord) -> Option<Command> {
        let state = act.to?;
        let is_taken = self.taken.as_ref() == Some(&act.request_id);
        if is_taken {
            show(act);
            self.waits &= !matches!(act.cause, Cause::Command { .. });
            // Stale: they look again. Anything else: another draft.
            if act.refused.is_some_and(|code| code != Code::StaleRevision) {
                self.taken = None;
            }
        } else if state == State::Draft {
            self.drafts.insert(act.request_id.clone(), act.revision);
        } else {
            self.drafts.remove(&act.request_id);
        }
        if self.taken.is_none() {
            let (id, revision) = self.drafts.pop_last()?;
            self.taken = Some(id.clone());
            return self.want(State::Draft, &id, revision);
        }
        if is_taken && !self.waits { self.want(state, &act.request_id, act.revision) } else { None }
    }

    fn want(&mut self, state: State, id: &str, revision: u64) -> Option<Command> {
        let (kind, name, role, reason) = match state {
            State::Draft => {
                (CommandKind::Propose, "officer.li", "officer", "the victim was called and knows nothing of it")
            }
            State::PendingApproval => {
                (CommandKind::Approve, "officer.wu", "approver", "amount as traced, account as seen")
            }
            State::InForce => (CommandKind::Lift, "officer.li", "officer", "the money is back with the victim"),
            _ => return None,
        };
        self.waits = true;
        self.commands += 1;
        let number = format!("demo-{}", self.commands);
        Some(command(number, kind, (id, revision), (name, role), reason))
    }
}

/// Reads the trail and does what the officers want.
fn officers(kafka: &Kafka, desk: &Signer, stop: &AtomicBool) -> anyhow::Result<()> {
    let subscription = Subscription::open(kafka, &[(ACTS, None)])?;
    let producer: BaseProducer = client_config(kafka, &[]).create().context("cannot make the Kafka producer")?;
    let mut officers = Officers::default();
    while !stop.load(Ordering::Acquire) {
        let Ok(Some(received)) = subscription.poll(POLL) else { continue };
        if let Some(command) = officers.hear(&serde_json::from_slice(&received.bytes)?) {
            send(&producer, desk, &command)?;
        }
    }
    Ok(())
}

fn command(
    command_id: String,
    kind: CommandKind,
    (request_id, revision): (&str, u64),
    (name, role): (&str, &str),
    reason: &str,
) -> Command {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Command {
        command_id,
        kind,
        request_id: request_id.into(),
        expected_revision: revision,
        reason: reason.into(),
        actor: Actor { name: name.into(), roles: vec![role.into()] },
        purpose: "fraud case".into(),
        case_ref: Some("DEMO-1".into()),
        at: i64::try_from(now.as_micros()).unwrap_or(i64::MAX),
        terms: None,
    }
}

fn send(producer: &BaseProducer, desk: &Signer, command: &Command) -> anyhow::Result<()> {
    let Value::Object(object) = serde_json::to_value(command)? else { anyhow::bail!("a command is an object") };
    let payload = serde_json::to_vec(&desk.sign(Type::Command, object))?;
    let record = BaseRecord::to(COMMANDS).key(&command.request_id).payload(&payload);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(producer.flush(FLUSH)?)
}

fn show(act: &ActRecord) {
    let name = |state: Option<State>| state.map_or_else(|| "-".to_owned(), |state| format!("{state:?}"));
    let by = act.actor.as_ref().map_or_else(String::new, |actor| format!(" by {}", actor.name));
    let why = act.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    match (act.refused, act.notice) {
        (Some(code), _) => println!("  REQUEST   {} refused ({code:?}){by}", act.request_id),
        (None, Some(notice)) => println!("  REQUEST   {} {notice:?}{by}", act.request_id),
        (None, None) => println!("  REQUEST   {} {} to {}{by}{why}", act.request_id, name(act.from), name(act.to)),
    }
}
