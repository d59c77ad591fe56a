//! Random expressions of the functions, operators and casts that are accepted: the same value for every row, live and in
//! batch, whatever the rows hold.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use support::{HEAD, batch, compiled, live, rows, text};

const ROWS: &str = "- name: any\n  given:\n    transactions:\n\
    \x20     - { at: '10:00:00', payer_account: A, payee_account: '', amount: 9223372036854775807, payer_balance_before: -1, device: '-7' }\n\
    \x20     - { at: '10:00:01', payer_account: A, payee_account: 'é时', amount: -9223372036854775808, payer_balance_before: 0, device: true }\n\
    \x20     - { at: '10:00:02', payer_account: A, payee_account: '%_\\\\', amount: 7, payer_balance_before: 7, first_time_payee: true }\n\
    \x20     - { at: '10:00:03', payer_account: A, payee_account: '2026-03-02T10:00:00Z', amount: 0, first_time_payee: false, device: '' }\n\
    \x20     - { at: '100000d 10:00:04', payer_account: A, payee_account: 'Ab.c', amount: 1, payer_balance_before: -9223372036854775808 }\n\
    \x20 expect: []\n";

type Text = BoxedStrategy<String>;

/// Texts of one type by what they are made of: (BIGINT, TEXT, BOOLEAN, TIMESTAMPTZ).
fn level(below: Option<(Text, Text, Text, Text)>) -> (Text, Text, Text, Text) {
    let pick = |texts: &'static [&'static str]| proptest::sample::select(texts).prop_map(str::to_owned).boxed();
    let Some((int, word, flag, time)) = below else {
        return (
            pick(&["amount", "payer_balance_before", "0", "-1", "7", "9223372036854775807", "CAST(NULL AS BIGINT)"]),
            pick(&["payee_account", "device", "kind", "'%_'", "''", "'3'", "CAST(NULL AS TEXT)"]),
            pick(&["first_time_payee", "true", "false", "CAST(NULL AS BOOLEAN)"]),
            pick(&["event_time", "TIMESTAMPTZ '2026-03-02T10:00:01Z'"]),
        );
    };
    let with = |shapes: &'static [&'static str]| {
        let parts = (
            proptest::sample::select(shapes),
            int.clone(),
            int.clone(),
            word.clone(),
            word.clone(),
            flag.clone(),
            time.clone(),
            time.clone(),
        );
        let fill = |(shape, i, j, s, t, b, u, v): (&str, String, String, String, String, String, String, String)| {
            let named = [("$i", i), ("$j", j), ("$s", s), ("$t", t), ("$b", b), ("$u", u), ("$v", v)];
            named.iter().fold(shape.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        parts.prop_map(fill).boxed()
    };
    (
        with(&[
            "$i",
            "($i + $j)",
            "($i - $j)",
            "($i * $j)",
            "($i / nullif($j, 0))",
            "($i % nullif($j, 0))",
            "($i / -1)",
            "($i % 3)",
            "-($i)",
            "abs($i)",
            "coalesce($i, $j)",
            "CASE WHEN $b THEN $i ELSE $j END",
            "CASE $s WHEN $t THEN $i END",
            "greatest($i, $j)",
            "least($i, $j)",
            "nullif($i, $j)",
            "nvl($i, $j)",
            "try_cast($s AS BIGINT)",
            "CAST($b AS BIGINT)",
            "CAST($u AS BIGINT)",
            "CAST(char_length($s) AS BIGINT)",
            "(strpos($s, $t) + 0)",
            "CAST(date_part('hour', $u) AS BIGINT)",
            "(extract(dow FROM $u) * $i)",
        ]),
        with(&[
            "$s",
            "upper($s)",
            "lower($s)",
            "trim($s)",
            "btrim($s, $t)",
            "ltrim($s)",
            "reverse($s)",
            "($s || $t)",
            "concat($s, $t)",
            "substr($s, 2, 3)",
            "left($s, 2)",
            "right($s, -1)",
            "split_part($s, '_', -1)",
            "replace($s, '%', '')",
            "coalesce($s, $t)",
            "CASE WHEN $b THEN $s ELSE $t END",
            "nullif($s, $t)",
            "CAST($i AS TEXT)",
            "CAST($b AS TEXT)",
            "CAST($u AS TEXT)",
            "greatest($s, $t)",
        ]),
        with(&[
            "$b",
            "($i < $j)",
            "($i = $j)",
            "($s <> $t)",
            "($u >= $v)",
            "($s LIKE '%_')",
            "($s ILIKE 'a%')",
            "($s ~ '^[0-9]+$')",
            "($b AND ($i > $j))",
            "($b OR ($s = $t))",
            "(NOT $b)",
            "($i IS NULL)",
            "($s IS NOT NULL)",
            "($b IS TRUE)",
            "($b IS NOT FALSE)",
            "($i IS DISTINCT FROM $j)",
            "($i BETWEEN $j AND 7)",
            "($i IN (1, 7, $j))",
            "($s NOT IN ('3', $t))",
            "starts_with($s, $t)",
            "contains($s, $t)",
            "regexp_like($s, '.')",
            "try_cast($s AS BOOLEAN)",
            "coalesce($b, $i > 3)",
            "CASE WHEN $b THEN $i > 3 ELSE $s = $t END",
            "($u > '2026-03-02 10:00:01')",
        ]),
        with(&[
            "$u",
            "($u - INTERVAL '1 day')",
            "($u + INTERVAL '90 minutes')",
            "($u - INTERVAL '3 months')",
            "date_trunc('day', $u)",
            "date_trunc('month', $u)",
            "greatest($u, $v)",
            "coalesce($u, $v)",
            "CASE WHEN $b THEN $u ELSE $v END",
            "try_cast($s AS TIMESTAMPTZ)",
            "nullif($u, $v)",
        ]),
    )
}

fn expressions() -> impl Strategy<Value = [String; 5]> {
    let (int, word, flag, time) = level(Some(level(Some(level(None)))));
    (int, word, flag.clone(), time, flag).prop_map(|(i, s, b, t, condition)| [i, s, b, t, condition])
}

proptest! {
    #![proptest_config(support::tries(60))]

    #[test]
    fn every_accepted_expression_has_the_same_value_live_and_in_batch([i, s, b, t, condition] in expressions()) {
        let body = format!("{HEAD}, {i} AS i, {s} AS s, {b} AS b, {t} AS t FROM transactions WHERE currency = 'CNY' AND ({condition} OR event_time IS NOT NULL AND {condition} IS NOT TRUE)");
        let pack = compiled(&body).unwrap_or_else(|p| panic!("{body}\n{}", text(&p)));
        let rows = rows(ROWS);
        let expected = batch(&pack, &rows).unwrap_or_else(|e| panic!("{body}\n{e}"));
        prop_assert_eq!(expected.len(), 5);
        for cut in [1, 3, usize::MAX] {
            prop_assert_eq!(&live(&pack, &rows, cut).0, &expected, "{} at a time\n{}", cut, body);
        }
        let filtered = compiled(&format!("{HEAD} FROM transactions WHERE currency = 'CNY' AND {condition}")).unwrap();
        let expected = batch(&filtered, &rows).unwrap();
        prop_assert_eq!(live(&filtered, &rows, 2).0, expected, "{}", condition);
    }
}
