//! A reader beside a writer on a real Apache Kafka 4.1.2: its tables are what the topics say, killed or not; and what it
//! refuses.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;

use broker::{Broker, free_port};
use exactly_once::{Input, committed, configure, produce, wait_until_taken};
use foreshock::ops::config::Config;
use foreshock::ops::intake::Intake;
use foreshock::serve::assembly::{Assembly, Incoming};
use foreshock::serve::catalog::Facts;
use foreshock::serve::door::{Door, router};
use foreshock::serve::query::{Desk, Limits};
use foreshock::serve::rows::rows;
use foreshock::serve::store::{Change, Store};
use foreshock_core::Feed;
use foreshock_log::Range;
use process::{Running, foreshock, text};
use serde_json::Value;
use single::{metric, ready, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

const EVENTS: usize = 3_000;
/// The reader is killed so often.
const KILLS: usize = 4;

/// Asks a reader: rows as JSON.
fn ask(port: u16, statement: &str) -> Vec<Value> {
    let done = foreshock(&["sql", "--server", &format!("http://127.0.0.1:{port}"), "--output", "ndjson", statement]);
    assert!(done.status.success(), "{statement}: {}", text(&done.stderr));
    text(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What stands of a topic by the text of a member, as its last record has it.
fn last_of(address: &str, topic: &str, id: &str) -> BTreeMap<String, Value> {
    committed(address, topic).into_iter().map(|body| (body[id].as_str().unwrap().to_owned(), body)).collect()
}

#[test]
fn a_reader_has_what_the_topics_say_whenever_it_is_killed() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = (configure(folder.path(), &broker.address()), free_port());
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}[serve]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
    let config = Config::read(path.as_ref()).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut seed = 7;
    let input = Input::new(EVENTS, &mut seed);
    let writer = Running::start(&["run", "--config", &path]);
    let part = input.lines.len().div_ceil(KILLS + 1);
    for (kill, lines) in input.lines.chunks(part).enumerate() {
        let reader = Running::start(&["serve", "--config", &path]);
        wait_until("the reader answers", || metric(port, "foreshock_reader_batch").is_some());
        produce(&broker.address(), lines);
        let until = (kill * part) as i64;
        let rows = || metric(port, "foreshock_reader_batches_total").unwrap_or(0);
        wait_until("the reader has taken in something", || rows() > i64::from(until > 0));
        drop(reader); // By SIGKILL, wherever it is.
    }
    let log = wait_until_taken(&config.kafka, input.lines.len());
    let last = log.last().unwrap().number as i64;
    let reader = Running::start(&["serve", "--config", &path]);
    wait_until("the reader has all", || metric(port, "foreshock_reader_batch") == Some(last));
    assert!(ready(port).0, "{}", ready(port).1);

    let address = broker.address();
    let mut expected: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for (feed, _, line) in &input.lines {
        let of = expected.entry(feed.table()).or_default();
        let amount = foreshock_feeds::decode(
            &foreshock_feeds::Record { bytes: line.as_bytes(), ..Default::default() },
            &mut foreshock_feeds::Counts::default(),
        );
        let column = feed.columns().iter().position(|c| c.name == "amount");
        let cell = column.map(|at| amount.unwrap().cells[at].clone());
        *of = (of.0 + 1, of.1 + if let Some(foreshock_feeds::Cell::Int(minor)) = cell { minor } else { 0 });
    }
    for (table, (count, amount)) in expected {
        let sum = if table == "transactions" { "sum(amount)" } else { "0" };
        let amount = if table == "transactions" { amount } else { 0 };
        let found = ask(port, &format!("SELECT count(*) AS c, count(DISTINCT event_id) AS d, {sum} AS s FROM {table}"));
        assert_eq!((&found[0]["c"], &found[0]["d"]), (&count.into(), &count.into()), "{table}");
        assert_eq!(found[0]["s"], amount, "{table}");
    }
    let detections = last_of(&address, "detection.v1", "detection_id");
    let stands: BTreeSet<(String, i64)> = detections
        .into_iter()
        .filter(|(_, d)| d["state"] == "detected")
        .map(|(id, d)| (id, d["revision"].as_i64().unwrap()))
        .collect();
    let found = ask(port, "SELECT detection_id, revision FROM detections");
    let found = found.iter().map(|d| (d["detection_id"].as_str().unwrap().to_owned(), d["revision"].as_i64().unwrap()));
    assert_eq!(found.collect::<BTreeSet<_>>(), stands);
    assert!(stands.len() > 10, "{}", stands.len());
    for (table, topic, id) in
        [("alerts", "alert.v1", "alert_id"), ("blocking_drafts", "blocking.draft.v1", "requestId")]
    {
        let stands: BTreeMap<String, String> = last_of(&address, topic, id)
            .into_iter()
            .map(|(id, body)| (id, body["state"].as_str().unwrap().to_owned()))
            .collect();
        let column = if table == "alerts" { "alert_id" } else { "request_id" };
        let found = ask(port, &format!("SELECT {column} AS id, state FROM {table}"));
        let found =
            found.iter().map(|r| (r["id"].as_str().unwrap().to_owned(), r["state"].as_str().unwrap().to_owned()));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), stands, "{table}");
    }
    assert_eq!(metric(port, "foreshock_reader_lost_total"), Some(0));
    assert_eq!(metric(port, "foreshock_reader_unreadable_total"), Some(0));
    assert_eq!(metric(port, "foreshock_reader_unplaced_total"), Some(0));
    assert_eq!(reader.stop(), Some(0));
    assert_eq!(writer.stop(), Some(0));
}

