//! The program at its edges, as a person meets them: what it must refuse, say, or end with.
#![allow(clippy::unwrap_used)]

#[path = "support/process.rs"]
mod process;

use process::{binary, foreshock, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

const FRAME: &str = "RANGE BETWEEN INTERVAL '60 seconds' PRECEDING AND CURRENT ROW";

/// A folder with rules, and a file of payments.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(rules: &[(&str, &str)]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("rules")).unwrap();
        for (name, text) in rules {
            std::fs::write(folder.path().join("rules").join(name), text).unwrap();
        }
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Payments to these accounts: (id, time of a morning, payee).
    fn payments(&self, of: &[(&str, &str, &str)]) -> String {
        let lines: Vec<String> = of.iter().map(|(id, at, payee)| payment(id, at, payee, "CNY")).collect();
        self.write("events.ndjson", &lines.join("\n"))
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let rules = self.folder.path().display().to_string();
        said(&foreshock(&[arguments, &["--rules", &rules]].concat()))
    }

    /// The net result of a replay: values by event id, and what was said.
    fn replay(&self, events: &str, more: &[&str]) -> (BTreeMap<String, serde_json::Value>, Said) {
        let out = self.path("out.ndjson").display().to_string();
        let said = self.run(&[&["replay", events, "--out", &out], more].concat());
        let lines = std::fs::read_to_string(&out).unwrap_or_default();
        let rows = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        (rows.map(|row| (row["event_id"].as_str().unwrap().to_owned(), row["values"].clone())).collect(), said)
    }
}

/// Exit code and both outputs.
struct Said {
    code: i32,
    text: String,
}

impl Said {
    fn has(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "`{word}` is not said: {}", self.text);
        }
    }
}

fn said(output: &Output) -> Said {
    Said { code: output.status.code().unwrap_or(-1), text: text(&output.stdout) + &text(&output.stderr) }
}

fn payment(id: &str, at: &str, payee: &str, currency: &str) -> String {
    format!(
        r#"{{"txId":"{id}","reporter":"bank-a","creDtTm":"2026-03-01T{at}Z","kind":"TRANSFER","amount":"100.00","currency":"{currency}","debtor":{{"accountToken":"A"}},"creditor":{{"accountToken":"{payee}"}}}}"#
    )
}

fn rule(id: &str, body: &str) -> String {
    format!(
        "/*---\nid: {id}\ntitle: {{ zh: 测, en: test }}\ncategory: flow\nseverity: high\naction: detect\nsubject: payee_account\n\
         fraud_type: OTHER\nlegal_basis: [regulation-30]\nowner: desk\nstatus: draft\n---*/\n{body}\n"
    )
}

/// A rule that counts payments to each payee in a minute.
fn counting(id: &str) -> String {
    rule(
        id,
        &format!(
            "SELECT event_id, event_time, payee_account AS subject, c FROM (SELECT event_id, event_time, payee_account,\n\
             count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME}) AS c FROM transactions) AS q"
        ),
    )
}

#[test]
fn a_window_that_adds_to_a_named_one_keeps_its_keys_in_each_spelling() {
    let body = format!(
        "SELECT event_id, event_time, payee_account AS subject, s1, s2, s3, s4 FROM (SELECT event_id, event_time, payee_account,\n\
         count(*) OVER w2 AS s1, count(*) OVER (w1 ORDER BY event_time {FRAME}) AS s2,\n\
         count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME}) AS s3, count(*) OVER (w3 {FRAME}) AS s4\n\
         FROM transactions WINDOW w1 AS (PARTITION BY payee_account), w2 AS (w1 ORDER BY event_time {FRAME}),\n\
         w3 AS (PARTITION BY payee_account ORDER BY event_time)) AS q"
    );
    let place = Place::new(&[("R1.sql", &rule("R1", &body))]);
    let events = place.payments(&[
        ("1", "10:00:00", "X"),
        ("2", "10:00:10", "Y"),
        ("3", "10:00:20", "X"),
        ("4", "10:00:21", "Y"),
    ]);
    let (rows, said) = place.replay(&events, &["--compare"]);
    said.has(0, &["0 differences"]);
    for (id, count) in [("1", 1), ("2", 1), ("3", 2), ("4", 2)] {
        let values = &rows[&format!("tx:bank-a:{id}")];
        assert!(["s1", "s2", "s3", "s4"].iter().all(|name| values[name] == count), "{id}: {values}");
    }
    for wrong in
        ["w9 ORDER BY event_time", "w1 PARTITION BY payer_account ORDER BY event_time", "w3 ORDER BY event_time"]
    {
        let body = body.replace("w1 ORDER BY event_time RANGE", &format!("{wrong} RANGE"));
        let place = Place::new(&[("R1.sql", &rule("R1", &body))]);
        place.run(&["rules", "check"]).has(1, &["R1.sql:1"]);
    }
}

