//! Named windows, and clauses that the parser reads and DataFusion drops.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::ViewFile;
use foreshock_core::Value;
use support::{FIRST, FRAME, HEAD, assert_refused_at, batch, compiled, live, problems, rows, rule, shipped, text};

/// One bank's payments: A to X, A to Y, A to X, A to Y.
const GIVEN: &str = "- name: four payments\n  given:\n    transactions:\n\
    \x20     - { at: '10:00:00', payer_account: A, payee_account: X, amount: 1 }\n\
    \x20     - { at: '10:00:10', payer_account: A, payee_account: Y, amount: 1 }\n\
    \x20     - { at: '10:00:20', payer_account: A, payee_account: X, amount: 1 }\n\
    \x20     - { at: '10:00:21', payer_account: A, payee_account: Y, amount: 1 }\n  expect: []\n";

fn counted(windows: &str, calls: &[&str]) -> Result<Vec<Vec<i64>>, String> {
    let names: Vec<String> = (0..calls.len()).map(|i| format!("c{i}")).collect();
    let columns: Vec<String> = calls.iter().zip(&names).map(|(call, name)| format!("{call} AS {name}")).collect();
    let body = format!(
        "{HEAD}, {} FROM (SELECT *, {} FROM transactions {windows}) AS counted",
        names.join(", "),
        columns.join(", ")
    );
    let pack = compiled(&body).map_err(|p| text(&p))?;
    // One window group live: the spellings are one window.
    assert_eq!(pack.plan.streams[0].groups.len(), 1, "{body}");
    let number = |(_, value): &(String, Value)| match value {
        Value::Int(n) => *n,
        other => panic!("{other:?}"),
    };
    Ok(batch(&pack, &rows(GIVEN)).unwrap().iter().map(|d| d.values.iter().map(number).collect()).collect())
}

#[test]
fn a_window_that_begins_with_a_named_one_takes_over_its_partition_in_every_spelling() {
    let windows = format!(
        "WINDOW w1 AS (PARTITION BY payee_account), w2 AS (w1 ORDER BY event_time {FRAME}), W3 AS (w1 ORDER BY event_time)"
    );
    let written_out = format!("count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME})");
    let calls = [
        "count(*) OVER w2".to_owned(),
        format!("count(*) OVER (w1 ORDER BY event_time {FRAME})"),
        format!("count(*) OVER (w3 {FRAME})"),
        written_out,
    ];
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(counted(&windows, &calls).unwrap(), [[1; 4], [1; 4], [2; 4], [2; 4]]);
}

#[test]
fn a_plain_named_window_works_also_in_an_inner_select_with_the_same_name() {
    let window = format!("WINDOW w AS (PARTITION BY payee_account ORDER BY event_time {FRAME})");
    assert_eq!(counted(&window, &["count(*) OVER w", "count(*) OVER W"]).unwrap(), [[1; 2], [1; 2], [2; 2], [2; 2]]);
    let body = format!(
        "{HEAD}, n, m FROM (SELECT *, sum(n) OVER w AS m FROM (SELECT *, count(*) OVER w AS n FROM transactions {window}) AS a \
         WINDOW w AS (PARTITION BY payer_account ORDER BY event_time {FRAME})) AS b"
    );
    let found = batch(&compiled(&body).unwrap(), &rows(GIVEN)).unwrap();
    let sums: Vec<String> = found.iter().map(|d| d.values[1].1.to_string()).collect();
    assert_eq!(sums, ["1", "2", "4", "6"]);
}

#[test]
fn qualify_filters_by_a_window_named_or_written_out() {
    let window = format!("PARTITION BY payee_account ORDER BY event_time {FRAME}");
    for body in [
        format!("{HEAD}, count(*) OVER w AS n FROM transactions WINDOW w AS ({window}) QUALIFY n > 1"),
        format!("{HEAD} FROM transactions QUALIFY count(*) OVER w > 1 WINDOW w AS ({window})"),
        format!("{HEAD} FROM transactions QUALIFY count(*) OVER ({window}) > 1"),
    ] {
        let pack = compiled(&body).unwrap_or_else(|p| panic!("{body}\n{}", text(&p)));
        let found = batch(&pack, &rows(GIVEN)).unwrap();
        let ids: Vec<&str> = found.iter().map(|d| d.event_id.as_str()).collect();
        assert_eq!(ids, ["tx:test:2", "tx:test:3"], "{body}");
        assert_eq!(live(&pack, &rows(GIVEN), 1).0, found, "{body}");
    }
}

