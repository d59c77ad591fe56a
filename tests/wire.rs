//! PostgreSQL clients at the reader's door: real psql, psycopg 3 and pgjdbc, over TLS with a password and without; what is
//! refused to them, and to whoever has not logged in.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/jars.rs"]
mod jars;
#[path = "support/process.rs"]
mod process;
#[path = "support/statements.rs"]
mod statements;

use desk::{apply, desk, payments, runtime};
use foreshock::rights::users::{Secret, Users};
use foreshock::serve::query::Desk;
use foreshock::serve::store::Store;
use foreshock::serve::wire::listener::{Listener, Tls};
use foreshock::serve::wire::login::Access;
use serde_json::{Value, json};
use statements::{greedy_statements, refused_statements};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";
/// A limit of the desk is over by so much at most.
const OVER: f64 = 1.5;
/// The desk's limit for a statement.
const LIMIT_S: f64 = 2.0;

/// An open door over a day's payments.
struct Door {
    port: u16,
    desk: Arc<Desk>,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn file_of_users() -> String {
    let secret = Secret::of(PASSWORD).unwrap().text();
    format!(
        "[users.li]\nrole = \"analyst\"\nsecret = \"{secret}\"\n[roles.analyst]\npersonal = true\npurposes = [\"FRAUD\"]\n"
    )
}

fn users(folder: &Path) -> PathBuf {
    let path = folder.join("users.toml");
    std::fs::write(&path, file_of_users()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A certificate for this machine until a year.
fn certificate(folder: &Path, until: i32) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let mut wanted = rcgen::CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).unwrap();
    (wanted.not_before, wanted.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(until, 1, 1));
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&certificate, wanted.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    (certificate, key)
}

/// With a password over TLS, or free for this machine.
fn open(with_users: bool) -> Door {
    let store = Arc::new(Store::new(1_000_000));
    payments().iter().for_each(|lines| apply(&store, lines));
    let (desk, runtime, folder) = (desk(&store), runtime(), tempfile::tempdir().unwrap());
    let (access, tls) = match with_users {
        true => {
            let (certificate, key) = certificate(folder.path(), 2999);
            let users = Arc::new(Users::read(&users(folder.path())).unwrap());
            (Access { users: Some(users), plaintext: false }, Some(Tls::read(&certificate, &key).unwrap()))
        }
        false => (Access { users: None, plaintext: true }, None),
    };
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    runtime.spawn(Listener { desk: desk.clone(), access, tls, connections_max: 8 }.run(socket));
    Door { port, desk, folder, _runtime: runtime }
}

/// Is a program there? Where it is not, the test says so; in CI that is a failure.
fn has(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{program} {arguments:?} is required in CI");
    if !found {
        println!("SKIPPED: no {program} {arguments:?}");
    }
    found
}

fn psql(door: &Door, more: &str, arguments: &[&str]) -> Output {
    Command::new("psql")
        .arg(format!("host=127.0.0.1 port={} user=li dbname=foreshock {more}", door.port))
        .args(["-X", "-v", "ON_ERROR_STOP=1"])
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Answers to statements, each with how it is asked.
fn ask(connection: &str, statements: &[(&str, String, Value)]) -> Vec<Value> {
    let mut child = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/ask.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String =
        statements.iter().map(|(how, text, values)| format!("{}\n", json!([how, text, values]))).collect();
    let lines = format!("{}\n{lines}", json!(connection));
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap_or_default();
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn psql_asks_describes_copies_and_is_shown_where_a_statement_is_wrong() {
    if !has("psql", &["--version"]) {
        return;
    }
    let door = open(false);
    let shows = |arguments: &[&str], expected: &str| {
        let output = psql(&door, "", arguments);
        assert!(output.status.success() && text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    };
    for (command, expected) in [
        ("\\d", "| transactions "),
        ("\\dt", "| rules "),
        ("\\dv", "| detections "),
        ("\\dv+", "what stands now; detection_revisions has every revision"),
        ("\\d transactions", "amount"),
        ("\\d+ transactions", "event_time"),
        ("\\d+ detections", "检测编号 · the same for rule version and event"),
        ("\\dn", "system"),
        ("\\l", "foreshock"),
        ("\\du", "Role name"),
        ("\\df", "List of functions"),
        ("\\db", "Tablespace"),
        ("\\di", "Did not find any relations"),
        ("\\dT", "List of data types"),
        ("\\dd", "Object descriptions"),
        ("\\dp", "Access privileges"),
        ("\\dn+", "public"),
        ("\\l+", "foreshock"),
        ("\\conninfo", "\"foreshock\" as user \"li\""),
        ("\\encoding", "UTF8"),
    ] {
        if command == "\\db" {
            shows(&["-c", command], "List of tablespaces");
        } else {
            shows(&["-c", command], expected);
        }
    }
    shows(&["-At", "-c", "SELECT count(*) FROM transactions WHERE amount >= 0"], "\n");
    for function in
        ["SELECT count(*) > 0 FROM profile(:'a')", "SELECT max(hop) >= 1 FROM trace(:'a', '2026-01-01T00:00:00Z', 2)"]
    {
        let script = format!("SELECT payer_account AS a FROM transactions ORDER BY seq LIMIT 1 \\gset\n{function};\n");
        let file = door.folder.path().join("script.sql");
        std::fs::write(&file, script).unwrap();
        shows(&["-At", "-f", file.to_str().unwrap()], "t\n");
    }
    let missing = text(&psql(&door, "", &["-c", "SELECT * FROM explain_detection('no-such')"]));
    assert!(missing.contains("no detection `no-such` stands"), "{missing}");
    shows(&["-At", "-c", "SELECT current_user, version()"], "li|PostgreSQL 16.6 (Foreshock ");
    shows(&["-At", "-v", "FETCH_COUNT=3", "-c", "SELECT seq FROM transactions ORDER BY seq LIMIT 10"], "\n9\n");
    shows(
        &[
            "-c",
            "\\copy (SELECT event_id, NULL AS n, 'a,\"b' AS t FROM transactions ORDER BY seq LIMIT 1) TO STDOUT CSV HEADER",
        ],
        "event_id,n,t\n",
    );
    shows(&["-c", "COPY (SELECT 'a' || chr(9) || 'b' AS x, NULL AS y) TO STDOUT"], "a\\tb\t\\N\n");
    shows(&["-c", "BEGIN", "-c", "SELECT 1", "-c", "COMMIT"], "COMMIT");
    let wrong = text(&psql(&door, "", &["-c", "SELECT event_id,\n  nosuch FROM transactions"]));
    assert!(wrong.contains("LINE 2:   nosuch FROM") && wrong.contains("\n          ^"), "{wrong}");
    let wrong = text(&psql(&door, "", &["-c", "SELECT 1\n FRM x y"]));
    assert!(wrong.contains("line 2, column "), "{wrong}");
}

#[test]
fn psycopg_binds_values_pages_copies_binary_and_prepares() {
    if !has("python3", &["-c", "import psycopg"]) {
        return;
    }
    let door = open(false);
    let connection = format!("host=127.0.0.1 port={} user=li dbname=foreshock", door.port);
    let first = "SELECT event_id, amount, seq FROM transactions WHERE amount > %s ORDER BY seq LIMIT %s";
    let mut asked: Vec<(&str, String, Value)> = Vec::new();
    for how in ["simple", "extended", "binary", "cursor"] {
        asked.push((how, first.into(), json!([1, 250])));
    }
    asked.extend([
        (
            "extended",
            "SELECT count(*) FROM transactions WHERE reporter = ANY(%s)".into(),
            json!([["bank-a", "bank-b"]]),
        ),
        ("extended", "SELECT count(*) FROM transactions WHERE reporter IN ('bank-a', 'bank-b')".into(), json!([])),
        (
            "extended",
            "SELECT seq FROM changes('transactions', %s, INTERVAL '1 second') ORDER BY seq LIMIT 3".into(),
            json!([4]),
        ),
        ("extended", "SELECT %s::text, %s::bigint, %s::boolean".into(), json!(["a'b", -5, true])),
        ("copy", "COPY (SELECT seq FROM transactions ORDER BY seq LIMIT 2) TO STDOUT".into(), json!([])),
        ("copy", "COPY (SELECT seq FROM transactions WHERE false) TO STDOUT (FORMAT binary)".into(), json!([])),
        ("simple", "DEALLOCATE ALL".into(), json!([])),
        ("simple", "SHOW server_version".into(), json!([])),
        ("simple", "SET statement_timeout = '200ms'".into(), json!([])),
        (
            "simple",
            "SELECT * FROM changes('transactions', 9000000000000000000, INTERVAL '10 seconds')".into(),
            json!([]),
        ),
    ]);
    let answers = ask(&connection, &asked);
    let [simple, extended, binary, cursor] = &answers[..4] else { panic!("{answers:?}") };
    assert_eq!(simple["rows"], 250, "{simple}");
    for other in [extended, binary, cursor] {
        assert_eq!((&other["rows"], &other["first"]), (&simple["rows"], &simple["first"]), "{other}");
    }
    let value = |at: usize| &answers[at]["first"];
    assert!(value(4) == value(5) && *value(4) != json!(["0"]), "{} {}", answers[4], answers[5]);
    assert_eq!(value(6), &json!(["5"]), "{}", answers[6]);
    assert_eq!(value(7), &json!(["a'b", "-5", "True"]), "{}", answers[7]);
    assert_eq!((&answers[8]["rows"], value(8)), (&json!(2), &json!(["0\n"])), "{}", answers[8]);
    assert!(answers[9].get("error").is_none(), "{}", answers[9]);
    assert_eq!(answers[13]["error"], "57014", "{}", answers[13]);
}

/// The statements of a file in `tests/clients/startup`: paragraphs, each with a line before it that says what it is for.
fn recorded(client: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/clients/startup/{client}.sql"));
    let text = std::fs::read_to_string(path).unwrap();
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.map(|paragraph| paragraph.trim().split_once('\n').map(|(a, b)| (a.into(), b.into())).unwrap()).collect()
}

/// What they must find, and how many rows of it at least.
const ROWS: [(&str, u64); 12] = [
    ("schema tree", 3),
    ("tables, views, sequences of a schema", 21),
    ("columns of one table", 44),
    ("columns of all tables", 300),
    ("tables by name", 1),
    ("query builder: tables", 21),
    ("query builder: columns", 44),
    ("time series", 1),
    ("tables of the schemas", 21),
    ("all columns of the schemas", 300),
    ("DatabaseMetaData.getColumns", 44),
    ("sum by month", 1),
];

#[test]
fn what_dbeaver_grafana_and_metabase_ask_when_they_connect_and_look_around_is_answered() {
    if !has("python3", &["-c", "import psycopg"]) {
        return;
    }
    let door = open(false);
    let connection = format!("host=127.0.0.1 port={} user=li dbname=foreshock", door.port);
    let mut unanswered = Vec::new();
    for client in ["dbeaver", "grafana", "metabase"] {
        let recorded = recorded(client);
        let asked: Vec<_> = recorded.iter().map(|(_, statement)| ("simple", statement.clone(), json!([]))).collect();
        for ((purpose, _), answer) in recorded.iter().zip(ask(&connection, &asked)) {
            if let Some((_, least)) = ROWS.iter().find(|(of, _)| purpose.contains(of)) {
                assert!(answer["rows"].as_u64() >= Some(*least), "{client}: {purpose}\n{answer}");
            }
            if answer.get("error").is_some() {
                unanswered.push(format!("{client}: {purpose}\n{answer}"));
            }
        }
    }
    assert!(unanswered.is_empty(), "{} statements:\n{}", unanswered.len(), unanswered.join("\n"));
}

#[test]
fn pgjdbc_finds_tables_reads_piece_by_piece_and_its_time_limit_holds_over_tls_with_a_password() {
    let Some(libs) = jars::jars("pgjdbc-42.7.4", "org.postgresql:postgresql:42.7.4") else { return };
    let door = open(true);
    let root = door.folder.path().join("cert.pem");
    let url = format!(
        "jdbc:postgresql://localhost:{}/foreshock?sslmode=verify-full&sslrootcert={}&options=-c%20foreshock.purpose=FRAUD%20-c%20foreshock.case=A-7",
        door.port,
        root.display()
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/Ask.java");
    let output = jars::java(&libs, "256m").arg(source).args([&url, "li", PASSWORD]).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    for expected in [
        "product 16.6 (Foreshock",
        "tables 25",
        "column detection_id text 检测编号 · the same for rule version and event",
        "column seq int8 ",
        "rows 300",
        "refused 25006",
        "stopped 57014",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {said}");
    }
}

#[test]
fn a_wrong_password_a_missing_user_and_plaintext_are_refused_and_nothing_is_answered_before_the_login() {
    let door = open(true);
    if has("psql", &["--version"]) {
        let root = door.folder.path().join("cert.pem").display().to_string();
        let try_with = |more: &str| text(&psql(&door, more, &["-At", "-c", "SELECT 40 + 2"]));
        let right = format!("password='{PASSWORD}' sslmode=verify-full sslrootcert={root}");
        assert_eq!(try_with(&right), "42\n");
        assert_eq!(try_with(&format!("{right} channel_binding=require")), "42\n");
        for wrong in ["password=wrong sslmode=require", "user=nobody password=wrong sslmode=require"] {
            assert!(try_with(wrong).contains("the user or the password is wrong"), "{}", try_with(wrong));
        }
        let plain = try_with(&format!("password='{PASSWORD}' sslmode=disable"));
        assert!(plain.contains("only connections with TLS are taken"), "{plain}");
    }
    // A client that does not wait to be let in.
    let startup = |user: &str| {
        let mut body = vec![0, 3, 0, 0];
        for part in ["user", user, "database", "foreshock"] {
            body.extend_from_slice(part.as_bytes());
            body.push(0);
        }
        body.push(0);
        let mut message = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
        message.append(&mut body);
        message
    };
    let message = |kind: u8, body: &[u8]| {
        let mut message = vec![kind];
        message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        message.extend_from_slice(body);
        message
    };
    let query = message(b'Q', b"SELECT 'canary' || count(*) FROM transactions\0");
    let prepared = [
        message(b'P', b"\0SELECT 'canary' || count(*) FROM transactions\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    let open_door = open_with_password_in_plaintext();
    for port in [door.port, open_door.port] {
        for first in [startup("li"), startup("nobody"), query.clone(), Vec::new(), vec![0xff; 64]] {
            for then in [&query, &prepared, &message(b'p', b"SCRAM-SHA-256\0\0\0\0\x05hello")] {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = stream.write_all(&[first.as_slice(), then, &query, &prepared].concat());
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said);
                let said = String::from_utf8_lossy(&said).into_owned();
                assert!(!said.contains("canary"), "answered before the login: {said}");
            }
        }
    }
    let answer = door._runtime.block_on(door.desk.answer("SELECT count(*) FROM transactions", desk::me())).unwrap();
    assert_eq!(answer.batches.len(), 1, "it still answers");
}

/// Asked for a password, on this machine only, without TLS.
fn open_with_password_in_plaintext() -> Door {
    let store = Arc::new(Store::new(1_000_000));
    apply(&store, &payments()[0]);
    let (desk, runtime, folder) = (desk(&store), runtime(), tempfile::tempdir().unwrap());
    let access = Access { users: Some(Arc::new(Users::read(&users(folder.path())).unwrap())), plaintext: true };
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    runtime.spawn(Listener { desk: desk.clone(), access, tls: None, connections_max: 64 }.run(socket));
    Door { port, desk, folder, _runtime: runtime }
}

#[test]
fn a_certificate_that_is_over_or_is_not_of_its_key_keeps_the_door_shut_and_so_do_users_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_path, key) = certificate(folder.path(), 2999);
    assert!(Tls::read(&certificate_path, &key).is_ok());
    let other = tempfile::tempdir().unwrap();
    let (other_certificate, other_key) = certificate(other.path(), 2999);
    let over = tempfile::tempdir().unwrap();
    let (over_certificate, over_key) = certificate(over.path(), 2021);
    let missing = folder.path().join("missing.pem");
    for (certificate, key, reason) in [
        (&certificate_path, &other_key, "do not belong together"),
        (&other_certificate, &key, "do not belong together"),
        (&over_certificate, &over_key, "is over since"),
        (&missing, &key, "serve.tls_cert"),
        (&certificate_path, &missing, "serve.tls_key"),
        (&key, &key, "no certificate"),
        (&certificate_path, &certificate_path, "no private key"),
    ] {
        let refused = format!("{:#}", Tls::read(certificate, key).err().unwrap());
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
    let path = users(folder.path());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(format!("{:#}", Users::read(&path).unwrap_err()).contains("chmod 600"));
    for (wrong, reason) in [
        ("[users.li]\nrole = \"a\"\nsecret = \"secret\"\n[roles.a]", "foreshock user NAME"),
        ("[users.li]\npassword = \"x\"", "unknown field"),
        ("[users.li]\nrole = \"a\"\nsecret = \"scram-sha-256$4096$AAAA$AAAA\"\n[roles.a]", "rounds"),
        (&file_of_users().replace("roles.analyst", "roles.other"), "there is no role `analyst`"),
        (&file_of_users().replace("purposes", "purpose"), "unknown field"),
        (&format!("pseudonym_key = \"AAAA\"\n{}", file_of_users()), "3 bytes, not 32"),
    ] {
        assert!(format!("{:#}", Users::parse(wrong, Path::new("")).unwrap_err()).contains(reason), "{wrong}");
    }
}

#[test]
fn hostile_statements_are_refused_or_stopped_in_both_protocols_and_inside_cursors_within_a_second_over_their_limit() {
    if !has("python3", &["-c", "import psycopg"]) {
        return;
    }
    let door = open(false);
    let connection = format!("host=127.0.0.1 port={} user=li dbname=foreshock", door.port);
    let statements: Vec<String> = refused_statements()
        .into_iter()
        .map(|(_, statement)| statement)
        .chain(greedy_statements())
        .chain(
            [
                "SET ROLE postgres",
                "SET SESSION AUTHORIZATION postgres",
                "SET default_transaction_read_only = off",
                "BEGIN READ WRITE",
                "SET TRANSACTION READ WRITE",
                "LISTEN x",
                "NOTIFY x",
                "LOCK TABLE rules",
                "VACUUM",
                "CALL x()",
                "DO $$ BEGIN END $$",
                "COPY rules FROM STDIN",
                "COPY (SELECT 1) TO PROGRAM 'sh'",
                "SELECT pg_read_file('/etc/passwd')",
                "SELECT pg_sleep(100)",
                "SELECT lo_import('/etc/passwd')",
                "SELECT set_config('role', 'postgres', false)",
                "SELECT * FROM pg_catalog.pg_authid a, pg_catalog.pg_proc b, pg_catalog.pg_proc c, pg_catalog.pg_proc d",
            ]
            .map(str::to_owned),
        )
        .collect();
    // What only concerns the connection is answered, not refused.
    let own = ["RESET ALL", "BEGIN", "DEALLOCATE ALL", "", "-- nothing"];
    for how in ["simple", "extended", "cursor"] {
        let asked: Vec<(&str, String, Value)> = statements.iter().map(|s| (how, s.clone(), json!([]))).collect();
        let answers = ask(&connection, &asked);
        assert_eq!(
            answers.len(),
            asked.len(),
            "{how}: the client lost its connection at {:?}",
            asked.get(answers.len()).map(|a| a.1.chars().take(90).collect::<String>())
        );
        for (statement, answer) in statements.iter().zip(&answers) {
            let short: String = statement.chars().take(90).collect();
            assert!(answer["seconds"].as_f64().unwrap() < LIMIT_S + OVER, "{how} {short}: {answer}");
            let is_bounded = answer["rows"].as_u64().is_some_and(|rows| rows <= 10_000);
            let must_fail =
                refused_statements().iter().any(|(_, s)| s == statement) && !own.contains(&statement.as_str());
            assert!(answer.get("error").is_some() || (is_bounded && !must_fail), "{how} {short}: {answer}");
        }
    }
    let answers = ask(&connection, &[("simple", "SELECT count(*) FROM transactions".into(), json!([]))]);
    assert_eq!(answers[0]["rows"], 1, "it still answers");
}

#[test]
fn a_configuration_that_would_let_in_anyone_or_nobody_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path(), 2999);
    let users = users(folder.path());
    let tls = format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
    let near = "postgres = \"127.0.0.1:0\"\n";
    let far = "postgres = \"0.0.0.0:0\"\n";
    for (settings, reason) in [
        (near.to_owned(), "needs serve.tls_cert and serve.tls_key"),
        (format!("{far}plaintext = true\n"), "can be reached from other machines"),
        (format!("{far}{tls}"), "can be reached from other machines"),
        (format!("{near}tls_cert = \"{}\"\n", certificate.display()), "belong together"),
        (format!("{near}{}", tls.replace("cert.pem", "missing.pem")), "serve.tls_cert"),
        (format!("{near}users = \"{}\"\n", users.display()), "serve.users and serve.audit belong together"),
        (
            format!("{near}plaintext = true\nusers = \"/missing\"\naudit = \"/missing/audit\"\n"),
            "serve.users: /missing",
        ),
        ("listen = \"0.0.0.0:0\"\n".into(), "only a loopback address"),
        ("connections_max = 0\n".into(), "serve.connections_max"),
    ] {
        let path = folder.path().join("foreshock.toml");
        std::fs::write(
            &path,
            format!("[serve]\nlisten = \"127.0.0.1:0\"\n{settings}")
                .replace("listen = \"127.0.0.1:0\"\nlisten", "listen"),
        )
        .unwrap();
        let done = process::foreshock(&["serve", "--config", path.to_str().unwrap()]);
        let said = text(&done);
        assert!(done.status.code() == Some(3) && said.contains(reason), "{settings}: {:?} {said}", done.status);
    }
}

#[test]
fn a_user_is_made_from_a_password_that_is_long_enough() {
    let make = |name: &str, password: &str| {
        let mut child = process::binary()
            .args(["user", name, "--role", "analyst"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let made = make("li", PASSWORD);
    assert!(made.status.success(), "{}", text(&made));
    let users = Users::parse(&format!("{}[roles.analyst]\n", text(&made)), Path::new("")).unwrap();
    assert!(users.log_in("li", PASSWORD).is_some() && users.log_in("li", "another one of them").is_none());
    for (name, password) in [("li", "short"), ("li li", PASSWORD), ("", PASSWORD)] {
        assert_eq!(make(name, password).status.code(), Some(2), "{name} {password}");
    }
}