#[test]
fn rules_are_told_apart_by_ids_that_are_their_files_names() {
    let place = Place::new(&[("R1.sql", &counting("R1")), ("R1-copy.sql", &counting("R1"))]);
    place.run(&["rules", "check"]).has(1, &["R1-copy.sql", "R1"]);
    let place = Place::new(&[("B.sql", &counting("A"))]);
    place.run(&["rules", "check"]).has(1, &["B.sql", "`A`"]);
}

#[test]
fn a_parameter_that_no_rule_has_is_refused_with_the_name_that_was_meant() {
    let check = |set: &str| said(&foreshock(&["rules", "check", "--set", set]));
    check("currncy=XTS").has(1, &["currncy", "did you mean `currency`?"]);
    check("M0.min_payers_day=4").has(1, &["M0"]);
    check("M01.min_payers_dya=4").has(1, &["did you mean `min_payers_day`?"]);
    check("currency=XTS").has(0, &[]);
    // A rule that is there and not chosen is no unknown one.
    said(&foreshock(&["rules", "check", "--rule", "M04", "--set", "M01.min_payers_day=4"])).has(0, &[]);
}

#[test]
fn payments_in_a_currency_that_no_rule_asks_for_are_said_with_the_option_that_helps() {
    let place = Place::new(&[]);
    let lines: Vec<String> = (0..3).map(|n| payment(&n.to_string(), "10:00:00", "X", "HKD")).collect();
    let events = place.write("hkd.ndjson", &lines.join("\n"));
    for command in ["replay", "backtest"] {
        said(&foreshock(&[command, &events]))
            .has(0, &["no payment is in a currency", "3 in HKD", "--set currency=HKD"]);
        let helped = said(&foreshock(&[command, &events, "--set", "currency=HKD"]));
        assert!(!helped.text.contains("no payment is in a currency"), "{}", helped.text);
    }
}

#[test]
fn a_mad_clock_in_a_file_is_named_and_the_command_does_not_end_as_if_all_were_well() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let mad = payment("2", "10:00:00", "Z", "CNY").replace("2026-03-01", "2126-03-01");
    let lines = [
        payment("1", "10:00:00", "X", "CNY"),
        mad,
        payment("3", "10:00:10", "X", "CNY"),
        payment("4", "10:00:20", "X", "CNY"),
    ];
    let events = place.write("mad.ndjson", &lines.join("\n"));
    let (_, said) = place.replay(&events, &[]);
    said.has(5, &["2 events came too late because of", "tx:bank-a:2", "bank-a"]);
    // Beyond what any clock may say, the event is refused alone.
    let events = place.write("far.ndjson", &lines.join("\n").replace("2126", "9999"));
    let (rows, said) = place.replay(&events, &[]);
    said.has(5, &["refused", "/creDtTm"]);
    assert_eq!(rows["tx:bank-a:4"]["c"], 3);
}

#[test]
fn an_id_used_again_after_long_gives_one_answer_whatever_the_cut() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let events = place.payments(&[
        ("1", "10:00:00", "X"),
        ("9", "10:10:00", "Q"),
        ("1", "10:10:01", "X"),
        ("2", "10:10:02", "X"),
    ]);
    let answers: Vec<_> = ["1", "2", "3", "4"]
        .map(|batch| place.replay(&events, &["--lateness", "60", "--batch", batch]).0)
        .into_iter()
        .chain([place.replay(&events, &["--lateness", "60", "--shards", "3"]).0])
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn types_that_the_engine_does_not_keep_are_refused_when_a_rule_is_checked() {
    let keyed = |key: &str| {
        rule(
            "R1",
            &format!(
                "SELECT event_id, event_time, payee_account AS subject, c FROM (SELECT event_id, event_time, payee_account,\n\
                 count(*) OVER (PARTITION BY {key} ORDER BY event_time {FRAME}) AS c FROM transactions) AS q"
            ),
        )
    };
    for key in
        ["CAST(event_time AS DATE)", "CAST(amount AS DOUBLE)", "CAST(amount AS DECIMAL(20,2))", "CAST(amount AS INT)"]
    {
        let place = Place::new(&[("R1.sql", &keyed(key)), ("R2.sql", &counting("R2"))]);
        place.run(&["rules", "check"]).has(1, &["R1.sql:"]);
    }
    for output in ["CAST(event_time AS DATE)", "event_time - event_time", "CAST(amount AS DECIMAL(20,2))"] {
        let body = format!("SELECT event_id, event_time, payee_account AS subject, {output} AS x FROM transactions");
        Place::new(&[("R1.sql", &rule("R1", &body))]).run(&["rules", "check"]).has(1, &["R1.sql:"]);
    }
}

