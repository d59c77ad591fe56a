//! Long and deep rules: refused by name and place, or compiled in a time that grows with their length.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::{Settings, compile};
use support::{FIRST, HEAD, compiled, file, header, problems, rule, text};

fn chain(term: impl Fn(usize) -> String, joined: &str, count: usize) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(joined)
}

fn filtered(condition: &str) -> String {
    format!("{HEAD}\nFROM transactions\nWHERE currency = 'CNY' AND ({condition})")
}

#[test]
fn a_blocklist_of_eight_thousand_ors_is_refused_with_its_line_and_the_other_rules_are_unharmed() {
    let body = filtered(&chain(|i| format!("payee_account = 'a{i}'"), "\n OR ", 8_000));
    let good = file("S.sql", &format!("{}{HEAD} FROM transactions", header("id: R", "id: S")));
    let found = compile(&[rule(&body), good.clone()], &[], &Settings::default()).unwrap_err();
    assert_eq!(found.len(), 1, "{}", text(&found));
    assert!(found[0].message.contains("more than 200 operators") && found[0].hint.contains("IN ("), "{}", found[0]);
    assert_eq!((found[0].file.as_str(), found[0].line), ("R.sql", FIRST + 202));
    assert!(compile(&[good], &[], &Settings::default()).is_ok());
}

#[test]
fn chains_of_every_operator_are_bounded() {
    let word = |i: usize| format!("'x{i}'");
    for chain in [
        chain(|_| "amount".into(), " + ", 1_000) + " > 3",
        chain(|_| "amount".into(), " * ", 1_000) + " > 3",
        chain(word, " || ", 1_000) + " = 'x'",
        chain(|i| format!("kind <> 'k{i}'"), " AND ", 1_000),
        "NOT ".repeat(1_000) + "first_time_payee",
        "- ".repeat(1_000) + "amount > 3",
        format!("kind {}", "IS NOT NULL ".repeat(1_000)),
        format!("kind = 'x'{}", "::text".repeat(1_000)),
        "(".repeat(1_000) + "amount" + &")".repeat(1_000) + " > 3",
        "coalesce(".repeat(1_000) + "amount" + &")".repeat(1_000) + " > 3",
        "CASE WHEN first_time_payee THEN ".repeat(1_000) + "amount" + &" END".repeat(1_000) + " > 3",
        "first_time_payee IN (".repeat(1_000) + "true" + &")".repeat(1_000),
        // Each group is short; they lie on the left of each other.
        (0..20).fold("amount".to_owned(), |inner, _| format!("({inner}{})", " + amount".repeat(50))) + " > 3",
    ] {
        let found = text(&problems(&filtered(&chain)));
        let short: String = chain.chars().take(60).collect();
        assert!(found.contains("operators") || found.contains("nested"), "{short}\n{found}");
        assert!(found.starts_with(&format!("R.sql:{}:", FIRST + 2)), "{short}\n{found}");
    }
}

#[test]
fn what_a_person_writes_compiles_and_so_do_long_lists() {
    for condition in [
        chain(|i| format!("payee_account = 'a{i}'"), " OR ", 190),
        chain(|_| "amount".into(), " + ", 190) + " > 3",
        chain(|i| format!("amount * {i}"), " - ", 95) + " > 3",
        format!("payee_account IN ({})", chain(|i| format!("'a{i}'"), ", ", 8_000)),
        format!("payee_account NOT IN ({})", chain(|i| format!("'a{i}'"), ", ", 8_000)),
        format!("amount IN ({})", chain(|i| i.to_string(), ", ", 8_000)),
        format!("CASE {} ELSE 1 END > 3", chain(|i| format!("WHEN kind = 'k{i}' THEN amount + {i}"), " ", 150)),
        "(".repeat(30) + "amount" + &")".repeat(30) + " > 3",
    ] {
        let found = problems(&filtered(&condition));
        assert!(found.is_empty(), "{}\n{}", condition.chars().take(60).collect::<String>(), text(&found));
    }
}

