//! Whatever a producer, an operator or a damaged file writes: acts or an error, and nothing of it in public.

use crate::testing::{START_US, actions, rule, take};
use crate::{Act, Actions, FollowUp, Issuer, RuleFacts, Tally, areas, personal_data};
use foreshock_core::{Detection, Value};
use proptest::prelude::*;

/// Texts that break parsers: any characters, and those that mean something in XML, in an address or to a reader.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<String>(),
        "\\PC{0,20}",
        "[A-Z0-9-]{0,16}",
        "4403[0-9]{0,9}",
        Just("]]><!--&amp;<b a='\"'>".to_owned()),
        Just("\u{0}\u{b}\r\u{1b}[2J\u{202e}\u{feff}\u{ffff}".to_owned()),
        Just("@x.cn 13800138000 粤B12345".to_owned()),
        Just("长".repeat(2_000)),
    ];
    proptest::collection::vec(pieces, 0..3).prop_map(|pieces| pieces.concat())
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), START_US..START_US + 10_000_000_000]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Int),
        hostile().prop_map(Value::Text),
        Just(Value::Text("CNY".to_owned())),
        any::<bool>().prop_map(Value::Bool),
        time().prop_map(Value::Time),
        any::<f64>().prop_map(Value::Double),
    ]
}

fn found() -> impl Strategy<Value = Detection> {
    let names = prop_oneof![
        Just("district".to_owned()),
        Just("currency".to_owned()),
        Just("institution".to_owned()),
        Just("amount_at_risk".to_owned()),
        hostile(),
    ];
    let values = proptest::collection::vec((names, value()), 0..8);
    (hostile(), time(), hostile(), values).prop_map(|(event_id, event_time, subject, values)| Detection {
        event_id,
        event_time,
        subject,
        values,
    })
}

fn follow_up() -> impl Strategy<Value = FollowUp> {
    prop_oneof![Just(FollowUp::AlertOnly), Just(FollowUp::Warn), Just(FollowUp::Block)]
}

/// The area and the XML of the warning that an event alone leads to.
fn warning_of(detection: &Detection) -> Option<(String, String)> {
    let acts = take(&mut actions(), &rule(FollowUp::Warn), detection, true);
    acts.into_iter().find_map(|act| if let Act::WarningDraft { key, xml } = act { Some((key, xml)) } else { None })
}

/// What a publisher does with an act.
fn publish(act: &Act) {
    match act {
        Act::Alert(alert) => drop(serde_json::to_vec(alert).unwrap()),
        Act::BlockingDraft(draft) => drop(serde_json::to_vec(draft).unwrap()),
        Act::WarningDraft { xml, .. } => {
            assert!(xml.chars().all(|c| !c.is_control() || c == '\n'), "{xml}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_warning_says_no_more_of_its_event_than_the_time_and_a_known_place(found in found()) {
        if let Some((key, xml)) = warning_of(&found) {
            prop_assert!(areas::known(&key).is_some(), "{}", key);
            let values = vec![("district".to_owned(), Value::Text(key.clone()))];
            let plain = Detection { values, event_id: String::new(), subject: String::new(), ..found };
            prop_assert_eq!(warning_of(&plain), Some((key, xml)));
        }
    }

    #[test]
    fn no_detection_can_break_an_act(
        found in proptest::collection::vec((found(), any::<bool>()), 1..12),
        follow_up in follow_up(),
        quiet_us in any::<i64>(),
        horizon_us in time(),
    ) {
        let rule = RuleFacts { quiet_us, ..rule(follow_up) };
        let mut actions = actions();
        for (detection, detected) in &found {
            take(&mut actions, &rule, detection, *detected).iter().for_each(publish);
        }
        let saved = actions.save();
        actions.load(&saved).unwrap();
        prop_assert_eq!(actions.save(), saved);
        actions.close_before(horizon_us).iter().for_each(publish);
        actions.keep_rules(horizon_us, |_, _| false).iter().for_each(publish);
        actions.close_before(i64::MAX).iter().for_each(publish);
    }

    #[test]
    fn an_issuer_that_passes_the_check_never_withholds_a_warning_or_its_withdrawal(
        agency_zh in issuer_text(),
        agency_en in issuer_text(),
        contact in issuer_text(),
        web in "(https?://)?[a-z@.:0-9]{0,12}[/?#%a-f0-9&=\"<']{0,10}",
        sender in "[!-~]{0,12}",
        place_code in "[0-9]{5,7}",
    ) {
        let issuer = Issuer { agency_zh, agency_en, contact, web, sender, place_code, ..Issuer::default() };
        // One at a time, or hardly any would pass.
        let d = Issuer::default;
        for issuer in [
            Issuer { agency_zh: issuer.agency_zh.clone(), ..d() },
            Issuer { agency_en: issuer.agency_en.clone(), ..d() },
            Issuer { contact: issuer.contact.clone(), ..d() },
            Issuer { web: issuer.web.clone(), ..d() },
            Issuer { sender: issuer.sender.clone(), ..d() },
            Issuer { place_code: issuer.place_code.clone(), ..d() },
            issuer,
        ] {
            let is_valid = issuer.check().is_ok();
            let mut actions = Actions::new(issuer);
            let one = crate::testing::detection("1", 0, "acc-1");
            let opened = take(&mut actions, &rule(FollowUp::Warn), &one, true);
            let closed = take(&mut actions, &rule(FollowUp::Warn), &one, false);
            prop_assert_eq!((opened.len(), closed.len()), if is_valid { (2, 2) } else { (1, 1) });
            let tally = actions.take_tally();
            let expected = Tally { warnings_withheld_issuer: u64::from(!is_valid), drafts_retracted: u64::from(is_valid), ..Tally::default() };
            prop_assert_eq!(tally, expected, "found at the start or not at all");
        }
    }

    #[test]
    fn bytes_that_are_no_saved_alerts_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(actions().load(&bytes).is_err());
    }

    #[test]
    fn damaged_saved_alerts_are_an_error_or_alerts_that_go_on(
        is_first in any::<bool>(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        horizon_us in time(),
    ) {
        let mut bytes = include_bytes!("fixtures/saved-first.json").to_vec();
        let mut actions = actions();
        if !is_first {
            actions.load(&bytes).unwrap();
            bytes = actions.save();
        }
        for (place, byte) in &places {
            let at = place.index(bytes.len());
            bytes[at] = *byte;
        }
        if actions.load(&bytes).is_ok() {
            take(&mut actions, &rule(FollowUp::Block), &crate::testing::detection("1", 0, "acc-1"), false);
            take(&mut actions, &rule(FollowUp::Block), &crate::testing::detection("9", 2, "acc-1"), true);
            actions.close_before(horizon_us).iter().for_each(publish);
            actions.keep_rules(horizon_us, |_, _| false).iter().for_each(publish);
            prop_assert_eq!((actions.episodes.len(), actions.deadlines.len(), actions.tracked_count), (0, 0, 0));
        }
    }

    #[test]
    fn the_filter_takes_any_text(text in hostile()) {
        personal_data(&text);
    }
}

fn issuer_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9a-z@.X京A-D -]{0,9}",
        2 => "反诈中心\\PC{0,3}",
        1 => hostile(),
    ]
}
