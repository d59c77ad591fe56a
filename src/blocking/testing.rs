//! Inputs for tests.
#![allow(clippy::unwrap_used)]

use crate::{Actor, Answer, Command, CommandKind, Policy, Stage, Terms};
use foreshock_actions::{Bilingual, BlockingDraft, DraftState, Evidence, EvidenceOf, RuleRef, Target};
use foreshock_core::time::SECOND_US;

pub(crate) const T0: i64 = 1_790_000_000 * SECOND_US;
pub(crate) const MINUTE: i64 = 60 * SECOND_US;
pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) fn policy() -> Policy {
    let policy: Policy = toml::from_str(
        r#"
        [measures.STOP_PAYMENT]
        propose = ["officer"]
        approve = ["approver"]
        lift = ["officer", "approver"]
        hours = 48
        extensions = 1

        [measures.DELAY_SETTLEMENT]
        propose = ["officer"]
        approve = ["approver"]
        lift = ["officer", "approver"]
        hours = 24
        automatic = ["M04"]

        [measures.NUMBER_SUSPEND]
        propose = ["officer"]
        approve = ["approver"]
        lift = ["officer"]
        hours = 72
        extensions = 2

        [institutions.bank_a]
        scheme = "CNAPS"

        [institutions.carrier]
        scheme = "CARRIER"
        "#,
    )
    .unwrap();
    policy.check().unwrap();
    policy
}

/// A draft of rule T05 against an account of `bank_a`, with so many detections behind it.
pub(crate) fn draft(request_id: &str, account: &str, detections: usize) -> BlockingDraft {
    let rule = RuleRef { id: "T05".into(), version: "v1".into() };
    let of = |nth: usize| EvidenceOf {
        detection_id: format!("d{nth}"),
        rule: rule.clone(),
        fraud_type: "IMP_AUTHORITY".into(),
        event_id: format!("tx:bank_b:{nth}"),
        event_time: T0,
        values: serde_json::Map::new(),
    };
    let detections: Vec<EvidenceOf> = (0..detections).map(of).collect();
    BlockingDraft {
        request_id: request_id.into(),
        state: DraftState::Draft,
        rules: vec![rule.clone()],
        rule,
        measure: Some("STOP_PAYMENT".into()),
        target: Target::Account(account.into()),
        institution: Some("bank_a".into()),
        amount: Some("30000.00".into()),
        currency: Some("CNY".into()),
        reason: Bilingual { zh: "规则 T05 命中".into(), en: "rule T05 fired".into() },
        legal_basis: vec!["Art. 30".into()],
        fraud_type: "IMP_AUTHORITY".into(),
        evidence: Evidence {
            detection_id: "d0".into(),
            event_ids: detections.iter().map(|one| one.event_id.clone()).collect(),
            values: serde_json::Map::new(),
            detections,
            further: 0,
        },
        created_at: T0,
        expires_at: T0 + 48 * HOUR,
        withdrawn_because: None,
        withdrawn_at: None,
    }
}

pub(crate) fn command(id: &str, kind: CommandKind, request_id: &str, revision: u64, who: &str, at: i64) -> Command {
    let role = if who.starts_with("approver") { "approver" } else { "officer" };
    Command {
        command_id: id.into(),
        kind,
        request_id: request_id.into(),
        expected_revision: revision,
        reason: "the victim was called".into(),
        actor: Actor { name: who.into(), roles: vec![role.into()] },
        purpose: "fraud case".into(),
        case_ref: Some("A2026-1".into()),
        at,
        terms: (kind == CommandKind::Convert).then(|| Terms { order: Some("F-7".into()), ..Terms::default() }),
    }
}

pub(crate) fn answer(id: &str, request_id: &str, revision: u64, stage: Stage) -> Answer {
    Answer {
        response_id: id.into(),
        institution: "bank_a".into(),
        request_id: request_id.into(),
        revision,
        stage,
        reason: None,
        blocked_amount: None,
        executed_at: None,
        valid_until: None,
        onward_transfers: Vec::new(),
        operator: None,
    }
}
