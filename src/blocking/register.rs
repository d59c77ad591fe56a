//! All requests there are, and what comes in for them.

use crate::act::{ActRecord, Cause, Code, Notice};
use crate::answer::Answer;
use crate::command::Command;
use crate::command::CommandKind;
use crate::commanding::Standing;
use crate::limits::{
    AHEAD_MAX_US, CLOCK_JUMP_US, CLOCK_NEAR_US, CLOSED_US, COMMAND_AGE_MAX_US, DRAFT_LIFE_US, IDS_MAX, REQUESTS_MAX,
    TARGETS_MAX,
};
use crate::order::Action;
use crate::policy::Policy;
use crate::request::{Request, Why};
use crate::{Outgoing, State};
use foreshock_actions::{BlockingDraft, DraftState, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Most requests of one draft, one after the other.
const ROUNDS_MAX: u8 = 9;

/// What was counted since it was last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands and answers that were followed.
    pub followed: u64,
    /// Commands, answers and records that were refused.
    pub refused: u64,
    /// Messages to institutions.
    pub orders: u64,
    /// Drafts that were let go of because there were too many requests.
    pub forgotten: u64,
    /// Drafts that found no room.
    pub not_taken: u64,
}

/// Ids that were judged, with when they were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub by_id: BTreeMap<String, i64>,
    by_time: BTreeSet<(i64, String)>,
    /// Ids of this time and before may be forgotten.
    pub floor: i64,
}

impl Seen {
    /// Nothing, and forgotten is what is of this time and before.
    pub fn since(floor: i64) -> Seen {
        Seen { floor, ..Seen::default() }
    }

    /// `false` when it was there.
    pub fn note(&mut self, id: &str, at: i64) -> bool {
        if self.by_id.contains_key(id) {
            return false;
        }
        self.by_id.insert(id.to_owned(), at);
        self.by_time.insert((at, id.to_owned()));
        true
    }

    fn forget(&mut self, before: i64) {
        while self.by_time.len() > IDS_MAX || self.by_time.first().is_some_and(|(at, _)| *at < before) {
            let Some((at, id)) = self.by_time.pop_first() else { return };
            self.floor = self.floor.max(at);
            self.by_id.remove(&id);
        }
    }
}

/// All requests. Without a policy it takes nothing in and says nothing.
#[derive(Debug, Default)]
pub struct Register {
    pub(crate) policy: Policy,
    pub(crate) requests: BTreeMap<String, Request>,
    by_due: BTreeSet<(i64, String)>,
    live: BTreeMap<Target, BTreeSet<String>>,
    over: BTreeSet<(i64, String)>,
    drafts: BTreeSet<(i64, String)>,
    /// How often each account was stopped.
    pub(crate) stops: BTreeMap<String, u8>,
    pub(crate) commands: Seen,
    /// Lifts, which may be older than other commands.
    pub(crate) lifts: Seen,
    pub(crate) answers: Seen,
    /// The latest time that was said.
    pub(crate) clock: i64,
    /// Drafts of this batch, which a rule may be allowed to act on.
    fresh: BTreeSet<String>,
    tally: Tally,
    requests_max: usize,
}

impl Register {
    /// Empty, without a policy.
    pub fn new() -> Register {
        let seen = || Seen::since(i64::MIN);
        let (commands, lifts, answers) = (seen(), seen(), seen());
        Register { commands, lifts, answers, clock: i64::MIN, requests_max: REQUESTS_MAX, ..Register::default() }
    }

    /// Most requests, for tests.
    #[cfg(test)]
    pub(crate) fn with_requests_max(requests_max: usize) -> Register {
        Register { requests_max, ..Register::new() }
    }

    /// What counts from now on.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Another policy counts from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Takes nothing in: nobody could do anything.
    pub fn is_off(&self) -> bool {
        self.policy.measures.is_empty()
    }

    /// What was counted.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Requests that may block something, and drafts and proposals that wait for somebody.
    pub fn counts(&self) -> (usize, usize) {
        let live = self.live.values().map(BTreeSet::len).sum();
        (live, self.requests.len() - self.over.len() - live)
    }

