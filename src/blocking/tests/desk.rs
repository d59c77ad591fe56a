//! A register with a clock, and what its output says.

use crate::testing::{T0, answer, command, policy};
use crate::*;

pub(super) struct Desk {
    pub(super) register: Register,
    pub(super) now: i64,
    pub(super) ids: u32,
}

impl Desk {
    pub(super) fn new() -> Desk {
        let mut register = Register::new();
        register.set_policy(policy());
        let mut desk = Desk { register, now: T0, ids: 0 };
        desk.wait(0);
        desk
    }

    pub(super) fn wait(&mut self, us: i64) -> Vec<Outgoing> {
        self.now += us;
        let mut out = Vec::new();
        self.register.tick(self.now, &mut out);
        out
    }

    pub(super) fn draft(&mut self, draft: &foreshock_actions::BlockingDraft) -> Vec<Outgoing> {
        let mut out = Vec::new();
        self.register.take_draft(draft, None, &mut out);
        self.register.finish(&mut out);
        out
    }

    pub(super) fn revision(&self, id: &str) -> u64 {
        self.register.requests[id].revision
    }

    pub(super) fn state(&self, id: &str) -> State {
        self.register.requests[id].state
    }

    pub(super) fn command(&mut self, kind: CommandKind, id: &str, who: &str) -> Vec<Outgoing> {
        let revision = self.revision(id);
        self.ids += 1;
        self.follow(&command(&format!("c{}", self.ids), kind, id, revision, who, self.now))
    }

    pub(super) fn follow(&mut self, command: &Command) -> Vec<Outgoing> {
        let mut out = Vec::new();
        self.register.take_command(command, &mut out);
        out
    }

    pub(super) fn answer(&mut self, id: &str, revision: u64, stage: Stage) -> Vec<Outgoing> {
        self.ids += 1;
        let mut out = Vec::new();
        self.register.take_answer(&answer(&format!("a{}", self.ids), id, revision, stage), &mut out);
        out
    }

    /// Proposed, approved and sent: the message.
    pub(super) fn send(&mut self, id: &str) -> Order {
        self.command(CommandKind::Propose, id, "officer.li");
        let out = self.command(CommandKind::Approve, id, "approver.wu");
        orders(&out).pop().expect("approved is sent")
    }

    pub(super) fn in_force(&mut self, id: &str) -> Order {
        let order = self.send(id);
        self.answer(id, order.revision, Stage::Executed);
        order
    }
}

pub(super) fn orders(out: &[Outgoing]) -> Vec<Order> {
    let order = |one: &Outgoing| if let Outgoing::Order(order) = one { Some((**order).clone()) } else { None };
    out.iter().filter_map(order).collect()
}

pub(super) fn acts(out: &[Outgoing]) -> Vec<&ActRecord> {
    out.iter().filter_map(|one| if let Outgoing::Act(act) = one { Some(&**act) } else { None }).collect()
}

pub(super) fn refused(out: &[Outgoing]) -> Option<Code> {
    acts(out).last().and_then(|act| act.refused)
}

pub(super) fn states(out: &[Outgoing]) -> Vec<State> {
    acts(out).into_iter().filter_map(|act| act.to).collect()
}

pub(super) fn notices(out: &[Outgoing]) -> Vec<Notice> {
    acts(out).into_iter().filter_map(|act| act.notice).collect()
}
