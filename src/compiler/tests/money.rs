//! Money is known by where it comes from, not by its name.
#![allow(clippy::unwrap_used)]

mod support;

use support::{FRAME, compiled_over, problems, text};

fn refusal(view: &str, value: &str, filter: &str) -> String {
    let body = format!(
        "SELECT event_id, event_time, acct AS subject, s FROM (SELECT *, {value} AS s FROM v {filter}) AS a WHERE s IS NOT NULL"
    );
    compiled_over(&format!("CREATE VIEW v AS {view}"), &body).err().map_or(String::new(), |p| text(&p))
}

const OVER: &str =
    "OVER (PARTITION BY acct ORDER BY event_time RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW)";

#[test]
fn an_amount_under_another_name_is_money() {
    for paid in [
        "amount",
        "amount / 2",
        "coalesce(amount, 0)",
        "CASE WHEN kind = 'FEE' THEN amount ELSE 0 END",
        "CASE WHEN amount > 100 THEN 1 ELSE 0 END",
        "greatest(amount, 5)",
        "payer_balance_before",
        "-amount",
    ] {
        let view = format!(
            "SELECT event_id, event_time, payee_account AS acct, {paid} AS paid_total, currency AS money_of FROM transactions"
        );
        let sum = format!("sum(paid_total) {OVER}");
        let found = refusal(&view, &sum, "");
        assert!(found.contains("currencies are mixed") && found.contains("`money_of = "), "{paid}\n{found}");
        assert_eq!(refusal(&view, &sum, "WHERE money_of = 'CNY'"), "", "{paid}");
        let by_key = sum.replace("BY acct", "BY acct, money_of");
        assert_eq!(refusal(&view, &by_key, ""), "", "{paid}");
    }
}

#[test]
fn the_currency_of_a_view_is_the_feeds_column_not_one_of_that_name() {
    let view = |currency: &str| {
        format!(
            "SELECT event_id, event_time, payee_account AS acct, amount AS paid, {currency} AS currency FROM transactions"
        )
    };
    let sum = format!("sum(paid) {OVER}");
    assert_eq!(refusal(&view("currency"), &sum, "WHERE currency = 'CNY'"), "");
    for other in ["kind", "'CNY'", "coalesce(currency, 'CNY')", "payer_institution"] {
        let found = refusal(&view(other), &sum, "WHERE currency = 'CNY'");
        assert!(found.contains("currencies are mixed"), "{other}\n{found}");
    }
}

#[test]
fn money_of_one_branch_is_money_of_the_view() {
    let tel =
        "SELECT event_id, event_time, number AS acct, duration_s AS size, CAST(NULL AS TEXT) AS unit FROM telecom";
    let tx = "SELECT event_id, event_time, payee_account AS acct, amount AS size, currency AS unit FROM transactions";
    let sum = format!("sum(size) {OVER}");
    assert!(refusal(&format!("{tel} UNION ALL {tx}"), &sum, "").contains("currencies are mixed"));
    assert_eq!(refusal(&format!("{tel} UNION ALL {tx}"), &sum, "WHERE unit = 'CNY'"), "");
    assert_eq!(refusal(tel, &sum, ""), "", "seconds are no money");
    assert_eq!(refusal(&format!("{tx} WHERE currency = 'CNY'"), &sum, ""), "", "the view itself has one currency");
}

#[test]
fn amounts_are_compared_in_one_currency_also_inside_views_windows_and_filters() {
    let tx = "SELECT event_id, event_time, payee_account AS acct, kind FROM transactions";
    assert!(refusal(&format!("{tx} WHERE amount > 500"), "1", "").contains("without a currency"));
    assert_eq!(refusal(&format!("{tx} WHERE amount > 500 AND currency = 'CNY'"), "1", ""), "");
    assert_eq!(
        refusal(&format!("{tx} WHERE amount IS NOT NULL"), "1", ""),
        "",
        "whether there is one is no comparison"
    );
    let flag =
        "SELECT event_id, event_time, payee_account AS acct, amount > 500 AS is_large, currency FROM transactions";
    assert!(refusal(flag, "1", "WHERE is_large").contains("without a currency"));
    let rule = |inner: &str, filter: &str| {
        let window = "(PARTITION BY payer_account ORDER BY event_time, event_id)";
        let range = format!("(PARTITION BY payer_account ORDER BY event_time {FRAME})");
        let inner = inner.replace("OVER p", &format!("OVER {window}")).replace("OVER r", &format!("OVER {range}"));
        text(&problems(&format!(
            "SELECT event_id, event_time, payer_account AS subject, x FROM (SELECT *, {inner} AS x FROM transactions) AS a WHERE {filter}"
        )))
    };
    assert!(rule("count(*) FILTER (WHERE amount > 500) OVER r", "x > 2").contains("currencies are mixed"));
    assert_eq!(rule("count(*) FILTER (WHERE amount > 500 AND currency = 'CNY') OVER r", "x > 2"), "");
    assert!(rule("lag(amount) OVER p", "x > 500").contains("without a currency"));
    assert!(rule("latest(amount, event_time, event_id) OVER r", "x > 500").contains("without a currency"));
    assert_eq!(rule("lag(amount) OVER p", "x > 500 AND currency = 'CNY'"), "");
    assert_eq!(rule("lag(kind) OVER p", "x = 'FEE'"), "");
}
