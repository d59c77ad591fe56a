//! Drafts of public warnings and of their withdrawals.
//!
//! A text that fails [`crate::personal_data`], an issuer that makes no valid message or a time that CAP cannot write
//! withhold the whole draft; each is counted.

use crate::areas::{self, Area};
use crate::blocking::RuleRef;
use crate::cap::{Content, Head, local};
use crate::identifiers::{Identifiers, Slot};
use crate::limits::WARNING_HOURS;
use crate::message::EndReason;
use crate::reason::text_value;
use crate::{Act, Bilingual, Finding, Issuer, Tally};
use foreshock_core::time::SECOND_US;
use serde::{Deserialize, Serialize};

const NOTE: &str =
    "规则自动生成的草稿，未经人工审核不得发布。Draft made by a rule, not to be published before a person approves it.";
const NOTE_WITHDRAWN: &str =
    "草稿撤回，未经人工审核不得发布。Withdrawal of a draft, not to be published before a person approves it:";
const HOUR_S: i64 = 3_600;

/// A warning that was drafted: what its withdrawal needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WarningDraft {
    pub rule: RuleRef,
    pub title: Bilingual,
    pub severity: String,
    pub fraud_type: String,
    /// Code of its area.
    pub area: String,
    pub sender: String,
    pub identifier: String,
    /// When it was sent, in seconds.
    pub sent_s: i64,
}

/// Makes warnings: who speaks, and the identifiers there were.
#[derive(Debug)]
pub(crate) struct Desk {
    issuer: Issuer,
    is_issuer_valid: bool,
    pub identifiers: Identifiers,
}

impl Desk {
    /// Without warnings so far.
    pub fn new(issuer: Issuer) -> Self {
        let is_issuer_valid = issuer.check().is_ok();
        Desk { issuer, is_issuer_valid, identifiers: Identifiers::default() }
    }

    /// The warning that a new episode leads to, unless it has to be withheld.
    pub fn draft(&mut self, finding: &Finding, tally: &mut Tally) -> Option<(WarningDraft, Act)> {
        let rule = finding.rule;
        let area = self.area(finding, tally);
        let mut draft = WarningDraft {
            rule: RuleRef { id: rule.id.clone(), version: rule.version.clone() },
            title: rule.title(),
            severity: rule.severity.clone(),
            fraud_type: rule.fraud_type.clone(),
            area: area.code.clone(),
            sender: self.issuer.sender.clone(),
            identifier: String::new(),
            sent_s: finding.detection.event_time.div_euclid(SECOND_US),
        };
        let notice = Notice { draft: &draft, area: &area, sent_s: draft.sent_s, note: NOTE, references: None };
        let (act, identifier) = self.write(&notice, tally)?;
        draft.identifier = identifier;
        Some((draft, act))
    }

    /// The draft of a CAP Cancel. `at_us`: event time; it is not sent before what it withdraws.
    pub fn withdraw(&mut self, draft: &WarningDraft, at_us: i64, why: EndReason, tally: &mut Tally) -> Option<Act> {
        let area = areas::known(&draft.area).unwrap_or_else(|| areas::of_issuer(&draft.area));
        let Some(sent) = local(draft.sent_s) else {
            tally.warnings_withheld_time += 1;
            return None;
        };
        let references = format!("{},{},{sent}", draft.sender, draft.identifier);
        let reason = if why == EndReason::RuleChanged {
            "its rule is no longer in force."
        } else {
            "all its detections were taken back."
        };
        let note = format!("{NOTE_WITHDRAWN} {reason}");
        let at_s = at_us.div_euclid(SECOND_US).max(draft.sent_s);
        let sent_s = if times(at_s).is_some() { at_s } else { draft.sent_s };
        let notice = Notice { draft, area: &area, sent_s, note: &note, references: Some(&references) };
        self.write(&notice, tally).map(|(act, _)| act)
    }

