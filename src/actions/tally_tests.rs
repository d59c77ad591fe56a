//! Reaches every limit and leaves out every thing once, and looks whether the count that belongs to it is shown.

use crate::limits::{
    DETECTIONS_LISTED_MAX, DETECTIONS_TRACKED_MAX, EPISODES_PER_SUBJECT_MAX, EVIDENCE_VALUES_MAX, LEGAL_BASIS_MAX,
    REASONS_MAX, WARNING_IDENTIFIERS_MAX,
};
use crate::testing::{MINUTE_US, START_US, actions, detection, in_district, rule, take};
use crate::{Actions, FollowUp, Issuer, RuleFacts, Tally};
use foreshock_core::{Detection, Value};

/// Counts of what happens.
fn counted(story: impl FnOnce(&mut Actions)) -> Tally {
    let mut actions = actions();
    story(&mut actions);
    actions.take_tally()
}

fn of_rules() -> Tally {
    counted(|actions| {
        take(actions, &rule(FollowUp::Block), &detection("1", 0, "acc-1"), true);
        take(actions, &rule(FollowUp::Warn), &detection("2", 0, "440304"), true);
        drop(actions.keep_rules(START_US, |_, _| false));
    })
}

fn of_warnings() -> Tally {
    let mut tally = counted(|actions| {
        let warn = rule(FollowUp::Warn);
        let place = |event: &str| in_district(detection(event, 0, event), "ZONE-7");
        take(actions, &RuleFacts { title_en: "Call 13800138000".into(), ..warn.clone() }, &place("1"), true);
        take(actions, &RuleFacts { title_en: "long ".repeat(90), ..warn.clone() }, &place("2"), true);
        take(actions, &RuleFacts { title_en: "bell \u{7}".into(), ..warn.clone() }, &place("3"), true);
        take(actions, &warn, &Detection { event_time: i64::MAX, ..place("4") }, true);
        for i in 0..WARNING_IDENTIFIERS_MAX {
            let subject = format!("acc-{i}");
            take(actions, &warn, &detection(&subject, i64::try_from(i).unwrap(), &subject), true);
        }
    });
    let mut bad = Actions::new(Issuer { contact: "0755-84460000".into(), ..Issuer::default() });
    take(&mut bad, &rule(FollowUp::Warn), &detection("1", 0, "440304"), true);
    tally.add(&bad.take_tally());
    tally
}

fn of_blocking() -> Tally {
    counted(|actions| {
        let block =
            RuleFacts { legal_basis: vec!["regulation-30".into(); LEGAL_BASIS_MAX + 1], ..rule(FollowUp::Block) };
        let mut many = detection("1", 0, "acc-1");
        many.values.retain(|(name, _)| name != "currency");
        many.values.push(("currency".into(), Value::Int(156)));
        many.values.extend((0..EVIDENCE_VALUES_MAX).map(|i| (format!("v{i}"), Value::Int(1))));
        take(actions, &block, &many, true);
        take(actions, &block, &many, true);
        take(actions, &block, &many, false);
        take(actions, &block, &many, false);
        let mut gone = detection("2", 0, "acc-2");
        gone.values[0].1 = Value::Int(0);
        let block = rule(FollowUp::Block);
        take(actions, &block, &gone, true);
        take(actions, &block, &detection("3", 0, "acc-2"), true);
        take(actions, &block, &detection("3", 0, "acc-2"), false);
        for i in 0..=REASONS_MAX {
            take(actions, &block, &detection(&i.to_string(), 0, "acc-3"), true);
        }
    })
}

fn of_episodes() -> Tally {
    counted(|actions| {
        let (alert, block) = (rule(FollowUp::AlertOnly), rule(FollowUp::Block));
        let gaps = i64::try_from(EPISODES_PER_SUBJECT_MAX).unwrap() + 1;
        for i in 0..gaps {
            take(actions, &block, &detection(&i.to_string(), i * 100, "acc-1"), true);
        }
        actions.warnings.count_max = 0;
        actions.requests.count_max = 0;
        take(actions, &rule(FollowUp::Warn), &detection("1", 0, "440304"), true);
        take(actions, &rule(FollowUp::Warn), &detection("1", 0, "440304"), true);
        actions.close_before(START_US + gaps * 100 * MINUTE_US);
        for i in 0..=DETECTIONS_TRACKED_MAX {
            take(actions, &alert, &detection(&i.to_string(), gaps * 100, "acc-2"), true);
        }
        actions.open_max = 1;
        take(actions, &alert, &detection("1", gaps * 100, "acc-3"), true);
    })
}

#[test]
fn every_count_counts_what_its_line_says_and_is_shown() {
    let mut tally = Tally::default();
    for part in [of_rules(), of_warnings(), of_blocking(), of_episodes()] {
        tally.add(&part);
    }
    let unlisted = DETECTIONS_TRACKED_MAX + 1 - DETECTIONS_LISTED_MAX;
    let expected = [
        ("alerts_rule_changed", 2),
        ("drafts_rule_changed", 2),
        ("drafts_retracted", 1),
        ("drafts_without_money", 1),
        ("drafts_gone", 1),
        ("drafts_forgotten", 1),
        ("reasons_unlisted", 1),
        ("warnings_withheld_text", 1),
        ("warnings_withheld_issuer", 1),
        ("warnings_withheld_time", 1),
        ("warning_areas_replaced", 4),
        ("warning_texts_cut", 1),
        ("warning_characters_replaced", 3),
        ("warning_identifiers_forgotten", 2),
        ("episodes_evicted_subject", 1),
        ("episodes_evicted_full", 1),
        ("detections_untracked", 1),
        ("detections_unlisted", u64::try_from(unlisted).unwrap()),
        ("revisions_unsaid", 1),
        ("retractions_unmatched", 1),
        ("evidence_values_cut", 10),
        ("legal_basis_cut", 2),
        ("amounts_omitted", 2),
        ("columns_ignored", 2),
    ];
    let shown: Vec<(&str, u64)> = tally.metrics().into_iter().map(|(name, _, value)| (name, value)).collect();
    assert_eq!(shown, expected);
    assert!(shown.iter().all(|(_, value)| *value > 0));
}

#[test]
fn counts_are_taken_once_and_are_no_part_of_what_is_saved() {
    let mut one = actions();
    take(&mut one, &rule(FollowUp::Block), &detection("1", 0, "acc-1"), false);
    let saved = one.save();
    assert_eq!(one.take_tally().retractions_unmatched, 1);
    assert_eq!((one.take_tally(), one.save()), (Tally::default(), saved));
}
