//! The TOML form of a mapping, as it is written. What it means is checked in `check.rs`; every key is told in
//! `docs/mappings.md`.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub(crate) feed: Spanned<String>,
    pub(crate) reporter: Spanned<String>,
    pub(crate) encoding: Option<Spanned<String>>,
    pub(crate) delimiter: Option<Spanned<String>>,
    pub(crate) quote: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) trim: bool,
    pub(crate) null: Option<Vec<String>>,
    pub(crate) number: Option<Spanned<Number>>,
    pub(crate) time_zone: Option<Spanned<String>>,
    pub(crate) token_key: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) skip: Vec<Spanned<Condition>>,
    #[serde(default)]
    pub(crate) constants: BTreeMap<String, Spanned<Word>>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Spanned<Field>>,
    #[serde(default)]
    pub(crate) case: Vec<Spanned<Case>>,
    #[serde(default)]
    pub(crate) lookup: BTreeMap<String, Spanned<Lookup>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) column: String,
    pub(crate) lookup: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) map: BTreeMap<String, Word>,
    pub(crate) default: Option<Word>,
    pub(crate) null: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) clean: bool,
    pub(crate) prefix: Option<String>,
    pub(crate) number: Option<Spanned<Number>>,
    pub(crate) format: Option<String>,
    pub(crate) time_zone: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Number {
    pub(crate) decimal: Option<String>,
    pub(crate) group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    pub(crate) column: String,
    pub(crate) values: Option<Vec<Word>>,
    pub(crate) same_as: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) when: Spanned<Condition>,
    #[serde(default)]
    pub(crate) constants: BTreeMap<String, Spanned<Word>>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Spanned<Field>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub(crate) file: String,
    pub(crate) key: String,
    pub(crate) encoding: Option<Spanned<String>>,
    pub(crate) delimiter: Option<Spanned<String>>,
    pub(crate) quote: Option<Spanned<String>>,
}

/// A text, or a whole number, `true` or `false` without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, a whole number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Word, E> {
                Ok(Word(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Word, E> {
                Ok(Word(value.to_string()))
            }
        }
        deserializer.deserialize_any(Words)
    }
}