#[test]
fn a_wrong_use_of_a_named_window_is_refused_at_its_place() {
    let cases = [
        ("w1 AS (PARTITION BY payee_account)", "(w9 ORDER BY event_time)", "unknown window `w9`"),
        ("w1 AS (PARTITION BY payee_account)", "w9", "unknown window `w9`"),
        ("w1 AS (PARTITION BY payee_account)", "(w1 PARTITION BY kind ORDER BY event_time)", "its own PARTITION BY"),
        ("w1 AS (PARTITION BY payee_account ORDER BY event_time)", "(w1 ORDER BY event_time)", "its own ORDER BY"),
        ("w1 AS (PARTITION BY payee_account ORDER BY event_time ROWS 2 PRECEDING)", "(w1)", "take over its frame"),
    ];
    for (window, over, word) in cases {
        let body = format!(
            "{HEAD}, n FROM (\nSELECT *,\n  count(*) OVER {over} AS n\nFROM transactions WINDOW {window}) AS a"
        );
        assert_refused_at(&body, word, FIRST + 2, 3);
    }
    let later = format!(
        "{HEAD}, n FROM (SELECT *, count(*) OVER w2 AS n FROM transactions\nWINDOW w2 AS (w1 ORDER BY event_time {FRAME}), w1 AS (PARTITION BY kind)) AS a"
    );
    assert_refused_at(&later, "unknown window `w1`", FIRST + 1, 8);
    let twice = format!(
        "{HEAD}, n FROM (SELECT *, count(*) OVER w AS n FROM transactions\nWINDOW w AS (PARTITION BY kind), W AS (PARTITION BY payee_account)) AS a"
    );
    assert_refused_at(&twice, "two windows are named `W`", FIRST + 1, 34);
    let alias = format!(
        "{HEAD}, n FROM (SELECT *, count(*) OVER w2 AS n FROM transactions\nWINDOW w1 AS (PARTITION BY kind), w2 AS w1) AS a"
    );
    assert_refused_at(&alias, "`w2 AS w1`", FIRST + 1, 35);
    let near = text(&problems(&format!(
        "{HEAD}, n FROM (SELECT *, count(*) OVER last_hur AS n FROM transactions WINDOW last_hour AS (PARTITION BY kind)) AS a"
    )));
    assert!(near.contains("did you mean `last_hour`?"), "{near}");
}

#[test]
fn clauses_that_datafusion_drops_are_refused_by_name() {
    let inner = |tail: &str| format!("{HEAD} FROM (SELECT * FROM transactions {tail}) AS a");
    let cases = [
        (format!("{HEAD} FROM transactions PREWHERE kind = 'FEE'"), "PREWHERE"),
        (inner("PREWHERE kind = 'FEE' WHERE channel = 'APP'"), "PREWHERE"),
        (inner("TABLESAMPLE (10)"), "TABLESAMPLE"),
        (inner("TABLESAMPLE BERNOULLI (10)"), "TABLESAMPLE"),
        (inner("SETTINGS max_threads = 1"), "SETTINGS"),
        (inner("FORMAT JSON"), "FORMAT"),
        (inner("FOR UPDATE"), "FOR UPDATE"),
        (inner("FETCH FIRST 3 ROWS ONLY"), "LIMIT"),
        (inner("LIMIT 3"), "LIMIT"),
        (inner("ORDER BY event_time"), "ORDER BY"),
        (inner("LATERAL VIEW explode(kind) AS t"), "LATERAL VIEW"),
        (inner("CLUSTER BY kind"), "CLUSTER BY"),
        (inner("DISTRIBUTE BY kind"), "DISTRIBUTE BY"),
        (inner("SORT BY kind"), "SORT BY"),
        (inner("PARTITION (p0)"), "PARTITION (..)"),
        (inner("GROUP BY ALL"), "GROUP BY"),
        (inner("HAVING kind = 'FEE'"), "GROUP BY"),
        (inner("AS t(a, b)"), "a list of columns"),
        (format!("{HEAD} FROM transactions('x')"), "table function"),
        (format!("{HEAD} FROM bank.transactions"), "schema"),
        (format!("{HEAD} INTO t FROM transactions"), "INTO"),
        ("SELECT TOP 3 event_id FROM transactions".into(), "TOP"),
        ("SELECT /*+ FULL(t) */ event_id FROM transactions".into(), "hint to an optimiser"),
        (format!("FROM transactions {HEAD}"), "FROM before SELECT"),
        (format!("{HEAD} FROM (SELECT * EXCLUDE (kind) FROM transactions) AS a"), "EXCLUDE"),
        (format!("{HEAD} FROM (SELECT * EXCEPT (kind) FROM transactions) AS a"), "EXCEPT"),
        (format!("{HEAD} FROM (SELECT * REPLACE (kind AS kind) FROM transactions) AS a"), "REPLACE"),
        (format!("({HEAD} FROM transactions)"), "parentheses"),
        (format!("{HEAD} FROM transactions WHERE kind COLLATE x = 'FEE'"), "COLLATE"),
        (format!("{HEAD} FROM transactions WHERE kind SIMILAR TO 'F%'"), "SIMILAR TO"),
        (format!("{HEAD} FROM transactions WHERE kind = ANY(ARRAY['FEE'])"), "ANY"),
        (format!("{HEAD} FROM transactions WHERE kind LIKE 'F!%' ESCAPE '!'"), "ESCAPE"),
    ];
    for (body, word) in cases {
        let found = problems(&body);
        assert!(!found.is_empty(), "accepted: {body}");
        assert!(text(&found).contains(word), "{body}\n{}", text(&found));
        assert!(found.iter().all(|p| p.line == FIRST && p.file == "R.sql"), "{body}\n{}", text(&found));
    }
}

