//! Tokens and event ids: what characters they may have, how an event id is put together.

use crate::limits::{PLACE_LEN_MAX, TOKEN_LEN_MAX};

/// Is it 1 to 64 of `[A-Za-z0-9._:-]`?
pub fn is_token(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b':' | b'-');
    (1..=TOKEN_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// A reporter is a token without `:`, so that an event id splits one way only.
pub fn is_reporter(text: &str) -> bool {
    is_token(text) && !text.contains(':')
}

/// Districts and cells: 1 to 16 of `[A-Z0-9-]`.
pub fn is_place(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-';
    (1..=PLACE_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// `<feed>:<reporter>:<record id>` (contract section 2).
pub fn event_id(feed_prefix: &str, reporter: &str, record_id: &str) -> String {
    format!("{feed_prefix}:{reporter}:{record_id}")
}
