//! Texts of any script as tokens: two different texts never become one.

use foreshock_core::ids::is_token;
use foreshock_core::limits::TOKEN_LEN_MAX;
use std::fmt;

/// How a text becomes a token.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenForm {
    /// Put before each: what tells customer 7 from terminal 7.
    pub(crate) prefix: String,
    /// What cannot be a token as it is becomes one; `None` leaves it as it is, for the decoder to refuse.
    pub(crate) clean: Option<Hash>,
}

/// Key of the hash in a token.
#[derive(Clone, Copy)]
pub(crate) struct Hash {
    key: [u8; 32],
    /// Without a key of the mapping a part that people can read stays.
    is_readable: bool,
}

/// A key is shown to nobody.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

/// Before the hash in a token.
const MARK: &str = ":h";
/// 128 bits in hex: no two texts are found that have the same.
const HEX_LEN: usize = 32;

impl Hash {
    /// With the mapping's `token_key`, or without.
    pub(crate) fn new(key: Option<&str>) -> Hash {
        let key_bytes = key.unwrap_or_default().as_bytes();
        Hash { key: blake3::derive_key("foreshock import token, version 1", key_bytes), is_readable: key.is_none() }
    }

    fn of(&self, text: &str) -> String {
        blake3::keyed_hash(&self.key, text.as_bytes()).to_hex().chars().take(HEX_LEN).collect()
    }
}

impl TokenForm {
    pub(crate) fn token(&self, text: &str) -> String {
        let room = TOKEN_LEN_MAX.saturating_sub(self.prefix.len());
        match &self.clean {
            Some(hash) if !is_plain(text, room) => {
                let readable =
                    if hash.is_readable { readable(text, room - MARK.len() - HEX_LEN) } else { String::new() };
                format!("{}{readable}{MARK}{}", self.prefix, hash.of(text))
            }
            _ => format!("{}{text}", self.prefix),
        }
    }
}

/// It stays as it is: a token that nobody can take for a cleaned one.
fn is_plain(text: &str, room: usize) -> bool {
    let looks_cleaned = text.len().checked_sub(MARK.len() + HEX_LEN).and_then(|at| text.get(at..)).is_some_and(|end| {
        end.strip_prefix(MARK).is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    });
    is_token(text) && text.len() <= room && !looks_cleaned
}

/// The letters and digits of ASCII in it, for people; what lies between them becomes one `-`.
fn readable(text: &str, len_max: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            kept.push(c);
        } else if !kept.is_empty() && !kept.ends_with('-') {
            kept.push('-');
        }
        if kept.len() == len_max {
            break;
        }
    }
    kept.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(prefix: &str, key: Option<&str>) -> TokenForm {
        TokenForm { prefix: prefix.to_owned(), clean: Some(Hash::new(key)) }
    }

    #[test]
    fn names_of_one_length_in_chinese_stay_apart_and_tokens_stay_as_they_are() {
        let form = clean("", None);
        assert_ne!(form.token("张三"), form.token("李四"));
        assert_ne!(form.token("Harris Inc"), form.token("Harris-Inc"));
        assert_ne!(form.token("Harris, Inc"), form.token("Harris  Inc"));
        assert_eq!(form.token("Harris-Inc"), "Harris-Inc");
        assert!(form.token("Harris, Inc").starts_with("Harris-Inc:h"));
        // What looks like a cleaned token is not taken for the text behind it.
        let cleaned = form.token("张三");
        assert_ne!(form.token(&cleaned), cleaned);
        assert_ne!(form.token(&"a".repeat(65)), form.token(&"a".repeat(66)));
    }

    #[test]
    fn a_prefix_tells_sides_apart_and_a_key_hides_what_could_be_read() {
        let (customer, terminal) = (clean("C:", None), clean("T:", None));
        assert_eq!((customer.token("7"), terminal.token("7")), ("C:7".into(), "T:7".into()));
        let hidden = clean("C:", Some("a key of sixteen bytes"));
        assert!(hidden.token("Zhang San").starts_with("C::h"));
        assert_ne!(hidden.token("Zhang San"), clean("C:", Some("another key, as long")).token("Zhang San"));
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_token_and_two_texts_two(a in "\\PC{1,80}", b in "\\PC{1,80}", prefix in "[A-Z:]{0,16}") {
            let form = clean(&prefix, None);
            prop_assert!(is_token(&form.token(&a)));
            prop_assert_eq!(form.token(&a) == form.token(&b), a == b);
        }
    }
}
