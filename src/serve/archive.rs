//! From the live tables into the history, and back at a start. A thread of its own: whoever follows and whoever answers never
//! waits for it.

use crate::history::book::Added;
use crate::history::upkeep::{Keeping, Upkeep};
use crate::history::{Book, Kind, Library, Past};
use crate::ops::health::Health;
use crate::serve::follow::Done;
use crate::serve::store::{Name, State, Store};
use crate::serve::tables::{INGEST_TIME, LOGS, of_log};
use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::ident;
use datafusion::prelude::SessionContext;
use foreshock_log::{Log, seq};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Rows of a table in memory, as bytes, that are too many to wait any longer.
const BYTES_MAX: usize = 128 << 20;
/// How often it is looked whether there is something to do.
const PAUSE: Duration = Duration::from_millis(200);
/// After an error: the disk may be full for long.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(10);
/// How often it is tried again at the end.
const ATTEMPTS_MORE: u32 = 3;
/// Its name among the parts of the process.
const PART: &str = "history";

/// What the history did.
#[derive(Debug, Default)]
pub struct Archived {
    /// Rows added.
    pub rows: AtomicU64,
    /// Number of the last batch that is in it, and one: 0 for none.
    pub batches: AtomicU64,
    /// The same of the register's log.
    pub register_batches: AtomicU64,
}

impl Archived {
    fn of(&self, log: Log) -> &AtomicU64 {
        if log == Log::Register { &self.register_batches } else { &self.batches }
    }

    /// Has the history all that is in this state?
    pub fn has_all(&self, state: &State) -> bool {
        let read = |log| state.number_of(log).map_or(0, |number| number + 1);
        LOGS.into_iter().all(|log| self.of(log).load(Ordering::Acquire) >= read(log))
    }
}

/// Keeps a history.
pub struct Archive {
    library: Library,
    runtime: Runtime,
    upkeep: Upkeep,
    every: Duration,
}

/// The tables of a history: what each state has, with its columns.
pub fn kinds() -> Vec<Kind> {
    let state = State::empty();
    let kind = |name: Name| {
        let schema = state.table(name).schema.clone();
        let has_time = schema.column_with_name("event_time").is_some();
        let about = format!("Foreshock: {}. All versions, numbered by seq.", table_name(name));
        Kind { name: table_name(name), schema, time: if has_time { "event_time" } else { INGEST_TIME }, about }
    };
    state.names().into_iter().map(kind).collect()
}

/// A table's name in the history.
fn table_name(name: Name) -> String {
    match name {
        Name::Table(name) => name.to_owned(),
        Name::Corrections(name) => format!("{name}_corrections"),
    }
}

/// A runtime for what waits for disks.
///
/// # Errors
/// When the system gives no thread.
pub fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("history").enable_all().build()?)
}

/// The last batch of each log that a history holds: whoever follows goes on after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    engine: Option<Done>,
    register: Option<Done>,
}

impl Begun {
    /// That of a log.
    pub fn of(&self, log: Log) -> Option<&Done> {
        if log == Log::Register { self.register.as_ref() } else { self.engine.as_ref() }
    }
}

/// The state that a history holds, and its last batches.
///
/// # Errors
/// When it cannot be read.
pub async fn state_of(library: &mut Library) -> anyhow::Result<(State, Begun)> {
    let mut state = State::empty();
    let register = last_of(library, Log::Register, &mut state).await?.done;
    let Last { done: engine, as_of, written_us, in_force } = last_of(library, Log::Engine, &mut state).await?;
    state.register = register.as_ref().map(|done| done.number);
    state.number = engine.as_ref().map(|done| done.number);
    (state.as_of, state.written_us, state.in_force) = (as_of, written_us, Arc::new(in_force));
    Ok((state, Begun { engine, register }))
}

