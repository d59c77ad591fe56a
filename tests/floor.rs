//! Roles that see sums and no rows: what they ask is told by no group of too few, and rows are not to be had in any way.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;

use arrow::util::pretty::pretty_format_batches;
use desk::{apply, desk, me, payments, runtime};
use foreshock::rights::grant::{Grant, Person};
use foreshock::rights::users::Users;
use foreshock::serve::floor::FLOOR;
use foreshock::serve::query::Desk;
use foreshock::serve::store::Store;
use std::path::Path;
use std::sync::Arc;

/// An official who makes statistics.
fn statistician() -> Person {
    let grant = Grant { personal: false, aggregates_only: true, ..Grant::everything() };
    Person { name: "chen".into(), role: "statistics".into(), grant: Arc::new(grant), purpose: None, until: None }
}

struct City {
    desk: Arc<Desk>,
    runtime: tokio::runtime::Runtime,
}

fn city() -> City {
    let store = Arc::new(Store::new(1_000_000));
    payments().iter().for_each(|lines| apply(&store, lines));
    City { desk: desk(&store), runtime: runtime() }
}

impl City {
    fn said(&self, statement: &str, person: Person) -> Result<String, String> {
        let answer = self.runtime.block_on(self.desk.answer(statement, person));
        answer
            .map(|answer| pretty_format_batches(&answer.batches).unwrap().to_string())
            .map_err(|refused| format!("{} {}", refused.state, refused.message))
    }
}

/// What of a table may be asked with a floor: groups, a condition, sums.
const QUESTIONS: [(&str, &str, &str); 8] = [
    ("currency", "TRUE", "count(*), sum(amount), avg(amount)"),
    ("payer_district", "TRUE", "count(*), sum(amount)"),
    ("payer_district, kind", "currency = 'CNY'", "count(DISTINCT payer_account), sum(amount)"),
    ("date_trunc('hour', event_time), payee_district", "kind <> 'CASH_IN'", "count(payer_phone)"),
    ("date_trunc('hour', event_time), reporter, payer_district", "payer_district IS NOT NULL", "count(*)"),
    ("payer_age_band, payee_institution", "event_time > TIMESTAMP '2026-01-01'", "count(1)"),
    (
        "date_trunc('hour', event_time), reporter",
        "event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T05:00:00Z'",
        "count(payer_balance_before), sum(payer_balance_before)",
    ),
    ("channel, status, first_time_payee", "kind IN ('TRANSFER', 'CARD_PURCHASE') OR NOT first_time_payee", "count(*)"),
];

/// The columns whose values are summed or counted.
const VALUES: [&str; 4] = ["payer_balance_before", "payer_phone", "payer_account", "amount"];

