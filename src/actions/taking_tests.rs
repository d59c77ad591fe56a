use super::*;
use crate::limits::EPISODES_PER_SUBJECT_MAX;
use crate::testing::{MINUTE_US, START_US, actions, alert, detection, draft, rule, short, take};
use crate::{AlertMessage, BlockingDraft, DraftState, detection_id};
use foreshock_core::Value;

/// Takes events given as (event, minute, detected) of one subject and says in short what followed.
fn story(action: FollowUp, events: &[(&str, i64, bool)]) -> String {
    let (mut actions, rule) = (actions(), rule(action));
    let acts = events.iter().flat_map(|(event, minute, detected)| {
        take(&mut actions, &rule, &detection(event, *minute, "acc-1"), *detected)
    });
    short(&acts.collect::<Vec<_>>())
}

#[test]
fn an_episode_opens_with_the_first_detection_and_further_ones_update_it() {
    let story = story(FollowUp::AlertOnly, &[("1", 0, true), ("2", 60, true), ("3", 30, true)]);
    assert_eq!(story, "Opened 1 (0..0), Updated 2 (0..60), Updated 3 (0..60)");
}

#[test]
fn an_episode_closes_once_event_time_has_passed_its_quiet_time_and_not_before() {
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    take(&mut actions, &rule, &detection("2", 10, "acc-1"), true);
    let deadline = START_US + 70 * MINUTE_US;
    assert_eq!(actions.close_before(deadline), []);
    assert_eq!(short(&actions.close_before(deadline + 1)), "Closed 2 (0..10) Quiet");
    assert_eq!(actions.close_before(i64::MAX), []);
    assert_eq!(actions.tracked_count, 0);
    assert!(actions.by_subject.is_empty() && actions.deadlines.is_empty());
}

#[test]
fn a_gap_longer_than_the_quiet_time_makes_two_episodes_even_when_nobody_closed_the_first() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let first = take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    let second = take(&mut actions, &rule, &detection("2", 61, "acc-1"), true);
    assert_eq!(short(&second), "Opened 1 (61..61), Draft");
    assert_ne!(alert(&first).alert_id, alert(&second).alert_id);
    let late = take(&mut actions, &rule, &detection("3", -30, "acc-1"), true);
    assert_eq!(short(&late), "Updated 2 (-30..0), Draft");
    let back = take(&mut actions, &rule, &detection("2", 61, "acc-1"), false);
    assert_eq!(short(&back), "Closed 0 (61..61) Retracted, Draft", "the younger episode alone");
    assert_eq!(short(&actions.close_before(i64::MAX)), "Closed 2 (-30..0) Quiet");
}

#[test]
fn subjects_and_rules_have_episodes_of_their_own() {
    let (mut actions, mut rule) = (actions(), rule(FollowUp::AlertOnly));
    let mut ids = BTreeSet::new();
    for (id, subject) in [("M05", "acc-1"), ("M05", "acc-2"), ("M04", "acc-1")] {
        rule.id = id.into();
        let acts = take(&mut actions, &rule, &detection("1", 0, subject), true);
        assert_eq!(short(&acts), "Opened 1 (0..0)");
        ids.insert(alert(&acts).alert_id.clone());
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_revision_of_values_changes_no_count() {
    let story = story(FollowUp::Block, &[("1", 0, true), ("1", 0, true)]);
    assert_eq!(story, "Opened 1 (0..0), Draft");
}

#[test]
fn one_retraction_of_several_shrinks_the_episode_and_the_last_one_closes_it() {
    let events = [("1", 0, true), ("2", 20, true), ("2", 20, false), ("1", 0, false), ("1", 0, false)];
    let expected = "Opened 1 (0..0), Updated 2 (0..20), Updated 1 (0..0), Closed 0 (0..0) Retracted";
    assert_eq!(story(FollowUp::AlertOnly, &events), expected);
}

#[test]
fn a_blocking_draft_says_what_stands_and_is_withdrawn_with_its_last_detection() {
    let events = [("1", 0, true), ("2", 5, true), ("1", 0, false), ("2", 5, false)];
    let expected = "Opened 1 (0..0), Draft, Updated 2 (0..5), Draft, Updated 1 (5..5), Draft, Closed 0 (5..5) Retracted, Withdrawn";
    assert_eq!(story(FollowUp::Block, &events), expected);
}

#[test]
fn a_withdrawal_names_the_request_it_withdraws_and_a_return_opens_it_again() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let one = detection("1", 0, "acc-1");
    let opened = take(&mut actions, &rule, &one, true);
    let withdrawn = take(&mut actions, &rule, &one, false);
    let again = take(&mut actions, &rule, &one, true);
    assert_eq!(draft(&opened).request_id, draft(&withdrawn).request_id);
    assert_eq!(draft(&withdrawn).state, DraftState::Withdrawn);
    assert_eq!(opened, again);
}

#[test]
fn nothing_is_asked_for_where_nothing_is_left_and_it_is_as_soon_as_something_is() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let with = |event: &str, minute, amount| {
        let mut detection = detection(event, minute, "acc-1");
        detection.values[0].1 = Value::Int(amount);
        detection
    };
    assert_eq!(short(&take(&mut actions, &rule, &with("1", 0, 0), true)), "Opened 1 (0..0)");
    assert_eq!(short(&take(&mut actions, &rule, &with("2", 1, 0), true)), "Updated 2 (0..1)");
    assert_eq!(actions.take_tally().drafts_without_money, 2);
    let acts = take(&mut actions, &rule, &with("3", 2, 1_050), true);
    assert_eq!(short(&acts), "Updated 3 (0..2), Draft");
    assert_eq!(draft(&acts).amount.as_deref(), Some("10.50"));
    let acts = take(&mut actions, &rule, &with("4", 3, 99), true);
    assert_eq!((short(&acts).as_str(), draft(&acts).amount.as_deref()), ("Updated 4 (0..3), Draft", Some("10.50")));
}

