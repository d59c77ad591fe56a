//! What the trail of acts and the drafts say of each request.

use foreshock_blocking::{ActRecord, Cause, Code, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Most requests that are shown; those that are over and oldest go first.
const REQUESTS_MAX: usize = 200_000;
/// Most records of the trail that are shown of one request: the newest.
const ACTS_MAX: usize = 200;
/// Outcomes of so many commands are remembered, for who asks again.
const OUTCOMES_MAX: usize = 100_000;

/// A request by its trail.
#[derive(Debug, Clone)]
struct Shown {
    state: State,
    revision: u64,
    acts: VecDeque<ActRecord>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Known {
    requests: BTreeMap<String, Shown>,
    /// Those that are over, in the order in which they ended.
    over: VecDeque<String>,
    drafts: BTreeMap<String, Value>,
    outcomes: BTreeMap<String, Vec<ActRecord>>,
    order_of_outcomes: VecDeque<String>,
}

impl Known {
    /// A record of the trail.
    pub fn act(&mut self, act: ActRecord) {
        // The first outcome is the outcome: a repetition is told what it was.
        let is_repeated = act.refused == Some(Code::Duplicate);
        if let (Cause::Command { command_id, .. }, false) = (&act.cause, is_repeated) {
            if !self.outcomes.contains_key(command_id) {
                self.order_of_outcomes.push_back(command_id.clone());
            }
            self.outcomes.entry(command_id.clone()).or_default().push(act.clone());
            while self.order_of_outcomes.len() > OUTCOMES_MAX
                && let Some(oldest) = self.order_of_outcomes.pop_front()
            {
                self.outcomes.remove(&oldest);
            }
        }
        let Some(state) = act.to else { return };
        let shown = self.requests.entry(act.request_id.clone()).or_insert_with(|| Shown {
            state,
            revision: act.revision,
            acts: VecDeque::new(),
        });
        let was_over = shown.state.is_over() && !shown.acts.is_empty();
        (shown.state, shown.revision) = (state, act.revision);
        shown.acts.push_back(act.clone());
        if shown.acts.len() > ACTS_MAX {
            shown.acts.pop_front();
        }
        if state.is_over() && !was_over {
            self.over.push_back(act.request_id);
        }
        while self.requests.len() > REQUESTS_MAX
            && let Some(oldest) = self.over.pop_front()
        {
            if self.requests.get(&oldest).is_some_and(|shown| shown.state.is_over()) {
                self.requests.remove(&oldest);
                self.drafts.remove(&oldest);
            }
        }
    }

    /// A draft as it was published; only those of requests are of use, and a draft comes before its request.
    pub fn draft(&mut self, draft: Value) {
        if let Some(id) = draft["requestId"].as_str().map(str::to_owned) {
            self.drafts.insert(id, draft);
        }
        // Drafts without a request: of a time without a policy.
        while self.drafts.len() > REQUESTS_MAX {
            let without = self.drafts.keys().find(|id| !self.requests.contains_key(*id)).cloned();
            let Some(id) = without.or_else(|| self.drafts.keys().next().cloned()) else { return };
            self.drafts.remove(&id);
        }
    }

    /// What became of a command, once all of it is there: what is approved is sent in the same batch.
    pub fn outcome(&self, command_id: &str) -> Option<&[ActRecord]> {
        let acts = self.outcomes.get(command_id)?.as_slice();
        let is_whole = acts.last().is_some_and(|act| act.to != Some(State::Approved) || act.refused.is_some());
        is_whole.then_some(acts)
    }

    /// One request with all that is known of it.
    pub fn show(&self, id: &str) -> Option<Value> {
        let shown = self.requests.get(id)?;
        let mut row = self.row(id, shown);
        row["draft"] = self.draft_of(id).cloned().unwrap_or_default();
        row["acts"] = serde_json::to_value(&shown.acts).unwrap_or_default();
        Some(row)
    }

    /// Those in a state, or all that are not over; the longest waiting first.
    pub fn list(&self, state: Option<State>, count_max: usize) -> Vec<Value> {
        let is_wanted = |shown: &Shown| state.map_or(!shown.state.is_over(), |state| shown.state == state);
        let mut rows: Vec<(&String, &Shown)> = self.requests.iter().filter(|(_, shown)| is_wanted(shown)).collect();
        rows.sort_by_key(|(id, shown)| (shown.acts.back().map(|act| act.at), *id));
        rows.into_iter().take(count_max).map(|(id, shown)| self.row(id, shown)).collect()
    }

    fn draft_of(&self, id: &str) -> Option<&Value> {
        // A later round of the same draft has its number after a point.
        self.drafts.get(id).or_else(|| self.drafts.get(id.split_once('.')?.0))
    }

    fn row(&self, id: &str, shown: &Shown) -> Value {
        let draft = self.draft_of(id);
        let of = |name: &str| draft.map_or(Value::Null, |draft| draft[name].clone());
        let last = shown.acts.back();
        json!({
            "requestId": id, "state": shown.state, "revision": shown.revision,
            "measure": of("measure"), "target": of("target"), "institution": of("institution"),
            "amount": of("amount"), "currency": of("currency"), "reason": of("reason"),
            "proposed": shown.acts.iter().rev().find_map(|act| act.terms.as_ref()).filter(|_| last.is_some_and(|act| act.terms.is_some())),
            "notice": last.and_then(|act| act.notice),
            "at": last.map(|act| foreshock_core::time::format_rfc3339(act.at)),
        })
    }
}