#[test]
fn each_faulty_rule_is_named_at_its_place_in_one_go() {
    let in_where = format!(
        "SELECT event_id, event_time, payee_account AS subject FROM transactions\n\
         WHERE count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME}) > 3"
    );
    let place = Place::new(&[
        ("A.sql", &rule("A", &in_where)),
        ("B.sql", &rule("B", "SELECT event_id, event_time, payee_acount AS subject FROM transactions")),
        ("C.sql", &counting("C").replace("owner: desk", "ownr: desk")),
    ]);
    place.run(&["rules", "check"]).has(1, &["A.sql:14:", "B.sql:13:", "`payee_account`", "C.sql:10:", "ownr"]);
    let long = format!(
        "SELECT event_id, event_time, payee_account AS subject FROM transactions WHERE {}",
        (0..8_000).map(|n| format!("payee_account = 'x{n}'")).collect::<Vec<_>>().join(" OR ")
    );
    let place = Place::new(&[("LONG.sql", &rule("LONG", &long)), ("R2.sql", &counting("R2"))]);
    place.run(&["rules", "check"]).has(1, &["LONG.sql:"]);
    let list = format!(
        "SELECT event_id, event_time, payee_account AS subject FROM transactions WHERE payee_account IN ({})",
        (0..8_000).map(|n| format!("'x{n}'")).collect::<Vec<_>>().join(", ")
    );
    Place::new(&[("LIST.sql", &rule("LIST", &list))]).run(&["rules", "check"]).has(0, &[]);
}

#[test]
fn a_rule_that_can_never_fire_gets_a_warning() {
    for never in ["currency = 'cny' AND amount > 5", "1 = 0 AND currency = 'CNY'"] {
        let body = format!("SELECT event_id, event_time, payee_account AS subject FROM transactions WHERE {never}");
        Place::new(&[("R1.sql", &rule("R1", &body))]).run(&["rules", "check"]).has(0, &["warning", "R1.sql:"]);
    }
}

#[test]
fn cases_that_are_empty_or_only_silent_do_not_hold() {
    for cases in ["[]", "- name: nothing\n  given: {}\n  expect: []\n"] {
        let place = Place::new(&[("R1.sql", &counting("R1")), ("R1.test.yaml", cases)]);
        place.run(&["rules", "test"]).has(1, &["no case expects a detection"]);
    }
}

#[test]
fn a_result_file_is_written_though_nobody_reads_what_is_said() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let events = place.payments(&[("1", "10:00:00", "X")]);
    let (rules, out) = (place.folder.path().display().to_string(), place.path("out.ndjson"));
    let mut child = binary()
        .args(["replay", &events, "--rules", &rules, "--out", &out.display().to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().code().is_some());
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 1);
}

#[test]
fn input_of_which_something_is_refused_ends_with_five() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let events = place.write("bad.ndjson", "{\"txId\":\"1\"}\nnot json\n");
    place.replay(&events, &[]).1.has(5, &["refused in all: 2 of 2"]);
    place.run(&["backtest", &events]).has(5, &["refused in all: 2 of 2"]);
}

fn elsewhere(folder: &Path, arguments: &[&str]) -> Said {
    said(&binary().current_dir(folder).args(arguments).output().unwrap())
}

#[test]
fn the_program_works_from_any_folder_with_the_rules_that_are_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| elsewhere(folder.path(), arguments);
    run(&["rules", "check"]).has(0, &["32 rules"]);
    run(&["rules", "test", "--rule", "M01"]).has(0, &["M01"]);
    let listed: serde_json::Value = serde_json::from_str(&run(&["rules", "list", "--output", "json"]).text).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 32);
    assert!(
        listed.as_array().unwrap().iter().all(|rule| rule["status"] == "shadow" || rule["status"] == "live"),
        "{listed}"
    );
    run(&["run"]).has(3, &["config init", "demo"]);
    run(&["config", "init"]).has(0, &["foreshock.toml"]);
    run(&["config", "init"]).has(2, &["is there already"]);
    run(&["config", "show", "--origin"]).has(0, &["kafka.brokers", "default"]);
    run(&["rules", "init"]).has(0, &["sql"]);
    run(&["rules", "check"]).has(0, &["32 rules"]);
    run(&["demo", "--for", "1时"]).has(2, &["--for"]);
    for (key, wrong) in [("at_once", 0), ("time_s", 0), ("rows_max", 0), ("memory_mb", 0), ("answer_mb", 1_i64 << 40)] {
        std::fs::write(folder.path().join("serve.toml"), format!("[serve]\n{key} = {wrong}\n")).unwrap();
        run(&["serve", "--config", "serve.toml"]).has(3, &[&format!("serve.{key}")]);
    }
    run(&["rules", "check", "--rules", "nowhere"]).has(2, &["rules init"]);
}

