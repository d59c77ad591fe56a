//! Blocking requests on a real Kafka: proposed and approved by two persons through the reader's door, sent signed to the bank's
//! topic, answered, lifted; while the process that writes is killed between any two steps.
//!
//! `FORESHOCK_KILLS=50 cargo test --test requests` for more kills.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;
#[path = "support/site.rs"]
mod site;

use exactly_once::{committed, number, producer, read_committed};
use foreshock_core::time::format_rfc3339;
use foreshock_log::{ACTS, ANSWERS, BLOCKING_DRAFTS, COMMANDS, REGISTER_PROGRESS};
use foreshock_signatures::{Signer, Type};
use process::{Running, binary, text, wait_for};
use rdkafka::Message;
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};
use site::{PASSWORD, Site, draft};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format_rfc3339(i64::try_from(since.as_micros()).unwrap())
}

#[test]
fn two_persons_block_one_lifts_and_nobody_else_can() {
    let Some(mut site) = Site::open() else { return };
    site.send(BLOCKING_DRAFTS, &draft("r1", "acc-1"));
    site.wait_for_state("r1", "DRAFT");
    site.refused("wu", "propose", "r1", "ROLE_NOT_ALLOWED");
    site.refused("li", "lift", "r1", "WRONG_STATE");
    site.followed("li", "propose", "r1", "PENDING_APPROVAL at revision 2");
    site.refused("hu", "approve", "r1", "ROLE_NOT_ALLOWED");
    let stale = site.cli("wu", &["approve", "r1", "--reason", "seen", "--revision", "1"]);
    assert!(text(&stale.stderr).contains("STALE_REVISION"), "{}", text(&stale.stderr));
    site.followed("wu", "approve", "r1", "SENT at revision 4");
    let order = site.order("r1", "STOP_PAYMENT");
    assert_eq!((&order["amount"], &order["match"]["amount"]), (&json!("30000.00"), &json!("30000.00")));
    assert_eq!((&order["requestedBy"]["officer"], &order["approvedBy"]["officer"]), (&json!("li"), &json!("wu")));

    // Another's key, another bank, cut, replayed: none of it counts.
    let thief = Signer::generate("bank").unwrap();
    site.send(ANSWERS, &site.answered(&thief, "bank_a", "f1", &order, "EXECUTED"));
    site.send(ANSWERS, &site.answered(&site.bank, "bank_b", "f2", &order, "EXECUTED"));
    let good = site.answered(&site.bank, "bank_a", "a1", &order, "RECEIVED");
    site.send(ANSWERS, &good[..good.len() - 9]);
    site.send(COMMANDS, &good);
    site.send(ANSWERS, &good);
    site.send(ANSWERS, &good);
    site.wait_for_state("r1", "DELIVERED");
    site.answer("a2", &order, "EXECUTED");
    site.wait_for_state("r1", "IN_FORCE");
    let list = site.cli("li", &["list"]);
    assert!(
        text(&list.stdout).contains("IN_FORCE") && text(&list.stdout).contains("account acc-1"),
        "{}",
        text(&list.stdout)
    );

    site.followed("li", "lift", "r1", "LIFT_SENT");
    let lift = site.order("r1", "LIFT");
    site.answer("a3", &lift, "LIFTED");
    site.wait_for_state("r1", "LIFTED");
    let acts = committed(&site.broker.address(), ACTS);
    let codes: Vec<&str> = acts.iter().filter_map(|act| act["refused"].as_str()).collect();
    for code in ["BAD_SIGNATURE", "UNKNOWN_KEY", "BAD_FORM", "DUPLICATE"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    let by_person = acts.iter().filter(|act| act["actor"].is_object() && act["refused"].is_null());
    assert!(by_person.clone().count() >= 4);
    by_person.for_each(|act| {
        assert!(act["reason"] == "the victim was called" && act["purpose"] == "fraud" && act["caseRef"] == "A-1")
    });
    is_told_in_sql(&mut site, acts.len());
    assert_eq!(site.run.unwrap().stop(), Some(0));
}

/// What happened is in tables, also after the reader began anew, and in its history.
fn is_told_in_sql(site: &mut Site, acts: usize) {
    let request = "SELECT request_id, state, proposed_by, approved_by, revision, measure, account, institution, amount_text, reason \
                   FROM requests";
    let counts = "SELECT count(*), count(DISTINCT seq), count(refused) FROM acts";
    let who = "SELECT actor, command, state FROM acts WHERE command IS NOT NULL AND refused IS NULL ORDER BY seq";
    let told = |site: &Site| {
        let is_whole = |rows: Vec<String>| rows[0].starts_with(&format!("{acts},{acts},")).then_some(rows);
        let counted = wait_for("all acts in SQL", || site.asked(counts).ok().and_then(is_whole));
        (counted, site.asked(request).unwrap(), site.asked(who).unwrap())
    };
    let before = told(site);
    assert_eq!(before.1, ["r1,LIFTED,li,wu,8,STOP_PAYMENT,acc-1,bank_a,30000.00,the victim was called"]);
    assert_eq!(
        before.2,
        ["li,propose,PENDING_APPROVAL", "wu,approve,APPROVED", "wu,approve,SENT", "li,lift,LIFT_SENT"]
    );
    let account = site.asked_by("an", "SELECT account, target IS NULL AND reason IS NULL FROM requests").unwrap();
    assert!(account[0].ends_with(",true") && !account[0].contains("acc-1"), "{account:?}");
    let words = site.asked_by("an", "SELECT count(reason) + count(detail), count(DISTINCT actor) FROM acts").unwrap();
    assert_eq!(words, ["0,3"], "who sees pseudonyms reads no words of officials, and who acted");
    site.restart_serve();
    assert_eq!(told(site), before);
    let history = site.folder.path().join("history").display().to_string();
    let kept = ["--history", history.as_str()];
    assert_eq!(site.rows(&kept, counts), Ok(before.0));
    assert_eq!(site.rows(&kept, request), Ok(before.1));
}

/// The request goes the whole way, answered by somebody else.
fn goes_the_whole_way(site: &Site) {
    site.send(BLOCKING_DRAFTS, &draft("r1", "acc-1"));
    site.wait_for_state("r1", "DRAFT");
    site.followed("li", "propose", "r1", "PENDING_APPROVAL");
    assert!(site.wish("wu", "approve", "r1").status.success());
    site.wait_for_state("r1", "IN_FORCE");
    assert!(site.wish("li", "lift", "r1").status.success());
    site.wait_for_state("r1", "LIFTED");
}

#[test]
fn the_receiver_that_comes_with_it_answers_for_a_bank() {
    let Some(site) = Site::open() else { return };
    let at = |name: &str| site.folder.path().join(name).display().to_string();
    std::fs::write(at("ledger.toml"), "acc-1 = \"120.50\"\n").unwrap();
    let writer = format!("writer={}", site.writer.public());
    let (brokers, key, ledger) = (site.broker.address(), at("bank.key"), at("ledger.toml"));
    let whom = ["institution", "--as", "bank_a", "--brokers", &brokers];
    let by = ["--key", &key, "--writer", &writer, "--ledger", &ledger];
    let _bank = Running::start(&[&whom[..], &by].concat());
    goes_the_whole_way(&site);
    let answers = committed(&site.broker.address(), ANSWERS);
    let blocked =
        answers.iter().find(|answer| answer["stage"] == "PARTIAL").expect("less was there than was asked for");
    assert_eq!((&blocked["blockedAmount"], &blocked["reason"]), (&json!("120.50"), &json!("NO_FUNDS")));
}

#[test]
fn a_receiver_of_sixty_lines_in_another_language_answers_for_a_bank() {
    let has = Command::new("python3").args(["-c", "import confluent_kafka, cryptography"]).status();
    if !has.is_ok_and(|status| status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "confluent_kafka and cryptography are required in CI");
        return println!("SKIPPED: no confluent_kafka or cryptography for Python");
    }
    let Some(site) = Site::open() else { return };
    let key = site.folder.path().join("bank.key");
    let mut python = Command::new("python3");
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/institution.py"));
    python.args([&site.broker.address(), "bank_a"]).arg(key).arg(format!("writer={}", site.writer.public()));
    let _bank = Running(python.spawn().unwrap());
    goes_the_whole_way(&site);
}