    /// The latest time that was said.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// The time of a batch: it never goes back. A machine whose clock is suddenly far ahead of all that was seen before (`seen`, by this
    /// process) is believed only where a record of about that time (`newest`, by the broker) came: else all that is in force would be over at
    /// once.
    pub fn time(&self, seen: i64, now: i64, newest: Option<i64>) -> i64 {
        let last = self.clock.max(seen);
        let is_jump = last > i64::MIN && now.saturating_sub(last) > CLOCK_JUMP_US;
        let is_near = newest.is_some_and(|newest| newest >= now.saturating_sub(CLOCK_NEAR_US));
        if is_jump && !is_near { newest.unwrap_or(last).max(last) } else { now.max(last) }
    }

    /// When something is due next, by the clock.
    pub fn due_at(&self) -> Option<i64> {
        self.by_due.first().map(|(at, _)| *at)
    }

    /// The writer's clock says this: all that is due then follows. It never goes back.
    pub fn tick(&mut self, now: i64, out: &mut Vec<Outgoing>) {
        self.clock = self.clock.max(now);
        while let Some((_, id)) = self.by_due.first().filter(|(due, _)| *due <= self.clock).cloned() {
            let clock = self.clock;
            self.change(&id, out, |request, out| request.fall_due(clock, out));
            // Who never answered may have taken it.
            if self.requests.get(&id).is_some_and(|request| request.state == State::Expired) {
                self.count_stop(&id);
            }
        }
        self.commands.forget(self.clock.saturating_sub(COMMAND_AGE_MAX_US));
        self.lifts.forget(self.clock.saturating_sub(CLOSED_US));
        self.answers.forget(self.clock.saturating_sub(CLOSED_US));
        while let Some((_, id)) = self.over.first().filter(|(due, _)| *due <= self.clock).cloned() {
            self.remove(&id);
        }
    }

    /// A draft as it was published, at this time by the broker's clock.
    pub fn take_draft(&mut self, draft: &BlockingDraft, published: Option<i64>, out: &mut Vec<Outgoing>) {
        if self.is_off() {
            return;
        }
        let (clock, last) = (self.clock, self.last_round(&draft.request_id));
        let known = last.map(|round| round_id(&draft.request_id, round));
        let is_taken = |register: &mut Self, id: &str, out: &mut Vec<Outgoing>| {
            register.change(id, out, |request, out| request.take_draft(draft, clock, out)) == Some(true)
        };
        let id = match known {
            Some(id) if is_taken(self, &id, out) => id,
            _ if draft.state == DraftState::Withdrawn => return,
            _ => match self.begin(draft, last.map_or(1, |last| last.saturating_add(1)), published, out) {
                Some(id) => id,
                None => return self.tally.not_taken += 1,
            },
        };
        self.fresh.insert(id);
    }

    /// The newest request of a draft.
    fn last_round(&self, draft_id: &str) -> Option<u8> {
        (1..=ROUNDS_MAX).rev().find(|round| self.requests.contains_key(&round_id(draft_id, *round)))
    }

    /// A new request; `None` when it is too old, there were too many, or there is no room.
    fn begin(
        &mut self,
        draft: &BlockingDraft,
        round: u8,
        published: Option<i64>,
        out: &mut Vec<Outgoing>,
    ) -> Option<String> {
        let since = published.map_or(self.clock, |published| published.min(self.clock));
        let is_old = since.saturating_add(DRAFT_LIFE_US) <= self.clock;
        if is_old || round > ROUNDS_MAX || !self.make_room(out) {
            return None;
        }
        let mut draft = draft.clone();
        draft.request_id = round_id(&draft.request_id, round);
        let mut request = Request::new(&draft, since);
        // What came after a person decided is for persons.
        request.is_decided = round > 1;
        out.push(request.act(None, None, &Why::new(Cause::Draft, self.clock)));
        self.put(request);
        Some(draft.request_id)
    }

