//! A decoded fact: as a row on its way into columns, and as an event that keeps its own values.

use foreshock_core::{Feed, ReportAction};

/// What is known of every fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its feed.
    pub feed: Feed,
    /// Event time, microseconds.
    pub time: i64,
    /// What it does to the fact of its event id.
    pub action: ReportAction,
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Bool(bool),
}

/// One value for each column of the feed.
pub(crate) struct Row<'a> {
    pub head: Head,
    pub values: &'a [Value<'a>],
}

/// One value of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// TEXT.
    Text(String),
    /// BIGINT, or TIMESTAMPTZ in microseconds.
    Int(i64),
    /// BOOLEAN.
    Bool(bool),
}

/// A decoded fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its feed.
    pub feed: Feed,
    /// Microseconds.
    pub time: i64,
    /// `<feed>:<reporter>:<record id>`.
    pub event_id: String,
    /// What it does to the fact of its event id.
    pub action: ReportAction,
    /// One cell for each column of the feed. A withdrawal needs no more than id, reporter and time: its other required
    /// columns are empty, and it is in no window.
    pub cells: Vec<Cell>,
}

impl Event {
    pub(crate) fn of(row: Row<'_>) -> Event {
        let Head { feed, time, action } = row.head;
        let cells: Vec<Cell> = row.values.iter().map(|value| Cell::of(*value)).collect();
        let event_id = if let Some(Cell::Text(id)) = cells.first() { id.clone() } else { String::new() };
        Event { feed, time, event_id, action, cells }
    }
}

impl Cell {
    fn of(value: Value<'_>) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Text(text) => Cell::Text(text.to_owned()),
            Value::Int(number) => Cell::Int(number),
            Value::Bool(is) => Cell::Bool(is),
        }
    }

    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Cell::Null => Value::Null,
            Cell::Text(text) => Value::Text(text),
            Cell::Int(number) => Value::Int(*number),
            Cell::Bool(is) => Value::Bool(*is),
        }
    }
}
