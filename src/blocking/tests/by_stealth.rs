//! Ways around the law that a request must not have: by time, by clocks, by repetition, by wrong answers.

use super::desk::{Desk, acts, notices, orders, refused, states};
use crate::testing::{HOUR, MINUTE, T0, answer, command, draft, policy};
use crate::*;

#[test]
fn what_was_proposed_never_grows_with_the_draft() {
    let mut desk = Desk::new();
    let delay =
        foreshock_actions::BlockingDraft { measure: Some("DELAY_SETTLEMENT".into()), ..draft("r1", "acc-1", 1) };
    desk.draft(&delay);
    let proposed = desk.command(CommandKind::Propose, "r1", "officer.li");
    let terms = acts(&proposed)[0].terms.clone().unwrap();
    assert_eq!(
        (terms.measure.as_deref(), terms.amount.as_deref()),
        (Some("DELAY_SETTLEMENT"), Some("30000.00")),
        "said"
    );
    desk.draft(&foreshock_actions::BlockingDraft { amount: Some("90000.00".into()), ..draft("r1", "acc-1", 2) });
    let order = orders(&desk.command(CommandKind::Approve, "r1", "approver.wu")).pop().unwrap();
    assert_eq!((order.measure.as_str(), order.amount.as_deref()), ("DELAY_SETTLEMENT", Some("30000.00")));
    desk.draft(&draft("r2", "acc-2", 1));
    desk.command(CommandKind::Propose, "r2", "officer.li");
    desk.draft(&foreshock_actions::BlockingDraft { amount: Some("10.00".into()), ..draft("r2", "acc-2", 2) });
    let order = orders(&desk.command(CommandKind::Approve, "r2", "approver.wu")).pop().unwrap();
    assert_eq!(order.amount.as_deref(), Some("10.00"), "less is there by now");
}

#[test]
fn what_is_in_force_can_be_lifted_whatever_became_of_the_policy_and_of_clocks() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    let mut without = policy();
    without.measures.remove("STOP_PAYMENT");
    desk.register.set_policy(without);
    desk.wait(30 * HOUR);
    let old = command("late", CommandKind::Lift, "r1", 0, "officer.li", T0 + MINUTE);
    assert_eq!(states(&desk.follow(&old)), [State::LiftSent], "it waited for more than a day");
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    let ahead = command("ahead", CommandKind::Lift, "r1", 0, "officer.li", T0 + 9 * HOUR);
    assert_eq!(states(&desk.follow(&ahead)), [State::LiftSent]);
    let before = command("before", CommandKind::Lift, "r1", 0, "officer.li", T0 - 25 * HOUR);
    assert_eq!(refused(&desk.follow(&before)), Some(Code::TooOld), "older than what it would lift");
}

#[test]
fn a_clock_that_jumps_ends_nothing() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    let year = 365 * 24 * HOUR;
    assert_eq!(desk.register.time(T0, T0 + year, None), T0);
    assert_eq!(desk.register.time(T0, T0 + year, Some(T0 + HOUR)), T0 + HOUR, "as far as records say");
    assert_eq!(desk.register.time(T0, T0 + year, Some(T0 + year - HOUR)), T0 + year, "the broker says so, too");
    assert_eq!(desk.register.time(T0, T0 - year, None), T0, "never back");
    assert_eq!(desk.register.time(T0 + year - HOUR, T0 + year, None), T0 + year, "a quiet year of a process that runs");
}

#[test]
fn only_what_was_taken_counts_as_a_stop() {
    let mut desk = Desk::new();
    for id in ["r1", "r2"] {
        desk.draft(&draft(id, "acc-1", 1));
        desk.send(id);
        let cancel = orders(&desk.command(CommandKind::Cancel, id, "officer.li")).pop().unwrap();
        desk.answer(id, cancel.revision, Stage::Executed);
    }
    desk.draft(&draft("r3", "acc-1", 1));
    assert_eq!(desk.send("r3").sequence_on_target, 1);
    desk.wait(49 * HOUR);
    assert_eq!(desk.state("r3"), State::Expired, "nobody answered: it may have been taken");
    desk.draft(&draft("r4", "acc-1", 1));
    assert_eq!(desk.send("r4").sequence_on_target, 2);
}

