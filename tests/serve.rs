//! A reader beside a writer on a real Apache Kafka 4.1.2: its tables are what the topics say, killed or not; and what it
//! refuses.
#![allow(clippy::unwrap_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/desk.rs"]
mod desk;
#[path = "support/exactly_once.rs"]
mod exactly_once;
#[path = "support/process.rs"]
mod process;
#[path = "support/single.rs"]
mod single;
#[path = "support/statements.rs"]
mod statements;

use broker::{Broker, free_port};
use desk::{apply, desk, me, payments, runtime, serve_http};
use exactly_once::{Input, committed, configure, produce, wait_until_taken};
use foreshock::ops::config::Config;
use foreshock::serve::assembly::{Assembly, Incoming};
use foreshock::serve::store::Store;
use foreshock_log::Log;
use process::{Running, foreshock, text};
use serde_json::Value;
use single::{metric, ready, wait_until};
use statements::{greedy_statements, refused_statements};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

const EVENTS: usize = 3_000;
/// The reader is killed so often; `FORESHOCK_READER_KILLS` for more.
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
    killed_again_and_again("");
}

#[test]
fn a_reader_with_a_history_has_what_the_topics_say_whenever_it_is_killed() {
    let history = tempfile::tempdir().unwrap();
    // It commits as often as it can, so that it also dies in the midst of it.
    killed_again_and_again(&format!(
        "[history]\ndir = \"{}\"\nevery_s = 1\ndays = {{ telecom = 0, transactions = 0 }}\n",
        history.path().display()
    ));
    let shown = foreshock(&["history", "show", "--dir", &history.path().display().to_string()]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let kept = text(&shown.stdout);
    assert!(kept.lines().any(|line| line.contains(" transactions ") && !line.contains(" 0 rows")), "{kept}");
}

fn killed_again_and_again(more: &str) {
    let kills = std::env::var("FORESHOCK_READER_KILLS").ok().and_then(|v| v.parse().ok()).unwrap_or(KILLS);
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, port) = (configure(folder.path(), &broker.address()), free_port());
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}[serve]\nlisten = \"127.0.0.1:{port}\"\n{more}")).unwrap();
    let config = Config::read(path.as_ref()).unwrap();
    let made = foreshock(&["topics", "create", "--config", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut seed = 7;
    let input = Input::new(EVENTS, &mut seed);
    let writer = Running::start(&["run", "--config", &path]);
    let part = input.lines.len().div_ceil(kills + 1);
    for (kill, lines) in input.lines.chunks(part).enumerate() {
        let reader = Running::start(&["serve", "--config", &path]);
        wait_until("the reader answers", || metric(port, "foreshock_reader_batch").is_some());
        produce(&broker.address(), lines);
        let until = (kill * part) as i64;
        let rows = || metric(port, "foreshock_reader_batches_total").unwrap_or(0);
        wait_until("the reader has taken in something", || rows() > i64::from(until > 0));
        if !more.is_empty() && kill % 2 == 1 {
            wait_until("it keeps something", || metric(port, "foreshock_history_rows_total").unwrap_or(0) > 0);
        }
        drop(reader); // By SIGKILL, wherever it is.
    }
    let log = wait_until_taken(&config.kafka, input.lines.len());
    let last = log.last().unwrap().number as i64;
    let reader = Running::start(&["serve", "--config", &path]);
    wait_until("the reader has all", || metric(port, "foreshock_reader_batch") == Some(last));
    assert!(ready(port).0, "{}", ready(port).1);

    let address = broker.address();
    // The first events of a partition may come after those of the others have moved the horizon: the writer says so.
    let late = last_of(&address, "late.v1", "event_id");
    let mut expected: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for (feed, _, line) in &input.lines {
        let record = foreshock_feeds::Record { bytes: line.as_bytes(), ..Default::default() };
        let event = foreshock_feeds::decode(&record, &mut foreshock_feeds::Counts::default()).unwrap();
        if late.contains_key(&event.event_id) {
            continue;
        }
        let of = expected.entry(feed.table()).or_default();
        let column = feed.columns().iter().position(|c| c.name == "amount");
        let cell = column.map(|at| event.cells[at].clone());
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
            let answer = runtime.block_on(desk.answer(&statement, me())).unwrap();
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
    assert!(runtime.block_on(desk.answer(&idle, me())).unwrap().batches.iter().all(|batch| batch.num_rows() == 0));
    for wrong in
        ["changes('rules', 0)", "changes(1, 2)", "changes('late', 'x')", "changes('late', 0, INTERVAL '-1 second')"]
    {
        let refused = runtime.block_on(desk.answer(&format!("SELECT * FROM {wrong}"), me())).unwrap_err();
        assert!(refused.message.contains("changes('detections', 0"), "{wrong}: {refused}");
    }
}

#[test]
fn server_sent_changes_go_on_where_a_client_left_off_and_lose_and_repeat_nothing() {
    let store = Arc::new(Store::new(1_000_000));
    let (desk, runtime) = (desk(&store), runtime());
    let lines: Vec<String> = payments().into_iter().flatten().take(1_200).collect();
    let url = format!("http://{}/v1/changes", serve_http(&runtime, desk, None, 2));
    let client = reqwest::Client::new();
    let (mut seen, mut turn) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| lines.chunks(7).for_each(|batch| apply(&store, batch)));
        runtime.block_on(async {
            let mut last: Option<i64> = None;
            while seen.len() < lines.len() {
                turn += 1;
                let request = client.get(format!("{url}/transactions"));
                let request =
                    last.iter().fold(request, |request, last| request.header("last-event-id", last.to_string()));
                let mut response = request.send().await.unwrap();
                assert_eq!(response.status(), 200);
                let (mut text, mut taken) = (String::new(), 0);
                // The connection ends wherever it is, sometimes in the midst of an event.
                while taken < 1 + turn * 17 % 90 && seen.len() < lines.len() {
                    text.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
                    while let Some((event, rest)) = text.split_once("\n\n") {
                        let field =
                            |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
                        if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                            let row: Value = serde_json::from_str(&data).unwrap();
                            let id: i64 = id.parse().unwrap();
                            assert!(row["seq"] == id && last.is_none_or(|last| last < id), "{event}");
                            last = Some(id);
                            seen.push(row["tx_id"].as_str().unwrap().to_owned());
                            taken += 1;
                        }
                        text = rest.to_owned();
                    }
                }
            }
        });
    });
    let expected: Vec<String> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["txId"].as_str().unwrap().to_owned())
        .collect();
    assert!(seen == expected && turn > 10, "{turn} connections");
    runtime.block_on(async {
        for (path, status) in [("nosuch", 400), ("rules", 400), ("x;y", 400), ("transactions?since=x", 400)] {
            assert_eq!(client.get(format!("{url}/{path}")).send().await.unwrap().status(), status, "{path}");
        }
        let listen = || client.get(format!("{url}/transactions")).send();
        let (one, two) = (listen().await.unwrap(), listen().await.unwrap());
        assert_eq!(listen().await.unwrap().status(), 503, "two places");
        drop((one, two));
    });
}

