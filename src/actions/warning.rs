//! Drafts of public warnings: CAP 1.2 in the profile `sz-fraud-warning:1.0`, `status` Draft.
//!
//! The texts say which pattern was seen and where, never who, how many or by which event. A text that fails
//! [`personal_data`] or an issuer that makes no valid message withhold the whole draft.

use crate::areas::{self, Area};
use crate::blocking::text_value;
use crate::limits::{
    HEADLINE_CHARS_MAX, TITLE_CHARS_MAX, WARNING_HOURS, WARNING_IDENTIFIER_SECONDS_MAX, WARNING_IDENTIFIERS_MAX,
};
use crate::xml::Xml;
use crate::{Finding, Issuer, personal_data};
use foreshock_core::time::{DAY_US, SECOND_US, civil_from_days};
use std::collections::BTreeMap;

const CAP: &str = " xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"";
const PROFILE: &str = "profile:sz-fraud-warning:1.0";
const EVENT_CODE: &str = "profile:sz-fraud-warning:event:1.0";
/// Version of the list that fraud type codes are from.
const TAXONOMY: &str = "2025.1";
const NOTE: &str =
    "规则自动生成的草稿，未经人工审核不得发布。Draft made by a rule, not to be published before a person approves it.";
/// Shenzhen is at +08:00 all year.
const OFFSET_S: i64 = 8 * 3_600;

/// Identifiers given, by second and number within it, with the episode each is for.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    given: BTreeMap<(i64, u8), u128>,
}

impl Identifiers {
    pub(crate) fn save(&self) -> Vec<((i64, u8), u128)> {
        self.given.iter().map(|(slot, alert)| (*slot, *alert)).collect()
    }

    pub(crate) fn load(given: Vec<((i64, u8), u128)>) -> Self {
        Identifiers { given: given.into_iter().collect() }
    }

    /// The first free (second, number); an episode that opens again gets its own back. The form has one digit for
    /// the number, so an eleventh warning of one second takes the next second.
    fn give(&mut self, second: i64, alert: u128) -> Option<(i64, u8)> {
        let seconds = second..second.saturating_add(WARNING_IDENTIFIER_SECONDS_MAX);
        let mut slots = seconds.flat_map(|second| (0..10).map(move |number| (second, number)));
        let slot = slots.find(|slot| self.given.get(slot).is_none_or(|holder| *holder == alert))?;
        self.given.insert(slot, alert);
        if self.given.len() > WARNING_IDENTIFIERS_MAX {
            self.given.pop_first();
        }
        Some(slot)
    }
}

/// One `info` block's language and texts.
struct Block {
    language: &'static str,
    event: String,
    sender: String,
    headline: String,
    description: String,
    instruction: String,
    web: String,
    area: String,
}

/// The area and the XML of a warning, or nothing when it has to be withheld.
pub(crate) fn warning(
    issuer: &Issuer,
    identifiers: &mut Identifiers,
    alert: u128,
    finding: &Finding,
) -> Option<(String, String)> {
    let second = finding.detection.event_time.div_euclid(SECOND_US);
    let (sent, expires) = (local(second)?, local(second.saturating_add(WARNING_HOURS * 3_600))?);
    let area = area(issuer, finding)?;
    let blocks = [block_zh(issuer, finding, &area), block_en(issuer, finding, &area)];
    let texts = blocks.iter().flat_map(Block::texts).chain([issuer.contact.as_str(), &finding.rule.fraud_type]);
    let is_withheld = issuer.fault().is_some() || texts.into_iter().any(|text| personal_data(text).is_some());
    if is_withheld {
        return None;
    }
    let (slot_second, number) = identifiers.give(second, alert)?;
    let digits: String = local(slot_second)?.chars().take(19).filter(char::is_ascii_digit).collect();
    let identifier = format!("{}{}00000_{digits}_{number}", issuer.place_code, issuer.agency_code);

    let mut xml = Xml::new();
    xml.nest("alert", CAP, |xml| {
        xml.leaf("identifier", &identifier);
        xml.leaf("sender", &issuer.sender);
        xml.leaf("sent", &sent);
        xml.leaf("status", "Draft");
        xml.leaf("msgType", "Alert");
        xml.leaf("scope", "Public");
        xml.leaf("code", PROFILE);
        xml.leaf("note", NOTE);
        for block in &blocks {
            xml.nest("info", "", |xml| block.write(xml, finding, issuer, &area, (&sent, &expires)));
        }
    });
    Some((area.code, xml.finish()))
}

