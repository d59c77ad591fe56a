//! Numbers as people of a country write them, as plain decimals. Exact: no float, nothing rounded.

use foreshock_core::decimal::Decimal;

/// Signs of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberForm {
    /// Before the decimals.
    pub(crate) decimal: char,
    /// Between groups of three digits.
    pub(crate) group: Option<char>,
}

impl Default for NumberForm {
    fn default() -> NumberForm {
        NumberForm { decimal: '.', group: None }
    }
}

impl NumberForm {
    /// As `-12.50`; `None` when it is no number in this form.
    pub(crate) fn plain(self, text: &str) -> Option<String> {
        let text = text.trim();
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = text.split_once(self.decimal).unwrap_or((text, ""));
        let whole = self.ungrouped(whole)?;
        let are_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !are_digits(&whole) || !are_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let whole = if whole.is_empty() { "0" } else { &whole };
        let point = if fraction.is_empty() { "" } else { "." };
        Some(format!("{sign}{whole}{point}{fraction}"))
    }

    /// The same with a power of ten, `9.5e-05`, as programs write small floats.
    pub(crate) fn scientific(self, text: &str) -> Option<String> {
        let (number, exponent) = text.trim().split_once(['e', 'E'])?;
        let text = format!("{}e{exponent}", self.plain(number)?);
        Decimal::parse(&text).is_some().then_some(text)
    }

    /// A whole number; decimals that are all 0 are none.
    pub(crate) fn whole(self, text: &str) -> Option<i64> {
        let plain = self.plain(text)?;
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        fraction.bytes().all(|b| b == b'0').then(|| whole.parse().ok())?
    }

    /// Without the signs between groups: all groups but the first have three digits, or there is none.
    fn ungrouped(self, whole: &str) -> Option<String> {
        let Some(group) = self.group else { return Some(whole.to_owned()) };
        let is_group = |c: char| c == group || (group == ' ' && matches!(c, '\u{A0}' | '\u{202F}'));
        let parts: Vec<&str> = whole.split(is_group).collect();
        let [first, rest @ ..] = parts.as_slice() else { return None };
        let fits = rest.is_empty() || ((1..=3).contains(&first.len()) && rest.iter().all(|p| p.len() == 3));
        fits.then(|| parts.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(decimal: char, group: Option<char>) -> NumberForm {
        NumberForm { decimal, group }
    }

    #[test]
    fn each_form_reads_its_own_numbers_and_refuses_the_others() {
        let (plain, german, english) = (NumberForm::default(), form(',', Some('.')), form('.', Some(',')));
        for (text, a, b, c) in [
            ("1234.50", Some("1234.50"), None, Some("1234.50")),
            ("1.234,50", None, Some("1234.50"), None),
            ("1,234.50", None, None, Some("1234.50")),
            ("1.234", Some("1.234"), Some("1234"), Some("1.234")),
            ("-1,234,567", None, None, Some("-1234567")),
            (" +5 ", Some("5"), Some("5"), Some("5")),
            (".5", Some("0.5"), None, Some("0.5")),
            ("5.", Some("5"), None, Some("5")),
        ] {
            let read = [plain.plain(text), german.plain(text), english.plain(text)];
            assert_eq!(read.each_ref().map(Option::as_deref), [a, b, c], "{text}");
        }
        let french = form(',', Some(' '));
        assert_eq!(french.plain("1 234\u{A0}567,8").as_deref(), Some("1234567.8"));
        for bad in ["", "-", ".", "1e3", "NaN", "1,2,3", "12,34.5", "1,234,5", "$5", "٣", "--5", "0x1", "1 2"] {
            assert_eq!(english.plain(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_whole_number_is_read_exactly_or_not_at_all() {
        let plain = NumberForm::default();
        assert_eq!((plain.whole("42"), plain.whole("42.0"), plain.whole("-007")), (Some(42), Some(42), Some(-7)));
        assert_eq!(form(',', Some('.')).whole("1.234,00"), Some(1234));
        assert_eq!(plain.whole("9223372036854775807"), Some(i64::MAX));
        for bad in ["4.5", "42.01", "9223372036854775808", "1e2", "", "4 2"] {
            assert_eq!(plain.whole(bad), None, "{bad}");
        }
    }
}
