//! Rows of a CSV as JSON events, one at a time.

use crate::lines::Lines;
use crate::plan::{Block, FieldPlan, Mapping, Test};
use crate::problem::{Problem, Problems, of_file};
use crate::records::{Next, Record, Records};
use crate::refusal::{Refusal, codes};
use crate::summary::Summary;
use crate::table::{Table, bind, cell, header};
use crate::text::{DAMAGED, Text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read;

/// One row of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line where it begins, from 1; the header is the first.
    pub line: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An event, for the decoder to judge.
    Event(Value),
    /// The mapping leaves it out.
    LeftOut,
    /// It cannot be read as the mapping says.
    Refused(Refusal),
}

/// A mapping with its look-up tables, over an input.
pub struct Importer {
    rows: Rows,
    records: Records,
    summary: Summary,
    input: String,
    is_done: bool,
}

/// Bytes of a file, or why it cannot be opened.
pub type Opened = Result<Box<dyn Read>, String>;

/// What turns a row into an event.
struct Rows {
    mapping: Mapping,
    /// Where the columns are that the mapping names.
    positions: Vec<usize>,
    tables: Vec<Table>,
}

impl Importer {
    /// Checks the mapping against the header of the input and reads its look-up tables, which `open` opens by their names.
    /// No row is read before all of that fits.
    ///
    /// # Errors
    /// All that does not fit.
    pub fn new(
        mapping: Mapping,
        input_name: &str,
        input: Box<dyn Read>,
        open: &dyn Fn(&str) -> Opened,
    ) -> Result<Importer, Problems> {
        let mut problems = Vec::new();
        let mut tables = Vec::new();
        let text = Text::new(input, mapping.encoding).map_err(|message| of_file(input_name, message))?;
        let mut records = Records::new(Lines::new(text), mapping.signs);
        let header = header(&mut records, input_name, mapping.trim)?;
        let positions = bind(&mapping.file, &mapping.names, &header, input_name).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        for plan in &mapping.tables {
            let text = open(&plan.file).and_then(|raw| Text::new(raw, plan.encoding));
            let table = text.map_err(|message| of_file(&plan.file, message).into()).and_then(|text| {
                Table::read(&mapping.file, plan, mapping.trim, &mut Records::new(Lines::new(text), plan.signs))
            });
            match table {
                Ok(table) => tables.push(table),
                Err(found) => problems.extend(found.0),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let rows = Rows { mapping, positions, tables };
        Ok(Importer { rows, records, summary: Summary::default(), input: input_name.to_owned(), is_done: false })
    }

    /// What became of the rows so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The decoder refused the event of a row, at this JSON pointer: it counts as refused.
    pub fn refuse(&mut self, code: &'static str, pointer: &str, reason: &str) -> Refusal {
        self.summary.events = self.summary.events.saturating_sub(1);
        self.count_refused(code);
        let mapping = &self.rows.mapping;
        let path = pointer.trim_start_matches('/').replace('/', ".");
        let fields =
            mapping.cases.iter().map(|(_, block)| block).chain([&mapping.base]).flat_map(|block| &block.fields);
        let names = fields.filter(|f| f.path == path).filter_map(|f| mapping.names.get(f.column));
        // A field that a case may fill from another column has no one column.
        let mut columns: Vec<&str> = names.map(|n| n.column.as_str()).collect();
        columns.dedup();
        let column = if let [one] = columns.as_slice() { (*one).to_owned() } else { String::new() };
        Refusal { code, pointer: pointer.to_owned(), column, reason: reason.to_owned() }
    }

    fn count_refused(&mut self, code: &'static str) {
        *self.summary.refused.entry(code).or_default() += 1;
    }

    fn row(&mut self, next: Next) -> Row {
        let record = match next {
            Next::Record(record) => record,
            Next::Broken(line, refusal) => return self.count(line, Outcome::Refused(refusal)),
        };
        self.summary.many_lines += u64::from(record.line_count > 1);
        let outcome = match self.rows.event(&record, &mut self.summary.missing) {
            Ok(Some(event)) => Outcome::Event(event),
            Ok(None) => Outcome::LeftOut,
            Err(refusal) => Outcome::Refused(refusal),
        };
        self.count(record.line, outcome)
    }

    fn count(&mut self, line: u64, outcome: Outcome) -> Row {
        match &outcome {
            Outcome::Event(_) => self.summary.events += 1,
            Outcome::LeftOut => self.summary.left_out += 1,
            Outcome::Refused(refusal) => self.count_refused(refusal.code),
        }
        Row { line, outcome }
    }
}

impl Iterator for Importer {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Result<Row, Problem>> {
        if self.is_done {
            return None;
        }
        match self.records.next() {
            Ok(Some(next)) => Some(Ok(self.row(next))),
            Ok(None) => {
                self.is_done = true;
                None
            }
            Err(e) => {
                self.is_done = true;
                let line = self.records.line();
                Some(Err(Problem { line, ..of_file(&self.input, format!("cannot be read further: {e}")) }))
            }
        }
    }
}

fn damage(record: &Record, at: usize, mapping: &Mapping) -> Option<(&'static str, String)> {
    if record.broken.contains(&at) {
        return Some((codes::QUOTE, "text after the quote that closes the field".to_owned()));
    }
    let is_damaged = record.get(at).contains(DAMAGED);
    is_damaged.then(|| (codes::DAMAGED, format!("bytes that are no text in {}", mapping.encoding.name())))
}

/// By path. A field that cannot be read refuses the row only when no later case overrides it.
type Values = BTreeMap<&'static str, Result<Value, Refusal>>;

impl Rows {
    /// The event of a row; `None` when it is left out.
    fn event(&self, record: &Record, missing: &mut BTreeMap<String, u64>) -> Result<Option<Value>, Refusal> {
        self.refuse_damage(record)?;
        if self.mapping.skip.iter().any(|test| self.holds(test, record)) {
            return Ok(None);
        }
        let mut values = Values::new();
        values.insert("reporter", Ok(Value::from(self.mapping.reporter.as_str())));
        self.fill(&self.mapping.base, record, &mut values, missing);
        for (_, block) in self.mapping.cases.iter().filter(|(test, _)| self.holds(test, record)) {
            self.fill(block, record, &mut values, missing);
        }
        let mut event = Value::Object(Map::new());
        for (path, value) in values {
            put(&mut event, path, value?);
        }
        Ok(Some(event))
    }

    fn text<'r>(&self, column: usize, record: &'r Record) -> &'r str {
        self.positions.get(column).map_or("", |at| cell(record, *at, self.mapping.trim))
    }

