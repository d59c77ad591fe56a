//! Records to rows as the configuration says: who may report what, and what their sources are called. Whoever reads the
//! incoming topics comes to the same rows.

use crate::ops::config::Config;
use foreshock_core::Feed;
use foreshock_feeds::{Columns, Counts, Head, Record, Reject, Reporters, decode_into};
use std::collections::BTreeMap;

/// What the configuration says about incoming records.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Reporter of records that name none, by topic.
    default_reporter: BTreeMap<String, String>,
    /// Who may report, by feed.
    reporters: BTreeMap<Feed, Reporters>,
}

impl Intake {
    /// Of this configuration.
    pub fn new(config: &Config) -> Intake {
        let default_reporter = config.kafka.default_reporter.clone();
        Intake { default_reporter, reporters: Feed::ALL.map(|feed| (feed, config.kafka.reporters_of(feed))).into() }
    }

    /// A record of a feed's topic as the next row of columns. `source`: see [`Record::source`]; `record_time`: see
    /// [`Record::record_time`].
    ///
    /// # Errors
    /// Why it is refused: no row is added.
    pub fn row(
        &self,
        feed: Feed,
        bytes: &[u8],
        source: Option<&[u8]>,
        record_time: Option<i64>,
        columns: (&mut Columns, &mut Counts),
    ) -> Result<Head, Reject> {
        let raw = Record {
            bytes,
            feed: Some(feed),
            source,
            reporters: self.reporters.get(&feed),
            default_reporter: self.default_reporter.get(feed.topic()).map(String::as_str),
            record_time,
        };
        decode_into(&raw, columns.1, |_| columns.0)
    }
}