#[test]
fn an_answer_in_parquet_is_read_again() {
    let store = Arc::new(Store::new(1_000));
    apply(&store, &payments()[0][..10]);
    let runtime = runtime();
    let url = format!("http://{}/v1/sql", serve_http(&runtime, desk(&store), None, 1));
    let bytes = runtime.block_on(async {
        let request = reqwest::Client::new().post(url).header("accept", "application/vnd.apache.parquet");
        let statement = "SELECT event_id, event_time, amount, NULL AS n FROM transactions ORDER BY seq";
        request.body(statement).send().await.unwrap().bytes().await.unwrap()
    });
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 10);
}

#[test]
fn a_page_in_a_browser_is_not_answered_and_a_program_is() {
    let store = Arc::new(Store::new(1_000));
    apply(&store, &payments()[0][..10]);
    let runtime = runtime();
    let port = serve_http(&runtime, desk(&store), None, 1).port();
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
        let mut assembly = Assembly::after(Log::Engine, Some(4));
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
    let (refused, stopped) = (refused_statements(), greedy_statements());
    let mut others = Vec::new();
    for (state, statement) in refused {
        let found = runtime.block_on(desk.answer(&statement, me())).map(|_| ()).map_err(|r| r.state);
        if found != Err(state) {
            others.push((state, found, statement.chars().take(80).collect::<String>()));
        }
    }
    assert_eq!(others, [], "refused for another reason, or not at all");
    for statement in stopped {
        // Refused, ended at a limit, or answered within all of them: and the process is still there.
        if let Ok(answer) = runtime.block_on(desk.answer(&statement, me())) {
            let rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
            assert!(rows <= 10_000, "{}", statement.chars().take(80).collect::<String>());
        }
    }
    let answer = runtime.block_on(desk.answer("SELECT count(*) FROM transactions", me())).unwrap();
    assert_eq!(answer.batches.len(), 1, "it still answers");
}
