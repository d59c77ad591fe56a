//! The message of a detection, to be written and to be read.

use crate::message::Message;
use crate::topics::DETECTIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does the rule hold for the event?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DetectionState {
    /// It holds. A higher revision of the same detection replaces a lower one.
    Detected,
    /// It no longer holds: a late or corrected event changed what the windows contain.
    Retracted,
}

/// One revision of a detection: a rule's verdict on one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionMessage {
    /// The same for the same rule version and event, on every run.
    pub detection_id: String,
    /// Counts up from 1.
    pub revision: u32,
    /// Holds or no longer holds.
    pub state: DetectionState,
    /// Of a rule on trial: no act follows.
    pub shadow: bool,
    /// The rule.
    pub rule_id: String,
    /// Changes with the rule's SQL, its views or its parameters.
    pub rule_version: String,
    /// The event that triggered it.
    pub event_id: String,
    /// Its event time.
    #[schemars(extend("format" = "date-time"))]
    pub event_time: String,
    /// Event time less the rule's longest frame.
    #[schemars(extend("format" = "date-time"))]
    pub window_start: String,
    /// What it is about: an account, number, device, person or place, by its token.
    pub subject: String,
    /// The rule's other columns by name; money in minor units.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// The event that made this revision.
    pub cause: String,
    /// There were more keys than the configuration allows: events may be missing in it. No act follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// The program that made it.
    pub engine_version: String,
}

impl DetectionMessage {
    /// As it goes out: keyed by its subject.
    pub fn message(&self) -> Message {
        let payload = serde_json::to_vec(self).expect("a detection is plain data");
        Message::new(DETECTIONS, self.subject.clone(), payload)
    }
}

/// The JSON Schema of `detection.v1`.
pub fn detection_schema() -> serde_json::Value {
    schemars::schema_for!(DetectionMessage).to_value()
}
