//! Messages made from rules and what they found.

use crate::ops::health::Health;
use foreshock_actions::{Act, FollowUp, Issuer, RuleFacts};
use foreshock_compiler::{Pack, Rule, header};
use foreshock_core::Detection;
use foreshock_core::time::format_rfc3339;
use foreshock_engine::{State, Verdict};
use foreshock_log::{ALERTS, BLOCKING_DRAFTS, DetectionMessage, DetectionState, Message, WARNING_DRAFTS, values};
use std::sync::atomic::Ordering;

/// A verdict for `detection.v1`.
pub(super) fn detection(
    rule: &Rule,
    id: &str,
    verdict: &Verdict,
    detection: &Detection,
    is_shadow: bool,
) -> DetectionMessage {
    DetectionMessage {
        detection_id: id.to_owned(),
        revision: verdict.revision,
        state: match verdict.state {
            State::Detected => DetectionState::Detected,
            State::Retracted => DetectionState::Retracted,
        },
        shadow: is_shadow,
        rule_id: rule.header.id.clone(),
        rule_version: rule.version.clone(),
        event_id: detection.event_id.clone(),
        event_time: format_rfc3339(detection.event_time),
        window_start: format_rfc3339(detection.event_time - rule.longest_frame_us),
        subject: detection.subject.clone(),
        values: values(detection),
        cause: verdict.cause.clone(),
        incomplete: verdict.is_incomplete,
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// An act on its topic.
pub(super) fn act_message(act: Act, health: &Health) -> Message {
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.expect("acts are plain data");
    match act {
        Act::Alert(alert) => {
            let (key, payload) = (alert.alert_id.clone(), json(serde_json::to_vec(&alert)));
            Message::new(ALERTS, key, payload)
        }
        Act::BlockingDraft(draft) => {
            health.blocking_drafts.fetch_add(1, Ordering::Relaxed);
            let (key, payload) = (draft.key().to_owned(), json(serde_json::to_vec(&draft)));
            Message::new(BLOCKING_DRAFTS, key, payload)
        }
        Act::WarningDraft { key, xml } => {
            health.warning_drafts.fetch_add(1, Ordering::Relaxed);
            Message::new(WARNING_DRAFTS, key, xml.into_bytes())
        }
    }
}

/// Why public warnings of these rules could never go out; `None` when they can. While it is so each would be withheld.
pub fn warning_fault(issuer: &Issuer, pack: &Pack) -> Option<String> {
    let warns = |rule: &&Rule| rule.header.action == header::Action::Warn;
    let mut rules = pack.rules.iter().filter(warns).peekable();
    rules.peek()?;
    if let Err(fault) = issuer.check() {
        return Some(format!("warnings.{fault}"));
    }
    rules.find_map(|rule| {
        let why = issuer.check_rule(&rule_facts(rule)).err()?;
        Some(format!("rule `{}` warns, but its title or fraud type would be refused in public: {why}", rule.header.id))
    })
}

/// What acts need to know of a rule.
pub(super) fn rule_facts(rule: &foreshock_compiler::Rule) -> RuleFacts {
    let h = &rule.header;
    RuleFacts {
        id: h.id.clone(),
        version: rule.version.clone(),
        title_zh: h.title.zh.clone(),
        title_en: h.title.en.clone(),
        severity: format!("{:?}", h.severity).to_lowercase(),
        follow_up: match h.action {
            header::Action::Detect => FollowUp::AlertOnly,
            header::Action::Warn => FollowUp::Warn,
            header::Action::Block => FollowUp::Block,
        },
        measure: h.measure.clone(),
        target: h.target(),
        fraud_type: h.fraud_type.clone(),
        legal_basis: h.legal_basis.clone(),
        quiet_us: h.quiet_us(),
    }
}