    /// The batch is over: rules act by themselves on its drafts, as they stand now, where the policy says so.
    pub fn finish(&mut self, out: &mut Vec<Outgoing>) {
        let clock = self.clock;
        for id in std::mem::take(&mut self.fresh) {
            let standing = self.standing(&id);
            self.change_with(&id, out, |request, policy, out| request.act_by_policy(policy, standing, clock, out));
        }
    }

    /// What a person wants; its signature was checked.
    pub fn take_command(&mut self, command: &Command, out: &mut Vec<Outgoing>) {
        let (clock, why) = (self.clock, Why::of(command, self.clock));
        let standing = self.standing(&command.request_id);
        let judged = self.check_command(command).and_then(|()| {
            self.change_with(&command.request_id, out, |request, policy, out| {
                request.follow(command, policy, standing, clock, out)
            })
            .unwrap_or(Err(Code::UnknownRequest))
        });
        if judged.is_ok() && command.kind == CommandKind::Approve {
            self.count_extension(&command.request_id);
        }
        self.close(judged, &command.request_id, &why, out);
    }

    fn check_command(&mut self, command: &Command) -> Result<(), Code> {
        command.check()?;
        let is_lift = command.kind == CommandKind::Lift && self.may_lift_late(command);
        if command.at > self.clock.saturating_add(AHEAD_MAX_US) && !is_lift {
            return Err(Code::FromFuture);
        }
        let is_old = command.at < self.clock.saturating_sub(COMMAND_AGE_MAX_US) || command.at <= self.commands.floor;
        if is_old && !is_lift {
            return Err(Code::TooOld);
        }
        let clock = self.clock;
        let is_new = match command.kind {
            CommandKind::Lift => self.lifts.note(&command.command_id, clock),
            _ => self.commands.note(&command.command_id, command.at),
        };
        if is_new { Ok(()) } else { Err(Code::Duplicate) }
    }

    /// A lift is taken whatever the clocks of its reader and of this process say, if it is younger than what it lifts: an older one may have
    /// been judged before.
    fn may_lift_late(&self, command: &Command) -> bool {
        let order = self.requests.get(&command.request_id).and_then(|request| request.order.as_ref());
        order.is_some_and(|order| command.at >= order.effective_from)
    }

    /// What an institution answers; its signature was checked.
    pub fn take_answer(&mut self, answer: &Answer, out: &mut Vec<Outgoing>) {
        let clock = self.clock;
        let why = Why::of_answer(answer, clock);
        let is_new = |seen: &mut Seen| seen.note(&format!("{}/{}", answer.institution, answer.response_id), clock);
        let judged = answer.check().and_then(|()| {
            if !is_new(&mut self.answers) {
                return Err(Code::Duplicate);
            }
            self.change(&answer.request_id, out, |request, out| request.take_answer(answer, &why, out))
                .unwrap_or(Err(Code::UnknownRequest))
        });
        if judged == Ok(true) {
            self.count_stop(&answer.request_id);
        }
        self.close(judged.map(|_| ()), &answer.request_id, &why, out);
    }

    /// A record that is no command or answer, or not of whoever it names.
    pub fn refuse_record(&mut self, position: &str, code: Code, out: &mut Vec<Outgoing>) {
        self.tally.refused += 1;
        let why = Why::new(Cause::Record { position: position.to_owned() }, self.clock);
        out.push(Outgoing::Act(Box::new(ActRecord { refused: Some(code), ..why.record("") })));
    }

    fn close(&mut self, judged: Result<(), Code>, id: &str, why: &Why<'_>, out: &mut Vec<Outgoing>) {
        let Err(code) = judged else {
            self.tally.followed += 1;
            return;
        };
        self.tally.refused += 1;
        let unknown = || Outgoing::Act(Box::new(ActRecord { refused: Some(code), ..why.record(id) }));
        out.push(self.requests.get(id).map_or_else(unknown, |request| request.refuse(code, why)));
    }

