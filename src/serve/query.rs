//! A statement to its rows, within limits.

use crate::ops::config::Serve;
use crate::ops::priority::give_way;
use crate::rights::audit::{Audit, Outcome};
use crate::rights::grant::Person;
use crate::rights::pseudonym::Pseudonyms;
use crate::serve::catalog::Facts;
use crate::serve::changes::wait_for;
use crate::serve::floor;
use crate::serve::gate::{self, Refused};
use crate::serve::itself::{Itself, Ticket};
use crate::serve::memory::Memory;
use crate::serve::pg_catalog::PgCatalog;
use crate::serve::pg_nothing;
use crate::serve::restrict;
use crate::serve::session::{Seer, session};
use crate::serve::store::{State, Store};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use dashmap::DashMap;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use std::collections::HashMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Most that a statement may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows of an answer.
    pub rows: usize,
    /// Bytes of an answer in memory.
    pub answer_bytes: usize,
    /// Bytes that all statements together may reserve for sorting, joining and grouping.
    pub memory_bytes: usize,
    /// From the first word to the last row.
    pub time: Duration,
    /// Statements at once; more wait.
    pub at_once: usize,
}

impl Limits {
    /// As they are configured.
    pub fn of(settings: &Serve) -> Limits {
        Limits {
            rows: settings.answer_rows_max,
            answer_bytes: settings.answer_mb << 20,
            memory_bytes: settings.memory_mb << 20,
            time: Duration::from_secs(u64::from(settings.time_s)),
            at_once: settings.at_once,
        }
    }
}

/// A statement as a door hands it in.
#[derive(Debug)]
pub struct Ask {
    /// Who asks.
    pub person: Person,
    /// What he wrote, for the audit.
    pub text: String,
    /// The statement.
    pub words: Words,
    /// Its client's own limit, where it is shorter than ours.
    pub time: Option<Duration>,
}

/// In whose words it is.
#[derive(Debug)]
pub enum Words {
    /// Those of its text, of which nothing is known yet.
    Text,
    /// A statement of a PostgreSQL client, found to read only. It may also look up PostgreSQL's catalogue.
    Postgres(Box<ast::Statement>),
}

/// An answer and what it is true of.
#[derive(Debug)]
pub struct Answer {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// The state that it was asked of.
    pub state: Arc<State>,
    /// Its bytes, of those that all statements together may use.
    pub held: Arc<MemoryReservation>,
}

/// How rights are kept.
#[derive(Debug)]
pub struct Seen {
    /// Names in the place of names.
    pub pseudonyms: Pseudonyms,
    /// Where statements of known people are written down.
    pub audit: Option<Audit>,
}

/// SQLSTATE of what was stopped.
const CANCELLED: &str = "57014";

/// What statements may take beside the memory that the pool counts: batches on their way, plans, what DataFusion does not count.
const UNSEEN_BYTES: u64 = 1 << 30;

/// Plans of long statements are walked by calls within calls.
const STACK_BYTES: usize = 64 << 20;

/// Answers statements.
pub struct Desk {
    store: Arc<Store>,
    facts: Facts,
    limits: Limits,
    runtime: Arc<RuntimeEnv>,
    permits: Arc<Semaphore>,
    memory: Memory,
    /// By role.
    pg_catalogs: DashMap<String, Arc<PgCatalog>>,
    seen: Seen,
    itself: Itself,
    /// Its threads run statements and nothing else: one that does not let go of its thread holds up none of the doors.
    threads: Option<tokio::runtime::Runtime>,
    /// Statements answered.
    pub answered: AtomicU64,
    /// Statements refused or stopped.
    pub refused: AtomicU64,
}

/// Ends the work of a statement whose client is gone.
struct Work<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sees to it that a statement is written down, also when its client goes away or cancels it.
struct Note<'a> {
    desk: &'a Desk,
    person: Person,
    text: String,
    is_written: AtomicBool,
}

impl Note<'_> {
    fn write(&self, outcome: Outcome) -> Result<(), Refused> {
        self.is_written.store(true, Ordering::Relaxed);
        self.desk.write_down(&self.person, &self.text, outcome)
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        if !self.is_written.load(Ordering::Relaxed) {
            // Nothing of the answer left; what went wrong is in the log.
            let _ = self.write(Outcome::Refused(CANCELLED));
        }
    }
}

impl Drop for Desk {
    /// Statements that still run are left behind.
    fn drop(&mut self) {
        self.threads.take().into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
    }
}

