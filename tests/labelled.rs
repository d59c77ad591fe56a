//! What the shipped rules find in labelled data of others, none of which our generator made: each figure of
//! docs/detection-quality.md has its floor here. Rules that are tried on a set are named; what the others say there is not judged.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // shares are for people

#[path = "support/labelled.rs"]
mod labelled;
#[path = "support/process.rs"]
mod process;

use foreshock_core::time::{DAY_US, parse_rfc3339};
use labelled::{detections, evaluated, import, table};
use process::shared_data;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn of_rule<'a>(rows: &'a [serde_json::Value], rule: &str) -> Vec<&'a serde_json::Value> {
    rows.iter().filter(|row| row["rule_id"] == rule).collect()
}

fn word<'a>(row: &'a serde_json::Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

#[test]
fn paysim_take_overs_are_found_at_the_transfer_and_again_at_the_cash_out_and_nowhere_else() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = import(&data, "paysim", folder.path());
    let rows = detections(&events, &["M19", "TAKEOVER"], "XTS");
    let incidents = table(&data, "paysim/incidents");
    let column = |at: usize| -> BTreeSet<String> { incidents.iter().map(|i| format!("tx:paysim:{}", i[at])).collect() };
    for (rule, at) in [("M19", 1), ("TAKEOVER", 6)] {
        let found = of_rule(&rows, rule);
        assert_eq!(found.len(), 125, "{rule}: each once");
        assert_eq!(
            found.iter().map(|row| word(row, "event_id").to_owned()).collect::<BTreeSet<_>>(),
            column(at),
            "{rule}"
        );
        let named: BTreeSet<&str> = found.iter().map(|row| word(row, "subject")).collect();
        assert_eq!(named, incidents.iter().map(|i| i[4].as_str()).collect(), "{rule}: the account of the receiver");
    }
    let asked: i64 = of_rule(&rows, "M19").iter().map(|row| row["values"]["amount_at_risk"].as_i64().unwrap()).sum();
    // 1234.5 is 123450.
    let minor = |text: &str| {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{part:0<2}").parse::<i64>().unwrap()
    };
    let lost: i64 = incidents.iter().map(|i| minor(&i[5])).sum();
    assert_eq!(asked, lost, "all of it is still there when M19 speaks");
    let report = evaluated(&data, "paysim", "incidents", &events, None);
    let kind = &report["frauds"]["account taken over"];
    assert_eq!((&kind["cases"], &kind["acted"], &kind["in_time"]), (&json!(125), &json!(125), &json!([125, 125])));
    assert_eq!(kind["money"], json!([lost, lost]));
    assert_eq!(report["rules"]["M19"], json!({ "said": 125, "right": 125, "decoys": 0, "cases": 125 }));
}

/// An alert of AMLSim: it is a fraud, or a decoy of the same shape.
struct Alert {
    kind: String,
    is_fraud: bool,
    hub: String,
    members: BTreeSet<String>,
    days: std::ops::RangeInclusive<i64>,
}

fn amlsim_alerts(data: &Path) -> Vec<Alert> {
    let transfers: BTreeMap<String, Vec<String>> =
        table(data, "amlsim/transactions").into_iter().map(|row| (row[0].clone(), row)).collect();
    let mut of_alert: BTreeMap<String, Vec<&Vec<String>>> = BTreeMap::new();
    for label in table(data, "amlsim/labels") {
        of_alert.entry(label[1].clone()).or_default().push(&transfers[&label[0]]);
    }
    let most_common = |rows: &[&Vec<String>], column: usize| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        rows.iter().for_each(|row| *counts.entry(&row[column]).or_insert(0) += 1);
        counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0.to_owned()
    };
    let alert = |row: Vec<String>| Alert {
        is_fraud: row[2] == "True",
        hub: most_common(&of_alert[&row[0]], if row[1] == "fan_out" { 3 } else { 4 }),
        members: row[3].split(' ').map(str::to_owned).collect(),
        days: row[6].parse().unwrap()..=row[7].parse::<i64>().unwrap() + 1,
        kind: row[1].clone(),
    };
    table(data, "amlsim/alerts").into_iter().map(alert).collect()
}

