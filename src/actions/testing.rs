//! What the tests of this room share.

use crate::{
    Act, Actions, AlertMessage, AlertState, BlockingDraft, Finding, FollowUp, Issuer, RuleFacts, TargetKind,
    detection_id,
};
use foreshock_core::{Detection, Value};

pub(crate) const MINUTE_US: i64 = 60_000_000;
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

pub(crate) fn actions() -> Actions {
    Actions::new(Issuer::default())
}

/// Blocking rules are M05, the others T09.
pub(crate) fn rule(follow_up: FollowUp) -> RuleFacts {
    RuleFacts {
        id: if follow_up == FollowUp::Warn { "T09" } else { "M05" }.into(),
        version: "v1".into(),
        title_zh: "快进快出".into(),
        title_en: "Money in, money out".into(),
        severity: "high".into(),
        follow_up,
        measure: Some("STOP_PAYMENT".into()),
        target: TargetKind::Account,
        fraud_type: "OTHER".into(),
        legal_basis: vec!["regulation-30".into()],
        quiet_us: 60 * MINUTE_US,
    }
}

pub(crate) fn detection(event: &str, minute: i64, subject: &str) -> Detection {
    Detection {
        event_id: format!("tx:bank-a:{event}"),
        event_time: START_US + minute * MINUTE_US,
        subject: subject.into(),
        values: vec![
            ("amount_at_risk".into(), Value::Int(1_234_550)),
            ("currency".into(), Value::Text("CNY".into())),
            ("institution".into(), Value::Text("bank-a".into())),
            ("drained_at".into(), Value::Time(START_US)),
            ("district".into(), Value::Null),
        ],
    }
}

/// The same with a district.
pub(crate) fn in_district(mut detection: Detection, code: &str) -> Detection {
    detection.values.retain(|(name, _)| name != "district");
    detection.values.push(("district".into(), Value::Text(code.into())));
    detection
}

pub(crate) fn take(actions: &mut Actions, rule: &RuleFacts, detection: &Detection, detected: bool) -> Vec<Act> {
    let id = detection_id(&rule.id, &rule.version, &detection.event_id, &detection.subject);
    actions.take(&Finding { detection_id: &id, detected, rule, detection })
}

/// Acts in short, with minutes from the start.
pub(crate) fn short(acts: &[Act]) -> String {
    let minute = |us: i64| (us - START_US) / MINUTE_US;
    let one = |act: &Act| match act {
        Act::Alert(a) => {
            let why = a.reason.map_or(String::new(), |why| format!(" {why:?}"));
            assert_eq!(a.state == AlertState::Closed, a.reason.is_some());
            format!("{:?} {} ({}..{}){why}", a.state, a.count, minute(a.first), minute(a.last))
        }
        Act::BlockingDraft(draft) => format!("{:?}", draft.state),
        Act::WarningDraft { key, xml } => format!("{} {key}", text(xml, "msgType")),
    };
    acts.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(crate) fn alert(acts: &[Act]) -> &AlertMessage {
    acts.iter().find_map(|act| if let Act::Alert(a) = act { Some(a) } else { None }).unwrap()
}

pub(crate) fn draft(acts: &[Act]) -> &BlockingDraft {
    acts.iter().find_map(|act| if let Act::BlockingDraft(d) = act { Some(&**d) } else { None }).unwrap()
}

/// The XML of the first warning.
pub(crate) fn xml(acts: &[Act]) -> &str {
    acts.iter().find_map(|act| if let Act::WarningDraft { xml, .. } = act { Some(xml) } else { None }).unwrap()
}

/// The texts of all elements of a name.
pub(crate) fn texts<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
}

/// The text of the only element of a name.
pub(crate) fn text<'a>(xml: &'a str, name: &str) -> &'a str {
    let all = texts(xml, name);
    assert_eq!(all.len(), 1, "{name} in {xml}");
    all[0]
}
