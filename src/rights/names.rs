//! Which columns name somebody.

use foreshock_core::schema::Privacy;
use foreshock_core::{Feed, Type};

/// Columns of results that name somebody.
const NAMES: [&str; 2] = ["subject", "account"];
/// A column of results that holds whatever a rule put into it, or a whole record.
const ANYTHING: &str = "detail";
/// Tables with columns that hold the words of an official, and a target of any kind.
const OF_REQUESTS: [&str; 2] = ["acts", "requests"];
const WORDS: [&str; 2] = ["reason", "target"];
/// Tables of results that are about persons, as they are now and in all revisions.
const ABOUT_PERSONS: [&str; 8] = [
    "detections",
    "detection_revisions",
    "alerts",
    "alert_revisions",
    "blocking_drafts",
    "blocking_draft_revisions",
    "acts",
    "requests",
];

/// Is there data of persons in a table of feeds or results?
pub fn is_about_persons(table: &str) -> bool {
    ABOUT_PERSONS.contains(&table) || feed(table).is_some()
}

/// The feed of a table, if it is one of facts.
pub fn feed(table: &str) -> Option<Feed> {
    Feed::ALL.into_iter().find(|feed| feed.table() == table)
}

/// Can a column of results hold anything, names too?
pub fn holds_anything(table: &str, column: &str) -> bool {
    feed(table).is_none() && (column == ANYTHING || (WORDS.contains(&column) && OF_REQUESTS.contains(&table)))
}

/// Is a column of a table the name of a person, an account, a number or a device?
pub fn names_somebody(table: &str, column: &str) -> bool {
    match feed(table) {
        Some(feed) => {
            let personal = |c: &&foreshock_core::Column| c.privacy == Privacy::Personal && c.ty == Type::Text;
            feed.columns().iter().filter(personal).any(|c| c.name == column)
        }
        None => NAMES.contains(&column) && is_about_persons(table),
    }
}
