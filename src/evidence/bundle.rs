//! What is in the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foreshock_core::Feed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The form of the file.
pub const FORMAT: &str = "foreshock.evidence.v1";

/// A detection and all that it takes to come to it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// The form of the file: `foreshock.evidence.v1`.
    pub format: String,
    /// Who had it in hand, the first one first.
    pub custody: Vec<Custody>,
    /// What was detected, as it was published.
    pub detection: Detected,
    /// The rule that detected it.
    pub rule: RuleText,
    /// Reporter of records that name none, by topic, as the site has configured it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub default_reporters: BTreeMap<String, String>,
    /// Institution of a CloudEvents `source`, as the site has configured it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The events that it stands on, in the order of their times.
    pub events: Vec<Event>,
}

impl Bundle {
    /// Of what the site has configured only what these events need: a file is no list of its institutions.
    pub fn keep_names(&mut self) {
        let originals: Vec<&Original> = self.events.iter().filter_map(|event| event.original.as_ref()).collect();
        let bytes = originals.iter().filter_map(|original| original.bytes().ok());
        let texts: Vec<Vec<u8>> = bytes.flat_map(|(bytes, source)| [Some(bytes), source]).flatten().collect();
        let is_in = |name: &str| texts.iter().any(|text| text.windows(name.len().max(1)).any(|w| w == name.as_bytes()));
        self.sources.retain(|source, _| is_in(source));
        self.default_reporters.retain(|topic, _| originals.iter().any(|original| original.topic == *topic));
    }
}

/// Somebody who had it in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custody {
    /// When, by the clock of the process.
    pub at: String,
    /// What was done: `exported`.
    pub action: String,
    /// Who.
    pub by: String,
    /// For what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The case that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<String>,
    /// The program and its version.
    pub tool: String,
}

/// A detection as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Detected {
    /// Its id.
    pub detection_id: String,
    /// The rule.
    pub rule_id: String,
    /// Hash of the rule's text, views and parameters.
    pub rule_version: String,
    /// The event that triggered it.
    pub event_id: String,
    /// Its time.
    pub event_time: String,
    /// Whom it is about.
    pub subject: String,
    /// The rule's other columns.
    pub values: Map<String, Value>,
    /// Its number in the log of the reader that made the file.
    pub seq: i64,
}

/// A rule of the version that was in force. Its header is the one that the reader has: a new title is no new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleText {
    /// The file's text.
    pub text: String,
    /// Texts of the views that it may read.
    pub views: Vec<String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// An event: as it came, where the broker still has it, else as the reader's tables or its history have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// `<feed>:<reporter>:<record id>`.
    pub event_id: String,
    /// Its time.
    pub event_time: String,
    /// The table of its feed.
    pub feed: String,
    /// Its number in the log: batch and place.
    pub seq: i64,
    /// As it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// The columns of the row that was made of it, where its bytes are no longer on the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Map<String, Value>>,
}

/// The exact bytes of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Original {
    /// Where they stood.
    pub topic: String,
    /// See `topic`.
    pub partition: i32,
    /// See `topic`.
    pub offset: i64,
    /// CloudEvents binary mode: the header `ce_source`, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The bytes, in base64.
    pub content: String,
    /// Their SHA-256.
    pub sha256: String,
}

impl Original {
    /// Of a record.
    pub fn new((topic, partition, offset): (&str, i32, i64), source: Option<&[u8]>, bytes: &[u8]) -> Original {
        Original {
            topic: topic.to_owned(),
            partition,
            offset,
            source: source.map(|source| STANDARD.encode(source)),
            content: STANDARD.encode(bytes),
            sha256: sha256(bytes),
        }
    }

    /// Its bytes and those of the header.
    ///
    /// # Errors
    /// When they are no base64, or not those of the digest.
    pub fn bytes(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), &'static str> {
        let bytes = STANDARD.decode(&self.content).map_err(|_| "its content is no base64")?;
        if sha256(&bytes) != self.sha256 {
            return Err("its bytes are not those of its SHA-256");
        }
        let source = self.source.as_ref().map(|source| STANDARD.decode(source)).transpose();
        Ok((bytes, source.map_err(|_| "its source is no base64")?))
    }
}

impl Event {
    /// The feed of its table.
    pub fn feed(&self) -> Option<Feed> {
        Feed::ALL.into_iter().find(|feed| feed.table() == self.feed)
    }
}

/// SHA-256 as hexadecimal text.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The JSON Schema of the file.
pub fn schema() -> Value {
    schemars::schema_for!(Bundle).to_value()
}