/// The last batch of a log; its tables begin with what is kept.
async fn last_of(library: &mut Library, log: Log, state: &mut State) -> anyhow::Result<Last> {
    let batches = library.book(of_log(log).1.name).context("every history has its batches")?;
    let last = Last::of(batches).await?;
    let until = last.done.as_ref().map_or(0, |done| seq(done.number + 1, 0));
    for name in state.names_of(log) {
        let book = library.book(&table_name(name)).context("every table has a book")?;
        // A process that ended between two tables left one ahead of the others.
        state.set_past(name, book.past().await?.before(until));
    }
    Ok(last)
}

/// What the batches of a log say of the whole.
#[derive(Debug, Default)]
struct Last {
    done: Option<Done>,
    as_of: Option<i64>,
    written_us: Option<i64>,
    /// The rules that came into force.
    in_force: Vec<(u64, String)>,
}

impl Last {
    async fn of(book: &Book) -> anyhow::Result<Last> {
        let rows = SessionContext::new().read_table(book.past().await?.provider)?;
        let rows = rows.select(["number", "as_of", "in_force", "digest", INGEST_TIME].map(ident))?;
        let written = rows.clone().aggregate(Vec::new(), vec![max(ident(INGEST_TIME))])?.collect().await?;
        let changed = rows.clone().filter(ident("in_force").is_not_null())?.sort_by(vec![ident("number")])?;
        let last = rows.sort(vec![ident("number").sort(false, false)])?.limit(0, Some(1))?.collect().await?;
        let number =
            |batch: &RecordBatch, row: usize| batch.column(0).as_primitive::<Int64Type>().value(row).cast_unsigned();
        let mut in_force = Vec::new();
        for batch in changed.collect().await? {
            let texts = arrow::compute::cast(batch.column(2), &arrow::datatypes::DataType::Utf8)?;
            for (row, text) in texts.as_string::<i32>().iter().enumerate() {
                let names: Vec<String> = serde_json::from_str(text.unwrap_or("[]")).context("batches.in_force")?;
                in_force.extend(names.into_iter().map(|name| (number(&batch, row), name)));
            }
        }
        let Some(last) = last.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(Last { in_force, ..Last::default() });
        };
        let time = |column: usize| {
            let times = last.column(column).as_primitive::<TimestampMicrosecondType>();
            times.is_valid(0).then(|| times.value(0))
        };
        // A batch without records has no time of its own.
        let times = written.iter().map(|batch| batch.column(0).as_primitive::<TimestampMicrosecondType>());
        let written_us = times.filter(|times| times.is_valid(0)).map(|times| times.value(0)).max();
        let digests = arrow::compute::cast(last.column(3), &arrow::datatypes::DataType::Utf8)?;
        let digest = digests.as_string::<i32>().value(0).to_owned();
        let done = Some(Done { number: number(last, 0), digest });
        Ok(Last { done, as_of: time(1), written_us, in_force })
    }
}

impl Archive {
    /// Opens the history at a place; what it holds, and its last batches.
    ///
    /// # Errors
    /// When the place cannot be used, or holds tables that this version does not know.
    pub fn open(place: &str, every: Duration, keeping: Keeping) -> anyhow::Result<(Archive, State, Begun)> {
        let runtime = runtime()?;
        let (library, state, begun) = runtime.block_on(async {
            let mut library = Library::open(place, kinds()).await?;
            let (state, begun) = state_of(&mut library).await?;
            anyhow::Ok((library, state, begun))
        })?;
        Ok((Archive { library, runtime, upkeep: Upkeep::new(keeping), every }, state, begun))
    }