/// The payments of a generated day, in batches.
fn payments() -> Vec<Vec<String>> {
    let day = foreshock_generator::generate(1, 1).day;
    let of = |lines: &[foreshock_generator::Line]| -> Vec<String> {
        lines.iter().filter(|line| line.feed == Feed::Transactions).map(|line| line.json.clone()).collect()
    };
    day.chunks(2_000).take(4).map(of).collect()
}

/// One more batch in the tables.
fn apply(store: &Store, lines: &[String]) {
    let number = store.state().number.map_or(0, |number| number + 1);
    let (topic, from) = (Feed::Transactions.topic().to_owned(), number as i64 * 10_000);
    let range = Range { topic, partition: 0, from, to: from + lines.len() as i64 };
    let place = (range.topic.clone(), 0);
    let progress = serde_json::json!({
        "number": number, "ranges": [range], "fates": [format!("{}.", lines.len())], "messages": 0, "rules": "",
    });
    let mut assembly = Assembly::after(number.checked_sub(1));
    assembly.progress(serde_json::from_value(progress).unwrap()).unwrap();
    for (nth, line) in lines.iter().enumerate() {
        let (offset, bytes) = (from + nth as i64, line.clone().into());
        assembly.incoming(&place, Incoming { offset, time_us: None, source: None, bytes });
    }
    let rows = rows(&assembly.next(false).unwrap(), &Intake::new(&Config::default()));
    store.apply(Change { number, as_of: None, written_us: None, rows, in_force: Vec::new() });
}

