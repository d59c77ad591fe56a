//! The live tables: what the last batches of the log hold, in memory, within a bound. Whoever asks gets one batch's state of
//! all of them, which never changes.

use crate::history::Past;
use crate::serve::rows::Rows;
use crate::serve::tables::{self, SEQ, corrections_schema, result_schema, versions_schema};
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef};
use foreshock_core::Feed;
use foreshock_log::Log;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, RwLock};
use tokio::sync::watch;

/// Rows of one piece of a table: small ones are put together.
const PIECE_ROWS: usize = 8_192;

/// The rows of a table at one batch.
#[derive(Debug, Clone)]
pub struct Table {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows, oldest first.
    pub pieces: Arc<Vec<RecordBatch>>,
    /// Rows that were let go of, for there may be only so many.
    pub dropped: u64,
    /// `seq` of the last of them.
    pub dropped_to: Option<i64>,
    /// Its rows of earlier batches, where a history is kept. Some of `pieces` may be among them.
    pub past: Option<Past>,
}

impl Table {
    fn new(schema: SchemaRef) -> Table {
        Table { schema, pieces: Arc::default(), dropped: 0, dropped_to: None, past: None }
    }

    /// How many rows in memory.
    pub fn row_count(&self) -> usize {
        self.pieces.iter().map(RecordBatch::num_rows).sum()
    }

    /// How many rows in all, in memory and in the history: at most.
    pub fn rows_at_most(&self) -> u64 {
        self.row_count() as u64 + self.past.as_ref().map_or(0, |past| past.rows)
    }

    /// The rows in memory from a number on: they stand in its order.
    pub fn from(&self, first: i64) -> Vec<RecordBatch> {
        let rest = |piece: &RecordBatch| {
            let from = seqs(piece).partition_point(|seq| *seq < first);
            (from < piece.num_rows()).then(|| piece.slice(from, piece.num_rows() - from))
        };
        self.pieces.iter().filter_map(rest).collect()
    }

    /// Has it rows after a number?
    pub fn has_after(&self, seq: i64) -> bool {
        let last = self.pieces.last().and_then(|piece| seqs(piece).last().copied());
        let kept = self.past.as_ref().and_then(|past| past.last);
        last.or(kept).is_some_and(|last| last > seq)
    }

    /// The rows in memory that are not in the history.
    pub fn live(&self) -> Vec<RecordBatch> {
        match &self.past {
            Some(past) => self.from(past.until),
            None => self.pieces.to_vec(),
        }
    }

    /// `seq` of its first row.
    pub fn first_seq(&self) -> Option<i64> {
        self.pieces.first().and_then(|piece| seqs(piece).first().copied())
    }
}

fn seqs(piece: &RecordBatch) -> &[i64] {
    piece.column_by_name(SEQ).expect("every table has it").as_primitive::<Int64Type>().values()
}

/// All tables after a batch.
#[derive(Debug, Clone)]
pub struct State {
    /// Number of the batch; `None` before the first.
    pub number: Option<u64>,
    /// Number of the last batch of the register's log, which goes its own way.
    pub register: Option<u64>,
    /// The horizon after it, microseconds.
    pub as_of: Option<i64>,
    /// When the writer made it, by its broker, microseconds; as far as it is known.
    pub written_us: Option<i64>,
    /// Versions of facts under the feed's name, results under their table's.
    pub tables: BTreeMap<&'static str, Table>,
    /// By feed's table: facts that no longer stand as they were.
    pub corrections: BTreeMap<&'static str, Table>,
    /// Rules that were in force, by id and version, with the number of the batch from which on.
    pub in_force: Arc<Vec<(u64, String)>>,
}

impl State {
    /// No rows yet: the shapes of all tables.
    pub fn empty() -> State {
        let feeds = Feed::ALL.map(|feed| (feed.table(), Table::new(versions_schema(feed))));
        let results = tables::all().map(|(_, table)| (table.name, Table::new(result_schema(table))));
        State {
            number: None,
            register: None,
            as_of: None,
            written_us: None,
            tables: feeds.into_iter().chain(results).collect(),
            corrections: Feed::ALL.map(|feed| (feed.table(), Table::new(corrections_schema()))).into(),
            in_force: Arc::default(),
        }
    }
}

