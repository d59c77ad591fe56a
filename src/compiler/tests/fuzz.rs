//! Any text is answered with problems or a pack, never with a panic.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::cases::read;
use foreshock_compiler::header::parse_span;
use foreshock_compiler::{Settings, compile};
use proptest::prelude::*;
use support::{file, header, rule, shipped};

/// A text of the parts that rules have, in any order, with others between.
fn scrambled() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "SELECT",
        "event_id",
        ", event_time",
        ", payer_account AS subject",
        "FROM transactions",
        "WHERE",
        "amount",
        ">",
        "3",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        "CASE",
        "WHEN",
        "THEN",
        "END",
        "count(*)",
        "OVER",
        "(PARTITION BY kind ORDER BY event_time",
        "RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)",
        "WINDOW w AS",
        "w",
        "'时'",
        "\"é\"",
        "--x\n",
        "/*",
        "*/",
        ";",
        "UNION ALL",
        "CAST(",
        "AS BIGINT)",
        "param('n', 8)",
        "sum(amount)",
        "FILTER",
        "%",
        "/",
        "||",
        "~",
        "IN",
        "LIKE",
        "'%'",
        "BETWEEN",
        "IS DISTINCT FROM",
        "INTERVAL '1 day'",
        "$1",
        "::",
        "[",
        "]",
        "*",
        ",",
        "0x",
        "1e999",
        "-",
        "NULL",
        "\0",
        "\u{feff}",
        "FROM (SELECT * FROM transactions) AS a",
        "date_trunc('day', event_time)",
        "substr(kind, 1)",
        "AT TIME ZONE 'UTC'",
    ];
    let part = prop_oneof![9 => proptest::sample::select(PARTS).prop_map(str::to_owned), 1 => ".{0,4}"];
    proptest::collection::vec(part, 0..30).prop_map(|parts| parts.join(" "))
}

/// A shipped text with a piece cut out and another put in.
fn edited(texts: Vec<String>) -> impl Strategy<Value = String> {
    (proptest::sample::select(texts), any::<prop::sample::Index>(), 0..12_usize, scrambled()).prop_map(
        |(text, at, cut, new)| {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            let rest: String = chars.iter().skip(at + cut).collect();
            chars.iter().take(at).collect::<String>() + &new.chars().take(9).collect::<String>() + &rest
        },
    )
}

fn compiles_or_not(path: &str, text: &str) {
    let views = shipped("views");
    for problem in compile(&[file(path, text)], &views, &Settings::default()).err().unwrap_or_default() {
        assert!(!problem.file.is_empty() && !problem.message.is_empty(), "{problem}");
        assert!(problem.line >= 1 && problem.line <= text.lines().count() as u64 + 1, "{problem}\n{text}");
    }
}

proptest! {
    #![proptest_config(support::tries(40))]

    #[test]
    fn any_text_is_a_rule_or_a_problem(text in ".{0,200}") {
        compiles_or_not("R.sql", &text);
        compiles_or_not("R.sql", &rule(&text).text);
        compiles_or_not("R.sql", &header("low", &text));
    }

    #[test]
    fn parts_of_rules_in_any_order_are_a_rule_or_a_problem(text in scrambled()) {
        compiles_or_not("R.sql", &rule(&text).text);
        let body = format!("{} FROM transactions WHERE {text}", support::HEAD);
        compiles_or_not("R.sql", &rule(&body).text);
    }

    #[test]
    fn an_edited_rule_is_a_rule_or_a_problem(text in edited(shipped("rules").into_iter().map(|f| f.text).collect())) {
        compiles_or_not("M01.sql", &text);
    }

    #[test]
    fn an_edited_view_is_a_view_or_a_problem(text in edited(shipped("views").into_iter().map(|f| f.text).collect())) {
        let found = compile(&[], &[file("v.sql", &text)], &Settings::default()).err().unwrap_or_default();
        prop_assert!(found.iter().all(|p| p.file == "v.sql" && p.line >= 1));
    }

    #[test]
    fn any_text_is_a_span_or_none(text in "[0-9]{0,22}.{0,3}") {
        if let Some(us) = parse_span(&text) {
            prop_assert!(us >= 0);
        }
    }

    #[test]
    fn any_text_is_a_list_of_cases_or_a_problem(
        text in ".{0,200}",
        at in "[0-9d: .时-]{0,24}",
        count in any::<u64>(),
        every in "[0-9]{0,19}[smhd时]",
        column in "[a-z_]{1,10}",
    ) {
        let _ = read(&text);
        let row = format!("{{ at: '{at}', {column}: {count}, repeat: {{ count: {count}, every: {every}, suffix: [kind] }} }}");
        let text = format!("- name: x\n  given:\n    transactions:\n      - {row}\n  expect: []\n");
        for case in read(&text).unwrap_or_default() {
            let _ = case.batches();
            let _ = case.compare(&[]);
        }
    }
}

#[test]
fn a_span_with_a_unit_of_several_bytes_is_none() {
    for text in ["1时", "时", "", "s", "+1h", "-1h", "9223372036854775807d", "1 h", "1hh"] {
        assert_eq!(parse_span(text), None, "{text}");
    }
    assert_eq!((parse_span("90s"), parse_span("2d")), (Some(90_000_000), Some(172_800_000_000)));
}
