//! CloudEvents 1.0 around a record, and who reports by it.
//!
//! The reporter is the payload's own `reporter`; else the envelope's `source`, mapped to an institution by the
//! configuration (a plain institution id stands for itself); else the topic's default.

use crate::codes;
use crate::decode::{Record, Reject};
use crate::fields::{Fields, SPECVERSION, Values};
use crate::json::Json;
use crate::read::read;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use foreshock_core::ids;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Who may report on a topic, and what their sources are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reporters {
    /// Institution id of a CloudEvents `source`, which is a URI reference.
    pub sources: BTreeMap<String, String>,
    /// The institutions whose records the topic may carry; `None` sets no bound.
    pub allowed: Option<BTreeSet<String>>,
}

impl Reporters {
    /// What is wrong with it and a topic's default reporter, for a check of the configuration: every name must be an
    /// institution id, and the default one that the topic may carry.
    pub fn fault(&self, default: Option<&str>) -> Option<String> {
        let named = self.sources.values().chain(self.allowed.iter().flatten()).map(String::as_str).chain(default);
        if let Some(wrong) = named.into_iter().find(|name| !ids::is_reporter(name)) {
            return Some(format!("`{wrong}` is no institution id: 1 to 64 of A-Z a-z 0-9 . _ -"));
        }
        let default = default.filter(|name| self.allowed.as_ref().is_some_and(|names| !names.contains(*name)))?;
        Some(format!("the default reporter `{default}` is not among those that the topic may carry"))
    }
}

/// Where a refusal points to when the wrong value is the header of CloudEvents' binary mode.
pub const HEADER_POINTER: &str = "header:ce_source";
const SOURCE_POINTER: &str = "/source";
const REPORTER_POINTER: &str = "/reporter";

/// What an envelope says of its sender, and where it stood.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    text: Cow<'a, str>,
    pointer: &'static str,
}

/// What an envelope holds.
pub(crate) enum Content<'a> {
    /// An object, as it stands in the record.
    Json(&'a str),
    /// Bytes that were written in base64.
    Bytes(Vec<u8>),
}

/// The source that the header of binary mode names. A header without a readable text is refused: the record would pass for
/// one of the topic's default reporter.
pub(crate) fn header_source(header: Option<&[u8]>) -> Result<Option<Source<'_>>, Reject> {
    let Some(bytes) = header else { return Ok(None) };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(Some(Source { text: Cow::Borrowed(text), pointer: HEADER_POINTER })),
        _ => Err(Reject { code: codes::ENVELOPE, pointer: HEADER_POINTER.to_owned() }),
    }
}

/// Opens the envelope that a record is in structured mode.
pub(crate) fn open(bytes: &[u8]) -> Result<(Content<'_>, Source<'_>), Reject> {
    static FIELDS: LazyLock<Fields> =
        LazyLock::new(|| Fields::new([SPECVERSION, "id", "source", "type", "data", "data_base64"].into_iter()));
    let refuse = |part: &str| Reject::new(codes::ENVELOPE, part);
    let mut values = Values::none(&FIELDS);
    read(&mut values, bytes)?;
    values.check()?;
    if !matches!(values.get(SPECVERSION), Some(Json::Text(version)) if version == "1.0") {
        return Err(refuse(SPECVERSION));
    }
    let text = |part: &str| match values.get(part) {
        Some(Json::Text(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(refuse(part)),
    };
    text("id")?;
    let source = Source { text: text("source")?, pointer: SOURCE_POINTER };
    text("type")?;
    let content = match (values.get("data"), values.get("data_base64")) {
        (Some(Json::Compound(object)), None) if object.starts_with('{') => Content::Json(object),
        (None, Some(Json::Text(coded))) => {
            Content::Bytes(STANDARD.decode(coded.as_bytes()).map_err(|_| refuse("data_base64"))?)
        }
        (_, Some(_)) => return Err(refuse("data_base64")),
        (_, None) => return Err(refuse("data")),
    };
    Ok((content, source))
}

/// The institution that reports, by the order of this room's head.
pub(crate) fn reporter<'a>(
    values: &'a Values<'_>,
    source: Option<&'a Source<'_>>,
    record: &'a Record<'_>,
) -> Result<&'a str, Reject> {
    let refuse = |code, pointer: &str| Reject { code, pointer: pointer.to_owned() };
    let (name, pointer) = match (values.get("reporter"), source, record.default_reporter) {
        (Some(Json::Text(name)), ..) => (name.as_ref(), REPORTER_POINTER),
        (Some(_), ..) => return Err(refuse(codes::TYPE, REPORTER_POINTER)),
        (None, Some(source), _) => {
            let name = institution(source, record).ok_or_else(|| refuse(codes::SOURCE, source.pointer))?;
            (name, source.pointer)
        }
        (None, None, Some(name)) => (name, REPORTER_POINTER),
        (None, None, None) => return Err(refuse(codes::REPORTER, REPORTER_POINTER)),
    };
    if !ids::is_reporter(name) {
        return Err(refuse(codes::REPORTER, pointer));
    }
    let allowed = record.reporters.and_then(|reporters| reporters.allowed.as_ref());
    if allowed.is_some_and(|names| !names.contains(name)) {
        return Err(refuse(codes::REPORTER_NOT_ALLOWED, pointer));
    }
    Ok(name)
}

fn institution<'a>(source: &'a Source<'_>, record: &'a Record<'_>) -> Option<&'a str> {
    let mapped = record.reporters.and_then(|reporters| reporters.sources.get(source.text.as_ref()));
    mapped.map(String::as_str).or_else(|| Some(source.text.as_ref()).filter(|text| ids::is_reporter(text)))
}