/// Which table of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Of [`State::tables`].
    Table(&'static str),
    /// Of [`State::corrections`].
    Corrections(&'static str),
}

impl State {
    /// All its tables.
    pub fn names(&self) -> Vec<Name> {
        let corrections = self.corrections.keys().map(|name| Name::Corrections(name));
        self.tables.keys().map(|name| Name::Table(name)).chain(corrections).collect()
    }

    /// Those with rows of a log.
    pub fn names_of(&self, log: Log) -> Vec<Name> {
        let is_registers = |name: &Name| {
            let of_results = tables::all().find(|(_, table)| *name == Name::Table(table.name));
            of_results.is_some_and(|(log, _)| log == Log::Register)
        };
        self.names().into_iter().filter(|name| is_registers(name) == (log == Log::Register)).collect()
    }

    /// Number of the last batch of a log.
    pub fn number_of(&self, log: Log) -> Option<u64> {
        if log == Log::Register { self.register } else { self.number }
    }

    /// One of them.
    pub fn table(&self, name: Name) -> &Table {
        match name {
            Name::Table(name) => &self.tables[name],
            Name::Corrections(name) => &self.corrections[name],
        }
    }

    /// Puts a history before a table's rows.
    pub fn set_past(&mut self, name: Name, past: Past) {
        self.table_mut(name).past = Some(past);
    }

    fn table_mut(&mut self, name: Name) -> &mut Table {
        let table = match name {
            Name::Table(name) => self.tables.get_mut(name),
            Name::Corrections(name) => self.corrections.get_mut(name),
        };
        table.expect("a name of this state")
    }
}

/// Keeps the state; one writes, many read.
#[derive(Debug)]
pub struct Store {
    state: RwLock<Arc<State>>,
    rows_max: usize,
    changed: watch::Sender<u64>,
}

/// What a batch changes.
#[derive(Debug)]
pub struct Change {
    /// The log that the batch is of.
    pub log: Log,
    /// Number of the batch.
    pub number: u64,
    /// See [`State::as_of`].
    pub as_of: Option<i64>,
    /// See [`State::written_us`].
    pub written_us: Option<i64>,
    /// Its rows.
    pub rows: Rows,
    /// The rules in force from it on, when they changed.
    pub in_force: Vec<String>,
}

impl Store {
    /// Nothing yet; at most so many rows of each table.
    pub fn new(rows_max: usize) -> Store {
        Store { state: RwLock::new(Arc::new(State::empty())), rows_max, changed: watch::Sender::new(0) }
    }

    /// The tables as they are now.
    pub fn state(&self) -> Arc<State> {
        self.state.read().expect("nobody panics with this lock").clone()
    }

    /// Tells of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes in a batch: all of it is seen, or nothing.
    pub fn apply(&self, change: Change) {
        // Held while the next state is made: a history may be put in its place at the same time.
        let mut state = self.state.write().expect("nobody panics with this lock");
        let mut next = State::clone(&state);
        if change.log == Log::Register {
            next.register = Some(change.number);
        } else {
            next.number = Some(change.number);
            next.as_of = change.as_of.or(next.as_of);
            next.written_us = change.written_us.or(next.written_us);
        }
        for (name, rows) in change.rows.tables {
            add(next.tables.get_mut(name).expect("a table of ours"), rows, self.rows_max);
        }
        for (name, rows) in change.rows.corrections {
            add(next.corrections.get_mut(name).expect("a feed's table"), rows, self.rows_max);
        }
        if !change.in_force.is_empty() {
            let added = change.in_force.into_iter().map(|rule| (change.number, rule));
            next.in_force = Arc::new(next.in_force.iter().cloned().chain(added).collect());
        }
        *state = Arc::new(next);
        drop(state);
        self.changed.send_replace(change.number);
    }

    /// Begins with what a history holds, before the first batch is taken in.
    pub fn begin(&self, begun: State) {
        *self.state.write().expect("nobody panics with this lock") = Arc::new(begun);
    }

    /// These tables' earlier rows are in a history now.
    pub fn keep(&self, pasts: Vec<(Name, Past)>) {
        let mut state = self.state.write().expect("nobody panics with this lock");
        let mut next = State::clone(&state);
        for (name, past) in pasts {
            next.set_past(name, past);
        }
        *state = Arc::new(next);
    }
}

fn add(table: &mut Table, rows: RecordBatch, rows_max: usize) {
    let mut pieces: VecDeque<RecordBatch> = table.pieces.iter().cloned().collect();
    pieces.push_back(rows);
    // As a merge of equals: each row is copied a few times, however small the batches are.
    while let [.., before, last] = pieces.make_contiguous() {
        let together = before.num_rows() + last.num_rows();
        if together > PIECE_ROWS || before.num_rows() > 2 * last.num_rows() {
            break;
        }
        let merged = concat_batches(&table.schema, [&*before, &*last]).expect("pieces of one table");
        pieces.truncate(pieces.len() - 2);
        pieces.push_back(merged);
    }
    let mut count: usize = pieces.iter().map(RecordBatch::num_rows).sum();
    while count > rows_max {
        let Some(first) = pieces.pop_front() else { break };
        let over = (count - rows_max).min(first.num_rows());
        table.dropped += over as u64;
        table.dropped_to = seqs(&first).get(over - 1).copied();
        count -= over;
        if over < first.num_rows() {
            pieces.push_front(first.slice(over, first.num_rows() - over));
        }
    }
    table.pieces = Arc::new(pieces.into());
}