#[test]
fn sums_over_enough_are_what_everyone_counts_and_the_other_groups_stay_away() {
    let city = city();
    let side =
        |who: &str, filter: &str| format!("(count(DISTINCT {who}) {filter} >= {FLOOR} OR count({who}) {filter} = 0)");
    let enough = |filter: &str| {
        let sides = [side("payer_account", filter), side("payee_account", filter)].join(" AND ");
        let one = ["payer_account", "payee_account"].map(|who| format!("count(DISTINCT {who}) {filter} >= {FLOOR}"));
        format!("{sides} AND ({})", one.join(" OR "))
    };
    let (mut let_through, mut kept_back) = (0, 0);
    for (groups, condition, sums) in QUESTIONS {
        let is_summed = |value: &&&str| sums.contains(&format!("({value})")) || sums.contains(&format!(" {value})"));
        let values = VALUES.iter().filter(is_summed);
        let values = values.map(|value| format!(" AND {}", enough(&format!("FILTER (WHERE {value} IS NOT NULL)"))));
        let having = enough("") + &values.collect::<String>();
        for alias in ["transactions", "transactions AS t"] {
            let asked = |having: &str| {
                // A function's own comma is no group's.
                let count = groups.matches(", ").count() + 1 - groups.matches("', ").count();
                let places = (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
                format!(
                    "SELECT {groups}, {sums} FROM {alias} WHERE {condition} GROUP BY {places} {having} ORDER BY {places}"
                )
            };
            let told = city.said(&asked(""), statistician());
            let told = told.unwrap_or_else(|error| panic!("{}: {error}", asked("")));
            let counted = city.said(&asked(&format!("HAVING {having}")), me()).unwrap();
            assert_eq!(told, counted, "{}", asked(""));
            let_through += told.lines().count();
            kept_back += city.said(&asked(""), me()).unwrap().lines().count() - told.lines().count();
        }
    }
    assert!(let_through > 40 && kept_back > 10, "{let_through} lines of groups told, {kept_back} kept back");
}

#[test]
fn more_can_be_computed_from_sums_and_tables_about_nobody_are_open() {
    let city = city();
    for statement in [
        "SELECT max(c) FROM (SELECT payer_district, count(*) AS c FROM transactions GROUP BY 1) g",
        "WITH d AS (SELECT payer_district AS d, count(*) AS c FROM transactions GROUP BY 1) SELECT a.d, a.c - b.c FROM d a JOIN d b ON a.d = b.d",
        "SELECT payer_district, count(*) AS c FROM transactions GROUP BY 1 HAVING count(*) > 20 ORDER BY c DESC LIMIT 3",
        "SELECT what, count(*) FROM activity GROUP BY 1",
        "SELECT count(*), sum(amount) FROM legs WHERE district IS NOT NULL",
        "SELECT rule_id, count(*) FROM detections GROUP BY 1",
        "SELECT count(*) FROM rules",
        "SELECT * FROM system.watermarks",
        "SELECT table_name FROM information_schema.tables",
    ] {
        let told = city.said(statement, statistician());
        assert!(told.is_ok(), "{statement}: {told:?}");
    }
}

#[test]
fn no_statement_gets_at_a_row_or_takes_groups_apart_by_a_name() {
    let city = city();
    let of = "FROM transactions";
    for statement in [
        format!("SELECT * {of}"),
        format!("SELECT amount {of} LIMIT 1"),
        format!("SELECT DISTINCT payer_account {of}"),
        format!("EXPLAIN SELECT payer_account {of}"),
        format!("SELECT payer_account, count(*) {of} GROUP BY 1"),
        format!("SELECT substr(payer_account, 1, 3), count(*) {of} GROUP BY 1"),
        format!("SELECT count(*) {of} WHERE payer_account = 'a'"),
        format!("SELECT count(*) {of} WHERE NOT (tx_id = 'T1')"),
        format!("SELECT sum(amount) {of} WHERE event_id <> 'tx:bank-a:T1'"),
        format!("SELECT sum(amount) {of} WHERE amount > 100000"),
        format!("SELECT sum(amount) {of} WHERE seq < 7"),
        format!("SELECT sum(CASE WHEN payer_account = 'a' THEN amount END) {of}"),
        format!("SELECT sum(amount) FILTER (WHERE kind = 'PAYMENT') {of}"),
        format!("SELECT min(amount) {of}"),
        format!("SELECT max(payer_account) {of}"),
        format!("SELECT sum(CAST(payer_account AS BIGINT)) {of}"),
        format!("SELECT count(CAST(payer_account AS BIGINT)) {of}"),
        format!("SELECT sum(payer_account) {of}"),
        format!("SELECT sum(DISTINCT amount), count(DISTINCT amount) {of}"),
        format!("SELECT event_time, sum(amount) {of} GROUP BY 1"),
        format!("SELECT date_trunc('minute', event_time), sum(amount) {of} GROUP BY 1"),
        format!("SELECT date_bin(INTERVAL '1 second', event_time), sum(amount) {of} GROUP BY 1"),
        format!("SELECT sum(amount) {of} WHERE event_time <> TIMESTAMP '2026-03-02 01:23:45'"),
        format!("SELECT sum(amount) {of} WHERE event_time < '2026-03-02T01:00:00.000001Z'"),
        format!("SELECT sum(amount) {of} WHERE extract(second FROM event_time) = 7"),
        format!("SELECT count(*) {of} WHERE 1 / (CASE WHEN payer_age_band = 'U18' THEN 0 ELSE 1 END) = 1"),
        format!("SELECT count(*) {of} WHERE CAST(concat(payer_district, '|', payer_age_band) AS BIGINT) = 1"),
        format!("SELECT count(*) {of} WHERE random() < 0.5"),
        format!("SELECT CASE WHEN kind = 'TRANSFER' THEN 1 ELSE 2 END, count(*) {of} GROUP BY 1"),
        "SELECT url, count(*) FROM telecom GROUP BY 1".into(),
        "SELECT event_id, late_by_us FROM late".into(),
        "SELECT first_event_time FROM institutions".into(),
        format!("SELECT first_value(payer_account) {of}"),
        format!("SELECT array_agg(payer_account) {of}"),
        format!("SELECT string_agg(payer_account, ',') {of}"),
        format!("SELECT median(amount) {of}"),
        format!("SELECT payer_district, count(*) {of} GROUP BY ROLLUP (payer_district)"),
        format!("SELECT sum(amount) OVER () {of}"),
        format!("SELECT count(*) FROM (SELECT * {of} LIMIT 1) t"),
        format!("SELECT count(*) FROM (SELECT * {of} ORDER BY amount DESC LIMIT 10) t"),
        "SELECT count(*), sum(t.amount) FROM transactions t CROSS JOIN (VALUES (1), (2), (3)) v".into(),
        "SELECT count(*) FROM transactions a JOIN transactions b ON a.payer_account = b.payee_account".into(),
        format!("SELECT count(*) FROM (SELECT payer_account, count(*) {of} GROUP BY 1) t"),
        format!("SELECT count(*) {of} WHERE payer_district IN (SELECT payer_district {of} WHERE payer_account = 'a')"),
        format!("SELECT count(*) {of} WHERE payer_district IN (SELECT id FROM rules)"),
        format!("SELECT (SELECT payer_account {of} LIMIT 1)"),
        format!("SELECT 1 WHERE (SELECT amount {of} LIMIT 1) > 5"),
        format!("SELECT id FROM rules WHERE id IN (SELECT payer_account {of})"),
        format!("SELECT payer_account {of} UNION ALL SELECT id FROM rules"),
        format!("SELECT count(*) FROM (SELECT payer_account {of} UNION ALL SELECT payee_account {of}) u"),
        "SELECT subject, count(*) FROM detections GROUP BY 1".into(),
        "SELECT detail, count(*) FROM detection_revisions GROUP BY 1".into(),
        "SELECT * FROM changes('transactions', 0)".into(),
        "SELECT * FROM trace('a', '2026-01-01T00:00:00Z', 1)".into(),
        "SELECT * FROM profile('a')".into(),
        "SELECT * FROM explain_detection('a')".into(),
    ] {
        let refused = city.said(&statement, statistician()).unwrap_err();
        assert!(["42501", "42601", "42P01"].iter().any(|state| refused.starts_with(state)), "{statement}: {refused}");
    }
}

#[test]
fn a_role_of_sums_that_should_also_see_names_keeps_the_door_shut() {
    let error =
        Users::parse("[users]\n[roles.both]\npersonal = true\naggregates_only = true\n", Path::new("")).unwrap_err();
    assert!(error.to_string().contains("roles.both"), "{error}");
}