impl Desk {
    /// Over this store.
    ///
    /// # Errors
    /// What DataFusion says.
    pub fn new(store: Arc<Store>, facts: Facts, limits: Limits, seen: Seen, itself: Itself) -> anyhow::Result<Desk> {
        let pool = Arc::new(GreedyMemoryPool::new(limits.memory_bytes));
        // Facts do not go to a disk that nobody looks after: what does not fit ends.
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
        let permits = Arc::new(Semaphore::new(limits.at_once));
        let memory = Memory::new(limits.memory_bytes as u64 + UNSEEN_BYTES, limits.time);
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.at_once)
            .thread_name("statement")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(give_way)
            // A history may be in an object store.
            .enable_all()
            .build()?;
        let (answered, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let pg_catalogs = DashMap::new();
        Ok(Desk {
            store,
            facts,
            limits,
            runtime,
            permits,
            memory,
            pg_catalogs,
            seen,
            itself,
            threads: Some(threads),
            answered,
            refused,
        })
    }

    /// Most bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        self.limits.answer_bytes
    }

    /// What is known now.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Rows of a statement's text.
    ///
    /// # Errors
    /// As [`Desk::ask`].
    pub async fn answer(self: &Arc<Self>, text: &str, person: Person) -> Result<Answer, Refused> {
        self.ask(Ask { person, text: text.to_owned(), words: Words::Text, time: None }).await
    }

    /// Rows of one statement. What a known person asks is written down before he gets them.
    ///
    /// # Errors
    /// Why it does not run, at which limit it was stopped, or that it cannot be written down.
    pub async fn ask(self: &Arc<Self>, ask: Ask) -> Result<Answer, Refused> {
        let (desk, time) = (self.clone(), ask.time);
        if ask.person.is_over() {
            return Err(Refused { state: "28000", message: "the token is over: come with another one".into() });
        }
        let ticket = self.itself.running.begin(&ask.person, &ask.text);
        let note =
            Note { desk: self, person: ask.person.clone(), text: ask.text.clone(), is_written: AtomicBool::new(false) };
        let sees_sums = ask.person.grant.aggregates_only;
        // What waits for rows that come, or for others to end, takes no memory.
        let runs = Arc::new(AtomicBool::new(false));
        let of_work = runs.clone();
        let work = async move { desk.run(&ask, &ticket, &of_work).await };
        let mut answer = self.watched(time, || runs.load(Ordering::Acquire), work).await;
        if let Err(refused) = &mut answer
            && sees_sums
            && refused.state == gate::DATA
        {
            // Such an error names the value that it failed on.
            refused.message = "a value of these rows cannot be computed".into();
        }
        let counter = if answer.is_ok() { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        let outcome = match &answer {
            Ok(answer) => Outcome::Rows(answer.batches.iter().map(RecordBatch::num_rows).sum()),
            Err(refused) => Outcome::Refused(refused.state),
        };
        note.write(outcome)?;
        answer
    }

    /// Writes a statement down.
    ///
    /// # Errors
    /// When it cannot.
    pub fn write_down(&self, person: &Person, text: &str, outcome: Outcome) -> Result<(), Refused> {
        let Some(audit) = self.seen.audit.as_ref().filter(|_| person.is_known()) else { return Ok(()) };
        audit.write(person, text, &tables_of(text), outcome).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "no statement is answered: it cannot be written down");
            Refused { state: "58030", message: "the statement cannot be written down, so it is not answered".into() }
        })
    }

    /// Columns of a statement and the types of its parameters, by their names. Nothing is run.
    ///
    /// # Errors
    /// Why it cannot be planned.
    pub async fn shape(self: &Arc<Self>, ask: Ask) -> Result<(SchemaRef, HashMap<String, Option<DataType>>), Refused> {
        let desk = self.clone();
        let shape = async move {
            let (_, ctx) = desk.session(&ask).await?;
            let plan = match gate::plan_unbounded(&ctx, parsed(&ask)?).await {
                Ok(plan) => plan,
                Err(refused) => nothing(&ask.words).ok_or(refused)?,
            };
            let types = plan.get_parameter_types().map_err(|e| gate::refused(&e))?;
            Ok((Arc::new(plan.schema().as_arrow().clone()), types))
        };
        self.work(None, shape).await
    }

    /// Does work on the threads of statements, within their time and memory: they have the stack for deep trees.
    ///
    /// # Errors
    /// Those of the work, that its time is over, or that the statements have taken too much memory.
    pub async fn work<T: Send + 'static>(
        &self,
        time: Option<Duration>,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        self.watched(time, || true, work).await
    }

    /// The same; memory is looked at while it runs. By the thread of whoever asks: those of statements may all be at work.
    async fn watched<T: Send + 'static>(
        &self,
        time: Option<Duration>,
        runs: impl Fn() -> bool,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let threads = self.threads.as_ref().expect("they are there until the end");
        let mut work = Work(threads.spawn(work));
        let time = time.unwrap_or(self.limits.time).min(self.limits.time);
        let stopped = tokio::select! {
            done = &mut work.0 => {
                return done.unwrap_or_else(|fault| {
                    Err(Refused { state: "XX000", message: format!("the statement failed inside: {fault}") })
                });
            }
            () = tokio::time::sleep(time) => (CANCELLED, format!("it took more than {time:?}")),
            () = self.memory.exceeded(runs) => {
                (gate::MEMORY, "all statements together took a gigabyte more than serve.memory_mb: ask for less".into())
            }
        };
        Err(Refused { state: stopped.0, message: format!("stopped: {}", stopped.1) })
    }

    async fn session(&self, ask: &Ask) -> Result<(Arc<State>, SessionContext), Refused> {
        let fault = |e: datafusion::error::DataFusionError| gate::refused(&e);
        let Seen { pseudonyms, audit } = &self.seen;
        let audit = audit.as_ref().map(|audit| audit.path().to_owned());
        let seer = Seer { person: ask.person.clone(), pseudonyms: pseudonyms.clone(), audit };
        let state = restrict::state_of(&self.store.state(), &ask.person.grant).map_err(fault)?;
        let made =
            async |state| session(state, &self.facts, self.runtime.clone(), &seer, &self.itself).await.map_err(fault);
        let ctx = made(&state).await?;
        let Words::Postgres(_) = ask.words else { return Ok((state, ctx)) };
        let known = self.pg_catalogs.get(&ask.person.role).map(|catalog| catalog.clone());
        let catalog = match known {
            Some(catalog) => catalog,
            None => {
                // Of shapes only: it is kept, and must not keep rows.
                let shapes = made(&Arc::new(State::empty())).await?;
                let catalog = Arc::new(PgCatalog::of(&shapes).await.map_err(fault)?);
                self.pg_catalogs.insert(ask.person.role.clone(), catalog.clone());
                catalog
            }
        };
        let ctx = catalog.added_to(&ctx, &state, &seer).map_err(fault)?;
        Ok((state, ctx))
    }

    async fn planned(&self, ask: &Ask) -> Result<(Arc<State>, SessionContext, LogicalPlan), Refused> {
        let statement = parsed(ask)?;
        let (state, ctx) = self.session(ask).await?;
        let mut plan = match gate::plan(&ctx, statement, &state).await {
            Ok(plan) => plan,
            Err(refused) => nothing(&ask.words).ok_or(refused)?,
        };
        if ask.person.grant.aggregates_only {
            plan = floor::with_floor(plan).map_err(|e| gate::refused(&e))?;
        }
        Ok((state, ctx, plan))
    }

    async fn run(&self, ask: &Ask, ticket: &Ticket, runs: &AtomicBool) -> Result<Answer, Refused> {
        let fault = |e: datafusion::error::DataFusionError| gate::refused(&e);
        let (mut state, mut ctx, mut plan) = self.planned(ask).await?;
        if wait_for(&plan, &self.store, self.limits.time).await.map_err(fault)? {
            (state, ctx, plan) = self.planned(ask).await?;
        }
        let _permit = self.permits.acquire().await.expect("never closed");
        ticket.run();
        runs.store(true, Ordering::Release);
        let mut rows = ctx.execute_logical_plan(plan).await.map_err(fault)?.execute_stream().await.map_err(fault)?;
        let (schema, mut batches) = (rows.schema(), Vec::new());
        let held = MemoryConsumer::new("answer").register(&self.runtime.memory_pool);
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(fault)?;
            count += batch.num_rows();
            if count > self.limits.rows {
                let message = format!("the answer has more than {} rows: add LIMIT, or ask for less", self.limits.rows);
                return Err(Refused { state: "54000", message });
            }
            held.try_grow(batch.get_array_memory_size()).map_err(fault)?;
            if held.size() > self.limits.answer_bytes {
                let message = format!("the answer has more than {} MB: ask for less", self.limits.answer_bytes >> 20);
                return Err(Refused { state: "54000", message });
            }
            batches.push(batch);
        }
        Ok(Answer { schema, batches, state, held: Arc::new(held) })
    }
}

/// What a client's question about things that are not here comes to.
fn nothing(words: &Words) -> Option<LogicalPlan> {
    match words {
        Words::Text => None,
        Words::Postgres(statement) => pg_nothing::nothing(statement),
    }
}

fn parsed(ask: &Ask) -> Result<Statement, Refused> {
    match &ask.words {
        Words::Text => gate::check(&ask.text),
        Words::Postgres(statement) => Ok(Statement::Statement(statement.clone())),
    }
}

/// The tables that a text names, as far as it can be read.
fn tables_of(text: &str) -> Vec<String> {
    let mut tables = Vec::new();
    let statements = gate::bounded(text).and_then(|()| gate::parsed(text)).unwrap_or_default();
    for statement in &statements {
        let Statement::Statement(statement) = statement else { continue };
        let _ = ast::visit_relations(statement, |name| {
            tables.push(name.to_string());
            ControlFlow::<()>::Continue(())
        });
    }
    tables.sort();
    tables.dedup();
    tables
}
