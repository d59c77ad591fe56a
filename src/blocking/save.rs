//! A register as bytes, and back.

use crate::policy::Policy;
use crate::register::{Register, Seen};
use crate::request::Request;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The form. Raised when old bytes cannot be read as they are.
const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    form: u32,
    policy: Cow<'a, Policy>,
    requests: Vec<Cow<'a, Request>>,
    stops: Cow<'a, BTreeMap<String, u8>>,
    commands: Cow<'a, BTreeMap<String, i64>>,
    commands_floor: i64,
    lifts: Cow<'a, BTreeMap<String, i64>>,
    lifts_floor: i64,
    answers: Cow<'a, BTreeMap<String, i64>>,
    answers_floor: i64,
    clock: i64,
}

impl Register {
    /// All of it.
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved {
            form: FORM,
            policy: Cow::Borrowed(&self.policy),
            requests: self.requests.values().map(Cow::Borrowed).collect(),
            stops: Cow::Borrowed(&self.stops),
            commands: Cow::Borrowed(&self.commands.by_id),
            commands_floor: self.commands.floor,
            lifts: Cow::Borrowed(&self.lifts.by_id),
            lifts_floor: self.lifts.floor,
            answers: Cow::Borrowed(&self.answers.by_id),
            answers_floor: self.answers.floor,
            clock: self.clock,
        };
        serde_json::to_vec(&saved).expect("a register is plain data")
    }

    /// What was saved.
    ///
    /// # Errors
    /// When it is not of the form that is known.
    pub fn load(bytes: &[u8]) -> Result<Register, String> {
        let saved: Saved<'_> =
            serde_json::from_slice(bytes).map_err(|error| format!("the register of blocking requests: {error}"))?;
        if saved.form != FORM {
            return Err(format!("the register of blocking requests has form {}, not {FORM}", saved.form));
        }
        let mut register = Register::new();
        register.policy = saved.policy.into_owned();
        register.stops = saved.stops.into_owned();
        register.commands = seen(&saved.commands, saved.commands_floor);
        register.lifts = seen(&saved.lifts, saved.lifts_floor);
        register.answers = seen(&saved.answers, saved.answers_floor);
        register.clock = saved.clock;
        for request in saved.requests {
            register.put(request.into_owned());
        }
        Ok(register)
    }
}

fn seen(by_id: &BTreeMap<String, i64>, floor: i64) -> Seen {
    let mut seen = Seen::since(floor);
    for (id, at) in by_id {
        seen.note(id, *at);
    }
    seen
}