    fn standing(&self, id: &str) -> Standing {
        let Some(request) = self.requests.get(id) else { return Standing::default() };
        let target = &request.draft.target;
        let is_live = self.live.get(target).is_some_and(|ids| ids.iter().any(|other| other != id));
        let stops = self.stops.get(target.token()).copied();
        let is_full = stops.is_none() && self.stops.len() >= TARGETS_MAX;
        Standing { stops: stops.unwrap_or(0), is_live, is_full }
    }

    /// The institution has stopped an account.
    fn count_stop(&mut self, id: &str) {
        let Some(order) = self.requests.get(id).and_then(|request| request.order.as_ref()) else { return };
        if order.sequence_on_target > 0 {
            let stops = self.stops.entry(order.target.token().to_owned()).or_insert(0);
            *stops = order.sequence_on_target.max(*stops);
        }
    }

    fn count_extension(&mut self, id: &str) {
        let is_extended = |request: &&Request| request.sent.last().is_some_and(|sent| sent.action.0 == Action::EXTEND);
        if self.requests.get(id).filter(is_extended).is_some() {
            self.count_stop(id);
        }
    }

    fn change<T>(
        &mut self,
        id: &str,
        out: &mut Vec<Outgoing>,
        change: impl FnOnce(&mut Request, &mut Vec<Outgoing>) -> T,
    ) -> Option<T> {
        self.change_with(id, out, |request, _, out| change(request, out))
    }

    /// The one way to change a request: what is known by its state follows.
    fn change_with<T>(
        &mut self,
        id: &str,
        out: &mut Vec<Outgoing>,
        change: impl FnOnce(&mut Request, &Policy, &mut Vec<Outgoing>) -> T,
    ) -> Option<T> {
        let mut request = self.remove(id)?;
        let before = out.len();
        let changed = change(&mut request, &self.policy, out);
        self.put(request);
        let orders = out[before..].iter().filter(|one| matches!(one, Outgoing::Order(_))).count();
        self.tally.orders += u64::try_from(orders).unwrap_or(u64::MAX);
        Some(changed)
    }

    pub(crate) fn put(&mut self, request: Request) {
        let id = request.id().to_owned();
        self.by_due.extend(request.due_at().map(|at| (at, id.clone())));
        self.over.extend(request.forgotten_at().map(|at| (at, id.clone())));
        if request.state.is_live() {
            self.live.entry(request.draft.target.clone()).or_default().insert(id.clone());
        }
        if request.state == State::Draft {
            self.drafts.insert((request.since, id.clone()));
        }
        self.requests.insert(id, request);
    }

    fn remove(&mut self, id: &str) -> Option<Request> {
        let request = self.requests.remove(id)?;
        let key = |at: i64| (at, id.to_owned());
        if let Some(at) = request.due_at() {
            self.by_due.remove(&key(at));
        }
        if let Some(at) = request.forgotten_at() {
            self.over.remove(&key(at));
        }
        self.drafts.remove(&key(request.since));
        if let Some(ids) = self.live.get_mut(&request.draft.target) {
            ids.remove(id);
            if ids.is_empty() {
                self.live.remove(&request.draft.target);
            }
        }
        Some(request)
    }

    /// Room for one more: what is over goes first, then the oldest drafts. `false` where all is in force or proposed.
    fn make_room(&mut self, out: &mut Vec<Outgoing>) -> bool {
        while self.requests.len() >= self.requests_max {
            let oldest = self.over.first().or(self.drafts.first()).map(|(_, id)| id.clone());
            let Some(id) = oldest else { return false };
            if let Some(mut draft) = self.remove(&id).filter(|request| request.state == State::Draft) {
                self.tally.forgotten += 1;
                let why = Why::new(Cause::Clock, self.clock);
                draft.say(Notice::Forgotten, &why, out);
                draft.go(State::ExpiredUnapproved, &why, out);
            }
        }
        true
    }
}

/// Name of the n-th request of a draft.
fn round_id(draft_id: &str, round: u8) -> String {
    if round == 1 { draft_id.to_owned() } else { format!("{draft_id}.{round}") }
}
