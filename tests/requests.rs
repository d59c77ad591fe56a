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

use broker::{Broker, free_port};
use exactly_once::{PARTITIONS, committed, number, producer};
use foreshock::rights::users::Secret;
use foreshock_log::{ACTS, ANSWERS, BLOCKING_DRAFTS, COMMANDS};
use foreshock_signatures::{Signer, Type, open};
use process::{Running, binary, foreshock, text, wait_for};
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

const TOPIC: &str = "blocking.request.v1.bank_a";
const PASSWORD: &str = "correct horse battery";

/// A site: a broker, keys, a policy, users, a reader, and the process that writes.
struct Site {
    broker: Broker,
    folder: tempfile::TempDir,
    config: String,
    server: String,
    bank: Signer,
    writer: Signer,
    run: Option<Running>,
    _serve: Running,
}

fn secret_file(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

fn key(folder: &Path, name: &str) -> Signer {
    let file = folder.join(format!("{name}.key"));
    let made = foreshock(&["key", name, "--out", file.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let signer = Signer::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(text(&made.stdout).trim(), format!("\"{name}\" = \"{}\"", signer.public()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    signer
}

impl Site {
    fn open() -> Option<Site> {
        let broker = Broker::start()?;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (writer, desk, bank) =
            (key(folder.path(), "writer"), key(folder.path(), "desk"), key(folder.path(), "bank"));
        let policy = format!(
            "[measures.STOP_PAYMENT]\npropose = [\"officer\"]\napprove = [\"approver\"]\nlift = [\"officer\", \"approver\"]\n\
             hours = 48\nextensions = 1\n[readers]\ndesk = \"{}\"\n[institutions.bank_a]\nscheme = \"CNAPS\"\n\
             keys = {{ bank = \"{}\" }}\n",
            desk.public(),
            bank.public()
        );
        std::fs::write(at("policy.toml"), policy).unwrap();
        let secret = Secret::of(PASSWORD).unwrap().text();
        let role = |name: &str| format!("[roles.{name}]\npersonal = true\npurposes = [\"fraud\"]\n");
        let user = |name: &str, role: &str| format!("[users.{name}]\nrole = \"{role}\"\nsecret = \"{secret}\"\n");
        let users =
            [role("officer"), role("approver"), user("li", "officer"), user("wu", "approver"), user("hu", "officer")];
        secret_file(&at("users.toml"), &users.concat());
        let port = free_port();
        let config = format!(
            "[kafka]\nbrokers = \"{}\"\npartitions = {PARTITIONS}\nreplication = 1\n[http]\nlisten = \"\"\n\
             [snapshots]\ndir = \"{}\"\nevery_s = 1\n[blocking]\npolicy = \"{}\"\nkey = \"{}\"\n\
             [serve]\nlisten = \"127.0.0.1:{port}\"\nusers = \"{}\"\naudit = \"{}\"\nkey = \"{}\"\n",
            broker.address(),
            at("snapshots").display(),
            at("policy.toml").display(),
            at("writer.key").display(),
            at("users.toml").display(),
            at("audit.ndjson").display(),
            at("desk.key").display(),
        );
        std::fs::write(at("foreshock.toml"), config).unwrap();
        let config = at("foreshock.toml").display().to_string();
        let made = foreshock(&["topics", "create", "--config", &config]);
        assert!(made.status.success(), "{}{}", text(&made.stdout), text(&made.stderr));
        let serve = Running::start_logging(&["serve", "--config", &config], &at("serve.log"));
        let server = format!("http://127.0.0.1:{port}");
        let mut site = Site { broker, folder, config, server, bank, writer, run: None, _serve: serve };
        site.restart();
        Some(site)
    }

    /// The process that writes is killed, where there is one, and the next one begins.
    fn restart(&mut self) {
        drop(self.run.take());
        let log = self.folder.path().join("run.log");
        self.run = Some(Running::start_logging(&["run", "--take-over", "--config", &self.config], &log));
        let writes = || {
            std::fs::read_to_string(&log)
                .is_ok_and(|said| said.contains("this process writes") && said.contains("register"))
        };
        wait_for("a register that is kept", || writes().then_some(()));
    }

    fn cli(&self, user: &str, arguments: &[&str]) -> Output {
        let mut command = binary();
        command.arg("requests").args(arguments).args(["--server", &self.server, "--user", user]);
        command.args(["--purpose", "fraud", "--case", "A-1"]).env("FORESHOCK_PASSWORD", PASSWORD);
        command.output().unwrap()
    }

    fn wish(&self, user: &str, kind: &str, id: &str) -> Output {
        self.cli(user, &[kind, id, "--reason", "the victim was called"])
    }

    fn followed(&self, user: &str, kind: &str, id: &str, state: &str) {
        let said = self.wish(user, kind, id);
        assert!(said.status.success(), "{}", text(&said.stderr));
        assert!(text(&said.stdout).contains(state), "{}", text(&said.stdout));
    }

    fn refused(&self, user: &str, kind: &str, id: &str, code: &str) {
        let said = self.wish(user, kind, id);
        assert_eq!(said.status.code(), Some(1), "{}", text(&said.stdout));
        assert!(text(&said.stderr).contains(code), "{}", text(&said.stderr));
    }

    fn shown(&self, id: &str) -> Option<Value> {
        let said = self.cli("li", &["show", id]);
        said.status.success().then(|| serde_json::from_slice(&said.stdout).unwrap())
    }

    fn wait_for_state(&self, id: &str, state: &str) {
        wait_for(state, || (self.shown(id)?["state"] == state).then_some(()));
    }

    fn send(&self, topic: &str, body: &str) {
        let producer = producer(&self.broker.address());
        producer.send(BaseRecord::<str, str>::to(topic).key("k").payload(body)).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn answer(&self, number: &str, order: &Value, stage: &str) {
        self.send(ANSWERS, &self.answered(&self.bank, "bank_a", number, order, stage));
    }

    fn answered(&self, by: &Signer, institution: &str, number: &str, order: &Value, stage: &str) -> String {
        let Value::Object(body) = json!({
            "responseId": number, "institution": institution, "requestId": order["requestId"],
            "revision": order["revision"], "stage": stage,
        }) else {
            unreachable!()
        };
        Value::Object(by.sign(Type::Answer, body)).to_string()
    }

    /// The messages on the bank's topic whose signature is the writer's, by (request, revision).
    fn orders(&self) -> BTreeMap<(String, u64), Value> {
        let mut orders = BTreeMap::new();
        for order in committed(&self.broker.address(), TOPIC) {
            let opened = open(order.to_string().as_bytes(), Type::Order, |_, _| Some(self.writer.public())).unwrap();
            let key = (order["requestId"].as_str().unwrap().to_owned(), order["revision"].as_u64().unwrap());
            let order = Value::Object(opened.object);
            if let Some(before) = orders.insert(key, order.clone()) {
                assert_eq!(before, order, "the same key is the same message");
            }
        }
        orders
    }

    fn order(&self, id: &str, action: &str) -> Value {
        let is_it = |order: &Value| order["requestId"] == id && order["action"] == action;
        wait_for(action, || self.orders().into_values().find(is_it))
    }
}

fn draft(id: &str, account: &str) -> String {
    let rule = json!({"id": "T05", "version": "v1"});
    json!({
        "requestId": id, "state": "draft", "rule": rule, "rules": [rule], "measure": "STOP_PAYMENT",
        "target": {"account": account}, "institution": "bank_a", "amount": "30000.00", "currency": "CNY",
        "reason": {"zh": "规则 T05 命中", "en": "rule T05 fired"}, "legalBasis": ["Art. 30"], "fraudType": "IMP_AUTHORITY",
        "evidence": {"detectionId": "d1", "eventIds": ["tx:bank_b:1"], "values": {}, "detections": [{
            "detectionId": "d1", "rule": rule, "fraudType": "IMP_AUTHORITY", "eventId": "tx:bank_b:1",
            "eventTime": "2026-11-30T09:00:00.000000Z", "values": {}}]},
        "createdAt": "2026-11-30T09:00:00.000000Z", "expiresAt": "2026-12-02T09:00:00.000000Z",
    })
    .to_string()
}

#[test]
fn two_persons_block_one_lifts_and_nobody_else_can() {
    let Some(site) = Site::open() else { return };
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
    assert_eq!(site.run.unwrap().stop(), Some(0));
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
}
