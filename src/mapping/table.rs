//! Columns of a file by their names, and look-up tables.

use crate::limits::TABLE_BYTES_MAX;
use crate::plan::{Name, TablePlan};
use crate::problem::{Problem, Problems, near, of_file};
use crate::records::{Next, Record, Records};
use crate::text::DAMAGED;
use std::collections::HashMap;

/// The header of a file: its names, and from now on its number of fields.
pub(crate) fn header(records: &mut Records, file: &str, trim: bool) -> Result<Vec<String>, Problem> {
    match records.next() {
        Err(e) => Err(of_file(file, format!("cannot be read: {e}"))),
        Ok(None) => Err(of_file(file, "is empty: the first line names the columns")),
        Ok(Some(Next::Broken(line, refusal))) => {
            Err(Problem { line, ..of_file(file, format!("the header cannot be read: {}", refusal.reason)) })
        }
        Ok(Some(Next::Record(record))) => {
            records.set_width(record.len());
            Ok(record.iter().map(|name| if trim { name.trim() } else { name }.to_owned()).collect())
        }
    }
}

/// Where each named column is: there, and once.
pub(crate) fn bind(mapping: &str, names: &[Name], header: &[String], file: &str) -> Result<Vec<usize>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut positions = Vec::new();
    for Name { column, line, key } in names {
        let found: Vec<usize> = header.iter().enumerate().filter(|(_, h)| *h == column).map(|(at, _)| at).collect();
        let message = match found.as_slice() {
            [at] => {
                positions.push(*at);
                continue;
            }
            [] => {
                let near = near(column, header.iter().map(String::as_str));
                let hint = if header.len() == 1 && names.len() > 1 { "; is the `delimiter` another one?" } else { "" };
                format!("no column `{column}` in {file}{near}{hint}")
            }
            more => {
                let places: Vec<String> = more.iter().map(|at| (at + 1).to_string()).collect();
                format!("column `{column}` {} times in {file}, as columns {}", more.len(), places.join(", "))
            }
        };
        problems.push(Problem { file: mapping.to_owned(), line: *line, key: key.clone(), message });
    }
    if problems.is_empty() { Ok(positions) } else { Err(problems) }
}

/// A look-up table in memory.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: HashMap<String, (u64, Vec<String>)>,
}

impl Table {
    pub(crate) fn get(&self, key: &str, value: usize) -> Option<&str> {
        self.rows.get(key)?.1.get(value).map(String::as_str)
    }

    /// Reads it whole; a row that is none, or a key that is there twice, is an error: the table answers for many rows.
    pub(crate) fn read(mapping: &str, plan: &TablePlan, trim: bool, records: &mut Records) -> Result<Table, Problems> {
        let file = plan.file.as_str();
        let header = header(records, file, trim)?;
        let positions = bind(mapping, &plan.names, &header, file).map_err(Problems)?;
        let mut table = Table::default();
        let mut bytes = 0;
        loop {
            let record = match records.next() {
                Err(e) => return Err(of_file(file, format!("cannot be read: {e}")).into()),
                Ok(None) => return Ok(table),
                Ok(Some(Next::Broken(line, refusal))) => {
                    return Err(Problem { line, ..of_file(file, refusal.reason) }.into());
                }
                Ok(Some(Next::Record(record))) => record,
            };
            let wrong = |message: String| Problem { line: record.line, ..of_file(file, message) };
            let cells: Vec<String> = positions.iter().map(|at| cell(&record, *at, trim).to_owned()).collect();
            for (name, at) in plan.names.iter().zip(&positions) {
                let column = &name.column;
                if record.get(*at).contains(DAMAGED) {
                    let encoding = plan.encoding.name();
                    return Err(wrong(format!("column `{column}`: bytes that are no text in {encoding}")).into());
                }
                if record.broken.contains(at) {
                    return Err(wrong(format!("column `{column}`: text after the quote that closes the field")).into());
                }
            }
            bytes += cells.iter().map(|c| c.len() + size_of::<String>()).sum::<usize>();
            if bytes > TABLE_BYTES_MAX {
                return Err(wrong(format!("the table is larger than {TABLE_BYTES_MAX} bytes")).into());
            }
            let mut cells = cells.into_iter();
            let key = cells.next().unwrap_or_default();
            if key.is_empty() {
                return Err(wrong("the key is empty".to_owned()).into());
            }
            if let Some((earlier, _)) = table.rows.insert(key, (record.line, cells.collect())) {
                return Err(wrong(format!("the same key as in line {earlier}: a key stands once")).into());
            }
        }
    }
}

/// A cell, without spaces around it where the mapping says so.
pub(crate) fn cell(record: &Record, at: usize, trim: bool) -> &str {
    let text = record.get(at);
    if trim { text.trim() } else { text }
}