    /// Adds what the store has and the history has not, until asked to stop; then once more.
    pub fn run(mut self, store: &Store, archived: &Archived, health: &Health, stop: &AtomicBool) {
        health.set(PART, true, "");
        let (mut last, mut is_ending, mut more) = (Instant::now(), false, ATTEMPTS_MORE);
        let mut pause = Duration::ZERO;
        while !is_ending {
            is_ending = stop.load(Ordering::Acquire);
            let is_due =
                is_ending || last.elapsed() >= self.every.max(pause) || (pause.is_zero() && is_much(&store.state()));
            if !is_due {
                std::thread::sleep(PAUSE);
                continue;
            }
            last = Instant::now();
            let work = || self.keep(store, archived).and_then(|()| self.tend());
            let done = catch_unwind(AssertUnwindSafe(work));
            let kept = done.unwrap_or_else(|_| Err(anyhow::anyhow!("a fault of this program")));
            pause = if kept.is_ok() { Duration::ZERO } else { PAUSE_AFTER_ERROR };
            match kept {
                Ok(()) => health.set(PART, true, ""),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the history is not kept; what was read before is still answered");
                    health.set(PART, false, &error);
                    // A disk may be busy for a moment; of a log that ends with its broker nothing can be read again.
                    if is_ending && more > 0 {
                        more -= 1;
                        is_ending = false;
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        }
    }

    /// Adds all batches of every log up to the store's last one.
    ///
    /// # Errors
    /// When a table cannot be written, or the store has let go of rows that are in no history.
    pub fn keep(&mut self, store: &Store, archived: &Archived) -> anyhow::Result<()> {
        let state = store.state();
        for log in LOGS {
            let Some(number) = state.number_of(log) else { continue };
            let pasts = self.keep_log(&state, log, number, archived)?;
            store.keep(pasts);
            archived.of(log).store(number + 1, Ordering::Release);
        }
        Ok(())
    }

    /// Adds the batches of a log. The table of the batches is the last: what it has, all have.
    fn keep_log(
        &mut self,
        state: &State,
        log: Log,
        number: u64,
        archived: &Archived,
    ) -> anyhow::Result<Vec<(Name, Past)>> {
        let mut names = state.names_of(log);
        names.sort_by_key(|name| *name == Name::Table(of_log(log).1.name));
        let mut pasts = Vec::new();
        for name in names {
            let book = self.library.book(&table_name(name)).context("every table has a book")?;
            let table = state.table(name);
            // Another process may have compacted it, or erased somebody.
            self.runtime.block_on(book.refresh())?;
            // Who was overtaken looks at what the other one wrote and adds the rest.
            let rows = loop {
                let until = book.done().map_or(0, |done| seq(done + 1, 0));
                ensure!(
                    table.dropped_to.is_none_or(|dropped| dropped < until),
                    "{}: rows after batch {:?} were let go of before they were kept (serve.rows_max): start this reader anew",
                    table_name(name),
                    book.done()
                );
                match self.runtime.block_on(book.add(&table.from(until), number))? {
                    Added::Rows(rows) => break rows,
                    Added::Overtaken => {}
                }
            };
            archived.rows.fetch_add(rows as u64, Ordering::Relaxed);
            // What another process has kept of batches that are not in this store yet is not shown before they are.
            let until = book.done().map_or(0, |done| seq(done.min(number) + 1, 0));
            let is_old = |past: &Past| past.until < until || past.version != book.version();
            if table.past.as_ref().is_none_or(is_old) {
                pasts.push((name, self.runtime.block_on(book.past())?.before(seq(number + 1, 0))));
            }
        }
        Ok(pasts)
    }

    /// Compacts and lets go of what is old, from time to time.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub fn tend(&mut self) -> anyhow::Result<()> {
        // What has changed is seen with the next commit: until then the files before it are there.
        self.runtime.block_on(self.upkeep.tend(&mut self.library)).map(drop)
    }
}

/// Is there so much in memory that is not in the history that it should be written now?
fn is_much(state: &State) -> bool {
    let bytes = |name: Name| -> usize { state.table(name).live().iter().map(RecordBatch::get_array_memory_size).sum() };
    state.names().into_iter().map(bytes).sum::<usize>() > BYTES_MAX
}
