//! A desk over the payments of a generated day, and statements that try it.
#![allow(dead_code, clippy::unwrap_used)]

use foreshock::ops::config::Config;
use foreshock::ops::intake::Intake;
use foreshock::rights::grant::Person;
use foreshock::rights::pseudonym::Pseudonyms;
use foreshock::rights::users::Users;
use foreshock::rules::files::{Choice, load};
use foreshock::serve::assembly::{Assembly, Incoming};
use foreshock::serve::catalog::Facts;
use foreshock::serve::door::{Door, router};
use foreshock::serve::itself::Itself;
use foreshock::serve::query::{Desk, Limits, Seen};
use foreshock::serve::rows::rows;
use foreshock::serve::store::{Change, Store};
use foreshock_core::Feed;
use foreshock_log::Range;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The payments of a generated day, in batches.
pub fn payments() -> Vec<Vec<String>> {
    let day = foreshock_generator::generate(1, 1).day;
    let of = |lines: &[foreshock_generator::Line]| -> Vec<String> {
        lines.iter().filter(|line| line.feed == Feed::Transactions).map(|line| line.json.clone()).collect()
    };
    day.chunks(2_000).take(4).map(of).collect()
}

/// One more batch in the tables.
pub fn apply(store: &Store, lines: &[String]) {
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

/// Whoever is on this machine.
pub fn me() -> Person {
    Person::on_this_machine("li")
}

/// A desk with small limits.
pub fn desk(store: &Arc<Store>) -> Arc<Desk> {
    desk_of(store, Seen { pseudonyms: Pseudonyms::new(b"key"), audit: None })
}

/// The same with a file for statements.
pub fn desk_of(store: &Arc<Store>, seen: Seen) -> Arc<Desk> {
    let (config, choice) = (Config::default(), Choice { ids: Vec::new(), no_drafts: true });
    let pack = load(&config.rules.dir, &choice, &config.settings()).unwrap().unwrap();
    let time = Duration::from_secs(2);
    let limits = Limits { rows: 10_000, answer_bytes: 32 << 20, memory_bytes: 64 << 20, time, at_once: 2 };
    Arc::new(Desk::new(store.clone(), Facts::new(&pack).unwrap(), limits, seen, Itself::default()).unwrap())
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Answers over HTTP from now on: where. So many clients can listen to changes.
pub fn serve_http(
    runtime: &tokio::runtime::Runtime,
    desk: Arc<Desk>,
    users: Option<Arc<Users>>,
    listeners: usize,
) -> SocketAddr {
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let (followed, health) = Default::default();
    let routes =
        router(Door { desk, users, health, followed, archived: None, listeners: Arc::new(Semaphore::new(listeners)) });
    runtime.spawn(async move { axum::serve(socket, routes).await });
    address
}

/// Statements that are not answered, with the SQLSTATE of each.
pub fn refused_statements() -> Vec<(&'static str, String)> {
    let chain = |word: &str, times: usize| vec!["amount = 1"; times].join(word);
    let select = "SELECT count(*) FROM transactions";
    vec![
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
    ]
}

/// Statements that ask for more than there is: refused, ended at a limit, or answered within all of them.
pub fn greedy_statements() -> Vec<String> {
    let nested =
        |open: &str, close: &str, times: usize| format!("SELECT {}1{}", open.repeat(times), close.repeat(times));
    let chain = |word: &str, times: usize| vec!["amount = 1"; times].join(word);
    let select = "SELECT count(*) FROM transactions";
    vec![
        "SELECT * FROM generate_series(1, 1000000000000)".into(),
        "SELECT * FROM range(1, 1000000000000)".into(),
        "SELECT array_length(range(0, 1000000000))".into(),
        "SELECT repeat('x', 1000000000)".into(),
        format!("SELECT length(replace(string_agg(event_id, ','), ':', '{}')) FROM transactions", "x".repeat(30_000)),
        format!("SELECT length(replace(event_id, ':', '{}')) FROM transactions", "x".repeat(30_000)),
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
    ]
}
