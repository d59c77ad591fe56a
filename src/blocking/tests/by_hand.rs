//! One request after the other, by hand.

use super::desk::{Desk, acts, notices, orders, refused, states};
use crate::testing::{HOUR, MINUTE, T0, answer, command, draft, policy};
use crate::*;
use foreshock_actions::{DraftState, Target};

#[test]
fn from_a_draft_to_a_lift_every_step_names_who_and_why() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 2));
    let proposed = desk.command(CommandKind::Propose, "r1", "officer.li");
    assert_eq!(states(&proposed), [State::PendingApproval]);
    let approved = desk.command(CommandKind::Approve, "r1", "approver.wu");
    assert_eq!(states(&approved), [State::Approved, State::Sent]);
    let order = orders(&approved).pop().unwrap();
    assert_eq!((order.action.0.as_str(), order.amount.as_deref()), ("STOP_PAYMENT", Some("30000.00")));
    assert_eq!(order.expires_at - order.effective_from, 48 * HOUR);
    assert_eq!(
        (order.requested_by.officer.as_str(), order.approved_by.officer.as_str()),
        ("officer.li", "approver.wu")
    );
    assert_eq!((order.evidence.sha256.len(), order.sequence_on_target), (64, 1));
    assert_eq!(order.target, Target::Account("acc-1".into()));
    assert_eq!(states(&desk.answer("r1", order.revision, Stage::Received)), [State::Delivered]);
    assert_eq!(states(&desk.answer("r1", order.revision, Stage::Executed)), [State::InForce]);
    let lifted = desk.command(CommandKind::Lift, "r1", "officer.li");
    let lift = orders(&lifted).pop().unwrap();
    assert_eq!((lift.action.0.as_str(), states(&lifted)), (Action::LIFT, vec![State::LiftSent]));
    let act = acts(&lifted)[0];
    assert_eq!(
        (act.actor.as_ref().unwrap().name.as_str(), act.reason.as_deref()),
        ("officer.li", Some("the victim was called"))
    );
    assert_eq!(states(&desk.answer("r1", lift.revision, Stage::Lifted)), [State::Lifted]);
}

#[test]
fn one_person_cannot_propose_and_approve() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let mut propose = command("p", CommandKind::Propose, "r1", 1, "chen", T0);
    propose.actor.roles = vec!["officer".into(), "approver".into()];
    desk.follow(&propose);
    let mut approve = command("q", CommandKind::Approve, "r1", 2, "chen", T0);
    approve.actor.roles = propose.actor.roles.clone();
    assert_eq!(refused(&desk.follow(&approve)), Some(Code::SamePerson));
    assert_eq!(refused(&desk.command(CommandKind::Approve, "r1", "officer.li")), Some(Code::RoleNotAllowed));
}

#[test]
fn what_the_approver_did_not_see_is_not_approved() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.command(CommandKind::Propose, "r1", "officer.li");
    let seen = desk.revision("r1");
    let mut more = draft("r1", "acc-1", 2);
    more.amount = Some("90000.00".into());
    assert_eq!(notices(&desk.draft(&more)), [Notice::Changed]);
    let stale = command("c", CommandKind::Approve, "r1", seen, "approver.wu", T0);
    assert_eq!(refused(&desk.follow(&stale)), Some(Code::StaleRevision));
    let out = desk.command(CommandKind::Approve, "r1", "approver.wu");
    assert_eq!(orders(&out)[0].amount.as_deref(), Some("30000.00"), "no more than the first person asked for");
}

#[test]
fn a_command_is_judged_once_and_only_of_its_day() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let propose = command("p", CommandKind::Propose, "r1", 1, "officer.li", T0);
    assert_eq!(refused(&desk.follow(&propose)), None);
    assert_eq!(refused(&desk.follow(&propose)), Some(Code::Duplicate));
    let old = command("o", CommandKind::Propose, "r1", 1, "officer.li", T0 - 25 * HOUR);
    assert_eq!(refused(&desk.follow(&old)), Some(Code::TooOld));
    let ahead = command("f", CommandKind::Propose, "r1", 1, "officer.li", T0 + HOUR);
    assert_eq!(refused(&desk.follow(&ahead)), Some(Code::FromFuture));
    desk.wait(26 * HOUR);
    assert_eq!(refused(&desk.follow(&propose)), Some(Code::TooOld), "forgotten, so too old");
}

