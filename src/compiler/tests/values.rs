//! Expressions that have no value for some rows: NULL there, live and in batch alike, or refused by name.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_core::Value;
use support::{FRAME, HEAD, batch, compiled, live, problems, rows, text};

/// Rows at the ends of what a column can hold.
const EXTREMES: &str = "- name: extremes\n  given:\n    transactions:\n\
    \x20     - { at: '10:00:00', payer_account: A, payee_account: '', amount: 9223372036854775807, payer_balance_before: -1 }\n\
    \x20     - { at: '10:00:01', payer_account: A, payee_account: 'é时', amount: -9223372036854775808, payer_balance_before: 0 }\n\
    \x20     - { at: '10:00:02', payer_account: A, payee_account: '%_\\\\', amount: 7, payer_balance_before: 7, first_time_payee: true }\n\
    \x20     - { at: '10:00:03', payer_account: A, payee_account: '3', amount: 0 }\n\
    \x20     - { at: '100000d 10:00:04', payer_account: A, payee_account: '3', amount: 1, payer_balance_before: -9223372036854775808 }\n\
    \x20 expect: []\n";

/// The values of one output column, the same in every execution; and the faults of the live one.
fn everywhere(value: &str) -> (Vec<Value>, u64) {
    let body = format!("{HEAD}, {value} AS v FROM transactions WHERE currency = 'CNY'");
    let pack = compiled(&body).unwrap_or_else(|p| panic!("{value}\n{}", text(&p)));
    let rows = rows(EXTREMES);
    let expected = batch(&pack, &rows).unwrap_or_else(|e| panic!("{value}: the batch ends with {e}"));
    let (at_once, faults) = live(&pack, &rows, usize::MAX);
    assert_eq!(at_once, expected, "{value}: live, at once");
    assert_eq!(live(&pack, &rows, 1), (at_once, faults), "{value}: live, one by one");
    assert_eq!(expected.len(), 5, "{value}");
    (expected.into_iter().map(|d| d.values[0].1.clone()).collect(), faults)
}

#[test]
fn a_number_that_does_not_exist_is_null_and_counted() {
    use Value::{Int, Null};
    let (min, max) = (i64::MIN, i64::MAX);
    assert_eq!(everywhere("amount + 1"), (vec![Null, Int(min + 1), Int(8), Int(1), Int(2)], 1));
    assert_eq!(everywhere("amount - 1"), (vec![Int(max - 1), Null, Int(6), Int(-1), Int(0)], 1));
    assert_eq!(everywhere("2 * amount"), (vec![Null, Null, Int(14), Int(0), Int(2)], 2));
    assert_eq!(everywhere("-amount"), (vec![Int(-max), Null, Int(-7), Int(0), Int(-1)], 1));
    assert_eq!(everywhere("abs(amount)"), (vec![Int(max), Null, Int(7), Int(0), Int(1)], 1));
    assert_eq!(everywhere("amount / -1"), (vec![Int(-max), Null, Int(-7), Int(0), Int(-1)], 1));
    assert_eq!(
        everywhere("amount / nullif(payer_balance_before, 0)"),
        (vec![Int(-max), Null, Int(1), Null, Int(0)], 0)
    );
    assert_eq!(everywhere("amount % nullif(payer_balance_before, 0)"), (vec![Int(0), Null, Int(0), Null, Int(1)], 0));
}

#[test]
fn a_row_whose_condition_has_a_value_without_the_missing_number_keeps_it() {
    let yes = Value::Bool(true);
    let (found, _) = everywhere("amount = 7 OR 2 * amount IS NULL");
    assert_eq!(found, [yes.clone(), yes.clone(), yes, Value::Bool(false), Value::Bool(false)]);
    assert_eq!(everywhere("coalesce(2 * amount, -5)").0[0], Value::Int(-5));
    assert_eq!(everywhere("CASE WHEN amount > 100 THEN 0 ELSE 2 * amount END").0[..2], [Value::Int(0), Value::Null]);
}