#[test]
fn a_revision_that_says_that_something_is_left_after_all_leads_to_the_draft_and_a_further_one_changes_it() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let mut revised = detection("1", 0, "acc-1");
    revised.values[0].1 = Value::Int(0);
    assert_eq!(short(&take(&mut actions, &rule, &revised, true)), "Opened 1 (0..0)");
    revised.values[0].1 = Value::Int(1_050);
    let acts = take(&mut actions, &rule, &revised, true);
    assert_eq!((short(&acts).as_str(), draft(&acts).amount.as_deref()), ("Draft", Some("10.50")));
    revised.values[0].1 = Value::Int(2_000);
    let acts = take(&mut actions, &rule, &revised, true);
    assert_eq!((short(&acts).as_str(), draft(&acts).amount.as_deref()), ("Draft", Some("20.00")));
    assert_eq!(take(&mut actions, &rule, &revised, true), [], "nothing is new");
}

#[test]
fn a_draft_whose_amount_nobody_knows_is_made_all_the_same() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let mut unknown = detection("1", 0, "acc-1");
    unknown.values[0].1 = Value::Null;
    let acts = take(&mut actions, &rule, &unknown, true);
    assert_eq!((short(&acts).as_str(), draft(&acts).amount.clone()), ("Opened 1 (0..0), Draft", None));
}

#[test]
fn a_retraction_after_the_episode_has_closed_says_nothing() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    actions.close_before(i64::MAX);
    assert_eq!(take(&mut actions, &rule, &detection("1", 0, "acc-1"), false), []);
}

#[test]
fn a_blocking_draft_has_the_fields_of_the_contract() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let acts = take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    let json = serde_json::to_value(draft(&acts)).unwrap();
    assert_eq!(draft(&acts).key(), "acc-1");
    let id = detection_id("M05", "v1", "tx:bank-a:1", "acc-1");
    let values = serde_json::json!({
        "amount_at_risk": 1_234_550, "currency": "CNY", "institution": "bank-a",
        "drained_at": "2026-01-01T00:00:00.000000Z", "district": null,
    });
    let expected = serde_json::json!({
        "requestId": draft(&acts).request_id,
        "state": "draft",
        "rule": { "id": "M05", "version": "v1" },
        "rules": [{ "id": "M05", "version": "v1" }],
        "measure": "STOP_PAYMENT",
        "target": { "account": "acc-1" },
        "institution": "bank-a",
        "amount": "12345.50",
        "currency": "CNY",
        "reason": { "zh": "规则 M05 命中：快进快出", "en": "rule M05 fired: Money in, money out" },
        "legalBasis": ["regulation-30"],
        "fraudType": "OTHER",
        "evidence": {
            "detectionId": id,
            "eventIds": ["tx:bank-a:1"],
            "values": values,
            "detections": [{
                "detectionId": id,
                "rule": { "id": "M05", "version": "v1" },
                "fraudType": "OTHER",
                "eventId": "tx:bank-a:1",
                "eventTime": "2026-01-01T00:00:00.000000Z",
                "values": values,
            }],
            "further": 0,
        },
        "createdAt": "2026-01-01T00:00:00.000000Z",
        "expiresAt": "2026-01-03T00:00:00.000000Z",
    });
    assert_eq!(json, expected);
}

#[test]
fn an_amount_without_its_currency_is_no_amount() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let mut one = detection("1", 0, "acc-1");
    one.values.retain(|(name, _)| name != "currency");
    let acts = take(&mut actions, &rule, &one, true);
    assert_eq!((&draft(&acts).amount, &draft(&acts).currency), (&None, &None));
}

#[test]
fn an_alert_has_the_fields_of_the_contract() {
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    let acts = take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    let expected = serde_json::json!({
        "alert_id": crate::ids::uuid_text(crate::ids::alert_id("M05", "acc-1", "tx:bank-a:1")),
        "state": "opened",
        "rule_id": "M05",
        "rule_version": "v1",
        "title": { "zh": "快进快出", "en": "Money in, money out" },
        "severity": "high",
        "fraud_type": "OTHER",
        "subject": "acc-1",
        "first": "2026-01-01T00:00:00.000000Z",
        "last": "2026-01-01T00:00:00.000000Z",
        "count": 1,
        "detection_ids": [detection_id("M05", "v1", "tx:bank-a:1", "acc-1")],
    });
    assert_eq!(serde_json::to_value(alert(&acts)).unwrap(), expected);
}

