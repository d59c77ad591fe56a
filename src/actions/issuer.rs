//! Who speaks in a warning.

use crate::limits::{ISSUER_CHARS_MAX, WEB_CHARS_MAX};
use crate::{RuleFacts, areas, cap};

/// Who speaks in a warning, and for which place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// CAP `sender`: no space, comma, `<` or `&`.
    pub sender: String,
    /// Agency in Chinese.
    pub agency_zh: String,
    /// Agency in English.
    pub agency_en: String,
    /// Page with the warnings; `lang=zh` or `lang=en` is added to its query.
    pub web: String,
    /// Number to call.
    pub contact: String,
    /// Six digits of the place (GB/T 2260).
    pub place_code: String,
    /// Three digits of the agency (GB/T 4657).
    pub agency_code: String,
}

impl Default for Issuer {
    fn default() -> Self {
        Issuer {
            sender: "fraud-warning@example.invalid".to_owned(),
            agency_zh: "示例反诈中心".to_owned(),
            agency_en: "Example Anti-Fraud Centre".to_owned(),
            web: "https://warnings.example.invalid/".to_owned(),
            contact: "96110".to_owned(),
            place_code: "440300".to_owned(),
            agency_code: "000".to_owned(),
        }
    }
}

/// What keeps warnings from being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerFault {
    /// The field of [`Issuer`].
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
    /// What to write instead.
    pub remedy: &'static str,
}

impl std::fmt::Display for IssuerFault {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let IssuerFault { field, why, remedy } = self;
        write!(f, "`{field}` {why}: every public warning would be withheld; {remedy}")
    }
}

impl std::error::Error for IssuerFault {}

impl Issuer {
    /// Can warnings be made? While there is a fault every draft of a warning is withheld, so ask at the start.
    ///
    /// # Errors
    /// The first field that does not fit a warning, or that the filter of public texts would refuse.
    pub fn check(&self) -> Result<(), IssuerFault> {
        let fault = |field, why: &str, remedy| Err(IssuerFault { field, why: why.to_owned(), remedy });
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
        if !is_sender(&self.sender) {
            let why = "is empty, too long, or has a character that CAP does not allow";
            return fault("sender", why, "write up to 128 ASCII characters without space, comma, `<` and `&`");
        }
        if !is_web(&self.web) {
            let why = "is no plain address";
            return fault("web", why, "write `https://`, a host name and a path, in ASCII and without `#`");
        }
        if !digits(&self.place_code, 6) {
            return fault("place_code", "is no code of GB/T 2260", "write six digits, such as `440300`");
        }
        if !digits(&self.agency_code, 3) {
            return fault("agency_code", "is no code of GB/T 4657", "write three digits, such as `000`");
        }
        self.check_text("agency_zh", &self.agency_zh, |other, text| other.agency_zh = text)?;
        self.check_text("agency_en", &self.agency_en, |other, text| other.agency_en = text)?;
        self.check_text("contact", &self.contact, |other, text| other.contact = text)
    }

    /// Can this rule's warnings be made, as far as its own texts go? Ask at the start for each rule that warns.
    ///
    /// # Errors
    /// What of personal data its title or fraud type seem to have.
    pub fn check_rule(&self, rule: &RuleFacts) -> Result<(), &'static str> {
        let (title, place) = (rule.title(), areas::of_issuer(&self.place_code));
        refused(self, &title, &rule.fraud_type, &place).map_or(Ok(()), Err)
    }

    /// A text that people read. It is tried inside a real message, for what stands next to it counts too.
    fn check_text(
        &self,
        field: &'static str,
        text: &str,
        put: impl Fn(&mut Issuer, String),
    ) -> Result<(), IssuerFault> {
        let fault = |why: String, remedy| Err(IssuerFault { field, why, remedy });
        if text.trim().is_empty() {
            return fault("is empty".to_owned(), "write a text");
        }
        if text.chars().count() > ISSUER_CHARS_MAX || text.chars().any(|c| c.is_control() || crate::xml::is_foreign(c))
        {
            return fault("is too long or has control characters".to_owned(), "write one line of up to 128 characters");
        }
        let mut other = Issuer { place_code: self.place_code.clone(), ..Issuer::default() };
        put(&mut other, text.to_owned());
        let title = crate::Bilingual { zh: "诈骗".to_owned(), en: "Fraud".to_owned() };
        match refused(&other, &title, "OTHER", &areas::of_issuer(&self.place_code)) {
            None => Ok(()),
            Some(found) => fault(
                format!("seems to hold personal data ({found})"),
                "write the name of an agency, or a public number of up to six digits such as `96110`",
            ),
        }
    }
}

