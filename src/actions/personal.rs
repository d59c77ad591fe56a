//! The text filter of public warnings: what looks like it belongs to a person does not go out.
//!
//! It looks at form only; names it cannot know. Full-width characters count as their ASCII twins, invisible ones not
//! at all, and digits may be parted by single spaces, hyphens or dots.

/// Numbers that everybody may call.
const PUBLIC_NUMBERS: [&str; 3] = ["96110", "110", "12381"];
/// Digits in a row that public text may not have.
const DIGITS_MIN: usize = 7;
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
const ID_CARD_CHARS: usize = 18;
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

/// What personal data the text seems to have, if any.
pub fn personal_data(text: &str) -> Option<&'static str> {
    let chars: Vec<char> = text.chars().filter_map(plain).collect();
    let groups_of_digits = runs(&chars);
    let any = |test: fn(&[String]) -> bool| groups_of_digits.iter().any(|groups| pieces(groups).any(test));
    if has_email(&chars) {
        return Some("e-mail address");
    }
    if any(is_id_card) {
        return Some("identity card number");
    }
    if any(is_payment_card) {
        return Some("payment card number");
    }
    if any(is_mobile) {
        return Some("phone number");
    }
    if groups_of_digits.iter().flatten().any(|group| digit_count(group) >= DIGITS_MIN) {
        return Some("seven or more digits in a row");
    }
    has_number_plate(&chars).then_some("number plate")
}

/// ASCII for full-width characters, nothing for invisible ones.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{3000}' | '\u{a0}' | '\u{2000}'..='\u{200a}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        c => Some(c),
    }
}

/// Groups of digits that only single separators part; a public number ends a run. `x` may stand at the end, as in
/// identity card numbers.
fn runs(chars: &[char]) -> Vec<Vec<String>> {
    let mut runs = vec![Vec::new()];
    let mut group = String::new();
    let mut previous_was_digit = false;
    for &c in chars.iter().chain(&['\n']) {
        if c.is_ascii_digit() {
            group.push(c);
            previous_was_digit = true;
            continue;
        }
        let is_check_letter = previous_was_digit && matches!(c, 'x' | 'X');
        if is_check_letter {
            group.push('X');
        }
        let is_separator = previous_was_digit && matches!(c, ' ' | '-' | '.');
        let is_public = PUBLIC_NUMBERS.contains(&group.as_str());
        if !group.is_empty() && !is_public {
            runs.last_mut().expect("starts with one run and only grows").push(group.clone());
        }
        group.clear();
        if !is_separator || is_public {
            runs.push(Vec::new());
        }
        previous_was_digit = false;
    }
    runs
}

/// Every stretch of neighbouring groups that a card or phone number could fill.
fn pieces(groups: &[String]) -> impl Iterator<Item = &[String]> {
    let longest = *CARD_DIGITS.end();
    (0..groups.len())
        .flat_map(move |from| (from + 1..=groups.len().min(from + longest)).filter_map(move |to| groups.get(from..to)))
}

fn digit_count(group: &str) -> usize {
    group.bytes().filter(u8::is_ascii_digit).count()
}

fn is_id_card(piece: &[String]) -> bool {
    let text = piece.concat();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok());
    let check_letter_is_last = text.find('X').is_none_or(|at| at + 1 == ID_CARD_CHARS);
    text.len() == ID_CARD_CHARS
        && check_letter_is_last
        && number(6, 10).is_some_and(|year| (1800..2200).contains(&year))
        && number(10, 12).is_some_and(|month| (1..=12).contains(&month))
        && number(12, 14).is_some_and(|day| (1..=31).contains(&day))
}

fn is_payment_card(piece: &[String]) -> bool {
    let text = piece.concat();
    if !CARD_DIGITS.contains(&text.len()) {
        return false;
    }
    let mut sum = 0;
    for (place, c) in text.chars().rev().enumerate() {
        let Some(digit) = c.to_digit(10) else { return false };
        let weighted = if place % 2 == 0 { digit } else { 2 * digit };
        sum += weighted / 10 + weighted % 10;
    }
    sum % 10 == 0
}

/// A mainland mobile number, however it is parted.
fn is_mobile(piece: &[String]) -> bool {
    let text = piece.concat();
    let mut digits = text.chars();
    text.len() == 11 && digits.next() == Some('1') && digits.next().is_some_and(|c| ('3'..='9').contains(&c))
}

fn has_email(chars: &[char]) -> bool {
    let is_local = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let is_domain = |c: &&char| c.is_alphanumeric() || matches!(c, '.' | '-');
    chars.iter().enumerate().filter(|(_, c)| **c == '@').any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|i| chars.get(i));
        let domain: String = chars.iter().skip(at + 1).take_while(is_domain).collect();
        let has_dot_inside = domain.trim_matches('.').contains('.');
        before.is_some_and(is_local) && has_dot_inside
    })
}

fn has_number_plate(chars: &[char]) -> bool {
    chars.windows(2).enumerate().any(|(at, pair)| {
        let starts = matches!(pair, [a, b] if PROVINCES.contains(*a) && b.is_ascii_uppercase());
        if !starts {
            return false;
        }
        let rest = chars.iter().skip(at + 2).filter(|c| !matches!(c, ' ' | '·' | '-'));
        let rest: Vec<&char> = rest.take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).collect();
        rest.len() >= 5 && rest.iter().any(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_warning_text_passes() {
        for text in [
            "",
            "疑似被骗请拨打96110咨询，或拨打110报警；短信12381。",
            "Call 96110, 110 or 12381. 96110 110 12381",
            "200 messages in 10 minutes, 24-48 h, 0.5 km, 440304, @all, a@b",
            "2026-08-21 09:00:00",
            "粤港澳大湾区反诈",
            "京ABCDE",
        ] {
            assert_eq!(personal_data(text), None, "{text}");
        }
    }

    #[test]
    fn seven_digits_in_a_row_are_refused_and_six_are_not() {
        let found = Some("seven or more digits in a row");
        assert_eq!(personal_data("ref 123456"), None);
        assert_eq!(personal_data("ref 1234567."), found);
        assert_eq!(personal_data("961101109"), found);
        assert_eq!(personal_data("１２３４５６７"), found);
        assert_eq!(personal_data("123\u{200b}4567"), found);
        assert_eq!(personal_data("1234567X"), found);
    }

    #[test]
    fn numbers_of_people_and_cards_are_found_however_they_are_parted() {
        for (text, found) in [
            ("write to a.person@mail.example", "e-mail address"),
            ("ａ＠ｂ．ｃｎ", "e-mail address"),
            ("身份证440301199001011234", "identity card number"),
            ("440301 19900101 123x", "identity card number"),
            ("卡号4111111111111111", "payment card number"),
            ("card 4111 1111-1111 1111", "payment card number"),
            ("5 4111 1111 1111 1111", "payment card number"),
            ("138 0013 8000", "phone number"),
            ("13800138000", "phone number"),
            ("车牌粤B12345", "number plate"),
            ("粤B·D12345", "number plate"),
        ] {
            assert_eq!(personal_data(text), Some(found), "{text}");
        }
    }

    #[test]
    fn a_number_with_a_wrong_check_digit_is_no_card_but_still_too_long() {
        assert_eq!(personal_data("4111111111111112"), Some("seven or more digits in a row"));
        assert_eq!(personal_data("4111 1111 1111 1112"), None);
    }
}
