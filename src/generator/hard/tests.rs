use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn city() -> HardGenerated {
    HardCity { seed: 7, customers: 1_000, days: 40 }.generate()
}

#[test]
fn one_seed_gives_one_sequence_of_bytes_and_another_another() {
    assert_eq!(city(), city());
    assert_ne!(city().lines, HardCity { seed: 8, customers: 1_000, days: 40 }.generate().lines);
}

#[test]
fn every_event_of_a_story_is_there_and_fraud_is_rare() {
    let city = city();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let mut payments = 0;
    for line in &city.lines {
        let event: serde_json::Value = serde_json::from_str(&line.json).unwrap();
        let (prefix, id) = match line.feed {
            foreshock_core::Feed::Transactions => ("tx", "txId"),
            foreshock_core::Feed::Telecom => ("tel", "recordId"),
            _ => continue,
        };
        payments += usize::from(prefix == "tx");
        assert!(ids.insert(format!(
            "{prefix}:{}:{}",
            event["reporter"].as_str().unwrap(),
            event[id].as_str().unwrap()
        )));
    }
    for story in &city.truth {
        assert!(story.event_ids.iter().all(|id| ids.contains(id)) && !story.subjects.is_empty(), "{}", story.instance);
    }
    let fraud = city.truth.iter().filter(|story| story.fraud).flat_map(|story| &story.event_ids);
    let fraud = fraud.filter(|id| id.starts_with("tx:")).count();
    assert!((500..10_000).contains(&(payments / fraud.max(1))), "{fraud} of {payments}");
    let mut kinds: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    city.truth.iter().for_each(|story| *kinds.entry((story.fraud, story.scenario)).or_default() += 1);
    assert!(kinds.keys().filter(|(is_fraud, _)| *is_fraud).count() >= 8, "{kinds:?}");
    assert!(kinds.keys().filter(|(is_fraud, _)| !is_fraud).count() >= 8, "{kinds:?}");
}

#[test]
fn what_is_stolen_is_known_with_the_time_until_which_it_could_be_stopped() {
    let city = city();
    let robbed: Vec<&Truth> = city.truth.iter().filter(|story| story.amount.is_some_and(|amount| amount > 0)).collect();
    assert!(!robbed.is_empty());
    for story in robbed.iter().filter(|story| story.stop_before_us.is_some()) {
        assert!(story.fraud && story.stop_before_us.unwrap() <= story.last_us, "{}", story.instance);
    }
}