/// What the filter finds in the texts of a warning or of its withdrawal.
fn refused(issuer: &Issuer, title: &crate::Bilingual, fraud_type: &str, area: &areas::Area) -> Option<&'static str> {
    let about = |is_withdrawn| cap::Content { issuer, area, title, severity: "high", fraud_type, is_withdrawn };
    about(false).refused().or_else(|| about(true).refused())
}

fn is_sender(text: &str) -> bool {
    let is_allowed = |c: u8| c.is_ascii_graphic() && !matches!(c, b',' | b'<' | b'&');
    (1..=ISSUER_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// An absolute address that every reader of CAP takes: `xs:anyURI`, and nothing that needs quoting.
fn is_web(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_host = host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'));
    let has_name = host.bytes().any(|c| c.is_ascii_alphanumeric());
    let is_port = port.is_none_or(|port| port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~/?:@!$&'()*+,;=%".contains(&c);
    let mut escapes = path.split('%').skip(1);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    text.len() <= WEB_CHARS_MAX
        && has_name
        && is_host
        && is_port
        && path.bytes().all(is_plain)
        && escapes.all(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn field(issuer: &Issuer) -> &'static str {
        issuer.check().map_or_else(|fault| fault.field, |()| "none")
    }

    #[test]
    fn the_default_issuer_is_valid_and_each_bad_field_is_named_with_what_to_do() {
        assert_eq!(Issuer::default().check(), Ok(()));
        for (name, issuer) in [
            ("sender", Issuer { sender: "a b".into(), ..Issuer::default() }),
            ("sender", Issuer { sender: "x".repeat(129), ..Issuer::default() }),
            ("place_code", Issuer { place_code: "4403".into(), ..Issuer::default() }),
            ("agency_code", Issuer { agency_code: "0a0".into(), ..Issuer::default() }),
            ("agency_zh", Issuer { agency_zh: " ".into(), ..Issuer::default() }),
            ("agency_en", Issuer { agency_en: "two\nlines".into(), ..Issuer::default() }),
            ("contact", Issuer { contact: "0755-84460000".into(), ..Issuer::default() }),
        ] {
            assert_eq!(field(&issuer), name);
            let text = issuer.check().unwrap_err().to_string();
            assert!(text.contains(name) && text.contains("withheld") && text.contains("; write "), "{text}");
        }
    }

    #[test]
    fn a_text_that_only_its_neighbours_make_personal_data_is_found_at_the_start() {
        for contact in ["@x.cn", "a@b.", "110 1234567"] {
            let issuer = Issuer { contact: contact.into(), ..Issuer::default() };
            assert_eq!(field(&issuer), "contact", "{contact}");
        }
        for contact in ["96110", "12381", "110", "0755-110", "宝安分局 96110"] {
            let issuer = Issuer { contact: contact.into(), ..Issuer::default() };
            assert_eq!(field(&issuer), "none", "{contact}");
        }
    }

    #[test]
    fn an_address_is_whole_and_plain() {
        let is_valid = |web: &str| field(&Issuer { web: web.into(), ..Issuer::default() }) == "none";
        for web in ["https://a.example", "http://a.example:8080/w?p=1", "https://a.example/%E5%8F%8D/@x"] {
            assert!(is_valid(web), "{web}");
        }
        for web in [
            "warnings",
            "https://",
            "https:///path",
            "https://user:word@a.example/",
            "https://a.example:port/",
            "https://a.example:99999/",
            "https://a.example/#top",
            "https://a.example/a b",
            "https://a.example/%zz",
            "https://a.example/%4",
            "https://预警.example/",
            "https://[::1",
            "ftp://a.example/",
        ] {
            assert!(!is_valid(web), "{web}");
        }
    }

    #[test]
    fn a_rule_whose_own_texts_fail_the_filter_is_found_before_it_runs() {
        let (issuer, rule) = (Issuer::default(), testing::rule(crate::FollowUp::Warn));
        assert_eq!(issuer.check_rule(&rule), Ok(()));
        let named = RuleFacts { title_zh: "冒充138 0013 8000".into(), ..rule.clone() };
        assert_eq!(issuer.check_rule(&named), Err("phone number"));
        let coded = RuleFacts { fraud_type: "20260101".into(), ..rule };
        assert_eq!(issuer.check_rule(&coded), Err("seven or more digits in a row"));
    }
}
