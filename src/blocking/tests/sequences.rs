//! Random sequences of drafts, commands, answers and time.

use super::model::{Event, TABLE, allows};
use crate::testing::{HOUR, MINUTE, T0, answer, command, draft, policy};
use crate::*;
use foreshock_actions::{DraftState, Target};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

const ACCOUNTS: u8 = 3;

#[derive(Debug, Clone)]
enum Input {
    Draft { account: u8, reasons: u8, is_gone: bool, is_automatic: bool },
    Command { account: u8, kind: CommandKind, who: u8, back: u8, again: bool },
    Answer { account: u8, message: u8, stage: Stage, is_foreign: bool },
    Wait(i64),
    Restart,
}

fn kinds() -> impl Strategy<Value = CommandKind> {
    use CommandKind::{Appeal, Approve, Cancel, Convert, Extend, Lift, Propose, Refuse};
    prop_oneof![
        4 => Just(Propose), 5 => Just(Approve), 1 => Just(Refuse), 1 => Just(Cancel), 1 => Just(Lift), 1 => Just(Extend),
        2 => Just(Convert), 1 => Just(Appeal)
    ]
}

fn stages() -> impl Strategy<Value = Stage> {
    use Stage::{Executed, Failed, Lifted, Partial, Received, Refused};
    prop_oneof![
        3 => Just(Received), 4 => Just(Executed), 1 => Just(Partial), 1 => Just(Refused), 2 => Just(Lifted), 1 => Just(Failed)
    ]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let waits =
        prop_oneof![Just(1), Just(MINUTE), Just(16 * MINUTE), Just(31 * MINUTE), Just(6 * HOUR), Just(49 * HOUR)];
    let one = prop_oneof![
        3 => (0..ACCOUNTS, 1..4_u8, prop::bool::weighted(0.15), prop::bool::weighted(0.2))
            .prop_map(|(account, reasons, is_gone, is_automatic)| Input::Draft { account, reasons, is_gone, is_automatic }),
        8 => (0..ACCOUNTS, kinds(), 0..4_u8, prop_oneof![9 => Just(0), 1 => 1..3_u8], prop::bool::weighted(0.05))
            .prop_map(|(account, kind, who, back, again)| Input::Command { account, kind, who, back, again }),
        6 => (0..ACCOUNTS, 0..3_u8, stages(), prop::bool::weighted(0.1))
            .prop_map(|(account, message, stage, is_foreign)| Input::Answer { account, message, stage, is_foreign }),
        3 => waits.prop_map(Input::Wait),
        1 => Just(Input::Restart),
    ];
    prop::collection::vec(one, 1..100)
}

/// What the test knows of its own.
struct World {
    register: Register,
    now: i64,
    ids: usize,
    last_command: Option<Command>,
    /// Messages to the institution, by request.
    sent: BTreeMap<String, Vec<Order>>,
    followed: BTreeSet<String>,
    drafts: BTreeSet<String>,
}

impl World {
    fn new() -> World {
        let mut register = Register::new();
        register.set_policy(policy());
        register.tick(T0, &mut Vec::new());
        World {
            register,
            now: T0,
            ids: 0,
            last_command: None,
            sent: BTreeMap::new(),
            followed: BTreeSet::new(),
            drafts: BTreeSet::new(),
        }
    }

    fn states(&self) -> BTreeMap<String, State> {
        self.register.requests.iter().map(|(id, one)| (id.clone(), one.state)).collect()
    }

    fn note_sent(&mut self, out: &[Outgoing]) {
        for one in out {
            if let Outgoing::Order(order) = one {
                self.sent.entry(order.request_id.clone()).or_default().push((**order).clone());
            }
        }
    }

    fn request_of(&self, account: u8) -> String {
        let prefix = format!("r{account}");
        let of = |id: &&String| **id == prefix || id.starts_with(&format!("{prefix}."));
        self.register.requests.keys().rfind(of).cloned().unwrap_or(prefix)
    }

    fn state(&self, id: &str) -> Option<State> {
        self.register.requests.get(id).map(|request| request.state)
    }

