use super::*;

const HOUR: i64 = 3_600;

fn row(rule: &str, event: &str, at_s: i64, subject: &str, amount: i64) -> Row {
    let time = foreshock_core::time::format_rfc3339(at_s * SECOND_US);
    let text = format!(
        r#"{{"rule_id":"{rule}","event_id":"{event}","event_time":"{time}","subject":"{subject}","values":{{"amount_at_risk":{amount}}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn case(kind: &str, is_fraud: bool, events: &[&str], accounts: &[&str], (from_s, to_s): (i64, i64)) -> Case {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let span = Some((from_s * SECOND_US, to_s * SECOND_US));
    Case { kind: kind.into(), is_fraud, events: all(events), accounts: all(accounts), span, ..Case::default() }
}

fn rules() -> BTreeMap<String, RuleFacts> {
    [("L", true), ("S", false)]
        .map(|(rule, acts)| (rule.to_owned(), RuleFacts { status: "x".into(), acts }))
        .into_iter()
        .collect()
}

#[test]
fn by_event_each_row_is_right_wrong_or_a_decoy() {
    let cases = [case("k", true, &["e1", "e2"], &[], (0, 100)), case("h", false, &["e3"], &[], (0, 100))];
    let rows = [
        row("S", "e1#out", 10, "a", 5),
        row("L", "e2", 50, "a", 5),
        row("S", "e3", 60, "b", 5),
        row("S", "e9", 70, "c", 5),
    ];
    let report = judge(By::Event, &cases, &rows, &rules(), i64::MIN);
    let s = &report.rules["S"];
    assert_eq!((s.said, s.right, s.decoys, s.wrong(), s.cases), (3, 1, 1, 1, 1));
    assert_eq!(s.precision(), Some(50.0), "decoys apart");
    let k = &report.frauds["k"];
    assert_eq!((k.cases, k.found, k.acted), (1, 1, 1));
    assert_eq!(
        (&k.delays_s[..], &k.acting_delays_s[..]),
        (&[10][..], &[50][..]),
        "the first word, and the first that acts"
    );
    assert_eq!(report.honest["h"].found, 1);
}

#[test]
fn in_time_is_what_a_rule_that_acts_says_before_the_money_is_gone_and_money_is_what_it_names() {
    let late = Case { stop_before: Some(60 * SECOND_US), amount: Some(100), ..case("k", true, &["e1"], &[], (0, 90)) };
    let early = Case { stop_before: Some(60 * SECOND_US), amount: Some(100), ..case("k", true, &["e2"], &[], (0, 90)) };
    let missed =
        Case { stop_before: Some(60 * SECOND_US), amount: Some(100), ..case("k", true, &["e3"], &[], (0, 90)) };
    let rows = [
        row("L", "e1", 60, "a", 20),
        row("S", "e1", 10, "a", 100),
        row("L", "e2", 59, "a", 500),
        row("S", "e3", 1, "a", 100),
    ];
    let report = judge(By::Event, &[late, early, missed], &rows, &rules(), i64::MIN);
    let k = &report.frauds["k"];
    assert_eq!((k.found, k.acted, k.in_time), (3, 2, Some((3, 1))));
    assert_eq!(k.money, Some((300, 120)), "never more than was lost");
}

#[test]
fn by_account_a_subject_counts_once_a_day_and_only_in_the_time_of_its_case() {
    let cases = [case("k", true, &[], &["a", "b"], (HOUR, 30 * HOUR))];
    let rows = [
        row("S", "e1", HOUR, "a", 1),
        row("S", "e2", 2 * HOUR, "a", 1),
        row("S", "e3", 25 * HOUR, "a", 1),
        row("S", "e4", 31 * HOUR, "b", 1),
        row("S", "e5", 2 * HOUR, "z", 1),
    ];
    let report = judge(By::Account, &cases, &rows, &rules(), i64::MIN);
    let s = &report.rules["S"];
    assert_eq!((s.said, s.right, s.wrong()), (4, 2, 2));
    assert_eq!(report.frauds["k"].delays_s, [0]);
}

#[test]
fn before_the_given_time_neither_detections_nor_cases_count() {
    let cases = [case("k", true, &["e1"], &[], (0, 100)), case("k", true, &["e2"], &[], (150, 250))];
    let rows = [row("S", "e1", 10, "a", 1), row("S", "e2", 160, "a", 1), row("S", "e2", 210, "a", 1)];
    let report = judge(By::Event, &cases, &rows, &rules(), 200 * SECOND_US);
    assert_eq!((report.frauds["k"].cases, report.rules["S"].said), (1, 1));
    assert_eq!(report.frauds["k"].delays_s, [60]);
}