#[test]
fn never_more_than_was_traced_and_never_an_amount_of_nothing() {
    let terms = |amount: &str| Some(Terms { amount: Some(amount.into()), ..Terms::default() });
    for (amount, expected) in [
        ("30000.01", Some(Code::BadAmount)),
        ("0", Some(Code::BadAmount)),
        ("-1", Some(Code::BadAmount)),
        ("ALL", Some(Code::BadAmount)),
        ("1e3", Some(Code::BadAmount)),
        ("29999.99", None),
    ] {
        let mut desk = Desk::new();
        desk.draft(&draft("r1", "acc-1", 1));
        let propose = Command { terms: terms(amount), ..command("p", CommandKind::Propose, "r1", 1, "officer.li", T0) };
        assert_eq!(refused(&desk.follow(&propose)), expected, "{amount}");
    }
    let mut desk = Desk::new();
    let untraced = foreshock_actions::BlockingDraft { amount: None, currency: None, ..draft("r1", "acc-1", 1) };
    desk.draft(&untraced);
    assert_eq!(refused(&desk.command(CommandKind::Propose, "r1", "officer.li")), Some(Code::NoAmount));
}

#[test]
fn nothing_is_proposed_without_institution_basis_or_evidence() {
    let with = |change: &dyn Fn(&mut foreshock_actions::BlockingDraft)| {
        let mut draft = draft("r1", "acc-1", 1);
        change(&mut draft);
        let mut desk = Desk::new();
        desk.draft(&draft);
        refused(&desk.command(CommandKind::Propose, "r1", "officer.li"))
    };
    assert_eq!(with(&|d| d.institution = None), Some(Code::NoInstitution));
    assert_eq!(with(&|d| d.institution = Some("bank_x".into())), Some(Code::UnknownInstitution));
    assert_eq!(with(&|d| d.legal_basis.clear()), Some(Code::NoLegalBasis));
    assert_eq!(with(&|d| d.evidence.detections.clear()), Some(Code::NoEvidence));
    assert_eq!(with(&|d| d.measure = Some("FREEZE".into())), Some(Code::MeasureNotAllowed));
    assert_eq!(with(&|d| d.target = Target::Phone("p1".into())), Some(Code::MeasureNotAllowed));
}

#[test]
fn a_number_is_asked_for_as_a_number_and_without_money() {
    let mut desk = Desk::new();
    let mut number = draft("r1", "n-1", 1);
    (number.target, number.measure) = (Target::Phone("n-1".into()), Some("NUMBER_SUSPEND".into()));
    (number.institution, number.amount, number.currency) = (Some("carrier".into()), None, None);
    desk.draft(&number);
    let order = desk.send("r1");
    assert_eq!((order.amount, order.matching, order.sequence_on_target), (None, None, 0));
    assert_eq!(order.target_institution.code, "carrier");
}

#[test]
fn an_answer_of_another_institution_or_of_the_past_changes_nothing() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    let mut out = Vec::new();
    let foreign = Answer { institution: "carrier".into(), ..answer("x", "r1", order.revision, Stage::Executed) };
    desk.register.take_answer(&foreign, &mut out);
    assert_eq!(refused(&out), Some(Code::WrongInstitution));
    assert_eq!(refused(&desk.answer("r1", order.revision + 1, Stage::Executed)), Some(Code::UnknownRevision));
    assert_eq!(refused(&desk.answer("r9", 1, Stage::Executed)), Some(Code::UnknownRequest));
    assert_eq!(states(&desk.answer("r1", order.revision, Stage::Refused)), [State::Refused]);
    assert_eq!(refused(&desk.answer("r1", order.revision, Stage::Received)), Some(Code::StagePast));
}