    /// Feeds one input; what may have happened because of it.
    fn feed(&mut self, input: &Input, out: &mut Vec<Outgoing>) -> Vec<Event> {
        match input {
            Input::Draft { account, reasons, is_gone, is_automatic } => {
                let mut one = draft(&format!("r{account}"), &format!("acc-{account}"), usize::from(*reasons));
                if *is_gone {
                    one.state = DraftState::Withdrawn;
                }
                if *is_automatic {
                    (one.measure, one.rule.id) = (Some("DELAY_SETTLEMENT".into()), "M04".into());
                }
                self.register.take_draft(&one, None, out);
                self.register.finish(out);
                let mut events = vec![if *is_gone { Event::ReasonsGone } else { Event::NewReasons }];
                events.extend(is_automatic.then_some([Event::Approve, Event::WrittenOut]).into_iter().flatten());
                events
            }
            Input::Command { account, kind, who, back, again } => {
                let id = self.request_of(*account);
                let revision = self.register.requests.get(&id).map_or(1, |request| request.revision);
                let who = ["officer.li", "officer.hu", "approver.wu", "approver.xu"][usize::from(*who)];
                self.ids += 1;
                let made = command(
                    &format!("c{}", self.ids),
                    *kind,
                    &id,
                    revision.saturating_sub((*back).into()),
                    who,
                    self.now,
                );
                let command = self.last_command.clone().filter(|_| *again).unwrap_or(made);
                self.last_command = Some(command.clone());
                self.register.take_command(&command, out);
                let is_refused = |one: &&Outgoing| matches!(one, Outgoing::Act(act) if act.refused.is_some());
                if out.iter().find(is_refused).is_none() {
                    assert!(self.followed.insert(command.command_id), "judged twice");
                }
                match command.kind {
                    CommandKind::Propose => vec![Event::Submit],
                    CommandKind::Approve => vec![Event::Approve, Event::WrittenOut, Event::FreezeConfirmed],
                    CommandKind::Refuse => vec![Event::Refuse],
                    CommandKind::Cancel => vec![Event::Cancel],
                    CommandKind::Lift => vec![Event::Lift],
                    _ => Vec::new(),
                }
            }
            Input::Answer { account, message, stage, is_foreign } => {
                let id = self.request_of(*account);
                let sent = self.sent.get(&id).map_or(&[][..], Vec::as_slice);
                let order = sent.iter().rev().nth(usize::from(*message)).or(sent.last());
                let revision = order.map_or(7, |order| order.revision);
                self.ids += 1;
                let mut one = answer(&format!("a{}", self.ids), &id, revision, *stage);
                if *is_foreign {
                    one.institution = "carrier".into();
                }
                self.register.take_answer(&one, out);
                match stage {
                    Stage::Received => vec![Event::Receipt],
                    Stage::Executed => vec![Event::Receipt, Event::Executed],
                    Stage::Partial => vec![Event::Receipt, Event::Executed, Event::BankRefused],
                    Stage::Refused => vec![Event::BankRefused],
                    Stage::Lifted => vec![Event::Lifted],
                    Stage::Failed => vec![Event::BankFailed],
                }
            }
            Input::Wait(us) => {
                self.now += us;
                self.register.tick(self.now, out);
                vec![Event::NoAnswer, Event::End, Event::Unapproved]
            }
            Input::Restart => {
                self.register = Register::load(&self.register.save()).unwrap();
                Vec::new()
            }
        }
    }

    fn check_order(&mut self, order: &Order) -> Result<(), TestCaseError> {
        prop_assert!(order.expires_at > order.effective_from && !order.legal_basis.is_empty());
        prop_assert!(!order.reason.zh.is_empty() && !order.reason.en.is_empty());
        prop_assert!(order.evidence.sha256.len() == 64 && order.evidence.detections > 0);
        prop_assert!(order.sequence_on_target <= 2, "an account is stopped at most twice");
        let is_block = order.action.0 == order.measure;
        if is_block || order.action.0 == Action::EXTEND {
            let is_by_policy = order.approved_by.officer == "policy" && order.measure == "DELAY_SETTLEMENT";
            prop_assert!(is_by_policy || order.approved_by.officer != order.requested_by.officer, "two persons");
            prop_assert!(order.amount.as_deref() == Some("30000.00"));
        }
        let of_request = self.sent.entry(order.request_id.clone()).or_default();
        match of_request.iter().find(|sent| sent.revision == order.revision) {
            Some(sent) => prop_assert_eq!(sent, order, "the same key, the same message"),
            None => of_request.push(order.clone()),
        }
        Ok(())
    }