    /// What is wrong in a column that nobody names does no harm.
    fn refuse_damage(&self, record: &Record) -> Result<(), Refusal> {
        for (name, at) in self.mapping.names.iter().zip(&self.positions) {
            if let Some((code, reason)) = damage(record, *at, &self.mapping) {
                return Err(Refusal { column: name.column.clone(), ..Refusal::of_row(code, reason) });
            }
        }
        Ok(())
    }

    fn holds(&self, test: &Test, record: &Record) -> bool {
        match test {
            Test::OneOf(column, values) => values.iter().any(|v| v == self.text(*column, record)),
            Test::Same(a, b) => self.text(*a, record) == self.text(*b, record),
        }
    }

    /// A field without a value takes away what an earlier block gave it: half of a swapped pair would be wrong.
    fn fill(&self, block: &Block, record: &Record, values: &mut Values, missing: &mut BTreeMap<String, u64>) {
        for (path, value) in &block.constants {
            set(values, path, value.clone().map(Ok));
        }
        for field in &block.fields {
            let text = self.found(field, record, missing);
            let value = (!text.is_empty()).then(|| field.reading.value(text));
            let refusal = |(code, reason)| Refusal {
                code,
                pointer: format!("/{}", field.path.replace('.', "/")),
                column: self.mapping.names.get(field.column).map(|n| n.column.clone()).unwrap_or_default(),
                reason,
            };
            set(values, field.path, value.map(|v| v.map_err(refusal)));
        }
    }

    /// The text of a field: its cell, looked up, mapped; empty for none.
    fn found<'r>(&'r self, field: &'r FieldPlan, record: &'r Record, missing: &mut BTreeMap<String, u64>) -> &'r str {
        let mut text = self.text(field.column, record);
        if let Some((table, value)) = field.lookup
            && !is_nothing(field, text)
        {
            text = self.tables.get(table).and_then(|t| t.get(text, value)).unwrap_or_else(|| {
                let name = self.mapping.tables.get(table).map(|t| t.name.clone()).unwrap_or_default();
                *missing.entry(name).or_default() += 1;
                ""
            });
        }
        if let Some(mapped) = field.map.get(text) {
            return mapped;
        }
        let nothing = is_nothing(field, text);
        match &field.default {
            Some(default) if nothing || !field.map.is_empty() => default,
            _ if nothing => "",
            _ => text,
        }
    }
}

/// A word that stands for nothing; a code of the field's own set is never one.
fn is_nothing(field: &FieldPlan, text: &str) -> bool {
    let word = text.trim();
    word.is_empty() || (field.null.iter().any(|n| n == word) && !field.reading.kind.has_code(word))
}

fn set(values: &mut Values, path: &'static str, value: Option<Result<Value, Refusal>>) {
    match value {
        Some(value) => values.insert(path, value),
        None => values.remove(path),
    };
}

/// Sets `a.b` in nested objects, `a.0.b` in an object of an array.
fn put(at: &mut Value, path: &str, value: Value) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let slot = match (first.parse::<usize>(), at) {
        (Ok(idx), at) => {
            if !at.is_array() {
                *at = Value::Array(Vec::new());
            }
            let Value::Array(items) = at else { return };
            if items.len() <= idx {
                items.resize(idx + 1, Value::Null);
            }
            items.get_mut(idx)
        }
        (Err(_), at) => {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(map) = at else { return };
            Some(map.entry(first).or_insert(Value::Null))
        }
    };
    match (slot, rest) {
        (Some(slot), Some(rest)) => put(slot, rest, value),
        (Some(slot), None) => *slot = value,
        (None, _) => {}
    }
}
