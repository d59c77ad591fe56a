//! Evidence: what every rule of the demo detects is exported, verified by a process that has nothing but the file, and any change
//! in it is found. `FORESHOCK_FLIPS=10000` for more changed bits.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::{Broker, free_port};
use exactly_once::{next, number};
use foreshock_signatures::{Signer, Type, open};
use process::{Running, binary, foreshock, text, wait_for};
use serde_json::Value;
use single::{config, pass_through};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A demo that stays up, and the address of its reader.
fn demo() -> (Child, String) {
    // Its lines are read to the end: who prints into a closed pipe ends.
    let mut demo = binary().arg("demo").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut server = String::new();
    for line in lines.by_ref() {
        if let Some(rest) = line.split("--server ").nth(1) {
            server = rest.split_whitespace().next().unwrap().to_owned();
        }
        if line.contains("tail acts") {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    (demo, server)
}

#[test]
fn what_every_rule_detects_is_evidence_that_proves_itself() {
    let (mut demo, server) = demo();
    let first = "SELECT rule_id, min(detection_id) FROM detections GROUP BY rule_id ORDER BY rule_id";
    let asked = foreshock(&["sql", "--server", &server, "--output", "csv", first]);
    let asked = text(&asked.stdout);
    let folder = tempfile::tempdir().unwrap();
    let mut counts = Vec::new();
    for line in asked.lines().skip(1) {
        let (rule, id) = line.split_once(',').unwrap();
        let file = folder.path().join(format!("{rule}.json"));
        let file = file.to_str().unwrap();
        let exported = foreshock(&["evidence", "export", id, "--out", file, "--server", &server]);
        assert!(exported.status.success(), "{rule}: {}", text(&exported.stderr));
        let bundle: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let count = bundle["events"].as_array().unwrap().len();
        // The day has 33,000: payments of others have no place in it.
        assert!((1..1_000).contains(&count), "{rule} stands on {count} events");
        counts.push(format!("{rule} {count}"));
        let verified = foreshock(&["evidence", "verify", file, "--unsigned"]);
        assert!(verified.status.success(), "{rule}: {}", text(&verified.stderr));
    }
    assert!(counts.len() > 10, "{counts:?}");
    let _ = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    demo.wait().unwrap();
}

/// A broker, a reader with a key, and a detection of the writer.
struct Site {
    _broker: Broker,
    _processes: [Running; 2],
    folder: tempfile::TempDir,
    server: String,
    key: String,
    lines: Vec<String>,
}

fn site() -> Option<Site> {
    let broker = Broker::start()?;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let made = foreshock(&["key", "desk", "--out", &at("desk.key")]);
    let key = text(&made.stdout).replace(['"', ' '], "").trim().to_owned();
    let file = config(folder.path(), &broker.address());
    let port = free_port();
    let serve = format!("\n[serve]\nlisten = \"127.0.0.1:{port}\"\nkey = \"{}\"\n", at("desk.key"));
    let whole = std::fs::read_to_string(&file).unwrap() + &serve;
    std::fs::write(&file, whole).unwrap();
    let made = foreshock(&["topics", "create", "--config", &file]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let lines: Vec<String> = (0..6).flat_map(pass_through).collect();
    broker.produce("report.transaction.v1", &lines);
    let start = |what: &str| Running::start_logging(&[what, "--config", &file], &folder.path().join(what));
    let processes = [start("run"), start("serve")];
    let server = format!("http://127.0.0.1:{port}");
    Some(Site { _broker: broker, _processes: processes, folder, server, key, lines })
}

#[test]
fn evidence_holds_the_exact_bytes_and_any_changed_bit_of_it_is_found() {
    let Some(site) = site() else { return };
    let first = "SELECT detection_id FROM detections ORDER BY seq LIMIT 1";
    let id = wait_for("a detection", || {
        let asked = foreshock(&["sql", "--server", &site.server, "--output", "csv", first]);
        text(&asked.stdout).lines().nth(1).map(str::to_owned)
    });
    let file = site.folder.path().join("evidence.json").display().to_string();
    let exported = foreshock(&["evidence", "export", &id, "--out", &file, "--server", &site.server]);
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    let whole = std::fs::read(&file).unwrap();
    let bundle: Value = serde_json::from_slice(&whole).unwrap();
    let events = bundle["events"].as_array().unwrap();
    assert!(!events.is_empty());
    for event in events {
        let bytes = STANDARD.decode(event["original"]["content"].as_str().unwrap()).unwrap();
        assert!(site.lines.contains(&text(&bytes)), "a line as it was sent: {}", text(&bytes));
    }
    let verify = |arguments: &[&str]| foreshock(&[&["evidence", "verify", &file], arguments].concat());
    let verified = verify(&["--key", &site.key]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).contains("signed by desk"), "{}", text(&verified.stdout));
    let other = Signer::generate("desk").unwrap();
    let forged = verify(&["--key", &format!("desk={}", other.public())]);
    assert!(!forged.status.success() && text(&forged.stderr).contains("the signature does not fit"));

    let public = site.key.split_once('=').unwrap().1;
    let is_taken =
        |bytes: &[u8]| open(bytes, Type::Evidence, |kid, _| (kid == "desk").then(|| public.to_owned())).is_ok();
    assert!(is_taken(&whole));
    let mut seed = 7;
    for _ in 0..number("FORESHOCK_FLIPS", 500) {
        let mut changed = whole.clone();
        let bit = next(&mut seed) as usize % (8 * changed.len());
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_taken(&changed), "bit {bit}");
    }
    // Whoever has the key can sign anything, and still not make the rule say something else.
    for (pointer, told) in [
        ("/detection/subject", "is not the id of this detection"),
        ("/detection/detectionId", "is not the id of this detection"),
        ("/detection/ruleVersion", "are of version"),
        ("/events/0/original/sha256", "not those of its SHA-256"),
        ("/events/0/eventTime", "names another time"),
        ("/events/0/eventId", "names another id"),
    ] {
        let mut changed = bundle.clone();
        *changed.pointer_mut(pointer).unwrap() = "2026-01-01T00:00:00.000000Z".into();
        std::fs::write(&file, changed.to_string()).unwrap();
        let refused = verify(&["--unsigned"]);
        assert!(
            !refused.status.success() && text(&refused.stderr).contains(told),
            "{pointer}: {}",
            text(&refused.stderr)
        );
    }
    let mut fewer = bundle.clone();
    fewer["events"].as_array_mut().unwrap().remove(0);
    std::fs::write(&file, fewer.to_string()).unwrap();
    let refused = verify(&["--unsigned"]);
    assert!(!refused.status.success(), "it stands on all of them");
    assert!(text(&refused.stderr).contains("the rule "), "{}", text(&refused.stderr));
    let mut empty = bundle.clone();
    empty["events"][0].as_object_mut().unwrap().remove("original");
    std::fs::write(&file, empty.to_string()).unwrap();
    assert!(text(&verify(&["--unsigned"]).stderr).contains("neither its bytes nor its columns"));
    let mut loud = bundle.clone();
    loud["custody"][0]["by"] = "x\nok       signed by desk".into();
    std::fs::write(&file, loud.to_string()).unwrap();
    let said = text(&verify(&["--unsigned"]).stdout);
    assert!(said.lines().all(|line| !line.starts_with("ok       signed")), "{said}");
    assert!(said.trim_end().ends_with("NOT SIGNED: anybody may have made it"), "{said}");
}
