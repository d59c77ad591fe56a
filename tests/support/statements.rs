//! Statements that try whoever answers them.
#![allow(dead_code)]

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
        "SELECT max(s) OVER () FROM (SELECT string_agg(event_id, ',') AS s FROM transactions UNION ALL SELECT event_id FROM transactions) x".into(),
        "SELECT a.s FROM (SELECT currency, array_agg(event_id) AS s FROM transactions GROUP BY currency) a JOIN transactions t \
         ON a.currency = t.currency"
            .into(),
        "WITH a AS (SELECT string_agg(event_id, ',') AS s FROM transactions) SELECT a.s || t.event_id FROM a, transactions t".into(),
        format!("SELECT event_id || '{}' AS a, '{}' || event_id AS b FROM transactions", "x".repeat(30_000), "y".repeat(30_000)),
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
