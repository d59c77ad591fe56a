//! What has been said about one row by one rule.

use foreshock_core::{Detection, Value};
use serde::{Deserialize, Serialize};

/// What has been said about one row by one rule.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Last revision by subject: a correction may give the event another one, and with it another detection.
    pub(crate) revisions: Vec<(String, u32)>,
    /// The detection as last published; `None` after a retraction.
    pub(crate) said: Option<Detection>,
    /// It was said that it may miss events.
    pub(crate) said_incomplete: bool,
    /// The detection as it stands now, when only its values differ from what was said, or only
    /// now it may miss events; and the cause.
    pub(crate) pending: Option<(Detection, String)>,
}

impl Published {
    /// The next revision of the detection of this subject.
    pub(crate) fn next_revision(&mut self, subject: &str) -> u32 {
        if let Some((_, last)) = self.revisions.iter_mut().find(|(known, _)| known == subject) {
            *last = last.saturating_add(1);
            return *last;
        }
        self.revisions.push((subject.to_owned(), 1));
        1
    }
}

// `core` has no dependency, so its types are written down here.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Value")]
enum ValueDef {
    Null,
    Int(i64),
    Text(String),
    Bool(bool),
    Time(i64),
    Double(f64),
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedValue(#[serde(with = "ValueDef")] Value);

#[derive(Debug, Serialize, Deserialize)]
struct SavedDetection(String, i64, String, Vec<(String, SavedValue)>);

impl SavedDetection {
    fn new(d: &Detection) -> Self {
        let values = d.values.iter().map(|(name, value)| (name.clone(), SavedValue(value.clone())));
        SavedDetection(d.event_id.clone(), d.event_time, d.subject.clone(), values.collect())
    }

    fn into_detection(self) -> Detection {
        let values = self.3.into_iter().map(|(name, value)| (name, value.0)).collect();
        Detection { event_id: self.0, event_time: self.1, subject: self.2, values }
    }
}

/// [`Published`] as it is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPublished {
    revisions: Vec<(String, u32)>,
    said: Option<SavedDetection>,
    said_incomplete: bool,
    pending: Option<(SavedDetection, String)>,
}

impl SavedPublished {
    pub(crate) fn new(published: &Published) -> Self {
        SavedPublished {
            revisions: published.revisions.clone(),
            said: published.said.as_ref().map(SavedDetection::new),
            said_incomplete: published.said_incomplete,
            pending: published.pending.as_ref().map(|(d, cause)| (SavedDetection::new(d), cause.clone())),
        }
    }

    pub(crate) fn forget_cause(&mut self) {
        self.pending.iter_mut().for_each(|(_, cause)| cause.clear());
    }

    pub(crate) fn into_published(self) -> Published {
        Published {
            revisions: self.revisions,
            said: self.said.map(SavedDetection::into_detection),
            said_incomplete: self.said_incomplete,
            pending: self.pending.map(|(d, cause)| (d.into_detection(), cause)),
        }
    }
}
