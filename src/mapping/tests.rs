//! Whole imports: mapping text and CSV bytes in, events and refusals out, judged by the decoder.

mod document;
mod files;
mod fuzz;
mod names;
mod rows;
mod values;

use crate::{Importer, Mapping, Opened, Outcome, Problems};
use foreshock_feeds::{Cell, Counts, Event, Record, decode};
use serde_json::Value;
use std::io::Cursor;

/// A mapping of payments that needs the columns id, t, amount, from, to.
const PAYMENTS: &str = r#"
feed = "transaction"
reporter = "t"
[constants]
kind = "TRANSFER"
currency = "CNY"
[fields]
txId = { column = "id" }
creDtTm = { column = "t" }
amount = { column = "amount" }
"debtor.accountToken" = { column = "from" }
"creditor.accountToken" = { column = "to" }
"#;

/// Begins an import of these bytes; look-up tables by their names.
fn begin(mapping: &str, csv: &[u8], tables: &[(&str, &str)]) -> Result<Importer, Problems> {
    let mapping = Mapping::parse("m.toml", mapping)?;
    let open = |name: &str| -> Opened {
        let found = tables.iter().find(|(n, _)| *n == name).ok_or("cannot be opened")?;
        Ok(Box::new(Cursor::new(found.1.to_owned())))
    };
    Importer::new(mapping, "in.csv", Box::new(Cursor::new(csv.to_vec())), &open)
}

/// All problems as text.
fn problems(mapping: &str, csv: &str, tables: &[(&str, &str)]) -> String {
    match begin(mapping, csv.as_bytes(), tables) {
        Ok(_) => panic!("nothing is wrong"),
        Err(problems) => problems.to_string(),
    }
}

/// Each row as `line code`, or `line` and the event's JSON, or `line left out`.
fn outcomes(mapping: &str, csv: &[u8]) -> Vec<String> {
    let importer = begin(mapping, csv, &[]).unwrap_or_else(|p| panic!("{p}"));
    let shown = |row: crate::Row| match row.outcome {
        Outcome::Event(event) => format!("{} {event}", row.line),
        Outcome::LeftOut => format!("{} left out", row.line),
        Outcome::Refused(refusal) => format!("{} {} {}", row.line, refusal.code, refusal.column).trim_end().to_owned(),
    };
    importer.map(|row| shown(row.unwrap())).collect()
}

/// The events; a row that is none is a failure.
fn events(mapping: &str, csv: &str) -> Vec<Value> {
    let importer = begin(mapping, csv.as_bytes(), &[]).unwrap_or_else(|p| panic!("{p}"));
    let event = |row: crate::Row| match row.outcome {
        Outcome::Event(event) => event,
        other => panic!("line {}: {other:?}", row.line),
    };
    importer.map(|row| event(row.unwrap())).collect()
}

/// What the decoder says of an event.
fn decoded(event: &Value) -> Result<Event, (&'static str, String)> {
    let bytes = serde_json::to_vec(event).unwrap();
    decode(&Record { bytes: &bytes, ..Record::default() }, &mut Counts::default())
        .map_err(|reject| (reject.code.code, reject.pointer))
}

/// A column of a decoded event.
fn column(event: &Event, name: &str) -> Cell {
    let at = event.feed.columns().iter().position(|c| c.name == name).unwrap();
    event.cells[at].clone()
}
