use super::*;
use crate::testing::{MINUTE_US, START_US, actions, detection, in_district, rule, short, take, text, xml};
use crate::{Act, FollowUp, RuleFacts};
use foreshock_core::{Detection, Value};

/// Saved by the first form: blocking alerts of acc-1 (two) and acc-2, one that drafted nothing of acc-3, all of rule M05
/// version v1; a warning for 440304 of T09 version v2.
const FIRST: &[u8] = include_bytes!("fixtures/saved-first.json");

fn loaded(bytes: &[u8]) -> Actions {
    let mut actions = actions();
    actions.load(bytes).unwrap();
    actions
}

#[test]
fn saved_episodes_go_on_as_if_nothing_had_happened() {
    let rule = rule(FollowUp::Block);
    let mut one = actions();
    take(&mut one, &rule, &detection("e1", 0, "acc-1"), true);
    let mut two = loaded(&one.save());
    for (event, minute, detected) in [("e2", 1, true), ("e1", 0, false), ("e2", 1, false), ("e3", 120, true)] {
        let found = detection(event, minute, "acc-1");
        let acts = take(&mut one, &rule, &found, detected);
        assert_eq!(acts, take(&mut two, &rule, &found, detected));
    }
    assert_eq!(one.save(), two.save());
}

#[test]
fn what_drafts_stand_is_saved_of_open_and_of_closed_alerts() {
    let mut one = actions();
    for (event, minute) in [("e1", 0), ("e2", 500)] {
        take(&mut one, &rule(FollowUp::Block), &detection(event, minute, "acc-1"), true);
        let place = in_district(detection(event, minute, "acc-1"), "440305002");
        take(&mut one, &rule(FollowUp::Warn), &place, true);
    }
    one.close_before(START_US + 400 * MINUTE_US);
    let mut two = loaded(&one.save());
    assert_eq!(two.save(), one.save());
    let acts = two.keep_rules(START_US + 600 * MINUTE_US, |_, _| false);
    assert_eq!(acts, one.keep_rules(START_US + 600 * MINUTE_US, |_, _| false));
    assert_eq!(acts.len(), 5, "{}", short(&acts));
    assert_eq!(loaded(&two.save()).keep_rules(0, |_, _| false), []);
}

#[test]
fn every_value_and_every_time_comes_back_as_it_was() {
    let doubles = [0.1 + 0.2, 5e-324, -0.0, 1.797_693_134_862_315_7e308, f64::NAN];
    for (i, time) in [i64::MIN, -62_200_000_000_000_000, 253_500_000_000_000_000, i64::MAX].into_iter().enumerate() {
        let mut one = actions();
        let mut far = Detection { event_time: time, ..detection("e1", 0, "acc-1") };
        far.values.extend(doubles.iter().enumerate().map(|(i, v)| (format!("d{i}"), Value::Double(*v))));
        take(&mut one, &rule(FollowUp::Block), &far, true);
        let mut two = loaded(&one.save());
        assert_eq!(two.save(), one.save(), "{i}");
        let acts = [&mut one, &mut two].map(|actions| take(actions, &rule(FollowUp::Block), &far, false));
        assert_eq!(format!("{:?}", acts[0]), format!("{:?}", acts[1]), "{i}");
    }
}

#[test]
fn the_first_form_is_read_and_its_alerts_end_with_their_rules() {
    let mut actions = loaded(FIRST);
    let acts = actions.keep_rules(START_US + 600 * MINUTE_US, |_, version| version == "v1");
    assert_eq!(short(&acts), "Closed 1 (2..2) RuleChanged, Cancel 440304");
    let cancel = xml(&acts);
    assert_eq!(
        text(cancel, "references"),
        "fraud-warning@example.invalid,44030000000000_20260101080200_0,2026-01-01T08:02:00+08:00"
    );
    assert_eq!(short(&actions.close_before(START_US + 65 * MINUTE_US)), "Closed 1 (1..1) Quiet, Closed 1 (3..3) Quiet");
    let back = take(&mut actions, &rule(FollowUp::Block), &detection("1", 0, "acc-1"), false);
    assert_eq!(short(&back), "Updated 1 (5..5)");
    let acts = actions.keep_rules(START_US + 600 * MINUTE_US, |_, _| false);
    let expected = "Closed 1 (500..500) RuleChanged, Closed 1 (5..5) RuleChanged, Withdrawn, Withdrawn, Withdrawn";
    assert_eq!(short(&acts), expected);
    assert_eq!(actions.keep_rules(0, |_, _| false), []);
}

#[test]
fn the_first_form_goes_on_in_the_second_one() {
    let mut one = loaded(FIRST);
    let mut two = loaded(&one.save());
    let acts = [&mut one, &mut two].map(|actions| actions.close_before(i64::MAX));
    assert_eq!(acts[0], acts[1]);
    assert_eq!(acts[0].len(), 5);
}

#[test]
fn bytes_of_a_newer_program_and_saved_alerts_that_contradict_themselves_change_nothing() {
    let mut actions = loaded(FIRST);
    let before = actions.save();
    let text = String::from_utf8(before.clone()).unwrap();
    let first = String::from_utf8(FIRST.to_vec()).unwrap();
    let broken = [
        (text.replacen("\"format\":3", "\"format\":4", 1), "newer"),
        (text.replacen("\"untracked_count\":0", "\"untracked_count\":7", 1), "contradicts itself"),
        (text.replacen("\"quiet_us\"", "\"quiet\"", 1), "quiet_us"),
        (first.replacen("[197358297241521824358636790046194302623,12", "[12", 1), "of no subject"),
        (String::new(), "EOF"),
        ("{}".to_owned(), "identifiers"),
        ("[2]".to_owned(), "saved alerts"),
        ("[".repeat(100_000), "saved alerts"),
    ];
    for (bytes, why) in broken {
        let error = actions.load(bytes.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(actions.save(), before);
    }
}

#[test]
fn an_alert_that_is_saved_twice_is_an_error() {
    let mut one = actions();
    take(&mut one, &rule(FollowUp::AlertOnly), &detection("e1", 0, "acc-1"), true);
    let text = String::from_utf8(one.save()).unwrap();
    let (from, to) = (text.find("[{\"alert\"").unwrap(), text.find("}]]],\"drafts\"").unwrap());
    let episode = &text[from + 1..=to];
    let twice = text.replacen(episode, &format!("{episode},{episode}"), 1);
    assert!(actions().load(twice.as_bytes()).unwrap_err().contains("twice"));
}

#[test]
fn a_draft_of_a_rule_is_not_confused_with_that_of_another_version_after_a_start() {
    let mut one = actions();
    let next = RuleFacts { version: "v2".into(), ..rule(FollowUp::Block) };
    take(&mut one, &rule(FollowUp::Block), &detection("e1", 0, "acc-1"), true);
    one.close_before(START_US + 100 * MINUTE_US);
    take(&mut one, &next, &detection("e2", 200, "acc-1"), true);
    let acts = loaded(&one.save()).keep_rules(0, |id, version| (id, version) == ("M05", "v2"));
    assert!(
        matches!(&acts[..], [Act::BlockingDraft(draft)] if draft.rules.len() == 1 && draft.rule.version == "v2"),
        "{}",
        short(&acts)
    );
}
