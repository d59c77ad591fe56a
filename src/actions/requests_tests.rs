use crate::limits::{BLOCKING_HOURS, REASONS_MAX};
use crate::testing::{START_US, actions, detection, draft, rule, short, take};
use crate::{Act, Actions, BlockingDraft, DraftState, EndReason, FollowUp, RuleFacts, Target, TargetKind};
use foreshock_core::{Detection, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn named(id: &str) -> RuleFacts {
    RuleFacts { id: id.into(), ..rule(FollowUp::Block) }
}

fn drafts(acts: Vec<Act>) -> Vec<BlockingDraft> {
    let one = |act| if let Act::BlockingDraft(draft) = act { Some(*draft) } else { None };
    acts.into_iter().filter_map(one).collect()
}

#[test]
fn several_rules_on_one_account_ask_in_one_draft_with_all_their_reasons() {
    let mut actions = actions();
    let first = drafts(take(&mut actions, &named("M19"), &detection("1", 0, "acc-1"), true));
    let second = drafts(take(&mut actions, &named("M03"), &detection("2", 10, "acc-1"), true));
    let other = drafts(take(&mut actions, &named("M03"), &detection("3", 10, "acc-2"), true));
    assert_eq!(first[0].request_id, second[0].request_id);
    assert_ne!(first[0].request_id, other[0].request_id);
    assert_eq!(second[0].rules.len(), 2);
    let back = drafts(take(&mut actions, &named("M19"), &detection("1", 0, "acc-1"), false));
    assert_eq!((back[0].state, back[0].rules.len(), back[0].rule.id.as_str()), (DraftState::Draft, 1, "M03"));
    let gone = drafts(take(&mut actions, &named("M03"), &detection("2", 10, "acc-1"), false));
    assert_eq!((gone[0].state, gone[0].withdrawn_because), (DraftState::Withdrawn, Some(EndReason::Retracted)));
    assert_eq!(gone[0].request_id, first[0].request_id);
}

#[test]
fn a_rule_that_leaves_force_takes_its_reasons_along_and_the_draft_when_it_was_the_last() {
    let mut actions = actions();
    take(&mut actions, &named("M19"), &detection("1", 0, "acc-1"), true);
    take(&mut actions, &named("M03"), &detection("2", 10, "acc-1"), true);
    let acts = drafts(actions.keep_rules(START_US, |id, _| id == "M03"));
    assert_eq!((acts[0].state, acts[0].rule.id.as_str()), (DraftState::Draft, "M03"));
    let acts = drafts(actions.keep_rules(START_US, |_, _| false));
    assert_eq!(acts[0].withdrawn_because, Some(EndReason::RuleChanged));
    assert_eq!(acts[0].withdrawn_at, Some(START_US));
}

#[test]
fn a_draft_is_withdrawn_when_the_money_is_gone_and_comes_back_with_the_next_victim() {
    let mut actions = actions();
    let with = |event: &str, minute, amount, left: Value| {
        let mut found = detection(event, minute, "acc-1");
        found.values[0].1 = Value::Int(amount);
        found.values.push(("balance_left".into(), left));
        found
    };
    let first = drafts(take(&mut actions, &named("M19"), &with("1", 0, 500, Value::Null), true));
    let acts = take(&mut actions, &named("M03"), &with("2", 10, 0, Value::Int(0)), true);
    assert_eq!(short(&acts), "Opened 1 (10..10), Withdrawn");
    assert_eq!(draft(&acts).withdrawn_because, Some(EndReason::Gone));
    assert_eq!(actions.take_tally().drafts_gone, 1);
    let back = drafts(take(&mut actions, &named("M19"), &with("3", 20, 700, Value::Null), true));
    assert_eq!((back[0].state, back[0].amount.as_deref()), (DraftState::Draft, Some("7.00")));
    assert_eq!(back[0].request_id, first[0].request_id);
}

#[test]
fn what_comes_after_a_draft_has_expired_is_a_request_of_its_own() {
    let mut actions = actions();
    let ids: Vec<String> = [0, BLOCKING_HOURS * 60, BLOCKING_HOURS * 60 + 1]
        .into_iter()
        .map(|minute| {
            draft(&take(&mut actions, &named("M03"), &detection(&minute.to_string(), minute, "acc-1"), true))
                .request_id
                .clone()
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn a_rule_about_a_number_never_names_an_account() {
    let mut actions = actions();
    let of_number = RuleFacts { target: TargetKind::Phone, measure: Some("NUMBER_SUSPEND".into()), ..named("T01") };
    let acts = take(&mut actions, &of_number, &detection("1", 0, "same-token"), true);
    let json = serde_json::to_value(draft(&acts)).unwrap();
    assert_eq!(json["target"], serde_json::json!({ "phone": "same-token" }));
    let account = drafts(take(&mut actions, &named("M03"), &detection("2", 1, "same-token"), true));
    assert_eq!(account[0].target, Target::Account("same-token".into()));
    assert_eq!(account[0].rules.len(), 1, "two things of one token are two targets");
}

#[test]
fn beyond_the_limit_detections_are_counted_and_the_draft_stands_until_the_last_is_taken_back() {
    let mut actions = actions();
    let count = REASONS_MAX + 2;
    let found = |i: usize| detection(&i.to_string(), i64::try_from(i).unwrap(), "acc-1");
    let last = (0..count).map(|i| drafts(take(&mut actions, &named("M03"), &found(i), true))).last().unwrap();
    assert_eq!((last[0].evidence.detections.len(), last[0].evidence.further), (REASONS_MAX, 2));
    assert_eq!(actions.take_tally().reasons_unlisted, 2);
    let mut revised = found(count - 1);
    revised.values[0].1 = Value::Int(7);
    assert_eq!(drafts(take(&mut actions, &named("M03"), &revised, true)), [], "new values of one that is counted only");
    for i in 0..count - 1 {
        let acts = drafts(take(&mut actions, &named("M03"), &found(i), false));
        assert!(acts.iter().all(|draft| draft.state == DraftState::Draft), "{i}");
    }
    let acts = drafts(take(&mut actions, &named("M03"), &found(count - 1), false));
    assert_eq!(acts[0].state, DraftState::Withdrawn);
}

/// What a naive twin keeps of the detections that stand: rule, minute and amount of each event.
type Standing = BTreeMap<(usize, u8), i64>;

fn amount(actions: &mut Actions, rule: usize, event: u8, amount: i64, detected: bool) -> Vec<BlockingDraft> {
    let mut found: Detection = detection(&event.to_string(), i64::from(event), "acc-1");
    found.values[0].1 = Value::Int(amount);
    drafts(take(actions, &named(["M03", "M19", "T05"][rule]), &found, detected))
}

proptest! {
    #[test]
    fn one_account_has_at_most_one_draft_and_it_says_what_stands(
        steps in proptest::collection::vec((0..3_usize, 0..12_u8, -1..4_i64, any::<bool>()), 1..120),
    ) {
        let (mut actions, mut standing, mut said) = (actions(), Standing::new(), None::<BlockingDraft>);
        for (rule, event, minor, detected) in steps {
            let acts = amount(&mut actions, rule, event, minor, detected);
            if detected { standing.insert((rule, event), minor); } else { standing.remove(&(rule, event)); }
            prop_assert!(acts.len() <= 1);
            for act in acts {
                let is_same = |other: &BlockingDraft| other.request_id == act.request_id;
                prop_assert!(said.as_ref().is_none_or(is_same), "never two at one time");
                said = (act.state == DraftState::Draft).then_some(act);
            }
            let most = standing.values().copied().max().filter(|most| *most > 0);
            let amount = said.as_ref().and_then(|draft| draft.amount.clone());
            prop_assert_eq!(amount, most.map(|most| foreshock_core::money::format_minor(most, 2)));
            let named = said.as_ref().map_or(0, |draft| draft.evidence.detections.len());
            prop_assert_eq!(named, if most.is_some() { standing.len() } else { 0 });
        }
    }
}