#[test]
fn what_is_taken_after_it_was_cancelled_is_lifted_without_being_asked() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    let cancelled = desk.command(CommandKind::Cancel, "r1", "officer.li");
    assert_eq!(orders(&cancelled)[0].action.0, Action::CANCEL);
    let late = desk.answer("r1", order.revision, Stage::Executed);
    assert_eq!((states(&late), orders(&late)[0].action.0.as_str()), (vec![State::LiftSent], Action::LIFT));
}

#[test]
fn an_account_is_stopped_at_most_twice_extensions_included() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    desk.command(CommandKind::Extend, "r1", "officer.li");
    let out = desk.command(CommandKind::Approve, "r1", "approver.wu");
    let extension = orders(&out).pop().unwrap();
    assert_eq!((extension.action.0.as_str(), extension.sequence_on_target), (Action::EXTEND, 2));
    assert_eq!(extension.expires_at - extension.effective_from, 96 * HOUR);
    assert_eq!(refused(&desk.command(CommandKind::Extend, "r1", "officer.li")), Some(Code::NoFurtherExtension));
    desk.wait(97 * HOUR);
    assert_eq!(desk.state("r1"), State::Expired);
    desk.draft(&draft("r2", "acc-1", 1));
    assert_eq!(refused(&desk.command(CommandKind::Propose, "r2", "officer.li")), Some(Code::LimitOfTwoReached));
    desk.draft(&draft("r3", "acc-3", 1));
    assert_eq!(refused(&desk.command(CommandKind::Propose, "r3", "officer.li")), None);
}

#[test]
fn one_target_has_one_request_in_force() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.draft(&draft("r2", "acc-1", 1));
    desk.command(CommandKind::Propose, "r2", "officer.li");
    desk.in_force("r1");
    assert_eq!(refused(&desk.command(CommandKind::Approve, "r2", "approver.wu")), Some(Code::AlreadyLive));
}

#[test]
fn who_is_silent_is_asked_again_and_then_called() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    let again = desk.wait(MINUTE);
    assert_eq!((notices(&again), orders(&again)), (vec![Notice::Retried], vec![order.clone()]), "the same message");
    assert_eq!(states(&desk.wait(MINUTE)), [State::Escalated]);
    assert_eq!(states(&desk.answer("r1", order.revision, Stage::Received)), [State::Delivered]);
    assert_eq!(states(&desk.wait(30 * MINUTE)), [State::Escalated]);
    assert_eq!(states(&desk.wait(48 * HOUR)), [State::Expired]);
}

#[test]
fn what_nobody_approves_is_over_and_opens_again_with_a_new_victim() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    assert_eq!(notices(&desk.wait(15 * MINUTE)), [Notice::Reminder]);
    desk.command(CommandKind::Propose, "r1", "officer.li");
    assert_eq!(states(&desk.wait(30 * MINUTE)), [State::ExpiredUnapproved]);
    desk.draft(&draft("r1", "acc-1", 1));
    assert_eq!(desk.state("r1"), State::ExpiredUnapproved, "nothing new");
    assert_eq!(states(&desk.draft(&draft("r1", "acc-1", 2))), [State::Draft]);
}

#[test]
fn new_reasons_after_a_request_was_over_make_another_one() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    let order = desk.send("r1");
    desk.answer("r1", order.revision, Stage::Refused);
    assert!(desk.draft(&draft("r1", "acc-1", 1)).is_empty());
    desk.draft(&draft("r1", "acc-1", 2));
    assert_eq!((desk.state("r1"), desk.state("r1.2")), (State::Refused, State::Draft));
    assert_eq!(desk.send("r1.2").request_id, "r1.2");
}

#[test]
fn reasons_that_are_gone_withdraw_a_draft_and_ask_to_lift_what_is_in_force() {
    let mut desk = Desk::new();
    let gone = |id: &str, account: &str| foreshock_actions::BlockingDraft {
        state: DraftState::Withdrawn,
        ..draft(id, account, 1)
    };
    desk.draft(&draft("r1", "acc-1", 1));
    assert_eq!(states(&desk.draft(&gone("r1", "acc-1"))), [State::Withdrawn]);
    assert_eq!(states(&desk.draft(&draft("r1", "acc-1", 1))), [State::Draft], "they are back");
    desk.in_force("r1");
    let asked = desk.draft(&gone("r1", "acc-1"));
    assert_eq!((notices(&asked), desk.state("r1")), (vec![Notice::LiftAsked], State::InForce));
    assert!(desk.draft(&gone("r1", "acc-1")).is_empty(), "asked once");
}

