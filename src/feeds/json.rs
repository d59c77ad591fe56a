//! The JSON of a record, as far as a feed reads it: values keep the text they were written with, so that a number is not
//! rounded before anybody has looked at it.

use crate::codes;
use crate::decode::Reject;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members of an object, in the order of its text.
pub(crate) struct Members<'a>(pub Vec<(Name<'a>, &'a RawValue)>);

/// The name of a member.
pub(crate) struct Name<'a>(Cow<'a, str>);

impl Members<'_> {
    /// Whether a member of this name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n.as_str() == name)
    }
}

impl Name<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value where a field may stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Json<'a> {
    /// Not there, or null: the two mean the same.
    #[default]
    Absent,
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
            Some(b'n') => Json::Absent,
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'"') => match text.get(1..text.len() - 1) {
                Some(plain) if !plain.contains('\\') => Json::Text(Cow::Borrowed(plain)),
                _ => Json::Text(Cow::Owned(serde_json::from_str(text)?)),
            },
            Some(b'{' | b'[') => Json::Compound(text),
            _ => Json::Number(text),
        })
    }
}

/// The members of the object that a record is. It is all checked to be JSON.
pub(crate) fn object(bytes: &[u8]) -> Result<Members<'_>, Reject> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::new(codes::INVALID_JSON, ""))?;
    serde_json::from_str(text).map_err(|_| {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        Reject::new(if is_json { codes::NOT_OBJECT } else { codes::INVALID_JSON }, "")
    })
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(32);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
