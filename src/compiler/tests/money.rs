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
    assert_eq!(rule("lag(kind) OVER p", "x = 'FEE'"), "");
}

/// What is wrong with a window over payments, and with the same over those of one currency.
fn with_and_without(call: &str, key: &str, order: &str) -> [String; 2] {
    ["", "WHERE currency = 'CNY'"].map(|filter| {
        text(&problems(&format!(
            "SELECT event_id, event_time, payer_account AS subject, x FROM (SELECT *, {call} OVER (PARTITION BY {key} ORDER BY {order}) AS x \
             FROM transactions {filter}) AS a WHERE x IS NOT NULL"
        )))
    })
}

#[test]
fn counting_what_a_comparison_of_amounts_leaves_needs_a_currency_and_counting_amounts_does_not() {
    let time = format!("event_time {FRAME}");
    for call in [
        "count(CASE WHEN amount >= 5000000 THEN 1 END)",
        "count(DISTINCT CASE WHEN amount >= 5000000 THEN payee_account END)",
        "count(nullif(amount, 500))",
        "count(DISTINCT amount / 1000)",
        "count(CASE WHEN nullif(amount, 500) IS NULL THEN 1 END)",
        "max(CASE WHEN (CASE WHEN amount > 500 THEN 1 END) IS NOT NULL THEN 1 ELSE 0 END)",
        "count(*) FILTER (WHERE nullif(amount, 500) IS NOT NULL)",
    ] {
        let [without, with] = with_and_without(call, "payer_account", &time);
        assert!(without.contains("currencies are mixed") && without.contains("`currency = "), "{call}\n{without}");
        assert_eq!(with, "", "{call}");
        assert_eq!(with_and_without(call, "payer_account, currency", &time)[0], "", "{call}");
    }
    for call in [
        "count(amount)",
        "count(DISTINCT amount)",
        "count(CASE WHEN payer_balance_before IS NULL THEN 1 END)",
        "count(*) FILTER (WHERE payer_balance_before IS NOT NULL)",
    ] {
        assert_eq!(with_and_without(call, "payer_account", &time)[0], "", "{call}");
    }
}

#[test]
fn a_partition_by_a_comparison_of_amounts_needs_a_currency() {
    let time = format!("event_time {FRAME}");
    for key in ["amount >= 5000000", "CASE WHEN amount > 500 THEN 'large' ELSE 'small' END", "amount / 1000"] {
        let key = format!("payer_account, {key}");
        let [without, with] = with_and_without("count(*)", &key, &time);
        assert!(without.contains("currencies are mixed"), "{key}\n{without}");
        assert_eq!(with, "", "{key}");
        assert_eq!(with_and_without("count(*)", &format!("{key}, currency"), &time)[0], "", "{key}");
    }
    for key in ["amount", "payer_balance_before IS NULL"] {
        assert_eq!(with_and_without("count(*)", key, &time)[0], "", "{key}");
    }
}

#[test]
fn what_a_view_computed_from_amounts_is_a_comparison_also_where_a_rule_asks_only_whether_it_is_there() {
    let view = |value: &str| {
        format!("SELECT event_id, event_time, payee_account AS acct, {value} AS large, currency FROM transactions")
    };
    let (computed, own) = (view("CASE WHEN amount >= 5000000 THEN 1 END"), view("amount"));
    for call in ["count(large)", "count(DISTINCT large)", "count(*) FILTER (WHERE large IS NOT NULL)"] {
        let call = format!("{call} {OVER}");
        assert!(refusal(&computed, &call, "").contains("currencies are mixed"), "{call}");
        assert_eq!(refusal(&computed, &call, "WHERE currency = 'CNY'"), "", "{call}");
        assert_eq!(refusal(&own, &call, ""), "", "{call}");
    }
    assert!(refusal(&computed, "1", "WHERE large IS NOT NULL").contains("without a currency"));
    assert_eq!(refusal(&own, "1", "WHERE large IS NOT NULL"), "");
}

#[test]
fn an_amount_picked_from_another_row_needs_a_currency_as_a_sum_does() {
    let (range, rows) = (format!("event_time {FRAME}"), "event_time, event_id ROWS 3 PRECEDING");
    for (call, order) in [
        ("lag(amount)", "event_time, event_id"),
        ("lag(amount, 2)", "event_time, event_id"),
        ("lag(CASE WHEN amount > 500 THEN 'large' END)", "event_time, event_id"),
        ("earliest(payer_balance_before, event_time, event_id)", range.as_str()),
        ("latest(amount, event_time, event_id)", range.as_str()),
        ("first_value(amount)", rows),
        ("last_value(amount)", rows),
    ] {
        let [without, with] = with_and_without(call, "payer_account", order);
        assert!(without.contains("currencies are mixed"), "{call}\n{without}");
        assert_eq!(with, "", "{call}");
        assert_eq!(with_and_without(call, "payer_account, currency", order)[0], "", "{call}");
        // Only those that take a FILTER are told of it.
        let takes_filter = call.contains("est(");
        assert_eq!(without.contains("to its FILTER"), takes_filter, "{without}");
    }
    let filtered = "latest(amount, event_time, event_id) FILTER (WHERE currency = 'CNY')";
    assert_eq!(with_and_without(filtered, "payer_account", &range)[0], "");
    assert_eq!(with_and_without("lag(kind)", "payer_account", "event_time, event_id")[0], "");
    let above = "SELECT event_id, event_time, payer_account AS subject, x FROM (SELECT *, lag(amount) OVER \
        (PARTITION BY payer_account ORDER BY event_time, event_id) AS x FROM transactions) AS a WHERE currency = 'CNY' AND x > 500";
    assert!(text(&problems(above)).contains("currencies are mixed"), "this row's currency is not that of the other");
}
