//! Cursors of a connection: an answer that is fetched piece by piece. It is the state of the moment in which the cursor was
//! declared, and its memory counts until it is closed.

use crate::serve::gate::Refused;
use crate::serve::query::Answer;
use arrow::array::RecordBatch;
use std::collections::BTreeMap;

/// Most cursors of a connection.
const CURSORS_MAX: usize = 16;

/// The open cursors.
#[derive(Debug, Default)]
pub struct Cursors(BTreeMap<String, Cursor>);

/// One of them.
#[derive(Debug)]
struct Cursor {
    answer: Answer,
    hold: bool,
    batch: usize,
    row: usize,
}

impl Cursors {
    /// Those that were not declared to outlive it are closed.
    pub fn end_transaction(&mut self) {
        self.0.retain(|_, cursor| cursor.hold);
    }

    /// Opens one; `hold`: it outlives the transaction.
    ///
    /// # Errors
    /// When its name is taken, or too many are open.
    pub fn declare(&mut self, name: String, answer: Answer, hold: bool) -> Result<(), Refused> {
        if self.0.contains_key(&name) {
            return Err(Refused { state: "42P03", message: format!("cursor \"{name}\" is open already") });
        }
        if self.0.len() >= CURSORS_MAX {
            return Err(Refused { state: "53400", message: format!("at most {CURSORS_MAX} cursors: close one") });
        }
        self.0.insert(name, Cursor { answer, hold, batch: 0, row: 0 });
        Ok(())
    }

    /// Its next rows; all that are left with `None`.
    ///
    /// # Errors
    /// When there is no such cursor.
    pub fn fetch(&mut self, name: &str, count: Option<usize>) -> Result<Answer, Refused> {
        let cursor = self.0.get_mut(name).ok_or_else(|| missing(name))?;
        let mut left = count.unwrap_or(usize::MAX);
        let mut batches: Vec<RecordBatch> = Vec::new();
        while let Some(batch) = cursor.answer.batches.get(cursor.batch).filter(|_| left > 0) {
            let taken = left.min(batch.num_rows() - cursor.row);
            batches.push(batch.slice(cursor.row, taken));
            left -= taken;
            cursor.row += taken;
            if cursor.row == batch.num_rows() {
                (cursor.batch, cursor.row) = (cursor.batch + 1, 0);
            }
        }
        let Answer { schema, state, held, .. } = &cursor.answer;
        Ok(Answer { schema: schema.clone(), batches, state: state.clone(), held: held.clone() })
    }

    /// The columns of a cursor.
    pub fn schema(&self, name: &str) -> Option<arrow::datatypes::SchemaRef> {
        self.0.get(name).map(|cursor| cursor.answer.schema.clone())
    }

    /// Closes one, or all.
    ///
    /// # Errors
    /// When there is no such cursor.
    pub fn close(&mut self, name: Option<&str>) -> Result<(), Refused> {
        match name {
            None => self.0.clear(),
            Some(name) => {
                self.0.remove(name).ok_or_else(|| missing(name))?;
            }
        }
        Ok(())
    }
}

fn missing(name: &str) -> Refused {
    Refused { state: "34000", message: format!("there is no cursor \"{name}\"") }
}