#[test]
fn long_sums_that_begin_alike_stay_apart_and_one_sum_in_two_spellings_is_one_window() {
    let over = format!("OVER (PARTITION BY payer_account ORDER BY event_time {})", support::FRAME);
    let sum = |column: &str, last: usize| format!("sum({}{last}) {over}", format!("{column} + ").repeat(150));
    let body = format!(
        "{HEAD}, a, b, c FROM (SELECT *, {} AS a, {} AS b, {} AS c FROM (SELECT *, amount AS paid FROM transactions WHERE currency = 'CNY') AS p) AS x",
        sum("amount", 1),
        sum("amount", 2),
        sum("paid", 1),
    );
    let pack = compiled(&body).unwrap_or_else(|p| panic!("{}", text(&p)));
    assert_eq!(pack.plan.streams[0].windows.len(), 2);
    let row = "{ at: '10:00:00', payer_account: A, payee_account: X, amount: 3 }";
    let rows = support::rows(&format!("- name: x\n  given:\n    transactions:\n      - {row}\n  expect: []\n"));
    let found = support::batch(&pack, &rows).unwrap();
    let values: Vec<String> = found[0].values.iter().map(|(_, value)| value.to_string()).collect();
    assert_eq!(values, ["451", "452", "451"]);
    assert_eq!(support::live(&pack, &rows, 1).0, found);
}

#[test]
fn columns_that_double_in_every_inner_select_are_refused_and_passed_on_they_are_fine() {
    let nested = |column: &str, levels: usize| {
        // Fewer levels than parentheses may have.
        (0..levels).fold("transactions".to_owned(), |from, level| {
            format!(
                "(SELECT event_id, event_time, payer_account, currency, {column} AS amount FROM {from}) AS l{level}"
            )
        })
    };
    let body = |from: &str| format!("{HEAD}, amount FROM {from} WHERE currency = 'CNY'");
    let found = text(&problems(&body(&nested("amount + amount", 20))));
    assert!(found.contains("grow too large"), "{found}");
    assert!(compiled(&body(&nested("amount + amount", 8))).is_ok());
    assert!(compiled(&body(&nested("amount", 20))).is_ok());
    let deep = text(&problems(&body(&nested(&format!("amount{}", " + 1".repeat(20)), 20))));
    assert!(deep.contains("grow too large"), "{deep}");
    let view = format!("CREATE VIEW v AS SELECT event_id, event_time, amount FROM {}", nested("amount + amount", 20));
    let found = text(&compile(&[], &[file("v.sql", &view)], &Settings::default()).unwrap_err());
    assert!(found.starts_with("v.sql:1:") && found.contains("grow too large"), "{found}");
}

#[test]
fn files_that_are_too_long_are_refused_before_they_are_parsed() {
    let long = format!("{HEAD} FROM transactions WHERE kind = '{}'", "x".repeat(2_000_000));
    assert!(text(&problems(&long)).contains("longer than"));
    let words = filtered(&format!("amount IN ({})", chain(|i| i.to_string(), ", ", 40_000)));
    assert!(text(&problems(&words)).contains("words and signs"));
    let sums = (0..40).map(|i| format!(", amount{} AS s{i}", " + 1".repeat(190))).collect::<String>();
    assert!(text(&problems(&format!("{HEAD}{sums} FROM transactions"))).contains("operators"));
    let unions = chain(|_| "SELECT event_id, event_time FROM transactions".into(), " UNION ALL ", 2_000);
    let view = file("v.sql", &format!("CREATE VIEW v AS {unions}"));
    assert!(text(&compile(&[], &[view], &Settings::default()).unwrap_err()).contains("SELECTs"));
}

#[test]
fn the_deepest_rule_that_compiles_also_runs_on_a_plain_thread() {
    let or = |terms: usize| chain(|i| format!("payee_account = 'a{i}'"), " OR ", terms);
    let from = format!("(SELECT *, {} AS low FROM transactions) AS a", or(190));
    let body = |terms: usize| format!("{HEAD}, low OR {} AS high FROM {from}", or(terms));
    let pack = compiled(&body(50)).unwrap_or_else(|p| panic!("{}", text(&p)));
    let row = "{ at: '10:00:00', payer_account: A, payee_account: a188, amount: 3 }";
    let rows = support::rows(&format!("- name: x\n  given:\n    transactions:\n      - {row}\n  expect: []\n"));
    let found = support::batch(&pack, &rows).unwrap();
    assert_eq!(found[0].values[0].1.to_string(), "true");
    assert_eq!(support::live(&pack, &rows, 1).0, found);
    assert!(text(&problems(&body(80))).contains("grow too large"));
}