#[test]
fn run_does_not_start_with_no_rule_in_force_or_warnings_that_could_never_go_out() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let rules = place.folder.path().display().to_string();
    let path = place.write("a.toml", &format!("[rules]\ndir = \"{rules}\"\n[http]\nlisten = \"\"\n"));
    said(&foreshock(&["run", "--config", &path])).has(3, &["no rule", "in force"]);
    let path = place.write("b.toml", "[warnings]\ncontact = \"call 13800138000\"\n[http]\nlisten = \"\"\n");
    said(&foreshock(&["run", "--config", &path])).has(3, &["contact"]);
    said(&foreshock(&["check", "--config", &path])).has(3, &["FAIL", "contact"]);
    let path = place.write("c.toml", "[kafka]\nbrokers = \"127.0.0.1:1\"\n[http]\nlisten = \"\"\n");
    said(&foreshock(&["check", "--config", &path])).has(4, &["FAIL", "broker", "127.0.0.1:1"]);
}

#[test]
fn whole_numbers_and_yes_or_no_come_out_of_csv_and_a_header_that_stands_twice_is_an_error() {
    let place = Place::new(&[]);
    let mapping = "feed = \"telecom\"\nreporter = \"c1\"\n[fields]\nrecordId = { column = \"id\" }\neventTime = { column = \"t\" }\n\
        recordType = { column = \"typ\" }\nservedMSISDN = { column = \"a\" }\ncallDuration = { column = \"dur\" }\n";
    let mapping = place.write("m.toml", mapping);
    let csv = place.write(
        "cdr.csv",
        "id,t,typ,a,dur\n1,2026-03-01T10:00:00Z,MO_CALL,555,42\n2,2026-03-01T10:00:00Z,MO_CALL,555,x\n",
    );
    let out = place.path("o.ndjson").display().to_string();
    said(&foreshock(&["import", "--mapping", &mapping, &csv, "--out", &out])).has(5, &["cdr.csv:3"]);
    let event: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(event["callDuration"], 42);
    let twice = place.write("twice.csv", "id,t,typ,a,dur,dur\n1,2026-03-01T10:00:00Z,MO_CALL,555,42,43\n");
    said(&foreshock(&["import", "--mapping", &mapping, &twice, "--out", &out])).has(2, &["`dur`", "twice"]);
}

#[test]
fn files_that_follow_one_another_and_a_pipe_give_what_the_whole_file_gives_and_the_batch_the_same() {
    let place = Place::new(&[("R1.sql", &counting("R1"))]);
    let folder = place.path("few1").display().to_string();
    foreshock(&["gen", "--few1", "3000", "--accounts", "100", "--out", &folder]);
    let whole = std::fs::read_to_string(place.path("few1/few1.ndjson")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    let (first, second) = (place.write("1.ndjson", &first.join("\n")), place.write("2.ndjson", &second.join("\n")));
    let whole = place.write("whole.ndjson", &whole);
    let (expected, whole_said) = place.replay(&whole, &["--lateness", "0", "--compare"]);
    whole_said.has(0, &["0 differences", "0 late"]);
    assert_eq!(expected.len(), 3000);
    // The second one does not keep the horizon of the first from moving: nothing is young when it begins.
    let (split, halves_said) = place.replay(&second, &[&first, "--lateness", "0", "--batch", "100", "--compare"]);
    halves_said.has(0, &["0 differences", "0 late"]);
    let young = halves_said.text.split("held at the end: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    // Those of the last two micro-batches.
    assert!(young.parse::<usize>().unwrap() <= 200, "{young} young rows at the end");
    assert_eq!(split, expected);
    let (rules, out) = (place.folder.path().display().to_string(), place.path("piped.ndjson").display().to_string());
    for command in ["replay", "backtest"] {
        let pipe = binary()
            .args([command, "/dev/stdin", "--rules", &rules, "--out", &out])
            .stdin(
                std::process::Command::new("cat").arg(&whole).stdout(Stdio::piped()).spawn().unwrap().stdout.unwrap(),
            )
            .output()
            .unwrap();
        said(&pipe).has(0, &[]);
        assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), expected.len(), "{command}");
    }
}
