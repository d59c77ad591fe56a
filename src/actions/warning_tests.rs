use super::*;
use crate::cap::TAXONOMY;
use crate::limits::HEADLINE_CHARS_MAX;
use crate::testing::{START_US, actions, texts};
use crate::{Actions, FollowUp, RuleFacts, detection_id, personal_data};
use foreshock_core::{Detection, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

fn rule() -> RuleFacts {
    RuleFacts {
        id: "T09".into(),
        version: "v1".into(),
        title_zh: "同一模板短信在一地集中群发".into(),
        title_en: "Burst of one <message> template & more in one district".into(),
        severity: "high".into(),
        follow_up: FollowUp::Warn,
        measure: None,
        target: crate::TargetKind::Account,
        fraud_type: "OTHER".into(),
        legal_basis: vec![],
        quiet_us: 3_600_000_000,
    }
}

fn detection(subject: &str, district: Option<&str>) -> Detection {
    Detection {
        event_id: "tel:carrier-a:r-77001122".into(),
        event_time: START_US + 500_000,
        subject: subject.into(),
        values: vec![
            ("district".into(), district.map_or(Value::Null, |code| Value::Text(code.into()))),
            ("template".into(), Value::Text("9f86d081884c7d65".into())),
            ("numbers".into(), Value::Int(12_345_678)),
        ],
    }
}

fn take(actions: &mut Actions, rule: &RuleFacts, detection: &Detection, detected: bool) -> Option<(String, String)> {
    let id = detection_id(&rule.id, &rule.version, &detection.event_id, &detection.subject);
    let acts = actions.take(&Finding { detection_id: &id, detected, rule, detection });
    acts.into_iter().find_map(|act| if let Act::WarningDraft { key, xml } = act { Some((key, xml)) } else { None })
}

fn draft(rule: &RuleFacts, detection: &Detection) -> Option<(String, String)> {
    take(&mut actions(), rule, detection, true)
}

#[test]
fn a_warning_is_a_draft_at_event_time_in_two_languages() {
    let (key, xml) = draft(&rule(), &detection("440304", Some("440304"))).unwrap();
    assert_eq!(key, "440304");
    assert_eq!(texts(&xml, "identifier"), ["44030000000000_20260101080000_0"]);
    assert_eq!(texts(&xml, "sent"), ["2026-01-01T08:00:00+08:00"]);
    assert_eq!(texts(&xml, "expires"), ["2026-01-02T08:00:00+08:00"; 2]);
    assert_eq!(texts(&xml, "status"), ["Draft"]);
    assert_eq!(texts(&xml, "severity"), ["Severe", "Severe"]);
    assert_eq!(texts(&xml, "language"), ["zh-CN", "en-US"]);
    assert_eq!(texts(&xml, "areaDesc"), ["深圳市福田区", "Futian District, Shenzhen"]);
    assert_eq!(texts(&xml, "value"), ["OTHER", TAXONOMY, "440304", "OTHER", TAXONOMY, "440304"]);
    for name in ["event", "senderName", "headline", "description", "instruction", "web"] {
        let both = texts(&xml, name);
        assert!(both.len() == 2 && both[0] != both[1], "{name}: {both:?}");
    }
    assert!(!xml.contains("reports24h-band"));
}

#[test]
fn a_warning_tells_nothing_of_subject_event_or_values() {
    let (key, xml) = draft(&rule(), &detection("acc-secret-1", None)).unwrap();
    assert_eq!(key, "440300", "without a district it is for the place of the issuer");
    for secret in ["acc-secret-1", "77001122", "carrier-a", "9f86d081884c7d65", "12345678", "12_345_678"] {
        assert!(!xml.contains(secret), "{secret}");
    }
    for name in ["event", "headline", "description", "instruction", "areaDesc", "note", "contact", "senderName"] {
        assert!(texts(&xml, name).iter().all(|text| personal_data(text).is_none()), "{name}");
    }
}

#[test]
fn a_district_that_is_in_no_table_stands_nowhere_in_a_warning() {
    for (code, key) in [
        ("CALL-13800138000", "440300"),
        ("PAY-ACME-BANK", "440300"),
        ("440304999", "440304"),
        ("440307010007", "440307010"),
        ("110101", "440300"),
        ("<b>&amp;</b>", "440300"),
        ("福田区", "440300"),
        ("\u{202e}\u{0}", "440300"),
    ] {
        let mut actions = actions();
        let (found, xml) = take(&mut actions, &rule(), &detection("acc-1", Some(code)), true).unwrap();
        assert_eq!(found, key, "{code}");
        assert!(!xml.contains(code), "{code}");
        assert_eq!(actions.take_tally().warning_areas_replaced, 1, "{code}");
    }
    let mut known = actions();
    take(&mut known, &rule(), &detection("acc-1", Some("440304011")), true).unwrap();
    take(&mut known, &rule(), &detection("440305", None), true).unwrap();
    assert_eq!(known.take_tally(), Tally::default());
}

#[test]
fn a_subject_that_is_a_known_place_is_better_than_the_whole_city() {
    let (key, _) = draft(&rule(), &detection("440305", Some("ZONE-7"))).unwrap();
    assert_eq!(key, "440305");
}

#[test]
fn a_district_that_is_no_text_is_counted_and_not_used() {
    let mut odd = detection("acc-1", None);
    odd.values[0].1 = Value::Int(440_304);
    let mut actions = actions();
    assert_eq!(take(&mut actions, &rule(), &odd, true).unwrap().0, "440300");
    assert_eq!(actions.take_tally(), Tally { columns_ignored: 1, ..Tally::default() });
}

#[test]
fn each_reason_that_withholds_a_warning_has_its_count() {
    let with_number = RuleFacts { title_en: "Calls from 13800138000".into(), ..rule() };
    let mut actions = actions();
    assert_eq!(take(&mut actions, &with_number, &detection("440304", None), true), None);
    assert_eq!(actions.take_tally(), Tally { warnings_withheld_text: 1, ..Tally::default() });
    let coded = RuleFacts { fraud_type: "20260101".into(), ..rule() };
    assert_eq!(take(&mut actions, &coded, &detection("440305", None), true), None);
    assert_eq!(actions.take_tally(), Tally { warnings_withheld_text: 1, ..Tally::default() });
    let mut actions = Actions::new(Issuer { sender: "no good".into(), ..Issuer::default() });
    assert_eq!(take(&mut actions, &rule(), &detection("440304", None), true), None);
    assert_eq!(actions.take_tally(), Tally { warnings_withheld_issuer: 1, ..Tally::default() });
    for time in [i64::MAX, i64::MIN] {
        let far = Detection { event_time: time, ..detection("440304", None) };
        let mut actions = self::actions();
        assert_eq!(take(&mut actions, &rule(), &far, true), None);
        assert_eq!(actions.take_tally(), Tally { warnings_withheld_time: 1, ..Tally::default() });
    }
}

#[test]
fn a_long_title_is_cut_so_that_the_headline_keeps_its_limit_and_is_counted() {
    let long = RuleFacts { title_zh: "长".repeat(500), title_en: "long ".repeat(100), ..rule() };
    let mut actions = actions();
    let (_, xml) = take(&mut actions, &long, &detection("SZ-SHENSHAN", None), true).unwrap();
    assert!(texts(&xml, "headline").iter().all(|text| text.chars().count() <= HEADLINE_CHARS_MAX));
    assert_eq!(actions.take_tally(), Tally { warning_texts_cut: 2, ..Tally::default() });
}

#[test]
fn a_warning_whose_detections_are_taken_back_is_withdrawn_by_a_cancel_that_names_it() {
    let (mut actions, one) = (actions(), detection("440304", None));
    let (_, warning) = take(&mut actions, &rule(), &one, true).unwrap();
    let (key, cancel) = take(&mut actions, &rule(), &one, false).unwrap();
    assert_eq!(key, "440304");
    assert_eq!(texts(&cancel, "msgType"), ["Cancel"]);
    assert_eq!(texts(&cancel, "status"), ["Draft"]);
    assert_eq!(
        texts(&cancel, "references"),
        ["fraud-warning@example.invalid,44030000000000_20260101080000_0,2026-01-01T08:00:00+08:00"]
    );
    assert_eq!(texts(&cancel, "identifier"), ["44030000000000_20260101080000_1"]);
    assert_eq!(texts(&cancel, "responseType"), ["AllClear"; 2]);
    assert_eq!(texts(&cancel, "areaDesc"), texts(&warning, "areaDesc"));
    assert!(texts(&cancel, "note")[0].contains("taken back"));
    let (_, again) = take(&mut actions, &rule(), &one, true).unwrap();
    assert_eq!(texts(&again, "identifier"), ["44030000000000_20260101080000_2"], "not the one that was withdrawn");
    assert_eq!(actions.take_tally(), Tally { drafts_retracted: 1, ..Tally::default() });
}

#[test]
fn every_warning_and_its_withdrawal_are_valid_under_both_schemas() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cap/schema");
    let has_xmllint = Command::new("xmllint").arg("--version").output().is_ok();
    if !has_xmllint || !schemas.is_dir() {
        let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "xmllint and {} are needed in CI", schemas.display());
        println!("skipped: no xmllint, or no {}", schemas.display());
        return;
    }
    let places = [Some("440304"), Some("440307009"), Some("SZ-SHENSHAN"), Some("110101"), Some("ZONE-7"), None];
    for (i, district) in places.into_iter().enumerate() {
        let severity = ["low", "medium", "high", "critical", "odd"][i % 5].to_owned();
        let (mut actions, rule, one) = (actions(), RuleFacts { severity, ..rule() }, detection("acc-1", district));
        for detected in [true, false] {
            let (_, xml) = take(&mut actions, &rule, &one, detected).unwrap();
            let file = Scratch::new(i, &xml);
            for schema in ["CAP-v1.2.xsd", "cap12_extended.xsd"] {
                assert_valid(&schemas.join(schema), &file.0, &xml);
            }
        }
    }
}

fn assert_valid(schema: &Path, file: &Path, xml: &str) {
    let run = Command::new("xmllint").args(["--nonet", "--noout", "--schema"]).arg(schema).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}:\n{errors}\n{xml}", schema.display());
}

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(i: usize, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("foreshock-warning-{}-{i}.xml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}
