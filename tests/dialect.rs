//! What the dialect refuses, by name and place; and what it accepts.

use foreshock_compiler::{Problem, RuleFile, Settings, compile};

const HEADER: &str = "/*---\nid: R\ntitle: { zh: 规则, en: rule }\ncategory: flow\nseverity: low\naction: detect\nsubject: payer_account\n\
    fraud_type: OTHER\nlegal_basis: [regulation-30]\nowner: test\nstatus: draft\nparams:\n  n: { default: 8, min: 1, max: 9 }\n---*/\n";
/// Line of the body's first line.
const FIRST: u64 = 15;

fn problems(body: &str) -> Vec<Problem> {
    let file = RuleFile { path: "R.sql".into(), text: format!("{HEADER}{body}") };
    compile(&[file], &[], &Settings::default()).err().unwrap_or_default()
}

/// A rule around one window expression.
fn windowed(call: &str) -> String {
    format!(
        "SELECT event_id, event_time, payer_account AS subject, w\nFROM (SELECT *,\n{call} AS w\nFROM transactions\n\
         WHERE currency = 'CNY') AS x\nWHERE currency = 'CNY' AND w IS NOT NULL"
    )
}

const OVER: &str =
    "OVER (PARTITION BY payer_account ORDER BY event_time RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)";

#[test]
fn constructs_that_would_not_be_the_same_live_and_in_batch_are_refused_by_name_and_line() {
    let over = |frame: &str| format!("sum(amount) OVER (PARTITION BY payer_account ORDER BY event_time {frame})");
    let cases: Vec<(String, &str)> = vec![
        (over("RANGE BETWEEN INTERVAL '1 month' PRECEDING AND CURRENT ROW"), "months"),
        (over("RANGE BETWEEN INTERVAL '-1 hour' PRECEDING AND CURRENT ROW"), "frame bound"),
        (over("RANGE BETWEEN 3600 PRECEDING AND CURRENT ROW"), "INTERVAL"),
        (over("RANGE BETWEEN INTERVAL '200 days' PRECEDING AND CURRENT ROW"), "180 days"),
        (over("RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND INTERVAL '1 hour' FOLLOWING"), "looks ahead"),
        (over("RANGE BETWEEN INTERVAL '0 seconds' PRECEDING AND CURRENT ROW"), "1 microsecond"),
        (over("GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW"), "GROUPS"),
        (over("ROWS BETWEEN 3 PRECEDING AND CURRENT ROW"), "total order"),
        ("sum(amount) OVER (PARTITION BY payer_account ORDER BY event_time DESC RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)".into(), "DESC"),
        (format!("count(DISTINCT payee_account, kind) {OVER}"), "DISTINCT"),
        (format!("sum(DISTINCT amount) {OVER}"), "DISTINCT"),
        (format!("array_agg(event_id) {OVER}"), "array_agg"),
        (format!("first_value(amount) {OVER}"), "earliest"),
        (format!("bool_or(first_time_payee) {OVER}"), "bool_or"),
        (format!("latest(amount, event_id, event_time) {OVER}"), "latest"),
        ("lead(amount) OVER (PARTITION BY payer_account ORDER BY event_time, event_id)".into(), "lead"),
        ("lag(amount, 1, 0) OVER (PARTITION BY payer_account ORDER BY event_time, event_id)".into(), "lag"),
        ("count(*) OVER (PARTITION BY device ORDER BY event_time RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)".into(), "can be NULL"),
    ];
    for (call, expected) in cases {
        let found = problems(&windowed(&call));
        assert!(!found.is_empty(), "accepted: {call}");
        let text: String = found.iter().map(ToString::to_string).collect();
        assert!(text.contains(expected), "{call}\n{text}");
        assert!(found.iter().any(|p| p.line == FIRST + 2), "the line of the window: {call}\n{text}");
    }
}