/// Judged by account and day, for the spacing inside a day is made up: a hit of another alert or of a decoy is neither right nor
/// wrong. Before the guard everybody pays everybody for the first time in the data.
#[test]
fn amlsim_patterns_are_found_once_the_feed_is_thirty_days_old() {
    const GUARD: i64 = 30;
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("M01", "fan_in"), ("M20", "fan_out"), ("M07", "scatter_gather"), ("M08", "gather_scatter")];
    let events = import(&data, "amlsim", folder.path());
    let rows = detections(&events, &kinds.map(|(rule, _)| rule), "USD");
    let report = evaluated(&data, "amlsim", "alerts", &events, Some("2025-01-31T00:00:00Z"));
    let alerts = amlsim_alerts(&data);
    let start = parse_rfc3339("2025-01-01T00:00:00Z").unwrap();
    for (rule, kind) in kinds {
        let day = |row: &serde_json::Value| (parse_rfc3339(word(row, "event_time")).unwrap() - start) / DAY_US;
        let flags: BTreeSet<(&str, i64)> = of_rule(&rows, rule)
            .into_iter()
            .map(|row| (word(row, "subject"), day(row)))
            .filter(|flag| flag.1 >= GUARD)
            .collect();
        let (mut right, mut wrong, mut found) = (0, 0, BTreeSet::new());
        for (subject, day) in flags {
            let at_work = |alert: &&Alert| alert.members.contains(subject) && alert.days.contains(&day);
            let is_its = |alert: &Alert| alert.is_fraud && alert.kind == kind && alert.hub == subject;
            let around: Vec<&Alert> = alerts.iter().filter(at_work).collect();
            let of_kind: Vec<_> =
                around.iter().filter(|alert| is_its(alert)).map(|alert| std::ptr::from_ref(*alert)).collect();
            right += usize::from(!of_kind.is_empty());
            wrong += usize::from(around.is_empty());
            found.extend(of_kind);
        }
        let wanted = alerts.iter().filter(|a| a.is_fraud && a.kind == kind && *a.days.end() > GUARD);
        let (all, hit) =
            wanted.fold((0, 0), |(all, hit), a| (all + 1, hit + usize::from(found.contains(&std::ptr::from_ref(a)))));
        println!("{rule}, {kind}: {hit} of {all} alerts, {right} account days right, {wrong} wrong");
        assert!(100 * hit >= 95 * all, "{rule} finds {hit} of {all} {kind}");
        assert!(100 * right >= 80 * (right + wrong), "{rule} is right {right} times and wrong {wrong} times");
        let number = |part: &str, name: &str, of: &str| report[part][name][of].as_u64().unwrap();
        let (found, cases) = (number("frauds", kind, "found"), number("frauds", kind, "cases"));
        assert!(100 * found >= 95 * cases, "evaluate: {found} of {cases} {kind}");
        let (said, right) =
            (number("rules", rule, "said") - number("rules", rule, "decoys"), number("rules", rule, "right"));
        assert!(100 * right >= 80 * said, "evaluate: {rule} is right in {right} of {said}");
    }
}

#[test]
fn sparkov_cards_in_other_hands_are_found() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = import(&data, "sparkov", folder.path());
    let rows = detections(&events, &["M21"], "USD");
    let is_fraud: BTreeSet<String> = table(&data, "sparkov/labels")
        .into_iter()
        .filter(|row| row[1] == "1")
        .map(|row| format!("tx:sparkov:{}", row[0]))
        .collect();
    let (right, wrong): (Vec<_>, Vec<_>) = rows.iter().partition(|row| is_fraud.contains(word(row, "event_id")));
    let found: BTreeSet<&str> = right.iter().map(|row| word(row, "subject")).collect();
    let episodes = table(&data, "sparkov/episodes").len();
    println!("M21: {} of {episodes} accounts, {} rows right, {} wrong", found.len(), right.len(), wrong.len());
    assert!(100 * found.len() >= 95 * episodes && 100 * right.len() >= 85 * rows.len());
    let report = evaluated(&data, "sparkov", "episodes", &events, None);
    let kind = &report["frauds"]["card in other hands"];
    assert!(100 * kind["found"].as_u64().unwrap() >= 95 * kind["cases"].as_u64().unwrap(), "{kind}");
}

#[test]
fn a_hard_city_is_judged_live_and_in_batch_alike_and_evaluated_with_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (dir, city, truth) = (place(""), place("city.ndjson"), place("truth.ndjson"));
    let (out, svg) = (place("out.ndjson"), place("pictures"));
    let run = |arguments: &[&str]| {
        let done = process::foreshock(arguments);
        assert!(done.status.success(), "{}{}", process::text(&done.stdout), process::text(&done.stderr));
        process::text(&done.stdout)
    };
    run(&["gen", "--seed", "3", "--hard", "36", "--customers", "300", "--out", &dir]);
    assert!(run(&["replay", &city, "--compare", "--out", &out]).contains(", 0 differences"));
    let evaluate = ["evaluate", &out, "--truth", &truth];
    let table = run(&[&evaluate[..], &["--svg", &svg]].concat());
    assert!(table.contains("by rules that act: ") && table.contains("(honest) "), "{table}");
    let report: serde_json::Value =
        serde_json::from_str(&run(&[&evaluate[..], &["--output", "json"]].concat())).unwrap();
    let frauds = report["frauds"].as_object().unwrap();
    assert!(!frauds.is_empty(), "{report}");
    let picture = |name: &str| std::fs::read_to_string(Path::new(&svg).join(name)).unwrap();
    assert!(frauds.keys().all(|kind| picture("found.svg").contains(kind.as_str())));
    assert!(picture("delay.svg").starts_with("<svg"));
    let later = run(&[&evaluate[..], &["--from", "2026-02-03T16:00:00Z", "--min-recall", "0"]].concat());
    assert_ne!(later, table, "the first days can be left out");
}
