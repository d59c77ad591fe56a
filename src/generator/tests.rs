//! The generated city and the FEW-1 workload, through the public door.

use crate::{Few1, Generated, Line, day_start_us, few1, generate};
use foreshock_core::{ids, money, time};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn parsed(line: &Line) -> Value {
    serde_json::from_str(&line.json).expect("valid JSON")
}

fn id_of(line: &Line) -> String {
    let json = parsed(line);
    let text = |field: &str| json[field].as_str().expect("a text").to_owned();
    ids::event_id(line.feed.prefix(), &text("reporter"), &text(line.feed.id_field()))
}

fn times_by_id(city: &Generated) -> BTreeMap<String, i64> {
    city.day.iter().map(|line| (id_of(line), line.time_us)).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    assert!(generate(1, 1) == generate(1, 1));
    assert!(generate(1, 1).day != generate(2, 1).day);
    let lines = |seed| {
        few1(Few1 { seed, events: 2_000, accounts: 1_000, late_permille: 50, ..Few1::default() }).collect::<Vec<_>>()
    };
    assert!(lines(1) == lines(1) && lines(1) != lines(2));
}

#[test]
fn lines_are_sorted_and_stay_on_their_side_of_midnight() {
    let city = generate(7, 1);
    let start = day_start_us();
    for lines in [&city.history, &city.day] {
        assert!(lines.is_sorted_by_key(|line| (line.time_us, &line.json)));
    }
    assert!(city.history.iter().all(|line| (start - 101 * time::DAY_US..start).contains(&line.time_us)));
    assert!(city.day.iter().all(|line| (start..start + time::DAY_US).contains(&line.time_us)));
    assert!((15_000..25_000).contains(&city.day.len()), "{}", city.day.len());
    assert!((15_000..20_000).contains(&city.history.len()), "{}", city.history.len());
    println!("{} history, {} day", city.history.len(), city.day.len());
}

#[test]
fn every_event_of_every_scenario_happens_on_the_day_and_between_first_and_last() {
    for (seed, scale) in [(3, 1), (4, 2)] {
        let city = generate(seed, scale);
        let times = times_by_id(&city);
        assert_eq!(times.len(), city.day.len(), "event ids are unique");
        for truth in &city.truth {
            assert!(!truth.event_ids.is_empty() && !truth.subjects.is_empty(), "{}", truth.instance);
            assert_eq!(truth.fraud, !truth.rules.is_empty(), "{}", truth.instance);
            let at: Vec<_> = truth.event_ids.iter().map(|id| times.get(id).copied().expect("on the day")).collect();
            assert_eq!(at.iter().min(), Some(&truth.first_us));
            assert_eq!(at.iter().max(), Some(&truth.last_us));
        }
        let names: BTreeSet<_> = city.truth.iter().map(|t| &t.instance).collect();
        assert_eq!(names.len(), city.truth.len(), "instances have names of their own");
    }
}

#[test]
fn every_rule_and_every_look_alike_has_an_instance() {
    let city = generate(5, 1);
    let rules: BTreeSet<_> = city.truth.iter().flat_map(|t| t.rules.iter().copied()).collect();
    let expected = [
        "I02", "M01", "M02", "M03", "M04", "M05", "M11", "M12", "M14", "T01", "T02", "T05", "T06", "T08", "T09",
        "TAKEOVER",
    ];
    assert_eq!(rules, expected.into());
    let honest: BTreeSet<_> = city.truth.iter().filter(|t| !t.fraud).map(|t| t.scenario).collect();
    assert_eq!(honest.len(), 9);
}

#[test]
fn times_in_the_json_are_the_times_of_the_lines_and_nobody_pays_what_he_has_not() {
    let city = generate(6, 1);
    for line in city.history.iter().chain(&city.day) {
        let json = parsed(line);
        let field = ["creDtTm", "eventTime", "receivedAt"].into_iter().find_map(|f| json[f].as_str());
        assert_eq!(field.and_then(time::parse_rfc3339), Some(line.time_us));
        let minor = |value: &Value| value.as_str().map(|text| money::parse_minor(text, 2).expect("an amount"));
        if let (Some(amount), Some(balance)) = (minor(&json["amount"]), minor(&json["debtor"]["balanceBefore"])) {
            assert!(json["status"] == "RJCT" || amount <= balance, "{}", line.json);
        }
    }
}

#[test]
fn few1_gives_the_asked_count_of_unique_times_in_twenty_minutes() {
    for (exponent, late) in [(1_000, 0), (1_000, 50), (0, 200), (1_200, 0)] {
        let lines: Vec<_> = few1(Few1 {
            seed: 9,
            events: 20_000,
            accounts: 10_000,
            zipf_permille: exponent,
            late_permille: late,
            ..Few1::default()
        })
        .collect();
        let times: BTreeSet<_> = lines.iter().map(|line| line.time_us).collect();
        assert_eq!((lines.len(), times.len()), (20_000, 20_000));
        assert!(times.iter().all(|t| (day_start_us()..day_start_us() + 20 * 60 * time::SECOND_US).contains(t)));
        assert_eq!(lines.is_sorted_by_key(|line| line.time_us), late == 0);
        let mut latest = i64::MIN;
        for line in &lines {
            latest = latest.max(line.time_us);
            assert!(latest - line.time_us <= 30 * time::SECOND_US);
        }
    }
}

#[test]
fn few1_draws_the_first_account_as_often_as_zipf_says() {
    let share = |exponent| {
        let lines =
            few1(Few1 { seed: 11, events: 50_000, accounts: 1_000, zipf_permille: exponent, ..Few1::default() });
        lines.filter(|line| parsed(line)["debtor"]["accountToken"] == "a0000000").count()
    };
    // 1 / H(1000) = 0.1336; uniform 0.001.
    assert!((6_300..7_100).contains(&share(1_000)));
    assert!((20..90).contains(&share(0)));
}

#[test]
fn few1_gives_one_account_the_share_asked_for() {
    let lines = few1(Few1 { events: 50_000, accounts: 1_000, zipf_permille: 0, hot_permille: 300, ..Few1::default() });
    let hot = lines.filter(|line| parsed(line)["debtor"]["accountToken"] == "a0000000").count();
    assert!((14_500..15_600).contains(&hot));
}