/// A desk with small limits.
fn desk(store: &Arc<Store>) -> Arc<Desk> {
    let pack = exactly_once::pack(&Config::default());
    let time = Duration::from_secs(2);
    let limits = Limits { rows: 10_000, answer_bytes: 32 << 20, memory_bytes: 64 << 20, time, at_once: 2 };
    Arc::new(Desk::new(store.clone(), Facts::new(&pack).unwrap(), limits).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn changes_come_when_there_are_some_and_asking_again_loses_and_repeats_nothing() {
    let store = Arc::new(Store::new(1_000_000));
    let (desk, runtime) = (desk(&store), runtime());
    let lines: Vec<String> = payments().into_iter().flatten().take(3_000).collect();
    let batches: Vec<&[String]> = lines.chunks(7).collect();
    let (mut since, mut seen) = (-1_i64, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| batches.iter().for_each(|batch| apply(&store, batch)));
        let mut asked = 0;
        while seen.len() < lines.len() {
            asked += 1;
            let statement = format!(
                "SELECT event_id, seq FROM changes('transactions', {since}, INTERVAL '1 second') ORDER BY seq LIMIT {}",
                1 + asked * 37 % 200
            );
            let answer = runtime.block_on(desk.answer(&statement)).unwrap();
            for batch in &answer.batches {
                let ids: &arrow::array::StringArray = arrow::array::AsArray::as_string(batch.column(0));
                let seqs = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(1));
                for (id, seq) in ids.iter().zip(seqs.values()) {
                    assert!(*seq > since, "a row twice");
                    since = *seq;
                    seen.push(id.unwrap().to_owned());
                }
            }
        }
    });
    let expected: Vec<String> = lines
        .iter()
        .map(|line| {
            let body: Value = serde_json::from_str(line).unwrap();
            format!("tx:{}:{}", body["reporter"].as_str().unwrap(), body["txId"].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen, expected);
    let idle = format!("SELECT * FROM changes('transactions', {since}, INTERVAL '1 second')");
    assert!(runtime.block_on(desk.answer(&idle)).unwrap().batches.iter().all(|batch| batch.num_rows() == 0));
    for wrong in
        ["changes('rules', 0)", "changes(1, 2)", "changes('late', 'x')", "changes('late', 0, INTERVAL '-1 second')"]
    {
        let refused = runtime.block_on(desk.answer(&format!("SELECT * FROM {wrong}"))).unwrap_err();
        assert!(refused.message.contains("changes('detections', 0"), "{wrong}: {refused}");
    }
}

#[test]
fn a_page_in_a_browser_is_not_answered_and_a_program_is() {
    let store = Arc::new(Store::new(1_000));
    apply(&store, &payments()[0][..10]);
    let (followed, health) = Default::default();
    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes = router(Door { desk: desk(&store), health, followed });
    runtime.spawn(async move { axum::serve(listener, routes).await });
    let answer = |headers: &str| {
        let body = "SELECT count(*) AS c FROM transactions";
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head =
            format!("POST /v1/sql HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for own in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "[::1]".into()] {
        let answer = answer(&format!("Host: {own}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"rows\":[{\"c\":10}]"), "{own}: {answer}");
    }
    for page in [
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nOrigin: null\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\n"),
    ] {
        let answer = answer(&page);
        assert!(answer.starts_with("HTTP/1.1 403"), "{page}: {answer}");
    }
}

#[test]
fn rows_have_the_numbers_that_they_have_in_every_reader_also_beside_lost_ones() {
    let place = ("report.transaction.v1".to_owned(), 0);
    let progress = r#"{"number":5,"ranges":[{"topic":"report.transaction.v1","partition":0,"from":10,"to":14}],
        "fates":["4."],"messages":0,"rules":""}"#;
    let lines = &payments()[0][..4];
    for lost in 0..4 {
        let mut assembly = Assembly::after(Some(4));
        assembly.progress(serde_json::from_str(progress).unwrap()).unwrap();
        for (nth, line) in lines.iter().enumerate().skip(lost) {
            let (offset, bytes) = (10 + nth as i64, line.clone().into());
            assembly.incoming(&place, Incoming { offset, time_us: None, source: None, bytes });
        }
        let whole = assembly.next(false).unwrap();
        assert_eq!(whole.lost, lost as u64);
        let places: Vec<u32> = whole.records.iter().map(|judged| judged.place).collect();
        assert_eq!(places, (lost as u32..4).collect::<Vec<_>>());
    }
}

#[test]
fn hostile_statements_are_refused_or_stopped_at_a_limit_and_the_desk_goes_on() {
    let store = Arc::new(Store::new(1_000_000));
    payments().iter().for_each(|lines| apply(&store, lines));
    let (desk, runtime) = (desk(&store), runtime());
    let nested =
        |open: &str, close: &str, times: usize| format!("SELECT {}1{}", open.repeat(times), close.repeat(times));
    let chain = |word: &str, times: usize| vec!["amount = 1"; times].join(word);
    let select = "SELECT count(*) FROM transactions";
    let refused: Vec<(&str, String)> = vec![
        ("25006", "INSERT INTO rules VALUES (1)".into()),
        ("25006", "UPDATE transactions SET amount = 0".into()),
        ("25006", "DELETE FROM transactions".into()),
        ("25006", "DROP TABLE transactions".into()),
        ("25006", "DROP VIEW legs".into()),
        ("25006", "TRUNCATE transactions".into()),
        ("25006", "ALTER TABLE rules ADD COLUMN x INT".into()),
        ("25006", "CREATE TABLE x AS SELECT 1".into()),
        ("25006", "CREATE VIEW x AS SELECT 1".into()),
        ("25006", "CREATE SCHEMA x".into()),
        ("25006", "CREATE DATABASE x".into()),
        ("25006", "CREATE FUNCTION f() RETURNS INT RETURN 1".into()),
        ("25006", "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'".into()),
        ("25006", "CREATE UNBOUNDED EXTERNAL TABLE x (a INT) STORED AS CSV LOCATION '/etc'".into()),
        ("25006", "COPY (SELECT * FROM transactions) TO '/tmp/stolen.csv'".into()),
        ("25006", "COPY transactions TO '/tmp/stolen.parquet' STORED AS PARQUET".into()),
        ("42601", "COPY rules FROM '/etc/passwd'".into()),
        ("25006", "SET datafusion.execution.batch_size = 1".into()),
        ("25006", "RESET ALL".into()),
        ("25006", "BEGIN".into()),
        ("25006", "PREPARE p AS SELECT 1".into()),
        ("25006", "EXECUTE p".into()),
        ("25006", "DEALLOCATE ALL".into()),
        ("25006", "GRANT ALL ON rules TO public".into()),
        ("25006", "EXPLAIN ANALYZE SELECT 1".into()),
        ("25006", "EXPLAIN DROP TABLE rules".into()),
        ("25006", "SHOW ALL".into()),
        ("0A000", "SELECT 1; DROP TABLE rules".into()),
        ("0A000", "SELECT 1; SELECT 2".into()),
        ("42601", String::new()),
        ("42601", "-- nothing".into()),
        ("42601", "SELECT 1 FROM".into()),
        ("42P01", "SELECT * FROM below_transactions".into()),
        ("42P01", "SELECT * FROM \"/etc/passwd\"".into()),
        ("42P01", "SELECT * FROM '/etc/passwd'".into()),
        ("42P01", "SELECT * FROM datafusion.public.transactions".into()),
        ("42P01", "SELECT * FROM ｔransactions".into()),
        ("42P01", "SELECT * FROM transactions\u{200b}".into()),
        ("42703", "SELECT secret FROM transactions".into()),
        ("42601", "SELECT array_length(array_repeat('x', 2000000000))".into()),
        ("42601", "SELECT replace('aaa', 'a', 'bbb')".into()),
        ("0A000", "SELECT array_agg(event_id) OVER (ORDER BY seq) FROM transactions".into()),
        ("0A000", "SELECT string_agg(event_id, ',') OVER (ORDER BY seq) FROM transactions".into()),
        ("54001", "SELECT (SELECT count(*) FROM transactions a JOIN transactions b ON a.seq < b.seq, transactions c)".into()),
        (
            "54001",
            "WITH a AS (SELECT unnest(array_agg(seq)) AS s FROM transactions) SELECT count(*) FROM a p JOIN a q ON p.s < q.s".into(),
        ),
        ("54001", "SELECT count(*) FROM changes('transactions', 0) a JOIN changes('transactions', 0) b ON a.seq < b.seq, changes('transactions', 0) c".into()),
        ("54001", format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(1_000_000))),
        ("54001", format!("{select} WHERE {}", chain(" OR ", 8_000))),
    ];
    let mut others = Vec::new();
    for (state, statement) in refused {
        let found = runtime.block_on(desk.answer(&statement)).map(|_| ()).map_err(|r| r.state);
        if found != Err(state) {
            others.push((state, found, statement.chars().take(80).collect::<String>()));
        }
    }
    assert_eq!(others, [], "refused for another reason, or not at all");
    let stopped: Vec<String> = vec![
        "SELECT * FROM generate_series(1, 1000000000000)".into(),
        "SELECT * FROM range(1, 1000000000000)".into(),
        "SELECT array_length(range(0, 1000000000))".into(),
        "SELECT repeat('x', 1000000000)".into(),
        "SELECT lpad('x', 2000000000, 'y')".into(),
        "SELECT count(*) FROM transactions a, transactions b, transactions c".into(),
        "SELECT * FROM transactions a CROSS JOIN transactions b".into(),
        "SELECT max(a.amount * b.amount + c.amount) FROM transactions a, transactions b, transactions c".into(),
        "SELECT string_agg(a.event_id || b.event_id, ',') FROM transactions a, transactions b".into(),
        "SELECT array_agg(a.event_id) FROM transactions a, transactions b".into(),
        "SELECT a.event_id FROM transactions a, transactions b ORDER BY a.amount * b.amount".into(),
        "SELECT DISTINCT a.event_id || b.event_id FROM transactions a, transactions b".into(),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".into(),
        "SELECT * FROM transactions".to_owned() + " UNION ALL SELECT * FROM transactions".repeat(20).as_str(),
        "SELECT arrow_cast(event_id, 'Dictionary(Int32, Utf8)') FROM transactions".into(),
        "SELECT (SELECT string_agg(event_id, ',') FROM transactions) AS t FROM transactions LIMIT 9000".into(),
        nested("(", ")", 20_000),
        nested("abs(", ")", 5_000),
        nested("NOT ", "", 10_000),
        nested("- ", "", 10_000),
        nested("(SELECT ", ")", 5_000),
        format!("SELECT {}1", "1 + ".repeat(15_000)),
        format!("SELECT {}'x'", "'x' || ".repeat(8_000)),
        format!("{select} WHERE {}", chain(" OR ", 3_000)),
        format!("{select} WHERE event_id ~ '{}'", "(a+)+".repeat(1_000)),
        format!("{select} WHERE event_id ~ '{}'", "((a{1,100}){1,100}){1,100}"),
        format!("SELECT {} FROM transactions", vec!["*"; 2_000].join(", ")),
        format!(
            "WITH {} SELECT count(*) FROM t199",
            (0..200)
                .map(|n| {
                    let from = if n == 0 { "transactions".into() } else { format!("t{}", n - 1) };
                    format!("t{n} AS (SELECT * FROM {from})")
                })
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    for statement in stopped {
        // Refused, ended at a limit, or answered within all of them: and the process is still there.
        if let Ok(answer) = runtime.block_on(desk.answer(&statement)) {
            let rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
            assert!(rows <= 10_000, "{}", statement.chars().take(80).collect::<String>());
        }
    }
    let answer = runtime.block_on(desk.answer("SELECT count(*) FROM transactions")).unwrap();
    assert_eq!(answer.batches.len(), 1, "it still answers");
}