#[test]
fn statements_beyond_one_plain_select_are_refused() {
    let head = "SELECT event_id, event_time, payer_account AS subject\nFROM transactions";
    let cases = [
        (format!("{head}\nLIMIT 3"), "LIMIT"),
        (format!("{head}\nORDER BY event_time"), "ORDER BY"),
        (format!("{head}; SELECT 1"), "exactly one SELECT"),
        (format!("{head} UNION ALL {head}"), "UNION"),
        (format!("WITH a AS ({head}) SELECT event_id, event_time, subject FROM a"), "WITH"),
        (format!("{head} AS a JOIN telecom AS b ON a.event_id = b.event_id"), "joins"),
        ("SELECT * FROM transactions".into(), "outer SELECT"),
        (
            "SELECT event_id, event_time, payer_account AS subject, count(*) AS n FROM transactions GROUP BY 1, 2, 3"
                .into(),
            "GROUP BY",
        ),
        (format!("{head}\nWHERE event_time < now()"), "clock"),
        (format!("{head}\nWHERE kind IS DISTINCT FROM 'FEE' AND amount > 3"), "IS DISTINCT FROM"),
        (format!("{head}\nWHERE currency = 'CNY' AND 100 / amount > 3"), "division"),
        (format!("{head}\nWHERE currency = 'CNY' AND amount = '12'"), "is used as"),
        (format!("{head}\nWHERE amount > 100"), "without a currency"),
        (format!("{head}\nWHERE currency = 'CNY' AND amount >= 0.8 * payer_balance_before"), "in floats"),
        (
            windowed("row_number() OVER (PARTITION BY payer_account ORDER BY event_time, event_id) - 2"),
            "unsigned and signed",
        ),
        (format!("{head}\nWHERE kind = param('kind', 'FEE')"), "not in the header"),
        (format!("{head}\nWHERE channel = 'WEB' AND 3 > param('n', 7)"), "differs from the header"),
        ("SELECT event_id, event_time, device AS subject FROM transactions".into(), "`subject` can be NULL"),
        ("SELECT event_id, event_time, amount AS subject FROM transactions".into(), "`subject` is Int64, not TEXT"),
    ];
    for (body, expected) in cases {
        let text: String = problems(&body).iter().map(ToString::to_string).collect();
        assert!(text.contains(expected), "{body}\n{text}");
    }
}

#[test]
fn sums_over_mixed_currencies_are_refused() {
    let body = windowed(&format!("sum(amount) {OVER}")).replace("WHERE currency = 'CNY') AS x", ") AS x");
    let text: String = problems(&body).iter().map(ToString::to_string).collect();
    assert!(text.contains("currencies are mixed"), "{text}");
}

#[test]
fn unknown_columns_and_syntax_errors_point_at_line_and_column() {
    let unknown = problems("SELECT event_id, event_time,\n  payr_account AS subject\nFROM transactions");
    assert_eq!((unknown[0].line, unknown[0].column), (FIRST + 1, 3), "{}", unknown[0]);
    let syntax = problems("SELECT event_id,, event_time\nFROM transactions");
    assert_eq!((syntax[0].line, syntax[0].column), (FIRST, 17), "{}", syntax[0]);
    let cut = problems("SELECT event_id\nFROM transactions\nWHERE amount > ");
    assert_eq!(cut[0].line, FIRST + 2, "{}", cut[0]);
}

#[test]
fn a_partition_key_from_a_window_result_is_refused_because_the_batch_answers_it_wrongly() {
    let inner = windowed(&format!("count(*) {OVER}"));
    let body = format!(
        "SELECT event_id, event_time, subject, n FROM (SELECT event_id, event_time, subject,\n\
         count(*) OVER (PARTITION BY w ORDER BY event_time RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW) AS n\nFROM ({inner}) AS y) AS z"
    );
    let text: String = problems(&body).iter().map(ToString::to_string).collect();
    assert!(text.contains("reads a window result"), "{text}");
}