#[test]
fn a_filter_that_datafusion_drops_is_refused_and_one_that_it_keeps_is_not() {
    let body = |call: &str, over: &str| {
        format!(
            "{HEAD}, v FROM (\nSELECT *,\n  {call} FILTER (WHERE kind = 'FEE') OVER (PARTITION BY payer_account ORDER BY event_time{over}) AS v\nFROM transactions) AS a"
        )
    };
    let rows = ", event_id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW";
    for (call, over) in [
        ("lag(kind)", ", event_id"),
        ("LAG(kind, 2)", ", event_id"),
        ("row_number()", ", event_id"),
        ("first_value(kind)", rows),
        ("last_value(kind)", rows),
    ] {
        let name = call.split('(').next().unwrap().to_lowercase();
        assert_refused_at(&body(call, over), &format!("FILTER in {name}(..)"), FIRST + 2, 3);
        assert!(problems(&body(call, over))[0].hint.contains("latest(x, event_time, event_id)"), "{call}");
    }
    for call in ["count(*)", "max(kind)", "avg(payer_account_age_days)", "latest(kind, event_time, event_id)"] {
        assert_eq!(text(&problems(&body(call, rows))), "", "{call}");
    }
    let named = format!(
        "{HEAD} FROM transactions WINDOW w AS (PARTITION BY payer_account ORDER BY event_time, event_id) QUALIFY lag(kind) FILTER (WHERE kind = 'FEE') OVER w = 'FEE'"
    );
    assert!(text(&problems(&named)).contains("FILTER in lag(..)"));
}

#[test]
fn a_view_is_accepted_by_the_same_list() {
    let view =
        |tail: &str| format!("CREATE VIEW v AS SELECT event_id, event_time, payee_account FROM transactions {tail}");
    let check = |view: &str| {
        let view = ViewFile { path: "v.sql".into(), text: view.into() };
        let found = foreshock_compiler::compile(&[], &[view], &Default::default()).err().unwrap_or_default();
        assert!(found.iter().all(|p| p.file == "v.sql"), "{}", text(&found));
        text(&found)
    };
    assert_eq!(check(&view("WHERE kind = 'FEE'")), "");
    for (tail, word) in [
        ("PREWHERE kind = 'FEE'", "PREWHERE"),
        ("TABLESAMPLE (10)", "TABLESAMPLE"),
        ("LIMIT 3", "LIMIT"),
        ("UNION SELECT event_id, event_time, payee_account FROM transactions", "UNION"),
        ("EXCEPT SELECT event_id, event_time, payee_account FROM transactions", "EXCEPT"),
        ("WHERE count(*) OVER () > 1", "WHERE"),
        ("WHERE amount > param('n', 8)", "param"),
    ] {
        let found = check(&view(tail));
        assert!(found.contains(word), "{tail}\n{found}");
    }
    assert!(
        check("CREATE OR REPLACE VIEW v AS SELECT event_id, event_time FROM transactions").contains("more than a name")
    );
    assert!(check("SELECT event_id, event_time FROM transactions").contains("CREATE VIEW"));
}

#[test]
fn a_rule_over_a_view_runs_live_and_in_batch_alike() {
    let body = format!(
        "SELECT event_id, event_time, account AS subject, io, n FROM (SELECT *, count(*) OVER (w {FRAME}) AS n FROM legs \
         WINDOW w AS (PARTITION BY account ORDER BY event_time)) AS a WHERE n > 1"
    );
    let pack = foreshock_compiler::compile(&[rule(&body)], &shipped("views"), &Default::default()).unwrap();
    let found = batch(&pack, &rows(GIVEN)).unwrap();
    let ids: Vec<&str> = found.iter().map(|d| d.event_id.as_str()).collect();
    assert_eq!(ids, ["tx:test:1#out", "tx:test:2#in", "tx:test:2#out", "tx:test:3#in", "tx:test:3#out"]);
    assert_eq!(live(&pack, &rows(GIVEN), 1).0, found);
}
