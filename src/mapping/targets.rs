//! The JSON fields of each feed that a mapping may fill, with what each must be: the column tables, and the fields that
//! the decoder puts columns together from.

use foreshock_core::schema::Check;
use foreshock_core::{Column, Feed};

/// What a field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Reporter,
    /// Any text.
    Text,
    /// One of these.
    Code(&'static [&'static str]),
    /// One of these, or `OTHER`.
    OpenCode(&'static [&'static str]),
    Currency,
    Place,
    Int(i64, i64),
    Bool,
    Money,
    MoneyPositive,
    /// Money, or `ATTEMPT`.
    Loss,
    /// A number from 0 to 1.
    Score,
    Time,
}

impl Kind {
    /// What stands in an error: what is expected.
    pub(crate) fn expected(self) -> String {
        match self {
            Kind::Token => "1 to 64 of `A-Z a-z 0-9 . _ : -`".to_owned(),
            Kind::Reporter => "1 to 64 of `A-Z a-z 0-9 . _ -`".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Code(codes) => format!("one of {}", codes.join(", ")),
            Kind::OpenCode(codes) => format!("one of {}, OTHER", codes.join(", ")),
            Kind::Currency => "an ISO 4217 currency, or XTS".to_owned(),
            Kind::Place => "1 to 16 of `A-Z 0-9 -`".to_owned(),
            Kind::Int(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Bool => "true or false".to_owned(),
            Kind::Money => "an amount".to_owned(),
            Kind::MoneyPositive => "an amount above 0".to_owned(),
            Kind::Loss => "an amount, or ATTEMPT".to_owned(),
            Kind::Score => "a number from 0 to 1".to_owned(),
            Kind::Time => "a time".to_owned(),
        }
    }

    /// Whether this text, as it is, is one of its codes.
    pub(crate) fn has_code(self, text: &str) -> bool {
        match self {
            Kind::Code(codes) | Kind::OpenCode(codes) => codes.contains(&text),
            _ => false,
        }
    }
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Path in the JSON event, parts separated by `.`.
    pub(crate) path: &'static str,
    /// SQL column of the same value, for those who name that; may be empty.
    pub(crate) column: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// Even of a report that withdraws a fact.
    pub(crate) is_always_required: bool,
}

/// All fields of a feed.
pub(crate) fn targets(feed: Feed) -> Vec<Target> {
    let mut all: Vec<Target> = feed.columns().iter().filter_map(of_column).collect();
    let id = all.iter_mut().find(|t| t.path == feed.id_field());
    match id {
        Some(id) => id.is_always_required = true,
        None => all.push(Target { is_required: true, is_always_required: true, ..other(feed.id_field(), Kind::Token) }),
    }
    if let Some(time) = all.iter_mut().find(|t| t.column == "event_time") {
        time.is_always_required = true;
    }
    all.push(other("reporter", Kind::Reporter));
    all.push(other(ACTION, Kind::Code(ACTIONS)));
    all.extend(inputs(feed).iter().map(|(path, kind)| Target { is_required: *path == REASON, ..other(path, *kind) }));
    all
}

/// Field that says what a report does to its fact.
pub(crate) const ACTION: &str = "reportAction";
const ACTIONS: &[&str] = &["NEWF", "UPDT", "REOP", "CLSE", "DUPL"];

/// Required of a suspicious report, and in no column.
const REASON: &str = "reason";

fn other(path: &'static str, kind: Kind) -> Target {
    Target { path, column: "", kind, is_required: false, is_always_required: false }
}

/// Fields that are no column but part of one (`payment_ref`, `started_at`, `loss_amount` ..), or of none.
fn inputs(feed: Feed) -> &'static [(&'static str, Kind)] {
    match feed {
        Feed::Transactions => &[("uetr", Kind::Token), ("endToEndId", Kind::Token)],
        Feed::Telecom => &[("seizureTime", Kind::Time), ("answerTime", Kind::Time)],
        Feed::Complaints => &[("lossAmount", Kind::Loss)],
        Feed::SuspiciousReports => &[(REASON, Kind::Text)],
    }
}

fn of_column(column: &Column) -> Option<Target> {
    let (kind, has_default) = match column.check {
        Check::EventId | Check::Reporter | Check::Derived => return None,
        Check::Time => (Kind::Time, false),
        Check::Token => (Kind::Token, false),
        Check::Code(codes, default) => (Kind::Code(codes), default.is_some()),
        Check::OpenCode(codes, default) => (Kind::OpenCode(codes), default.is_some()),
        Check::Currency => (Kind::Currency, false),
        Check::Money => (Kind::Money, false),
        Check::MoneyPositive => (Kind::MoneyPositive, false),
        Check::Int(min, max) => (Kind::Int(min, max), false),
        Check::Bool => (Kind::Bool, false),
        Check::Permille => (Kind::Score, false),
        Check::Place => (Kind::Place, false),
    };
    let is_required = !column.nullable && !has_default;
    Some(Target { path: column.path, column: column.name, kind, is_required, is_always_required: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feed_has_its_id_its_time_and_each_path_once() {
        for feed in Feed::ALL {
            let all = targets(feed);
            let always: Vec<&str> = all.iter().filter(|t| t.is_always_required).map(|t| t.path).collect();
            assert_eq!(always.len(), 2, "{feed:?} {always:?}");
            assert!(always.contains(&feed.id_field()));
            let mut paths: Vec<&str> = all.iter().map(|t| t.path).collect();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), all.len(), "{feed:?}");
        }
    }
}