#[test]
fn an_answer_with_a_wrong_amount_or_end_is_an_answer_and_somebody_calls() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    let mut out = Vec::new();
    let more = Answer { blocked_amount: Some("30000.01".into()), ..answer("y", "r1", order.revision, Stage::Executed) };
    desk.register.take_answer(&more, &mut out);
    assert_eq!((desk.state("r1"), notices(&out)), (State::InForce, vec![Notice::AmountWrong]));
    for (id, until) in [("r2", T0 - HOUR), ("r3", T0 + 90 * HOUR)] {
        desk.draft(&draft(id, id, 1));
        let order = desk.send(id);
        let wrong = Answer { valid_until: Some(until), ..answer(id, id, order.revision, Stage::Executed) };
        let mut out = Vec::new();
        desk.register.take_answer(&wrong, &mut out);
        assert_eq!((desk.state(id), notices(&out)), (State::InForce, vec![Notice::ValidityWrong]));
        assert_eq!(desk.register.requests[id].order.as_ref().unwrap().expires_at, T0 + 48 * HOUR);
    }
}

#[test]
fn a_refused_extension_ends_when_it_would_have() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    let mut extend = command("x", CommandKind::Extend, "r1", desk.revision("r1"), "approver.wu", T0);
    extend.actor.roles.push("officer".into());
    desk.follow(&extend);
    let mut approve = command("y", CommandKind::Approve, "r1", desk.revision("r1"), "officer.li", T0);
    approve.actor.roles.push("approver".into());
    let extension = orders(&desk.follow(&approve)).pop().unwrap();
    assert_eq!(
        (extension.requested_by.officer.as_str(), extension.approved_by.officer.as_str()),
        ("approver.wu", "officer.li")
    );
    desk.answer("r1", extension.revision, Stage::Refused);
    assert_eq!(desk.register.requests["r1"].order.as_ref().unwrap().expires_at, T0 + 48 * HOUR);
    let mut endless = policy();
    endless.measures.get_mut("NUMBER_SUSPEND").unwrap().extensions = 255;
    assert!(endless.check().unwrap_err().contains("at most"));
}

#[test]
fn no_rule_acts_by_itself_where_a_person_has_decided() {
    let mut desk = Desk::new();
    let delay = |reasons| {
        let mut delay = draft("r1", "acc-1", reasons);
        (delay.measure, delay.rule.id) = (Some("DELAY_SETTLEMENT".into()), "M04".into());
        delay
    };
    desk.draft(&delay(1));
    desk.command(CommandKind::Lift, "r1", "officer.li");
    let lift = desk.register.requests["r1"].last.clone().unwrap();
    desk.answer("r1", lift.revision, Stage::Lifted);
    assert_eq!(states(&desk.draft(&delay(2))), [State::Draft], "the next one is for persons");
    assert_eq!(desk.state("r1.2"), State::Draft);
}

#[test]
fn an_answer_that_comes_again_after_weeks_is_known() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.in_force("r1");
    desk.wait(20 * 24 * HOUR);
    let mut out = Vec::new();
    desk.register.take_answer(&answer("a3", "r1", order.revision, Stage::Executed), &mut out);
    assert_eq!((refused(&out), desk.state("r1")), (Some(Code::Duplicate), State::Expired));
}

#[test]
fn a_draft_that_waited_on_its_topic_for_days_is_no_news() {
    let mut desk = Desk::new();
    let mut out = Vec::new();
    desk.register.take_draft(&draft("r1", "acc-1", 1), Some(T0 - 48 * HOUR), &mut out);
    assert!(out.is_empty());
    desk.register.take_draft(&draft("r2", "acc-2", 1), Some(T0 - 47 * HOUR), &mut out);
    assert_eq!(states(&out), [State::Draft]);
    assert_eq!(states(&desk.wait(HOUR)).last(), Some(&State::ExpiredUnapproved));
}

#[test]
fn a_later_round_is_found_when_the_first_one_is_forgotten() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    desk.answer("r1", order.revision, Stage::Refused);
    desk.wait(HOUR);
    desk.draft(&draft("r1", "acc-1", 2));
    desk.command(CommandKind::Propose, "r1.2", "officer.li");
    desk.register.requests.remove("r1");
    desk.draft(&draft("r1", "acc-1", 3));
    assert_eq!(desk.register.requests.keys().collect::<Vec<_>>(), ["r1.2"]);
}
