//! After a clean check nothing panics and nothing is printed as nonsense: types of keys, outputs and view columns.
#![allow(clippy::unwrap_used)]

mod support;

use support::{FIRST, FRAME, HEAD, assert_refused_at, compiled, compiled_over, problems, text};

fn keyed(key: &str) -> String {
    format!(
        "{HEAD}, n FROM (\nSELECT *,\n  count(*) OVER (PARTITION BY {key} ORDER BY event_time {FRAME}) AS n\nFROM transactions) AS a WHERE n > 1"
    )
}

#[test]
fn keys_of_the_types_that_are_kept_are_accepted() {
    for key in [
        "payer_account",
        "amount",
        "event_time",
        "coalesce(first_time_payee, false)",
        "coalesce(date_trunc('day', event_time), event_time)",
        "amount / 100",
        "CAST(amount AS TEXT)",
    ] {
        let body = keyed(key).replace("FROM transactions", "FROM transactions WHERE currency = 'CNY'");
        assert_eq!(text(&problems(&body)), "", "{key}");
    }
}

#[test]
fn keys_of_other_types_are_refused_at_the_window() {
    for key in [
        "CAST(amount AS DOUBLE)",
        "date_part('hour', event_time)",
        "char_length(kind)",
        "event_time AT TIME ZONE 'Asia/Shanghai'",
    ] {
        assert_refused_at(&keyed(key), "which is not kept", FIRST + 2, 3);
    }
    for key in ["CAST(event_time AS DATE)", "CAST(amount AS DECIMAL(20,2))", "CAST(amount AS INT)", "event_time::date"]
    {
        let found = text(&problems(&keyed(key)));
        assert!(found.contains("is not kept"), "{key}\n{found}");
    }
    assert!(text(&problems(&keyed("event_time - event_time"))).contains("span of time"));
    assert!(text(&problems(&keyed("10 * amount"))).contains("can be NULL"), "beyond BIGINT it is");
}

#[test]
fn outputs_that_cannot_be_published_are_refused_at_their_place() {
    let cases = [
        ("md5(payee_account)", "`md5`"),
        ("event_time::date", "is not kept"),
        ("event_time - event_time", "span of time"),
        ("NULL", "is not published"),
        ("event_time AT TIME ZONE 'Asia/Shanghai'", "is not published"),
        ("INTERVAL '1 day'", "INTERVAL"),
        ("ARRAY[kind]", "value with parts"),
    ];
    for (value, word) in cases {
        let found = problems(&format!("{HEAD},\n  {value} AS v\nFROM transactions"));
        assert!(text(&found).contains(word), "{value}\n{}", text(&found));
        assert!(found.iter().all(|p| p.line == FIRST + 1), "{value}\n{}", text(&found));
    }
    for value in [
        "CAST(amount AS TEXT)",
        "event_time",
        "TIMESTAMPTZ '2026-03-01T00:00:00Z'",
        "date_part('hour', event_time AT TIME ZONE 'Asia/Shanghai')",
        "CAST(NULL AS TEXT)",
        "greatest(event_time, TIMESTAMPTZ '2026-03-01 00:00:00')",
    ] {
        assert!(
            compiled(&format!("{HEAD}, {value} AS v FROM transactions")).is_ok(),
            "{value}\n{}",
            text(&problems(&format!("{HEAD}, {value} AS v FROM transactions")))
        );
    }
}

#[test]
fn a_window_keeps_no_time_of_another_zone() {
    let call = format!(
        "latest(event_time AT TIME ZONE 'Asia/Shanghai', event_time, event_id) OVER (PARTITION BY payer_account ORDER BY event_time {FRAME})"
    );
    let found = text(&problems(&format!(
        "{HEAD}, date_part('hour', t) AS h FROM (SELECT *, {call} AS t FROM transactions) AS a"
    )));
    assert!(found.contains("is not supported"), "{found}");
}

