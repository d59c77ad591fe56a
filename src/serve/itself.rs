//! What a reader tells of itself: the schema `system`.

use crate::ops::health::Health;
use crate::rights::grant::Person;
use crate::serve::archive::Archived;
use crate::serve::catalog::{Grid, texts, times};
use crate::serve::store::{State, Table};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use dashmap::DashMap;
use foreshock_core::Type;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Parts and statements of a reader.
#[derive(Debug, Default)]
pub struct Itself {
    /// States of the parts.
    pub health: Arc<Health>,
    /// What the history does, where one is kept.
    pub archived: Option<Arc<Archived>>,
    /// Statements that are under way.
    pub running: Arc<Running>,
}

/// Statements that are under way.
#[derive(Debug, Default)]
pub struct Running {
    next: AtomicU64,
    statements: DashMap<u64, Statement>,
}

#[derive(Debug)]
struct Statement {
    user: String,
    role: String,
    text: String,
    began: SystemTime,
    is_running: bool,
}

/// A statement's place among them, until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    running: Arc<Running>,
    number: u64,
}

impl Running {
    /// A statement comes in.
    pub fn begin(self: &Arc<Self>, person: &Person, text: &str) -> Ticket {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (user, role, text) = (person.name.clone(), person.role.clone(), text.to_owned());
        self.statements.insert(number, Statement { user, role, text, began: SystemTime::now(), is_running: false });
        Ticket { running: self.clone(), number }
    }
}

impl Ticket {
    /// It has a thread now.
    pub fn run(&self) {
        if let Some(mut statement) = self.running.statements.get_mut(&self.number) {
            statement.is_running = true;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.running.statements.remove(&self.number);
    }
}

/// Tables in `system`, as a person may see them.
pub fn system(state: &State, itself: &Itself, person: &Person) -> [(&'static str, RecordBatch); 4] {
    [
        ("watermarks", watermarks(state)),
        ("limits", limits(state)),
        ("lag", itself.lag(state, person)),
        ("queries", itself.queries(person)),
    ]
}

fn batch_number(state: &State) -> Option<i64> {
    state.number.map(|number| i64::try_from(number).unwrap_or(i64::MAX))
}

fn watermarks(state: &State) -> RecordBatch {
    let marks = Grid::new(&[("batch", Type::Bigint), ("as_of", Type::Time), ("written", Type::Time)]);
    marks.finish(vec![
        Arc::new(Int64Array::from(vec![batch_number(state)])),
        times(vec![state.as_of]),
        times(vec![state.written_us]),
    ])
}

fn limits(state: &State) -> RecordBatch {
    let of = |value: fn(&Table) -> Option<i64>| -> ArrayRef {
        Arc::new(state.tables.values().map(value).collect::<Int64Array>())
    };
    let limits = Grid::new(&[
        ("table_name", Type::Text),
        ("rows", Type::Bigint),
        ("rows_let_go", Type::Bigint),
        ("first_seq", Type::Bigint),
    ]);
    limits.finish(vec![
        texts(state.tables.keys().map(Some)),
        of(|table| i64::try_from(table.row_count()).ok()),
        of(|table| i64::try_from(table.dropped).ok()),
        of(Table::first_seq),
    ])
}

/// May he see what others do, and what went wrong?
fn sees_all(person: &Person) -> bool {
    !person.is_known() || person.grant.opens("audit")
}

fn us(time: SystemTime) -> Option<i64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

impl Itself {
    /// Each part: does it work, since when, its last error, the last batch that it has, and how far behind it is: the topics by the
    /// time since their last batch, the history by the batches that it has not kept yet.
    fn lag(&self, state: &State, person: &Person) -> RecordBatch {
        let parts = self.health.parts_of();
        let (batch, now) = (batch_number(state), us(SystemTime::now()));
        let quiet = now.zip(state.written_us).map(|(now, written)| now - written);
        let kept = self
            .archived
            .as_ref()
            .map(|archived| i64::try_from(archived.batches.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
        let numbers = |of_topics: Option<i64>, of_history: Option<i64>| -> ArrayRef {
            Arc::new(
                parts
                    .iter()
                    .map(|(part, _)| match part.as_str() {
                        "topics" => of_topics,
                        "history" => of_history,
                        _ => None,
                    })
                    .collect::<Int64Array>(),
            )
        };
        let lag = Grid::new(&[
            ("part", Type::Text),
            ("is_up", Type::Boolean),
            ("since", Type::Time),
            ("last_error", Type::Text),
            ("batch", Type::Bigint),
            ("quiet_us", Type::Bigint),
            ("batches_behind", Type::Bigint),
        ]);
        // An error names places and machines.
        let is_shown = sees_all(person);
        let error =
            |part: &crate::ops::health::Dependency| Some(part.last_error.clone()).filter(|e| is_shown && !e.is_empty());
        lag.finish(vec![
            texts(parts.iter().map(|(name, _)| Some(name))),
            Arc::new(parts.iter().map(|(_, part)| Some(part.is_up)).collect::<BooleanArray>()),
            times(parts.iter().map(|(_, part)| us(part.since)).collect()),
            texts(parts.iter().map(|(_, part)| error(part))),
            numbers(batch, kept.map(|kept| kept - 1).filter(|batch| *batch >= 0)),
            numbers(quiet, None),
            numbers(None, kept.map(|kept| batch.map_or(0, |batch| batch + 1 - kept))),
        ])
    }

    /// One's own statements; who may read the audit sees all.
    fn queries(&self, person: &Person) -> RecordBatch {
        let sees_all = sees_all(person);
        let mut statements: Vec<_> = self.running.statements.iter().collect();
        statements.retain(|entry| sees_all || entry.user == person.name);
        statements.sort_by_key(|entry| *entry.key());
        let now = SystemTime::now();
        let age = |began: SystemTime| i64::try_from(now.duration_since(began).unwrap_or_default().as_micros()).ok();
        let queries = Grid::new(&[
            ("id", Type::Bigint),
            ("user_name", Type::Text),
            ("role", Type::Text),
            ("state", Type::Text),
            ("began", Type::Time),
            ("age_us", Type::Bigint),
            ("statement", Type::Text),
        ]);
        queries.finish(vec![
            Arc::new(statements.iter().map(|entry| i64::try_from(*entry.key()).ok()).collect::<Int64Array>()),
            texts(statements.iter().map(|entry| Some(entry.user.as_str()))),
            texts(statements.iter().map(|entry| Some(entry.role.as_str()))),
            texts(statements.iter().map(|entry| Some(if entry.is_running { "running" } else { "waiting" }))),
            times(statements.iter().map(|entry| us(entry.began)).collect()),
            Arc::new(statements.iter().map(|entry| age(entry.began)).collect::<Int64Array>()),
            texts(statements.iter().map(|entry| Some(entry.text.as_str()))),
        ])
    }
}
