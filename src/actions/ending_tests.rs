use crate::testing::{MINUTE_US, START_US, actions, alert, detection, draft, rule, short, take, text, xml};
use crate::{Act, Actions, AlertState, DraftState, EndReason, FollowUp, RuleFacts, Tally};

const AT_US: i64 = START_US + 200 * MINUTE_US;

/// As the root asks: these rules, by id and version, are in force.
fn keep(actions: &mut Actions, rules: &[(&str, &str)]) -> Vec<Act> {
    actions.keep_rules(AT_US, |id, version| rules.contains(&(id, version)))
}

#[test]
fn an_open_alert_of_a_rule_that_leaves_force_is_closed_with_the_reason_and_its_draft_withdrawn() {
    let (mut actions, block) = (actions(), rule(FollowUp::Block));
    let opened = take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    take(&mut actions, &block, &detection("2", 5, "acc-1"), true);
    let acts = keep(&mut actions, &[("M05", "v2"), ("T09", "v1")]);
    assert_eq!(short(&acts), "Closed 2 (0..5) RuleChanged, Withdrawn");
    assert_eq!(alert(&acts).alert_id, alert(&opened).alert_id);
    let json = serde_json::to_value(alert(&acts)).unwrap();
    assert_eq!((&json["state"], &json["reason"]), (&"closed".into(), &"rule_changed".into()));
    assert_eq!(json["closed_at"], "2026-01-01T03:20:00.000000Z");
    let json = serde_json::to_value(draft(&acts)).unwrap();
    assert_eq!((&json["state"], &json["withdrawnBecause"]), (&"withdrawn".into(), &"rule_changed".into()));
    assert_eq!(json["withdrawnAt"], "2026-01-01T03:20:00.000000Z");
    assert_eq!(json["requestId"], draft(&opened).request_id.as_str());
    let expected = Tally { alerts_rule_changed: 1, drafts_rule_changed: 1, ..Tally::default() };
    assert_eq!(actions.take_tally(), expected);
    assert_eq!(keep(&mut actions, &[]), [], "each once");
    assert_eq!(actions.close_before(i64::MAX), []);
}

#[test]
fn a_warning_of_a_rule_that_leaves_force_is_withdrawn_at_the_newest_event_time() {
    let mut actions = actions();
    let opened = take(&mut actions, &rule(FollowUp::Warn), &detection("1", 0, "440304"), true);
    let acts = keep(&mut actions, &[("M05", "v1")]);
    assert_eq!(short(&acts), "Closed 1 (0..0) RuleChanged, Cancel 440304");
    let cancel = xml(&acts);
    assert_eq!(text(cancel, "sent"), "2026-01-01T11:20:00+08:00");
    assert!(text(cancel, "references").contains(text(xml(&opened), "identifier")));
    assert_ne!(text(cancel, "identifier"), text(xml(&opened), "identifier"));
    assert!(text(cancel, "note").contains("no longer in force"));
}

#[test]
fn what_an_unknown_newest_time_withdraws_is_sent_when_the_warning_was() {
    for at_us in [i64::MIN, i64::MAX, START_US - MINUTE_US] {
        let mut actions = actions();
        take(&mut actions, &rule(FollowUp::Warn), &detection("1", 0, "440304"), true);
        let acts = actions.keep_rules(at_us, |_, _| false);
        assert_eq!(text(xml(&acts), "sent"), "2026-01-01T08:00:00+08:00", "{at_us}");
        assert!(alert(&acts).closed_at >= Some(START_US), "not before its last detection: {at_us}");
    }
}

#[test]
fn rules_that_stay_in_force_keep_their_alerts_and_drafts() {
    let (mut actions, block, warn) = (actions(), rule(FollowUp::Block), rule(FollowUp::Warn));
    take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    take(&mut actions, &warn, &detection("2", 0, "440304"), true);
    assert_eq!(keep(&mut actions, &[("M05", "v1"), ("T09", "v1")]), []);
    assert_eq!(
        short(&take(&mut actions, &block, &detection("1", 0, "acc-1"), false)),
        "Closed 0 (0..0) Retracted, Withdrawn"
    );
    assert_eq!(short(&keep(&mut actions, &[("M05", "v1")])), "Closed 1 (0..0) RuleChanged, Cancel 440304");
}