#[test]
fn only_what_can_be_undone_is_sent_without_a_person_and_only_where_the_policy_says_so() {
    let mut desk = Desk::new();
    let mut delay = draft("r1", "acc-1", 1);
    (delay.measure, delay.rule.id) = (Some("DELAY_SETTLEMENT".into()), "M04".into());
    let out = desk.draft(&delay);
    assert_eq!(states(&out), [State::Draft, State::Approved, State::Sent]);
    assert_eq!(orders(&out)[0].approved_by.officer, "policy");
    delay.rule.id = "T05".into();
    (delay.request_id, delay.target) = ("r2".into(), Target::Account("acc-2".into()));
    assert_eq!(states(&desk.draft(&delay)), [State::Draft]);
    let mut bold = policy();
    bold.measures.get_mut("STOP_PAYMENT").unwrap().automatic.insert("T05".into());
    assert!(bold.check().unwrap_err().contains("needs two persons"));
}

#[test]
fn a_freeze_that_takes_its_place_needs_an_order_and_two_persons() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    let bare =
        Command { terms: None, ..command("b", CommandKind::Convert, "r1", desk.revision("r1"), "officer.li", T0) };
    assert_eq!(refused(&desk.follow(&bare)), Some(Code::NoOrder));
    assert_eq!(notices(&desk.command(CommandKind::Convert, "r1", "officer.li")), [Notice::ConversionProposed]);
    assert_eq!(states(&desk.command(CommandKind::Approve, "r1", "approver.wu")), [State::Converted]);
}

#[test]
fn an_appeal_is_looked_at_and_decided_in_time() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    assert_eq!(notices(&desk.command(CommandKind::Appeal, "r1", "officer.li")), [Notice::Appealed]);
    assert_eq!(notices(&desk.wait(12 * HOUR)), [Notice::ReviewDue]);
    assert_eq!(notices(&desk.wait(30 * HOUR)), [Notice::Expiring]);
    assert_eq!(states(&desk.wait(6 * HOUR)), [State::Expired]);
}

#[test]
fn a_lift_that_is_not_answered_is_sent_again() {
    let mut desk = Desk::new();
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    desk.command(CommandKind::Lift, "r1", "officer.li");
    assert_eq!(orders(&desk.wait(MINUTE))[0].action.0, Action::LIFT);
    let overdue = desk.wait(14 * MINUTE);
    assert_eq!((notices(&overdue), orders(&overdue).len()), (vec![Notice::LiftOverdue], 1));
}

#[test]
fn a_full_register_lets_go_of_the_oldest_draft_and_of_nothing_that_is_in_force() {
    let mut desk = Desk::new();
    desk.register = Register::with_requests_max(2);
    desk.register.set_policy(policy());
    desk.wait(0);
    desk.draft(&draft("r1", "acc-1", 1));
    desk.in_force("r1");
    desk.wait(MINUTE);
    desk.draft(&draft("r2", "acc-2", 1));
    desk.wait(MINUTE);
    desk.draft(&draft("r3", "acc-3", 1));
    assert_eq!(desk.register.requests.keys().collect::<Vec<_>>(), ["r1", "r3"]);
    desk.command(CommandKind::Propose, "r3", "officer.li");
    assert!(desk.draft(&draft("r4", "acc-4", 1)).is_empty(), "no room");
    let tally = desk.register.take_tally();
    assert_eq!((tally.forgotten, tally.not_taken), (1, 1));
}

#[test]
fn without_a_policy_nothing_is_taken() {
    let mut register = Register::new();
    let mut out = Vec::new();
    register.take_draft(&draft("r1", "acc-1", 1), None, &mut out);
    register.finish(&mut out);
    assert!(register.is_off() && out.is_empty());
}