    /// A draft of before drafts were saved: only its identifier and its episode are known.
    pub fn of_before(&self, message: &crate::AlertMessage, slot: Slot) -> Option<WarningDraft> {
        let area = areas::known(&message.subject).unwrap_or_else(|| areas::of_issuer(&self.issuer.place_code));
        Some(WarningDraft {
            rule: RuleRef { id: message.rule_id.clone(), version: message.rule_version.clone() },
            title: message.title.clone(),
            severity: message.severity.clone(),
            fraud_type: message.fraud_type.clone(),
            area: area.code,
            sender: self.issuer.sender.clone(),
            identifier: self.identifier(slot)?,
            sent_s: slot.0,
        })
    }

    fn write(&mut self, notice: &Notice, tally: &mut Tally) -> Option<(Act, String)> {
        match self.try_write(notice, tally) {
            Ok(written) => Some(written),
            Err(Withheld::Time) => {
                tally.warnings_withheld_time += 1;
                None
            }
            Err(Withheld::Issuer) => {
                tally.warnings_withheld_issuer += 1;
                None
            }
            Err(Withheld::Text) => {
                tally.warnings_withheld_text += 1;
                None
            }
        }
    }

    fn try_write(&mut self, notice: &Notice, tally: &mut Tally) -> Result<(Act, String), Withheld> {
        let Notice { draft, area, sent_s, note, references } = *notice;
        let content = Content {
            issuer: &self.issuer,
            area,
            title: &draft.title,
            severity: &draft.severity,
            fraud_type: &draft.fraud_type,
            is_withdrawn: references.is_some(),
        };
        let (sent, expires) = times(sent_s).ok_or(Withheld::Time)?;
        if !self.is_issuer_valid {
            return Err(Withheld::Issuer);
        }
        if content.refused().is_some() {
            return Err(Withheld::Text);
        }
        let (slot, is_one_forgotten) = self.identifiers.give(sent_s).ok_or(Withheld::Time)?;
        tally.warning_identifiers_forgotten += u64::from(is_one_forgotten);
        let identifier = self.identifier(slot).ok_or(Withheld::Time)?;
        let head = Head { identifier: &identifier, sent: &sent, expires: &expires, note, references };
        let act = Act::WarningDraft { key: area.code.clone(), xml: content.write(&head, tally) };
        Ok((act, identifier))
    }

    fn identifier(&self, (second, number): Slot) -> Option<String> {
        let digits: String = local(second)?.chars().take(19).filter(char::is_ascii_digit).collect();
        Some(format!("{}{}00000_{digits}_{number}", self.issuer.place_code, self.issuer.agency_code))
    }

    /// The area the rule selects, or the known one around it: a code that is in no table is whatever a producer wrote. A
    /// subject is used only if it is a place we know, for it may be an account; else the warning is for the place of the
    /// issuer.
    fn area(&self, finding: &Finding, tally: &mut Tally) -> Area {
        let district = text_value(finding.detection, "district", tally);
        if let Some(area) = district.and_then(areas::known) {
            return area;
        }
        tally.warning_areas_replaced += u64::from(district.is_some());
        let around = district.and_then(areas::around);
        let of_subject = || areas::known(&finding.detection.subject);
        around.or_else(of_subject).unwrap_or_else(|| areas::of_issuer(&self.issuer.place_code))
    }
}

/// What is written once.
#[derive(Clone, Copy)]
struct Notice<'a> {
    draft: &'a WarningDraft,
    area: &'a Area,
    sent_s: i64,
    note: &'a str,
    references: Option<&'a str>,
}

/// Why a warning is not written.
enum Withheld {
    /// CAP cannot write its time.
    Time,
    /// See [`Issuer::check`].
    Issuer,
    /// A text seems to hold personal data.
    Text,
}

/// When a warning is sent and when it expires.
fn times(sent_s: i64) -> Option<(String, String)> {
    Some((local(sent_s)?, local(sent_s.saturating_add(WARNING_HOURS * HOUR_S))?))
}

#[cfg(test)]
#[path = "warning_tests.rs"]
mod tests;