#[test]
fn a_draft_whose_alert_is_closed_stands_until_it_expires_and_is_withdrawn_with_its_rule() {
    let (mut actions, block, warn) = (actions(), rule(FollowUp::Block), rule(FollowUp::Warn));
    take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    take(&mut actions, &warn, &detection("2", 0, "440304"), true);
    assert_eq!(actions.close_before(AT_US).len(), 2);
    let hour = |hour: i64| START_US + hour * 60 * MINUTE_US;
    assert_eq!(actions.close_before(hour(25)), []);
    assert_eq!(short(&keep(&mut actions, &[])), "Withdrawn", "the warning has expired after 24 hours");
    take(&mut actions, &block, &detection("3", 26 * 60, "acc-1"), true);
    actions.close_before(hour(26 + 49));
    assert_eq!(keep(&mut actions, &[]), [], "after 48 hours nobody waits for it");
}

#[test]
fn an_alert_that_was_closed_early_and_opens_again_has_one_draft() {
    let (mut actions, block) = (actions(), rule(FollowUp::Block));
    actions.open_max = 1;
    let opened = take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    take(&mut actions, &rule(FollowUp::AlertOnly), &detection("2", 0, "acc-2"), true);
    let again = take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    assert_eq!(short(&again), "Closed 1 (0..0) Evicted, Opened 1 (0..0)", "its draft stands and is not made again");
    let acts = keep(&mut actions, &[]);
    assert_eq!(short(&acts), "Closed 1 (0..0) RuleChanged, Withdrawn");
    assert_eq!(draft(&acts).request_id, draft(&opened).request_id);
    assert_eq!(actions.take_tally().episodes_evicted_full, 2);
}

#[test]
fn beyond_their_limit_the_draft_that_expires_first_is_forgotten_and_counted() {
    let (mut actions, block) = (actions(), rule(FollowUp::Block));
    actions.requests.count_max = 2;
    for (event, minute) in [("1", 9), ("2", 3), ("3", 5)] {
        take(&mut actions, &block, &detection(event, minute, event), true);
    }
    assert_eq!(actions.take_tally().drafts_forgotten, 1);
    actions.close_before(AT_US);
    let subjects = keep(&mut actions, &[]).into_iter().map(|act| match act {
        Act::BlockingDraft(draft) => draft.key().to_owned(),
        other => panic!("{other:?}"),
    });
    let mut subjects: Vec<String> = subjects.collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["1", "3"]);
}

#[test]
fn a_new_version_of_a_rule_opens_an_alert_of_its_own_for_the_same_event() {
    let (mut actions, block) = (actions(), rule(FollowUp::Block));
    let opened = take(&mut actions, &block, &detection("1", 0, "acc-1"), true);
    keep(&mut actions, &[("M05", "v2")]);
    let next = RuleFacts { version: "v2".into(), ..block };
    let again = take(&mut actions, &next, &detection("1", 0, "acc-1"), true);
    assert_eq!(short(&again), "Opened 1 (0..0), Draft");
    assert_eq!(alert(&again).alert_id, alert(&opened).alert_id);
    assert_eq!(draft(&again).rule.version, "v2");
    let closed = actions.close_before(AT_US);
    assert_eq!((alert(&closed).state, alert(&closed).reason), (AlertState::Closed, Some(EndReason::Quiet)));
    assert_eq!(draft(&again).state, DraftState::Draft);
}

#[test]
fn the_acts_of_a_change_come_in_one_order_whatever_came_before() {
    let run = |order: &[usize]| {
        let mut actions = actions();
        for i in order {
            let subject = format!("acc-{i}");
            take(&mut actions, &rule(FollowUp::Block), &detection(&subject, 0, &subject), true);
        }
        keep(&mut actions, &[])
    };
    assert_eq!(run(&[1, 2, 3, 4, 5]), run(&[4, 2, 5, 1, 3]));
}
