use super::*;
use crate::{Act, Actions, FollowUp, RuleFacts, detection_id};
use foreshock_core::{Detection, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

const START_US: i64 = 1_767_225_600_000_000;

fn rule() -> RuleFacts {
    RuleFacts {
        id: "T09".into(),
        version: "v1".into(),
        title_zh: "同一模板短信在一地集中群发".into(),
        title_en: "Burst of one <message> template & more in one district".into(),
        severity: "high".into(),
        follow_up: FollowUp::Warn,
        measure: None,
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

fn take(actions: &mut Actions, rule: &RuleFacts, detection: &Detection) -> Option<(String, String)> {
    let id = detection_id(&rule.id, &rule.version, &detection.event_id, &detection.subject);
    let acts = actions.take(&Finding { detection_id: &id, detected: true, rule, detection });
    acts.into_iter().find_map(|act| if let Act::WarningDraft { key, xml } = act { Some((key, xml)) } else { None })
}

fn draft(rule: &RuleFacts, detection: &Detection) -> Option<(String, String)> {
    take(&mut Actions::new(Issuer::default()), rule, detection)
}

/// The texts of all elements of a name.
fn texts<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
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
fn a_text_with_personal_data_or_bad_settings_withhold_the_draft_and_are_counted() {
    let with_number = RuleFacts { title_en: "Calls from 13800138000".into(), ..rule() };
    let mut actions = Actions::new(Issuer::default());
    assert_eq!(take(&mut actions, &with_number, &detection("440304", None)), None);
    assert_eq!(actions.tally().warnings_withheld, 1);
    let mut actions = Actions::new(Issuer { sender: "no good".into(), ..Issuer::default() });
    assert_eq!(take(&mut actions, &rule(), &detection("440304", None)), None);
    assert_eq!(actions.tally().warnings_withheld, 1);
}

#[test]
fn no_identifier_is_given_twice_within_one_second() {
    let mut identifiers = Identifiers::default();
    let given: Vec<_> = (0..12).filter_map(|alert| identifiers.give(100, alert)).collect();
    assert_eq!((given[0], given[9], given[10], given[11]), ((100, 0), (100, 9), (101, 0), (101, 1)));
    assert_eq!(identifiers.give(100, 3), Some((100, 3)), "an episode that opens again keeps its own");
    assert_eq!(identifiers.give(101, 99), Some((101, 2)));
}

#[test]
fn a_long_title_is_cut_so_that_the_headline_keeps_its_limit() {
    let long = RuleFacts { title_zh: "长".repeat(500), title_en: "long ".repeat(100), ..rule() };
    let (_, xml) = draft(&long, &detection("SZ-SHENSHAN", None)).unwrap();
    assert!(texts(&xml, "headline").iter().all(|text| text.chars().count() <= HEADLINE_CHARS_MAX));
}

#[test]
fn a_time_that_cap_cannot_write_makes_no_warning() {
    let mut far = detection("440304", None);
    far.event_time = i64::MAX;
    assert_eq!(draft(&rule(), &far), None);
}

#[test]
fn every_warning_is_valid_under_both_schemas() {
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
        let (_, xml) = draft(&RuleFacts { severity, ..rule() }, &detection("acc-1", district)).unwrap();
        let file = Scratch::new(i, &xml);
        for schema in ["CAP-v1.2.xsd", "cap12_extended.xsd"] {
            assert_valid(&schemas.join(schema), &file.0, &xml);
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
