//! The form and the texts of a public warning: CAP 1.2 in the profile `sz-fraud-warning:1.0`, `status` Draft.
//!
//! The texts say which pattern was seen and where, never who, how many or by which event. Title and fraud type come from
//! the rule, the area from the tables or the issuer: no text of an event is among them.

use crate::areas::Area;
use crate::limits::{HEADLINE_CHARS_MAX, TITLE_CHARS_MAX};
use crate::xml::Xml;
use crate::{Bilingual, Issuer, Tally, personal_data};
use foreshock_core::time::{DAY_US, SECOND_US, civil_from_days};

const CAP: &str = " xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"";
const PROFILE: &str = "profile:sz-fraud-warning:1.0";
const EVENT_CODE: &str = "profile:sz-fraud-warning:event:1.0";
/// Version of the list that fraud type codes are from.
pub(crate) const TAXONOMY: &str = "2025.1";
/// Shenzhen is at +08:00 all year.
const OFFSET_S: i64 = 8 * 3_600;

/// What a warning is about, or the withdrawal of one.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    pub issuer: &'a Issuer,
    pub area: &'a Area,
    pub title: &'a Bilingual,
    pub severity: &'a str,
    pub fraud_type: &'a str,
    pub is_withdrawn: bool,
}

/// What comes before the texts.
pub(crate) struct Head<'a> {
    pub identifier: &'a str,
    pub sent: &'a str,
    pub expires: &'a str,
    pub note: &'a str,
    /// The message that it withdraws.
    pub references: Option<&'a str>,
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

