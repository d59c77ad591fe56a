//! A site with blocking requests on a real Kafka: keys, a policy, users, a reader, and the process that writes.
#![allow(dead_code, clippy::unwrap_used)]

use super::broker::{Broker, free_port};
use super::exactly_once::{PARTITIONS, committed, producer};
use super::process::{Running, binary, foreshock, text, wait_for};
use foreshock::rights::users::Secret;
use foreshock_log::ANSWERS;
use foreshock_signatures::{Signer, Type, open};
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

pub const TOPIC: &str = "blocking.request.v1.bank_a";
pub const PASSWORD: &str = "correct horse battery";

/// A site: a broker, keys, a policy, users, a reader, and the process that writes.
pub struct Site {
    pub broker: Broker,
    pub folder: tempfile::TempDir,
    pub config: String,
    pub server: String,
    pub bank: Signer,
    pub writer: Signer,
    pub run: Option<Running>,
    pub serve: Option<Running>,
}

pub fn secret_file(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

pub fn key(folder: &Path, name: &str) -> Signer {
    let file = folder.join(format!("{name}.key"));
    let made = foreshock(&["key", name, "--out", file.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let signer = Signer::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(text(&made.stdout).trim(), format!("\"{name}\" = \"{}\"", signer.public()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    signer
}

impl Site {
    pub fn open() -> Option<Site> {
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
        let roles = [role("officer"), role("approver"), role("analyst").replace("personal = true", "personal = false")];
        let users = [("li", "officer"), ("wu", "approver"), ("hu", "officer"), ("an", "analyst")];
        let users = users.map(|(name, role)| user(name, role)).concat();
        secret_file(&at("users.toml"), &[roles.concat(), users].concat());
        let port = free_port();
        let config = format!(
            "[kafka]\nbrokers = \"{}\"\npartitions = {PARTITIONS}\nreplication = 1\n[http]\nlisten = \"\"\n\
             [snapshots]\ndir = \"{}\"\nevery_s = 1\n[history]\ndir = \"{}\"\nevery_s = 1\n[blocking]\npolicy = \"{}\"\nkey = \"{}\"\n\
             [serve]\nlisten = \"127.0.0.1:{port}\"\nusers = \"{}\"\naudit = \"{}\"\nkey = \"{}\"\n",
            broker.address(),
            at("snapshots").display(),
            at("history").display(),
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
        let server = format!("http://127.0.0.1:{port}");
        let mut site = Site { broker, folder, config, server, bank, writer, run: None, serve: None };
        site.restart_serve();
        site.restart();
        Some(site)
    }

    /// The reader ends in good order, where there is one, and the next one begins.
    pub fn restart_serve(&mut self) {
        if let Some(serve) = self.serve.take() {
            assert_eq!(serve.stop(), Some(0));
        }
        let log = self.folder.path().join("serve.log");
        self.serve = Some(Running::start_logging(&["serve", "--config", &self.config], &log));
    }

    /// The rows of a statement as the reader gives them, or its history.
    pub fn rows(&self, place: &[&str], statement: &str) -> Result<Vec<String>, String> {
        let mut command = binary();
        command.args(["sql", "--output", "csv"]).args(place).arg(statement).env("FORESHOCK_PASSWORD", PASSWORD);
        let said = command.output().unwrap();
        match said.status.success() {
            true => Ok(text(&said.stdout).lines().skip(1).map(str::to_owned).collect()),
            false => Err(text(&said.stderr)),
        }
    }

    /// The same, by the reader for an officer.
    pub fn asked(&self, statement: &str) -> Result<Vec<String>, String> {
        self.asked_by("li", statement)
    }

    pub fn asked_by(&self, user: &str, statement: &str) -> Result<Vec<String>, String> {
        let whom = ["--server", &self.server, "--user", user, "--purpose", "fraud", "--case", "A-1"];
        self.rows(&whom, statement)
    }

    /// The process that writes is killed, where there is one, and the next one begins.
    pub fn restart(&mut self) {
        drop(self.run.take());
        let log = self.folder.path().join("run.log");
        self.run = Some(Running::start_logging(&["run", "--take-over", "--config", &self.config], &log));
        let writes = || {
            std::fs::read_to_string(&log)
                .is_ok_and(|said| said.contains("this process writes") && said.contains("register"))
        };
        wait_for("a register that is kept", || writes().then_some(()));
    }

    pub fn cli(&self, user: &str, arguments: &[&str]) -> Output {
        let mut command = binary();
        command.arg("requests").args(arguments).args(["--server", &self.server, "--user", user]);
        command.args(["--purpose", "fraud", "--case", "A-1"]).env("FORESHOCK_PASSWORD", PASSWORD);
        command.output().unwrap()
    }

    pub fn wish(&self, user: &str, kind: &str, id: &str) -> Output {
        self.cli(user, &[kind, id, "--reason", "the victim was called"])
    }

    pub fn followed(&self, user: &str, kind: &str, id: &str, state: &str) {
        let said = self.wish(user, kind, id);
        assert!(said.status.success(), "{}", text(&said.stderr));
        assert!(text(&said.stdout).contains(state), "{}", text(&said.stdout));
    }

    pub fn refused(&self, user: &str, kind: &str, id: &str, code: &str) {
        let said = self.wish(user, kind, id);
        assert_eq!(said.status.code(), Some(1), "{}", text(&said.stdout));
        assert!(text(&said.stderr).contains(code), "{}", text(&said.stderr));
    }

    pub fn shown(&self, id: &str) -> Option<Value> {
        let said = self.cli("li", &["show", id]);
        said.status.success().then(|| serde_json::from_slice(&said.stdout).unwrap())
    }

    pub fn wait_for_state(&self, id: &str, state: &str) {
        wait_for(state, || (self.shown(id)?["state"] == state).then_some(()));
    }

    pub fn send(&self, topic: &str, body: &str) {
        let producer = producer(&self.broker.address());
        producer.send(BaseRecord::<str, str>::to(topic).key("k").payload(body)).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    pub fn answer(&self, number: &str, order: &Value, stage: &str) {
        self.send(ANSWERS, &self.answered(&self.bank, "bank_a", number, order, stage));
    }

    pub fn answered(&self, by: &Signer, institution: &str, number: &str, order: &Value, stage: &str) -> String {
        let Value::Object(body) = json!({
            "responseId": number, "institution": institution, "requestId": order["requestId"],
            "revision": order["revision"], "stage": stage,
        }) else {
            unreachable!()
        };
        Value::Object(by.sign(Type::Answer, body)).to_string()
    }

    /// The messages on the bank's topic whose signature is the writer's, by (request, revision).
    pub fn orders(&self) -> BTreeMap<(String, u64), Value> {
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

    pub fn order(&self, id: &str, action: &str) -> Value {
        let is_it = |order: &Value| order["requestId"] == id && order["action"] == action;
        wait_for(action, || self.orders().into_values().find(is_it))
    }
}

pub fn draft(id: &str, account: &str) -> String {
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