impl Block {
    fn texts(&self) -> [&str; 6] {
        [&self.event, &self.sender, &self.headline, &self.description, &self.instruction, &self.area]
    }

    fn write(&self, xml: &mut Xml, finding: &Finding, issuer: &Issuer, area: &Area, times: (&str, &str)) {
        xml.leaf("language", self.language);
        xml.leaf("category", "Security");
        xml.leaf("event", &self.event);
        xml.leaf("responseType", "Avoid");
        xml.leaf("responseType", "Monitor");
        xml.leaf("urgency", "Expected");
        xml.leaf("severity", cap_severity(&finding.rule.severity));
        xml.leaf("certainty", "Observed");
        xml.pair("eventCode", EVENT_CODE, &finding.rule.fraud_type);
        xml.leaf("effective", times.0);
        xml.leaf("expires", times.1);
        xml.leaf("senderName", &self.sender);
        xml.leaf("headline", &self.headline);
        xml.leaf("description", &self.description);
        xml.leaf("instruction", &self.instruction);
        xml.leaf("web", &self.web);
        xml.leaf("contact", &issuer.contact);
        xml.pair("parameter", "sz-fraud:taxonomy-version", TAXONOMY);
        xml.nest("area", "", |xml| {
            xml.leaf("areaDesc", &self.area);
            for geocode in &area.geocodes {
                xml.pair("geocode", "GB/T2260", geocode);
            }
        });
    }
}

fn block_zh(issuer: &Issuer, finding: &Finding, area: &Area) -> Block {
    let title = cut(&finding.rule.title_zh, TITLE_CHARS_MAX);
    Block {
        language: "zh-CN",
        event: format!("电信网络诈骗预警：{title}"),
        sender: issuer.agency_zh.clone(),
        headline: cut(&format!("{}：发现“{title}”，谨防诈骗", area.zh), HEADLINE_CHARS_MAX),
        description: format!("监测到{}出现异常情况：{title}。该情况可能与电信网络诈骗有关。", area.zh),
        instruction: format!(
            "不点击陌生链接，不共享屏幕，不透露验证码，不向陌生账户转账。如有疑问请拨打{}咨询，被骗请立即拨打110报警。",
            issuer.contact
        ),
        web: web(issuer, "zh"),
        area: area.zh.clone(),
    }
}

fn block_en(issuer: &Issuer, finding: &Finding, area: &Area) -> Block {
    let title = cut(&finding.rule.title_en, TITLE_CHARS_MAX);
    Block {
        language: "en-US",
        event: format!("Telecom and online fraud warning: {title}"),
        sender: issuer.agency_en.clone(),
        headline: cut(&format!("Beware of fraud in {}: {title}", area.en), HEADLINE_CHARS_MAX),
        description: format!("An unusual pattern was seen in {}: {title}. It may be part of a fraud.", area.en),
        instruction: format!(
            "Open no link from a stranger, share neither your screen nor a code, and send no money to an unknown \
             account. If in doubt call {}; if you have lost money call 110 at once.",
            issuer.contact
        ),
        web: web(issuer, "en"),
        area: area.en.clone(),
    }
}

/// The area the rule selects. A subject is used only if it is a place we know, for it may be an account; else the
/// warning is for the whole place of the issuer.
fn area(issuer: &Issuer, finding: &Finding) -> Option<Area> {
    if let Some(code) = text_value(finding.detection, "district") {
        return areas::any(code);
    }
    areas::known(&finding.detection.subject).or_else(|| areas::any(&issuer.place_code))
}

fn web(issuer: &Issuer, language: &str) -> String {
    let joint = if issuer.web.contains('?') { '&' } else { '?' };
    format!("{}{joint}lang={language}", issuer.web)
}

fn cap_severity(severity: &str) -> &'static str {
    match severity {
        "low" => "Minor",
        "medium" => "Moderate",
        "high" => "Severe",
        "critical" => "Extreme",
        _ => "Unknown",
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

/// Seconds since 1970 as local time without fraction; CAP has four digits for the year and no `Z`.
fn local(second: i64) -> Option<String> {
    let shifted = second.checked_add(OFFSET_S)?;
    let day_s = DAY_US / SECOND_US;
    let (year, month, day) = civil_from_days(shifted.div_euclid(day_s));
    let rest = shifted.rem_euclid(day_s);
    let (h, m, s) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let has_four_digits = (1_000..=9_999).contains(&year);
    has_four_digits.then(|| format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}+08:00"))
}

#[cfg(test)]
#[path = "warning_tests.rs"]
mod tests;