impl Content<'_> {
    /// What of personal data the filter finds in the texts, if any.
    pub fn refused(&self) -> Option<&'static str> {
        let blocks = self.blocks(&mut Tally::default());
        let texts = blocks.iter().flat_map(Block::texts).chain([self.issuer.contact.as_str(), self.fraud_type]);
        texts.into_iter().find_map(personal_data)
    }

    /// The whole message.
    pub fn write(&self, head: &Head, tally: &mut Tally) -> String {
        let blocks = self.blocks(tally);
        let mut xml = Xml::new();
        xml.nest("alert", CAP, |xml| {
            xml.leaf("identifier", head.identifier);
            xml.leaf("sender", &self.issuer.sender);
            xml.leaf("sent", head.sent);
            xml.leaf("status", "Draft");
            xml.leaf("msgType", if self.is_withdrawn { "Cancel" } else { "Alert" });
            xml.leaf("scope", "Public");
            xml.leaf("code", PROFILE);
            xml.leaf("note", head.note);
            head.references.iter().for_each(|references| xml.leaf("references", references));
            for block in &blocks {
                xml.nest("info", "", |xml| self.write_block(block, head, xml));
            }
        });
        tally.warning_characters_replaced += xml.replaced;
        xml.finish()
    }

    fn write_block(&self, block: &Block, head: &Head, xml: &mut Xml) {
        xml.leaf("language", block.language);
        xml.leaf("category", "Security");
        xml.leaf("event", &block.event);
        // Readers that show only this block must see from it that the warning has ended.
        let responses: &[&str] = if self.is_withdrawn { &["AllClear"] } else { &["Avoid", "Monitor"] };
        responses.iter().for_each(|response| xml.leaf("responseType", response));
        let (urgency, certainty) = if self.is_withdrawn { ("Past", "Unknown") } else { ("Expected", "Observed") };
        xml.leaf("urgency", urgency);
        xml.leaf("severity", cap_severity(self.severity));
        xml.leaf("certainty", certainty);
        xml.pair("eventCode", EVENT_CODE, self.fraud_type);
        xml.leaf("effective", head.sent);
        xml.leaf("expires", head.expires);
        xml.leaf("senderName", &block.sender);
        xml.leaf("headline", &block.headline);
        xml.leaf("description", &block.description);
        xml.leaf("instruction", &block.instruction);
        xml.leaf("web", &block.web);
        xml.leaf("contact", &self.issuer.contact);
        xml.pair("parameter", "sz-fraud:taxonomy-version", TAXONOMY);
        xml.nest("area", "", |xml| {
            xml.leaf("areaDesc", &block.area);
            for geocode in &self.area.geocodes {
                xml.pair("geocode", "GB/T2260", geocode);
            }
        });
    }

    fn blocks(&self, tally: &mut Tally) -> [Block; 2] {
        let mut cut = |text: &str, chars_max| cut(text, chars_max, &mut tally.warning_texts_cut);
        let (zh, en) = (cut(&self.title.zh, TITLE_CHARS_MAX), cut(&self.title.en, TITLE_CHARS_MAX));
        let mut blocks = if self.is_withdrawn {
            [self.withdrawal_zh(&zh), self.withdrawal_en(&en)]
        } else {
            [self.warning_zh(&zh), self.warning_en(&en)]
        };
        for block in &mut blocks {
            block.headline = cut(&block.headline, HEADLINE_CHARS_MAX);
        }
        blocks
    }

    fn warning_zh(&self, title: &str) -> Block {
        let (area, contact) = (&self.area.zh, &self.issuer.contact);
        self.zh(
            title,
            format!("{area}：发现“{title}”，谨防诈骗"),
            format!("监测到{area}出现异常情况：{title}。该情况可能与电信网络诈骗有关。"),
            format!(
                "不点击陌生链接，不共享屏幕，不透露验证码，不向陌生账户转账。如有疑问请拨打{contact}咨询，被骗请立即拨打110报警。"
            ),
        )
    }

    fn warning_en(&self, title: &str) -> Block {
        let (area, contact) = (&self.area.en, &self.issuer.contact);
        self.en(
            title,
            format!("Beware of fraud in {area}: {title}"),
            format!("An unusual pattern was seen in {area}: {title}. It may be part of a fraud."),
            format!(
                "Open no link from a stranger, share neither your screen nor a code, and send no money to an unknown \
                 account. If in doubt call {contact}; if you have lost money call 110 at once."
            ),
        )
    }

    fn withdrawal_zh(&self, title: &str) -> Block {
        let (area, contact) = (&self.area.zh, &self.issuer.contact);
        self.zh(
            title,
            format!("{area}：“{title}”预警撤回"),
            format!("此前关于{area}的预警（{title}）现予撤回。"),
            format!("仍请保持警惕，不向陌生账户转账。如有疑问请拨打{contact}咨询。"),
        )
    }

    fn withdrawal_en(&self, title: &str) -> Block {
        let (area, contact) = (&self.area.en, &self.issuer.contact);
        self.en(
            title,
            format!("Warning withdrawn in {area}: {title}"),
            format!("The warning for {area} ({title}) is withdrawn."),
            format!("Stay careful and send no money to an unknown account. If in doubt call {contact}."),
        )
    }

    fn zh(&self, title: &str, headline: String, description: String, instruction: String) -> Block {
        let event = format!("电信网络诈骗预警：{title}");
        let (sender, area) = (self.issuer.agency_zh.clone(), self.area.zh.clone());
        Block { language: "zh-CN", event, sender, headline, description, instruction, web: self.web("zh"), area }
    }

    fn en(&self, title: &str, headline: String, description: String, instruction: String) -> Block {
        let event = format!("Telecom and online fraud warning: {title}");
        let (sender, area) = (self.issuer.agency_en.clone(), self.area.en.clone());
        Block { language: "en-US", event, sender, headline, description, instruction, web: self.web("en"), area }
    }

    fn web(&self, language: &str) -> String {
        let joint = if self.issuer.web.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={language}", self.issuer.web)
    }
}

impl Block {
    fn texts(&self) -> [&str; 6] {
        [&self.event, &self.sender, &self.headline, &self.description, &self.instruction, &self.area]
    }
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

fn cut(text: &str, chars_max: usize, cut_count: &mut u64) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    *cut_count += 1;
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

/// Seconds since 1970 as local time without fraction; CAP has four digits for the year and no `Z`.
pub(crate) fn local(second: i64) -> Option<String> {
    let shifted = second.checked_add(OFFSET_S)?;
    let day_s = DAY_US / SECOND_US;
    let (year, month, day) = civil_from_days(shifted.div_euclid(day_s));
    let rest = shifted.rem_euclid(day_s);
    let (h, m, s) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let has_four_digits = (1_000..=9_999).contains(&year);
    has_four_digits.then(|| format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}+08:00"))
}