#[test]
fn what_is_accepted_never_ends_the_batch() {
    let values = [
        "amount / 1000",
        "amount % 1000",
        "amount % -1",
        "1000 / nullif(amount, 0)",
        "amount / 2.5",
        "amount % 0.5",
        "CAST(amount AS TEXT)",
        "CAST(amount AS DOUBLE)",
        "CAST(event_time AS BIGINT)",
        "CAST(event_time AS TEXT)",
        "CAST(first_time_payee AS BIGINT)",
        "try_cast(payee_account AS BIGINT)",
        "try_cast(payee_account AS TIMESTAMPTZ)",
        "try_cast(payee_account AS BOOLEAN)",
        "try_cast(CAST(amount AS DOUBLE) AS BIGINT)",
        "payee_account::text",
        "event_time - INTERVAL '100 years'",
        "event_time + INTERVAL '36500 days'",
        "event_time - INTERVAL '1 month'",
        "date_trunc('month', event_time)",
        "date_part('hour', event_time AT TIME ZONE 'Asia/Shanghai')",
        "extract(dow FROM event_time)",
        "event_time > '2026-03-02 10:00:01'",
        "event_time BETWEEN '2026-03-02' AND TIMESTAMPTZ '2200-01-01T00:00:00Z'",
        "event_time IN ('2026-03-02T10:00:00Z')",
        "substr(payee_account, 2)",
        "substr(payee_account, -3, 5)",
        "substring(payee_account FROM 1 FOR 1)",
        "left(payee_account, -1)",
        "right(payee_account, 10)",
        "split_part(payee_account, '_', 2)",
        "upper(payee_account)",
        "replace(payee_account, '%', '')",
        "trim(payee_account)",
        "trim(BOTH '3' FROM payee_account)",
        "reverse(payee_account)",
        "char_length(payee_account) * 9223372036854775807",
        "strpos(payee_account, '_')",
        "position('_' IN payee_account)",
        "payee_account LIKE '%\\\\'",
        "payee_account ILIKE '_'",
        "payee_account ~ '^[0-9]+$'",
        "regexp_like(payee_account, '^.$')",
        "starts_with(payee_account, '3')",
        "payee_account || ':' || payer_account",
        "concat(payee_account, payer_account)",
        "greatest(amount, payer_balance_before)",
        "least(amount, 3)",
        "nullif(amount, 7)",
        "nvl(payer_balance_before, 0)",
        "round(CAST(amount AS DOUBLE))",
        "floor(CAST(amount AS DOUBLE) / 3)",
        "ceil(amount)",
        "amount BETWEEN -1 AND 9",
        "first_time_payee IS TRUE",
        "payee_account IN ('3', 'x')",
        "amount NOT IN (1, 2, 7)",
        "octet_length(payee_account)",
    ];
    for value in values {
        everywhere(value);
    }
}

#[test]
fn a_sum_beyond_bigint_is_null_on_both_sides_and_comes_back() {
    let given = EXTREMES
        .replace("amount: 7", "amount: 9000000000000000000")
        .replace("amount: 0 ", "amount: 1000000000000000000 ");
    let body = format!(
        "{HEAD}, s, m FROM (SELECT *, sum(amount) OVER w AS s, avg(amount) OVER w AS m FROM transactions WHERE currency = 'CNY' AND amount > 0 \
        WINDOW w AS (PARTITION BY payer_account ORDER BY event_time {FRAME})) AS a"
    );
    let pack = compiled(&body).unwrap();
    let expected = batch(&pack, &rows(&given)).unwrap();
    let sums: Vec<Value> = expected.iter().map(|d| d.values[0].1.clone()).collect();
    assert_eq!(sums, [Value::Int(i64::MAX), Value::Null, Value::Null, Value::Int(1)]);
    assert_eq!(live(&pack, &rows(&given), 1).0, expected);
}