#[test]
fn a_lift_behind_ten_thousand_waiting_commands_is_out_within_one_batch() {
    const WAITING: usize = 10_000;
    let Some(mut site) = Site::open() else { return };
    site.send(BLOCKING_DRAFTS, &draft("r1", "acc-1"));
    site.wait_for_state("r1", "DRAFT");
    site.followed("li", "propose", "r1", "PENDING_APPROVAL");
    site.followed("wu", "approve", "r1", "SENT");
    // All of it is there when the process begins.
    drop(site.run.take());
    let desk = Signer::parse(&std::fs::read_to_string(site.folder.path().join("desk.key")).unwrap()).unwrap();
    let command = |number: usize, kind: &str| {
        let Value::Object(body) = json!({
            "commandId": format!("c{number}"), "kind": kind, "requestId": "r1", "expectedRevision": 4, "reason": "called",
            "actor": {"name": "li", "roles": ["officer"]}, "purpose": "fraud", "at": now(),
        }) else {
            unreachable!()
        };
        Value::Object(desk.sign(Type::Command, body)).to_string()
    };
    let producer = producer(&site.broker.address());
    for number in 0..=WAITING {
        let body = command(number, if number == WAITING { "lift" } else { "appeal" });
        let record = BaseRecord::<str, str>::to(COMMANDS).key("r1").payload(&body);
        producer.send(record).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    site.restart();
    site.order("r1", "LIFT");
    let mut log: Vec<Value> = Vec::new();
    read_committed(&site.broker.address(), REGISTER_PROGRESS, 1, |message| {
        log.push(serde_json::from_slice(message.payload().unwrap()).unwrap());
    });
    let with_commands =
        |batch: &&Value| batch["ranges"].as_array().unwrap().iter().any(|range| range["topic"] == COMMANDS);
    let last = log.iter().rfind(with_commands).unwrap();
    let range = last["ranges"].as_array().unwrap().iter().find(|range| range["topic"] == COMMANDS).unwrap();
    let count = range["to"].as_i64().unwrap() - range["from"].as_i64().unwrap();
    assert_eq!(count, WAITING as i64 + 1, "{last}");
}

#[test]
fn whoever_has_not_logged_in_or_names_no_purpose_sees_and_does_nothing() {
    let Some(site) = Site::open() else { return };
    site.send(BLOCKING_DRAFTS, &draft("r1", "acc-1"));
    site.wait_for_state("r1", "DRAFT");
    let asked = |arguments: &[&str], password: &str| {
        let mut command = binary();
        command.args(["requests", "list", "--server", &site.server]).args(arguments);
        let said = command.env("FORESHOCK_PASSWORD", password).output().unwrap();
        assert!(!said.status.success() && !text(&said.stdout).contains("acc-1"), "{}", text(&said.stdout));
        text(&said.stderr)
    };
    assert!(asked(&[], PASSWORD).contains("28000"));
    assert!(asked(&["--user", "li"], "wrong horse battery").contains("28P01"));
    assert!(asked(&["--user", "li"], PASSWORD).contains("purpose"));
    assert!(asked(&["--user", "li", "--purpose", "curiosity", "--case", "A-1"], PASSWORD).contains("curiosity"));
}

#[test]
fn no_request_is_lost_doubled_or_sent_unapproved_when_the_writer_is_killed_between_any_two_steps() {
    let Some(mut site) = Site::open() else { return };
    let kills = number("FORESHOCK_KILLS", 6);
    for kill in 0..kills {
        let (id, account) = (format!("r{kill}"), format!("acc-{kill}"));
        site.send(BLOCKING_DRAFTS, &draft(&id, &account));
        // Another step each time, with what comes after it already under way.
        match kill % 3 {
            0 => {
                site.restart();
                site.wait_for_state(&id, "DRAFT");
                site.followed("li", "propose", &id, "PENDING_APPROVAL");
                site.followed("wu", "approve", &id, "SENT");
            }
            1 => {
                site.wait_for_state(&id, "DRAFT");
                site.followed("li", "propose", &id, "PENDING_APPROVAL");
                site.restart();
                site.followed("wu", "approve", &id, "SENT");
            }
            _ => {
                site.wait_for_state(&id, "DRAFT");
                site.followed("li", "propose", &id, "PENDING_APPROVAL");
                site.followed("wu", "approve", &id, "SENT");
                let order = site.order(&id, "STOP_PAYMENT");
                site.answer(&format!("x{kill}"), &order, "EXECUTED");
                site.restart();
            }
        }
        let order = site.order(&id, "STOP_PAYMENT");
        site.answer(&format!("y{kill}"), &order, "EXECUTED");
        site.wait_for_state(&id, "IN_FORCE");
    }
    let orders = site.orders();
    let stops: Vec<_> = orders.values().filter(|order| order["action"] == "STOP_PAYMENT").collect();
    assert_eq!(stops.len() as u64, kills, "one for each");
    stops.iter().for_each(|order| assert_ne!(order["requestedBy"]["officer"], order["approvedBy"]["officer"]));
    let acts = committed(&site.broker.address(), ACTS);
    let sent = acts.iter().filter(|act| act["to"] == "SENT" && act["from"] == "APPROVED").count();
    assert_eq!(sent as u64, kills, "each said once");
    let count = vec![acts.len().to_string()];
    wait_for("all acts in SQL, each once", || (site.asked("SELECT count(*) FROM acts").ok()? == count).then_some(()));
}
