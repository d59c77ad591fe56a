//! The JSON of a record, as far as a feed reads it: values keep the text they were written with, so that a number is not
//! rounded before anybody has looked at it.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// A value where a field may stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Json<'a> {
    /// Not there.
    #[default]
    Absent,
    /// Means the same as not there, but it stands there.
    Null,
    Bool(bool),
    /// The number's own text.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// An object or array, as it stands in the record.
    Compound(&'a str),
}

impl<'a> Json<'a> {
    /// One value; an error for a text with half a surrogate pair.
    pub(crate) fn of(raw: &'a RawValue) -> Result<Json<'a>, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Json::Null,
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'"') => match text.get(1..text.len() - 1) {
                Some(plain) if !plain.as_bytes().contains(&b'\\') => Json::Text(Cow::Borrowed(plain)),
                _ => Json::Text(Cow::Owned(serde_json::from_str(text)?)),
            },
            Some(b'{' | b'[') => Json::Compound(text),
            _ => Json::Number(text),
        })
    }
}