#[test]
fn expressions_that_can_fail_are_refused_by_name() {
    let cases = [
        ("1000 / amount > 3", "division"),
        ("1000 / nullif(amount, 7) > 3", "division"),
        ("1000 % nullif(amount, payer_balance_before) > 3", "division"),
        ("1000 / nullif(7, amount) > 3", "division"),
        ("1000 / coalesce(amount, 1) > 3", "division"),
        ("1000 / 0 > 3", "division"),
        ("1000 / 0e5 > 3", "division"),
        ("1000 / greatest(amount, 1) > 3", "division"),
        ("CASE WHEN amount <> 0 THEN 1000 / amount END > 3", "division"),
        ("sqrt(amount) > 3", "`sqrt`"),
        ("ln(amount) > 3", "`ln`"),
        ("log(10, amount) > 3", "`log`"),
        ("power(amount, 30) > 3", "`power`"),
        ("factorial(amount) > 3", "`factorial`"),
        ("CAST(payee_account AS BIGINT) > 3", "is used as"),
        ("payee_account::bigint > 3", "is used as"),
        ("CAST(amount AS INT) > 3", "not kept"),
        ("CAST(amount AS SMALLINT) > 3", "not kept"),
        ("CAST(amount / 2.0 AS BIGINT) > 3", "has no value for some numbers"),
        ("CAST(amount AS TIMESTAMPTZ) > event_time", "no time"),
        ("try_cast(amount AS TIMESTAMPTZ) > event_time", "no time"),
        ("arrow_cast(amount, 'Int8') > 3", "`arrow_cast`"),
        ("event_time + INTERVAL '999999999 days' > event_time", "INTERVAL"),
        ("event_time + INTERVAL '200 years' > event_time", "INTERVAL"),
        ("event_time - amount * INTERVAL '1 day' > event_time", "INTERVAL"),
        ("event_time - event_time > INTERVAL '1 day'", "INTERVAL"),
        ("to_timestamp(amount) > event_time", "`to_timestamp`"),
        ("to_timestamp(payee_account) > event_time", "`to_timestamp`"),
        ("make_date(amount, 1, 1) IS NULL", "`make_date`"),
        ("chr(amount) = 'x'", "`chr`"),
        ("repeat(kind, amount) = 'x'", "`repeat`"),
        ("lpad(kind, amount) = 'x'", "`lpad`"),
        ("lpad(kind, 999999999) = 'x'", "`lpad`"),
        ("substr(kind, amount) = 'x'", "must be a literal"),
        ("substr(kind, 1, -2) = 'x'", "cannot be computed"),
        ("left(kind, amount) = 'x'", "must be a literal"),
        ("right(kind, -9223372036854775807) = 'x'", "too large"),
        ("substring(kind FROM -9223372036854775807) = 'x'", "too large"),
        ("event_time - INTERVAL '-9223372036854775808 nanoseconds' > event_time", "INTERVAL"),
        ("split_part(kind, '_', 0) = 'x'", "cannot be computed"),
        ("replace(kind, 'a', 'aaaaaaaaaaaa') = 'x'", "longer text"),
        ("regexp_like(kind, payee_account)", "must be a literal"),
        ("kind ~ payee_account", "must be a literal"),
        ("kind LIKE payee_account", "must be a literal"),
        ("amount << 70 > 3", "operator"),
        ("amount ^ 3 > 3", "operator"),
        ("to_char(event_time, '%H') = 'x'", "`to_char`"),
        ("uuid() = 'x'", "chance"),
        ("CURRENT_TIMESTAMP > event_time", "clock"),
    ];
    for (condition, word) in cases {
        let found = text(&problems(&format!("{HEAD} FROM transactions WHERE currency = 'CNY' AND {condition}")));
        assert!(found.contains(word), "{condition}\n{found}");
    }
}

#[test]
fn arithmetic_between_row_numbers_is_refused_for_it_would_wrap() {
    let over = "OVER (PARTITION BY payer_account ORDER BY event_time, event_id)";
    let other = over.replace("payer", "payee");
    let body = |value: &str| {
        format!(
            "{HEAD}, {value} AS v FROM (SELECT *, row_number() {over} AS a, row_number() {other} AS b FROM transactions) AS n"
        )
    };
    for value in ["a - b", "a + b", "a * b", "a % nullif(b, 0)", "a / nullif(b, 0)", "coalesce(a, b) - greatest(a, b)"]
    {
        let found = text(&problems(&body(value)));
        assert!(found.contains("unsigned") && found.contains("AS BIGINT"), "{value}\n{found}");
    }
    let windows = format!("{HEAD} FROM transactions QUALIFY row_number() {over} - row_number() {other} > 3");
    assert!(text(&problems(&windows)).contains("unsigned"));
    let given = rows(EXTREMES);
    let pack = compiled(&body("CAST(b AS BIGINT) - CAST(a AS BIGINT)")).unwrap();
    let found = batch(&pack, &given).unwrap();
    let values: Vec<String> = found.iter().map(|d| d.values[0].1.to_string()).collect();
    assert_eq!(values, ["0", "-1", "-2", "-3", "-3"]);
    assert_eq!(live(&pack, &given, 1).0, found);
    assert!(compiled(&body("a <> b")).is_ok(), "they may be compared");
}