    fn check(
        &mut self,
        input: &Input,
        before: &BTreeMap<String, State>,
        out: &[Outgoing],
        events: &[Event],
    ) -> Result<(), TestCaseError> {
        let mut states = before.clone();
        for one in out {
            match one {
                Outgoing::Order(order) => self.check_order(order)?,
                Outgoing::Act(act) => match (act.refused, act.from, act.to) {
                    (Some(_), from, to) => prop_assert_eq!(from, to, "a refusal changes nothing"),
                    (None, None, Some(State::Draft)) => {
                        prop_assert!(self.drafts.insert(act.request_id.clone()), "made once");
                        states.insert(act.request_id.clone(), State::Draft);
                    }
                    (None, Some(from), Some(to)) => {
                        let known = states.insert(act.request_id.clone(), to);
                        prop_assert_eq!(known, Some(from), "the trail has no gaps: {:?}", act);
                        if from != to || act.notice.is_none() {
                            prop_assert!(allows(from, to, events), "{from:?} to {to:?} because of {input:?}");
                        }
                    }
                    _ => prop_assert!(false, "{act:?}"),
                },
            }
        }
        let mut live: BTreeMap<Target, u32> = BTreeMap::new();
        for (id, request) in &self.register.requests {
            prop_assert_eq!(states.get(id), Some(&request.state), "every change is said: {}", id);
            if request.state.is_live() {
                *live.entry(request.draft.target.clone()).or_default() += 1;
                let ends_at = request.order.as_ref().unwrap().expires_at;
                let is_over = request.state != State::LiftSent && ends_at <= self.register.clock;
                prop_assert!(!is_over, "nothing lives past its end");
            }
        }
        prop_assert!(live.values().all(|count| *count == 1), "one request in force for a target");
        if let Input::Command { account, kind: CommandKind::Lift, again: false, .. } = input {
            let id = self.request_of(*account);
            if before.get(&id).is_some_and(|state| state.is_live()) {
                prop_assert_eq!(self.state(&id), Some(State::LiftSent), "a lift always wins");
                let is_lift = |one: &Outgoing| matches!(one, Outgoing::Order(order) if order.action.0 == Action::LIFT);
                prop_assert!(out.iter().any(is_lift));
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_the_register_keeps_to_the_table_and_to_the_law(inputs in inputs()) {
        let mut world = World::new();
        for input in &inputs {
            let (before, mut out) = (world.states(), Vec::new());
            let events = world.feed(input, &mut out);
            world.check(input, &before, &out, &events)?;
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes_with_any_restarts(inputs in inputs()) {
        let run = |with_restarts: bool| {
            let (mut world, mut all) = (World::new(), Vec::new());
            for input in inputs.iter().filter(|input| with_restarts || !matches!(input, Input::Restart)) {
                let mut out = Vec::new();
                world.feed(input, &mut out);
                world.note_sent(&out);
                all.extend(out);
            }
            (all, world.register.save())
        };
        prop_assert_eq!(run(true), run(false));
    }
}

/// So many sequences reach all of the table.
const SEQUENCES: usize = 3_000;

#[test]
fn the_random_sequences_reach_every_line_of_the_table() {
    let (mut runner, mut seen) = (TestRunner::deterministic(), BTreeSet::new());
    for _ in 0..SEQUENCES {
        let (mut world, inputs) = (World::new(), inputs().new_tree(&mut runner).unwrap().current());
        for input in &inputs {
            let mut out = Vec::new();
            world.feed(input, &mut out);
            world.note_sent(&out);
            let pair = |one: &Outgoing| if let Outgoing::Act(act) = one { Some((act.from?, act.to?)) } else { None };
            seen.extend(out.iter().filter_map(pair));
        }
    }
    let missed = TABLE.iter().filter(|(from, _, to)| !seen.contains(&(*from, *to))).collect::<Vec<_>>();
    assert!(missed.is_empty(), "{missed:?}");
}
