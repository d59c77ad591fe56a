//! Who speaks in a warning.

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

impl Issuer {
    /// What keeps this issuer from making a valid warning, if anything. While there is such a fault every draft
    /// of a warning is withheld, so check it at the start.
    pub fn fault(&self) -> Option<&'static str> {
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
        let sender_is_plain = self.sender.bytes().all(|c| c.is_ascii_graphic() && !matches!(c, b',' | b'<' | b'&'));
        let web_is_plain = self.web.bytes().all(|c| c.is_ascii_graphic() && !matches!(c, b'<' | b'>' | b'"' | b'#'));
        let web_is_absolute = self.web.starts_with("https://") || self.web.starts_with("http://");
        if self.sender.is_empty() || !sender_is_plain {
            return Some("`sender` must be ASCII without space, comma, `<` and `&`");
        }
        if !web_is_absolute || !web_is_plain {
            return Some("`web` must be an absolute http or https address in ASCII without `#`");
        }
        if !digits(&self.place_code, 6) {
            return Some("`place_code` must be six digits");
        }
        if !digits(&self.agency_code, 3) {
            return Some("`agency_code` must be three digits");
        }
        let is_blank = [&self.agency_zh, &self.agency_en, &self.contact].iter().any(|text| text.trim().is_empty());
        if is_blank {
            return Some("`agency_zh`, `agency_en` and `contact` must not be empty");
        }
        let has_personal_data =
            [&self.agency_zh, &self.agency_en, &self.contact].iter().any(|text| crate::personal_data(text).is_some());
        has_personal_data.then_some("`agency_zh`, `agency_en` and `contact` must pass the filter for personal data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_settings_are_valid_and_each_bad_one_is_named() {
        assert_eq!(Issuer::default().fault(), None);
        let bad = [
            ("sender", Issuer { sender: "a b".into(), ..Issuer::default() }),
            ("web", Issuer { web: "warnings".into(), ..Issuer::default() }),
            ("place_code", Issuer { place_code: "4403".into(), ..Issuer::default() }),
            ("agency_code", Issuer { agency_code: "0a0".into(), ..Issuer::default() }),
            ("contact", Issuer { contact: "0755-84460000".into(), ..Issuer::default() }),
        ];
        for (name, issuer) in bad {
            assert!(issuer.fault().is_some_and(|fault| fault.contains(name)), "{name}");
        }
    }
}
