//! The register of blocking requests in the whole pipeline, on one thread with a simulated broker, store and clock: deaths at any
//! step, take-overs, zombies, torn snapshots. Commands and answers are under way all the time.
//!
//! `FORESHOCK_SIMULATIONS=10000 cargo test --test register` for more; a seed that fails is printed and replays
//! with `FORESHOCK_SIMULATIONS=1 FORESHOCK_SIMULATION_SEED=<seed>`.
#![allow(clippy::unwrap_used)]

#[path = "support/simulated.rs"]
mod simulated;
mod support;
#[path = "support/world.rs"]
mod world;

use foreshock::ops::blocking::{Keys, parse_policy};
use foreshock::ops::config::Config;
use foreshock::rules::work::Work;
use foreshock_actions::BlockingDraft;
use foreshock_blocking::{ActRecord, Answer, Code, Command, Outgoing, Register};
use foreshock_core::time::format_rfc3339;
use foreshock_log::{ACTS, ANSWERS, BLOCKING_DRAFTS, COMMANDS, Kind, ORDERS, Progress};
use foreshock_signatures::{Signer, Type, open};
use serde_json::{Map, Value, json};
use simulated::{Log, Simulation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use support::Random;
use world::{Sent, World};

const START: i64 = 1_790_000_000_000_000;
const REQUESTS: u64 = 4;
const PLACES: [(&str, i32); 3] = [(BLOCKING_DRAFTS, 0), (COMMANDS, 0), (ANSWERS, 0)];

fn signer(name: &str) -> Signer {
    let seed = name.bytes().cycle().take(32).collect::<Vec<u8>>();
    Signer::of(name, seed.try_into().unwrap()).unwrap()
}

fn keys() -> Keys {
    let policy = format!(
        r#"
        [measures.STOP_PAYMENT]
        propose = ["officer"]
        approve = ["approver"]
        lift = ["officer", "approver"]
        hours = 48
        extensions = 1
        [readers]
        desk = "{}"
        [institutions.bank_a]
        scheme = "CNAPS"
        keys = {{ bank = "{}" }}
        "#,
        signer("desk").public(),
        signer("bank").public()
    );
    Keys { policy: parse_policy(&policy).unwrap(), signer: signer("writer") }
}

fn draft(random: &mut Random) -> Sent {
    let (request, detections) = (random.below(REQUESTS), 1 + random.below(3));
    let rule = json!({"id": "T05", "version": "v1"});
    let event = |nth: u64| {
        json!({"detectionId": format!("d{nth}"), "rule": rule, "fraudType": "OTHER", "eventId": format!("tx:b:{nth}"),
            "eventTime": format_rfc3339(START), "values": {}})
    };
    let detections: Vec<Value> = (0..detections).map(event).collect();
    let state = if random.one_in(8) { "withdrawn" } else { "draft" };
    let body = json!({
        "requestId": format!("r{request}"), "state": state, "rule": rule, "measure": "STOP_PAYMENT",
        "target": {"account": format!("acc-{request}")}, "institution": "bank_a", "amount": "300.00", "currency": "CNY",
        "reason": {"zh": "一", "en": "one"}, "legalBasis": ["Art. 30"], "fraudType": "OTHER",
        "evidence": {"detectionId": "d0", "eventIds": ["tx:b:0"], "values": {}, "detections": detections},
        "createdAt": format_rfc3339(START), "expiresAt": format_rfc3339(START + 1),
    });
    Sent { kind: Kind::Draft, json: body.to_string() }
}

fn signed(random: &mut Random, by: &str, typ: Type, body: Value) -> String {
    let Value::Object(object) = body else { unreachable!() };
    // Some are forged, some are cut.
    let by = if random.one_in(20) { "thief" } else { by };
    let text = Value::Object(signer(by).sign(typ, object)).to_string();
    if random.one_in(30) { text[..text.len() / 2].to_owned() } else { text }
}

fn command(random: &mut Random, number: u64) -> Sent {
    const KINDS: [&str; 10] =
        ["propose", "propose", "propose", "approve", "approve", "approve", "refuse", "cancel", "cancel", "lift"];
    let kind = KINDS[random.below(10) as usize];
    let who = ["officer.li", "approver.wu"][usize::from(kind == "approve" || random.one_in(6))];
    let role = who.split('.').next().unwrap();
    // Now and then one comes twice.
    let id = if number > 0 && random.one_in(12) { number - 1 } else { number };
    let usual = BTreeMap::from([("propose", 1), ("approve", 2), ("refuse", 2), ("cancel", 4), ("lift", 1)])[kind];
    let expected_revision = if random.one_in(3) { 1 + random.below(8) } else { usual };
    let body = json!({
        "commandId": format!("c{id}"), "kind": kind, "requestId": format!("r{}", random.below(REQUESTS)),
        "expectedRevision": expected_revision, "reason": "called", "actor": {"name": who, "roles": [role]},
        "purpose": "case", "at": format_rfc3339(START),
    });
    Sent { kind: Kind::Command, json: signed(random, "desk", Type::Command, body) }
}

fn answer(random: &mut Random, number: u64) -> Sent {
    const STAGES: [&str; 6] = ["RECEIVED", "EXECUTED", "EXECUTED", "REFUSED", "LIFTED", "FAILED"];
    let institution = if random.one_in(15) { "bank_b" } else { "bank_a" };
    let body = json!({
        "responseId": format!("a{number}"), "institution": institution, "requestId": format!("r{}", random.below(REQUESTS)),
        "revision": if random.one_in(3) { 2 + random.below(7) } else { 4 }, "stage": STAGES[random.below(6) as usize],
    });
    Sent { kind: Kind::Answer, json: signed(random, "bank", Type::Answer, body) }
}

/// The log of a register that had all kinds of troubles.
fn run(seed: u64) -> (Simulation, Log) {
    let mut random = Random(seed);
    let drafts = (0..12).map(|_| draft(&mut random)).collect();
    let commands = (0..120).map(|number| command(&mut random, number)).collect();
    let answers = (0..60).map(|number| answer(&mut random, number)).collect();
    let mut config = Config::default();
    config.engine.batch_events_max = 1 + random.below(8) as usize;
    let world = World::at(random, vec![drafts, commands, answers], PLACES.into());
    world.borrow_mut().clock = START;
    let mut simulation = Simulation::new(vec![Work::register(Arc::new(keys()))], config, world);
    let log = simulation.log();
    (simulation, log)
}

/// The public key of a name, for an object.
type KeyOf<'a> = dyn Fn(&str, &Map<String, Value>) -> Option<String> + 'a;

/// What a register says that nothing ever befell, given the batches as the log has them.
fn undisturbed(simulation: &Simulation, log: &Log) -> Vec<Vec<Outgoing>> {
    let (world, keys, mut register) = (simulation.world.borrow(), keys(), Register::new());
    let mut of_batch = |progress: &Progress| {
        if let Some(policy) = &progress.policy {
            register.set_policy(serde_json::from_value(policy.clone()).unwrap());
        }
        let mut out = Vec::new();
        register.tick(progress.clock_us.unwrap(), &mut out);
        for range in &progress.ranges {
            let at = PLACES.iter().position(|place| place.0 == range.topic).unwrap();
            for offset in range.from..range.to {
                let sent = &world.input[at][offset as usize];
                let refused = take(&mut register, &keys, sent, &mut out);
                if let Err(code) = refused {
                    register.refuse_record(&format!("{}/0/{offset}", range.topic), code, &mut out);
                }
            }
        }
        register.finish(&mut out);
        out
    };
    log.iter().map(|(progress, _)| of_batch(progress)).collect()
}

fn take(register: &mut Register, keys: &Keys, sent: &Sent, out: &mut Vec<Outgoing>) -> Result<(), Code> {
    let (bytes, policy) = (sent.json.as_bytes(), &keys.policy);
    let code = |fault| match fault {
        foreshock_signatures::Fault::Key => Code::UnknownKey,
        foreshock_signatures::Fault::Signature => Code::BadSignature,
        _ => Code::BadForm,
    };
    let object = |typ, key: &KeyOf<'_>| open(bytes, typ, key).map(|opened| Value::Object(opened.object)).map_err(code);
    match sent.kind {
        Kind::Draft => register.take_draft(&serde_json::from_slice::<BlockingDraft>(bytes).unwrap(), None, out),
        Kind::Command => {
            let value = object(Type::Command, &|kid, _| policy.readers.get(kid).cloned())?;
            register.take_command(&serde_json::from_value::<Command>(value).unwrap(), out);
        }
        _ => {
            let key = |kid: &str, object: &Map<String, Value>| {
                policy.institutions.get(object["institution"].as_str()?)?.keys.get(kid).cloned()
            };
            register.take_answer(&serde_json::from_value::<Answer>(object(Type::Answer, &key)?).unwrap(), out);
        }
    }
    Ok(())
}

/// The messages are those of the undisturbed one, those of lifted requests first, and each order is signed by the writer.
fn check(simulation: &Simulation, log: &Log, seen: &mut BTreeSet<String>) {
    let public = keys().signer.public();
    let mut proposed: BTreeMap<String, String> = BTreeMap::new();
    let mut approved: BTreeMap<String, String> = BTreeMap::new();
    for ((progress, messages), expected) in log.iter().zip(undisturbed(simulation, log)) {
        let (mut acts, mut orders) = (Vec::new(), Vec::new());
        for one in expected {
            match one {
                Outgoing::Act(act) => acts.push(*act),
                Outgoing::Order(order) => orders.push(serde_json::to_value(order).unwrap()),
            }
        }
        let is_lift = |order: &&Value| order["action"] == "LIFT";
        let lifted: BTreeSet<String> =
            orders.iter().filter(is_lift).map(|order| order["requestId"].to_string()).collect();
        orders.sort_by_key(|order| !lifted.contains(&order["requestId"].to_string()));
        let (mut found_acts, mut found_orders) = (Vec::new(), Vec::new());
        for message in messages {
            if message.topic == ACTS {
                found_acts.push(serde_json::from_slice::<ActRecord>(&message.payload).unwrap());
            } else {
                assert_eq!(message.topic, format!("{ORDERS}bank_a"));
                let opened = open(&message.payload, Type::Order, |_, _| Some(public.clone())).unwrap();
                found_orders.push(Value::Object(opened.object));
            }
        }
        assert_eq!((&found_acts, &found_orders), (&acts, &orders), "batch {}", progress.number);
        for act in &found_acts {
            let name = act.actor.as_ref().map(|actor| actor.name.clone());
            let to = act.to.map(|to| serde_json::to_value(to).unwrap().as_str().unwrap().to_owned());
            match (act.refused, to.as_deref(), name) {
                (Some(code), ..) => drop(seen.insert(format!("{code:?}"))),
                (None, Some("PENDING_APPROVAL"), Some(name)) => drop(proposed.insert(act.request_id.clone(), name)),
                (None, Some("APPROVED"), Some(name)) => drop(approved.insert(act.request_id.clone(), name)),
                _ => {}
            }
            seen.extend(to.filter(|_| act.refused.is_none()));
        }
        for order in found_orders.iter().filter(|order| order["action"] == order["measure"]) {
            let id = order["requestId"].as_str().unwrap();
            assert_ne!(proposed[id], approved[id], "two persons");
        }
    }
}

#[test]
fn whatever_befalls_the_processes_the_register_says_what_it_says_undisturbed_each_act_once() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (count, first): (u64, u64) = (number("FORESHOCK_SIMULATIONS", 40), number("FORESHOCK_SIMULATION_SEED", 1));
    let (mut seen, mut troubles) = (BTreeSet::new(), BTreeMap::new());
    for seed in first..first + count {
        println!("seed {seed}");
        let (simulation, log) = run(seed);
        check(&simulation, &log, &mut seen);
        let of_run = simulation.world.borrow().troubles.clone();
        of_run.into_iter().for_each(|(name, times)| *troubles.entry(name).or_insert(0) += times);
    }
    if count >= 40 {
        let wanted = [
            "SENT",
            "IN_FORCE",
            "REFUSED",
            "CANCELLED",
            "LIFT_SENT",
            "LIFTED",
            "ESCALATED",
            "WITHDRAWN",
            "EXPIRED_UNAPPROVED",
            "REJECTED_INTERNAL",
            "StaleRevision",
            "WrongState",
            "RoleNotAllowed",
            "Duplicate",
            "BadForm",
            "UnknownKey",
            "StagePast",
            "UnknownRevision",
        ];
        let missed: Vec<_> = wanted.iter().filter(|name| !seen.contains(**name)).collect();
        assert!(missed.is_empty(), "never seen: {missed:?} of {seen:?}");
        assert!(troubles.values().all(|times: &u64| *times > 0), "{troubles:?}");
    }
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    assert_eq!(run(7).0.story, run(7).0.story);
}
