//! A long random story with a save and a load after each step, against the same story without.

use crate::testing::{MINUTE_US, START_US, actions, detection, in_district, rule, short, take};
use crate::{Act, Actions, AlertState, DraftState, FollowUp, Issuer, RuleFacts};
use foreshock_core::Detection;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What happens in one step.
#[derive(Debug, Clone)]
enum Step {
    /// An event is found by a rule, or is no longer.
    Find { rule: usize, event: u8, subject: u8, detected: bool },
    /// Event time goes on by minutes.
    Close(i64),
    /// Which rules are in force from now on, as bits, and the version that each is in.
    Rules { in_force: u8, version: u8 },
}

const RULES: [(&str, FollowUp); 4] =
    [("D1", FollowUp::AlertOnly), ("B1", FollowUp::Block), ("W1", FollowUp::Warn), ("W2", FollowUp::Warn)];
const SUBJECTS: [&str; 4] = ["acc-1", "acc-2", "440304", "440307009"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..RULES.len(), 0..40_u8, 0..4_u8, proptest::bool::weighted(0.7))
            .prop_map(|(rule, event, subject, detected)| Step::Find { rule, event, subject, detected }),
        3 => (0..40_i64).prop_map(Step::Close),
        1 => (0..16_u8, 1..4_u8).prop_map(|(in_force, version)| Step::Rules { in_force, version }),
    ]
}

/// The rules in force.
struct Pack(Vec<RuleFacts>);

impl Pack {
    fn of(in_force: u8, version: u8) -> Pack {
        let facts = |(i, (id, follow_up)): (usize, &(&str, FollowUp))| {
            let is_in_force = in_force & (1 << i) != 0;
            let version = format!("v{}", if i % 2 == 0 { version } else { 1 });
            is_in_force.then(|| RuleFacts { id: (*id).to_owned(), version, ..rule(*follow_up) })
        };
        Pack(RULES.iter().enumerate().filter_map(facts).collect())
    }

    fn has(&self, id: &str, version: &str) -> bool {
        self.0.iter().any(|rule| rule.id == id && rule.version == version)
    }
}

/// What a reader of the topics knows.
#[derive(Default)]
struct Reader {
    /// Open alerts with the rule and version of each.
    open: BTreeMap<String, (String, String)>,
    /// Requests that wait for an officer, with rule and version.
    requests: BTreeMap<String, (String, String)>,
    /// Warnings that were not withdrawn, by identifier.
    warnings: BTreeSet<String>,
    identifiers: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Alert(alert) => {
                    let is_open = self.open.contains_key(&alert.alert_id);
                    assert_eq!(is_open, alert.state != AlertState::Opened, "{alert:?}");
                    let rule = (alert.rule_id.clone(), alert.rule_version.clone());
                    match alert.state {
                        AlertState::Opened => drop(self.open.insert(alert.alert_id.clone(), rule)),
                        AlertState::Updated => {}
                        AlertState::Closed => drop(self.open.remove(&alert.alert_id)),
                    }
                }
                Act::BlockingDraft(draft) => {
                    let (id, rule) = (draft.request_id.clone(), (draft.rule.id.clone(), draft.rule.version.clone()));
                    match draft.state {
                        DraftState::Draft => drop(self.requests.insert(id, rule)),
                        DraftState::Withdrawn => {
                            assert_eq!(self.requests.remove(&id), Some(rule), "withdrawn once, as it was drafted");
                        }
                    }
                }
                Act::WarningDraft { xml, .. } => self.read_warning(xml),
            }
        }
    }

    fn read_warning(&mut self, xml: &str) {
        let text = |name| crate::testing::text(xml, name);
        assert!(self.identifiers.insert(text("identifier").to_owned()), "no identifier comes twice: {xml}");
        if text("msgType") == "Alert" {
            self.warnings.insert(text("identifier").to_owned());
            return;
        }
        let [_, withdrawn, sent] = text("references").split(',').collect::<Vec<_>>()[..] else { panic!("{xml}") };
        assert!(self.warnings.remove(withdrawn), "withdrawn once: {xml}");
        assert!(sent <= text("sent"));
    }
}

fn found(event: u8, subject: u8) -> Detection {
    let subject = SUBJECTS[usize::from(subject)];
    let found = detection(&format!("{event}"), i64::from(event) * 17, subject);
    if event.is_multiple_of(3) { in_district(found, "440305999") } else { found }
}

/// Takes one step; `horizon_us` is where event time stands.
fn run(actions: &mut Actions, pack: &mut Pack, horizon_us: &mut i64, step: &Step) -> Vec<Act> {
    match step {
        Step::Find { rule, event, subject, detected } => {
            let found = found(*event, *subject);
            // As the engine: nothing before the horizon changes.
            let rule = pack.0.iter().find(|facts| facts.id == RULES[*rule].0 && found.event_time >= *horizon_us);
            rule.map_or(Vec::new(), |rule| take(actions, rule, &found, *detected))
        }
        Step::Close(minutes) => {
            *horizon_us += minutes * MINUTE_US;
            actions.close_before(*horizon_us)
        }
        Step::Rules { in_force, version } => {
            *pack = Pack::of(*in_force, *version);
            actions.keep_rules(*horizon_us + 60 * MINUTE_US, |id, version| pack.has(id, version))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_story_with_a_start_at_every_step_is_told_the_same_and_every_alert_and_draft_ends_once(
        steps in proptest::collection::vec(step(), 300),
        open_max in prop_oneof![Just(100_usize), Just(6)],
    ) {
        let (mut one, mut two) = (actions(), actions());
        one.open_max = open_max;
        let (mut pack, mut horizon_us, mut reader) = (Pack::of(15, 1), START_US, Reader::default());
        for step in &steps {
            let (mut same_pack, mut same_horizon_us) = (Pack(pack.0.clone()), horizon_us);
            let mut again = Actions::new(Issuer::default());
            again.open_max = open_max;
            again.load(&two.save()).unwrap();
            let acts = run(&mut one, &mut pack, &mut horizon_us, step);
            let same = run(&mut again, &mut same_pack, &mut same_horizon_us, step);
            prop_assert_eq!(short(&acts), short(&same));
            prop_assert_eq!(&acts, &same, "byte for byte");
            two = again;
            reader.read(&acts);
            if let Step::Rules { .. } = step {
                let stays = |(id, version): &(String, String)| pack.has(id, version);
                prop_assert!(reader.open.values().all(stays), "{:?}", reader.open);
                prop_assert!(reader.requests.values().all(stays), "no request expires so soon: {:?}", reader.requests);
            }
        }
        reader.read(&one.keep_rules(horizon_us, |_, _| false));
        prop_assert!(reader.open.is_empty() && reader.requests.is_empty() && reader.warnings.is_empty());
        prop_assert_eq!((one.episodes.len(), one.by_subject.len(), one.deadlines.len(), one.tracked_count), (0, 0, 0, 0));
    }
}