#[test]
fn a_day_of_another_zone_becomes_the_moment_at_which_it_begins() {
    let day = "date_trunc('day', event_time AT TIME ZONE 'Asia/Shanghai')";
    let given = "- name: around midnight in Shanghai\n  given:\n    transactions:\n\
        \x20     - { at: '15:59:59', payer_account: A, payee_account: X, amount: 1 }\n\
        \x20     - { at: '16:00:00', payer_account: A, payee_account: X, amount: 1 }\n  expect: []\n";
    let begins = ["2026-03-01T16:00:00.000000Z", "2026-03-02T16:00:00.000000Z"];
    for value in [
        format!("CAST({day} AS TIMESTAMPTZ)"),
        format!("{day}::timestamptz"),
        format!("try_cast({day} AS TIMESTAMPTZ)"),
        format!("CAST({day} AT TIME ZONE 'Europe/Berlin' AS TIMESTAMPTZ)"),
        "CAST(date_trunc('day', event_time AT TIME ZONE '+08:00') AS TIMESTAMPTZ)".to_owned(),
    ] {
        let body = format!("{HEAD}, {value} AS day FROM transactions");
        let pack = compiled(&body).unwrap_or_else(|p| panic!("{value}\n{}", text(&p)));
        let found = support::batch(&pack, &support::rows(given)).unwrap();
        let days: Vec<_> = found.iter().map(|d| d.values[0].1.to_string()).collect();
        assert_eq!(days, begins, "{value}");
        assert_eq!(support::live(&pack, &support::rows(given), 1).0, found, "{value}");
    }
    let key = format!("coalesce(CAST({day} AS TIMESTAMPTZ), event_time)");
    assert_eq!(text(&problems(&keyed(&key))), "", "a key by local days");
}

#[test]
fn views_return_the_types_that_are_kept_the_events_own_time_and_one_id_for_each_row() {
    let branch = "SELECT event_id, event_time, payee_account AS acct FROM transactions";
    let cases = [
        (branch.replace("payee_account", "CAST(amount AS DOUBLE)"), "of type Float64"),
        (branch.replace("payee_account", "NULL"), "of type Null"),
        (branch.replace("payee_account", "date_part('hour', event_time)"), "of type Int32"),
        (branch.replace("event_time,", "date_trunc('day', event_time) AS event_time,"), "`event_time` is computed"),
        (branch.replace("event_time,", "event_time - INTERVAL '1 day' AS event_time,"), "`event_time` is computed"),
        (branch.replace("event_id,", "reporter AS event_id,"), "neither the event's own"),
        (branch.replace("event_id,", "event_id || '-in' AS event_id,"), "neither the event's own"),
        (branch.replace("event_id,", "event_id || '#' || kind AS event_id,"), "neither the event's own"),
        (format!("{branch} UNION ALL {branch}"), "the same event_id"),
        (format!("{branch} WHERE kind = 'FEE' UNION ALL {branch} WHERE kind = 'TRANSFER'"), "the same event_id"),
        (branch.replace("event_id,", ""), "no `event_id`"),
    ];
    for (select, word) in cases {
        let found = text(
            &compiled_over(&format!("CREATE VIEW v AS {select}"), &format!("{HEAD} FROM transactions")).unwrap_err(),
        );
        assert!(found.contains(word) && found.starts_with("view.sql:1:"), "{select}\n{found}");
    }
    let sides = format!("{} UNION ALL {branch}", branch.replace("event_id,", "event_id || '#in' AS event_id,"));
    let over = "SELECT event_id, event_time, acct AS subject FROM v";
    assert!(compiled_over(&format!("CREATE VIEW v AS {sides}"), over).is_ok());
    let feeds = format!("{branch} UNION ALL SELECT event_id, event_time, number AS acct FROM telecom");
    assert!(compiled_over(&format!("CREATE VIEW v AS {feeds}"), over).is_ok());
}

#[test]
fn a_window_in_where_is_refused_at_its_place_and_the_other_rules_are_told_too() {
    let body = format!(
        "{HEAD} FROM transactions\nWHERE kind = 'FEE' AND\n  count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME}) > 2"
    );
    assert_refused_at(&body, "cannot stand in WHERE", FIRST + 2, 3);
    let files = [
        support::rule(&body),
        support::file("S.sql", &format!("{}{HEAD} FROM transacions", support::header("id: R", "id: S"))),
    ];
    let found = foreshock_compiler::compile(&files, &[], &Default::default()).unwrap_err();
    let places: Vec<(&str, u64)> = found.iter().map(|p| (p.file.as_str(), p.line)).collect();
    assert_eq!(places, [("R.sql", FIRST + 2), ("S.sql", FIRST)], "{}", text(&found));
}