#[test]
fn the_same_verdicts_give_the_same_bytes() {
    let run = || {
        let (mut actions, rule) = (actions(), rule(FollowUp::Warn));
        let mut acts = Vec::new();
        for i in 0..200_i64 {
            let one = detection(&i.to_string(), i * 37 % 400, if i % 3 == 0 { "440304" } else { "SZ-DAPENG" });
            acts.extend(take(&mut actions, &rule, &one, i % 7 != 0));
            acts.extend(actions.close_before(START_US + (i - 100) * MINUTE_US));
        }
        format!("{acts:?}")
    };
    assert_eq!(run(), run());
}

#[test]
fn an_alert_lists_the_first_ids_and_counts_all() {
    use crate::limits::{DETECTIONS_LISTED_MAX, DETECTIONS_TRACKED_MAX};
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    let extra = 5;
    let mut last = Vec::new();
    for i in 0..DETECTIONS_TRACKED_MAX + extra {
        last = take(&mut actions, &rule, &detection(&i.to_string(), 0, "acc-1"), true);
    }
    assert_eq!(alert(&last).detection_ids.len(), DETECTIONS_LISTED_MAX);
    assert_eq!(alert(&last).detection_ids[0], detection_id("M05", "v1", "tx:bank-a:0", "acc-1"));
    for i in (0..DETECTIONS_TRACKED_MAX + extra).rev() {
        last = take(&mut actions, &rule, &detection(&i.to_string(), 0, "acc-1"), false);
    }
    assert_eq!(short(&last), "Closed 0 (0..0) Retracted", "those counted only are taken back too");
    assert_eq!(actions.tracked_count, 0);
}

#[test]
fn beyond_the_limit_the_episode_that_would_close_first_is_closed_and_counted() {
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    actions.open_max = 2;
    for (minute, subject) in [(5, "acc-1"), (3, "acc-2")] {
        take(&mut actions, &rule, &detection("1", minute, subject), true);
    }
    let acts = take(&mut actions, &rule, &detection("1", 9, "acc-3"), true);
    assert_eq!(short(&acts), "Closed 1 (3..3) Evicted, Opened 1 (9..9)");
    for i in 0..20 {
        take(&mut actions, &rule, &detection(&i.to_string(), 100 * i, "acc-4"), true);
    }
    assert_eq!((actions.episodes.len(), actions.take_tally().episodes_evicted_full), (2, 21));
}

#[test]
fn one_subject_cannot_hold_more_episodes_than_its_limit() {
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    for i in 0..20 {
        take(&mut actions, &rule, &detection(&i.to_string(), 100 * i, "acc-1"), true);
    }
    assert_eq!(actions.episodes.len(), EPISODES_PER_SUBJECT_MAX);
    assert_eq!(actions.take_tally().episodes_evicted_subject, 4);
}

#[test]
fn without_room_to_tell_detections_apart_they_are_still_counted() {
    let (mut actions, rule) = (actions(), rule(FollowUp::AlertOnly));
    actions.tracked_max = 1;
    take(&mut actions, &rule, &detection("1", 0, "acc-1"), true);
    let acts = take(&mut actions, &rule, &detection("2", 1, "acc-1"), true);
    assert_eq!((alert(&acts).count, alert(&acts).detection_ids.len(), actions.tracked_count), (2, 1, 1));
    assert_eq!(short(&actions.close_before(i64::MAX)), "Closed 2 (0..1) Quiet");
}

#[test]
fn an_event_that_named_an_open_episode_comes_back_to_it_though_the_episode_has_shrunk() {
    let (mut actions, rule) = (actions(), rule(FollowUp::Block));
    let found = [("e1", 0), ("e2", 60), ("e3", 120)].map(|(event, minute)| detection(event, minute, "acc-1"));
    found.iter().for_each(|found| drop(take(&mut actions, &rule, found, true)));
    found[..2].iter().for_each(|found| drop(take(&mut actions, &rule, found, false)));
    assert_eq!(short(&take(&mut actions, &rule, &found[0], true)), "Updated 2 (0..120), Draft");
    assert_eq!(short(&actions.close_before(i64::MAX)), "Closed 2 (0..120) Quiet");
    assert_eq!((actions.episodes.len(), actions.deadlines.len()), (0, 0));
}

#[test]
fn the_schemas_of_alert_and_draft_come_from_the_types() {
    for (schema, field) in
        [(schemars::schema_for!(AlertMessage), "detection_ids"), (schemars::schema_for!(BlockingDraft), "requestId")]
    {
        assert!(schema.as_value()["properties"].get(field).is_some(), "{field}");
        assert!(schema.as_value()["properties"].get("createdAt").is_none_or(|at| at["type"] == "string"));
        let required = schema.as_value()["required"].to_string();
        let of_the_end = ["closed_at", "withdrawnBecause", "withdrawnAt"];
        assert!(
            of_the_end.iter().all(|field| !required.contains(field)),
            "a message that stands lacks them: {required}"
        );
    }
}