#[test]
fn what_is_wrong_in_an_expression_is_told_at_its_line() {
    let cases = [
        ("kind = 'FEE'\n  AND amount > 'abc'", "is used as", 2),
        ("kind = 'FEE'\n  AND event_time > 'yesterday'", "is no time", 2),
        ("kind = 'FEE'\n  AND event_time > TIMESTAMPTZ '2026-13-01'", "is no time", 2),
        ("kind = 'FEE'\n  AND first_time_payee > 3", "", 2),
        ("kind = 'FEE'\n  AND kind", "", 2),
        ("kind = 'FEE'\n  AND regexp_like(kind, '(')", "cannot be computed", 2),
        ("kind = 'FEE'\n  AND kind ~ '['", "cannot be computed", 2),
        ("kind = 'FEE'\n  AND date_trunc('fortnight', event_time) = event_time", "cannot be computed", 2),
        ("kind = 'FEE'\n  AND kind || 3 = 'x'", "is used as", 2),
        ("kind = 'FEE'\n  AND CASE WHEN amount IS NULL THEN 1 ELSE 'a' END = 'a'", "is used as", 2),
        ("kind = 'FEE'\n  AND event_time = kind", "no time", 2),
        ("kind = 'FEE'\n  AND event_time AT TIME ZONE 'Mars' > event_time", "no time zone", 2),
        ("kind = 'FEE'\n  AND upper(amount) = 'x'", "does not take values of this type", 2),
        ("kind = 'FEE'\n  AND upper(kind, 3) = 'X'", "with 2 arguments", 2),
        ("kind = 'FEE'\n  AND uper(kind) = 'X'", "`uper` is not supported", 2),
    ];
    for (condition, word, line) in cases {
        let found = problems(&format!("{HEAD}\nFROM transactions\nWHERE {condition}"));
        let told = found.iter().any(|p| p.message.contains(word) && p.line == FIRST + line + 1);
        assert!(told, "{condition}\n{}", text(&found));
        assert!(!text(&found).contains("DataFusion") && !text(&found).contains("Candidate"), "{}", text(&found));
    }
    assert!(
        text(&problems(&format!("{HEAD} FROM transactions WHERE uper(kind) = 'X'"))).contains("did you mean `upper`?")
    );
    assert!(text(&problems(&format!("{HEAD} FROM transactions WHERE amont > 1"))).contains("did you mean `amount`"));
}

#[test]
fn the_second_of_two_calls_is_refused_at_its_own_line() {
    let good = format!("count(*) OVER (PARTITION BY payee_account ORDER BY event_time {FRAME}) AS a");
    let bad = format!("count(*) OVER (PARTITION BY device ORDER BY event_time {FRAME}) AS b");
    let body = format!("{HEAD}, a, b FROM (SELECT *,\n {good},\n  {bad}\nFROM transactions) AS x");
    assert_refused_at(&body, "can be NULL", FIRST + 2, 3);
    let named = format!(
        "{HEAD}, a, b FROM (SELECT *,\n {good},\n  count(*) OVER w AS b\nFROM transactions\nWINDOW w AS (PARTITION BY device ORDER BY event_time {FRAME})) AS x"
    );
    assert_refused_at(&named, "can be NULL", FIRST + 2, 3);
}

#[test]
fn an_error_in_a_view_is_told_at_its_line() {
    let branch = "SELECT event_id, event_time, kind FROM transactions";
    for (view, line) in [
        (
            format!(
                "CREATE VIEW v AS\n{branch}\nUNION ALL\nSELECT event_id, event_time,\n  upper(duration_s) AS kind\nFROM telecom"
            ),
            5,
        ),
        (format!("CREATE VIEW v AS\n{branch}\nWHERE kind = 'FEE'\n  AND first_time_payee > 3"), 4),
        (format!("CREATE VIEW v AS\n{branch}\nWHERE knd = 'FEE'"), 3),
    ] {
        let found = compiled_over(&view, &format!("{HEAD} FROM transactions")).unwrap_err();
        assert!(found.iter().any(|p| p.file == "view.sql" && p.line == line), "{view}\n{}", text(&found));
    }
}
