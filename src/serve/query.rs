//! A statement to its rows, within limits.

use crate::serve::catalog::Facts;
use crate::serve::changes::wait_for;
use crate::serve::gate::{self, Refused};
use crate::serve::pg_catalog::PgCatalog;
use crate::serve::session::session;
use crate::serve::store::{State, Store};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

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

/// A statement as a door hands it in.
#[derive(Debug)]
pub struct Ask {
    /// The statement.
    pub words: Words,
    /// Its client's own limit, where it is shorter than ours.
    pub time: Option<Duration>,
}

/// In whose words it is.
#[derive(Debug)]
pub enum Words {
    /// Text, of which nothing is known yet.
    Text(String),
    /// A statement of a PostgreSQL client, found to read only. It may also look up PostgreSQL's catalogue.
    Postgres {
        /// The statement.
        statement: Box<ast::Statement>,
        /// Who asks.
        person: String,
    },
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

/// Plans of long statements are walked by calls within calls.
const STACK_BYTES: usize = 64 << 20;

/// Answers statements.
pub struct Desk {
    store: Arc<Store>,
    facts: Facts,
    limits: Limits,
    runtime: Arc<RuntimeEnv>,
    permits: Arc<Semaphore>,
    pg_catalog: OnceCell<PgCatalog>,
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
    pub fn new(store: Arc<Store>, facts: Facts, limits: Limits) -> anyhow::Result<Desk> {
        let pool = Arc::new(GreedyMemoryPool::new(limits.memory_bytes));
        // Facts do not go to a disk that nobody looks after: what does not fit ends.
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
        let permits = Arc::new(Semaphore::new(limits.at_once));
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.at_once)
            .thread_name("statement")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()?;
        let (answered, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let pg_catalog = OnceCell::new();
        Ok(Desk { store, facts, limits, runtime, permits, pg_catalog, threads: Some(threads), answered, refused })
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
    pub async fn answer(self: &Arc<Self>, text: &str) -> Result<Answer, Refused> {
        self.ask(Ask { words: Words::Text(text.to_owned()), time: None }).await
    }

    /// Rows of one statement.
    ///
    /// # Errors
    /// Why it does not run, or at which limit it was stopped.
    pub async fn ask(self: &Arc<Self>, ask: Ask) -> Result<Answer, Refused> {
        let desk = self.clone();
        let answer = self.work(ask.time, async move { desk.run(&ask.words).await }).await;
        let counter = if answer.is_ok() { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        answer
    }

    /// Columns of a statement and the types of its parameters, by their names. Nothing is run.
    ///
    /// # Errors
    /// Why it cannot be planned.
    pub async fn shape(
        self: &Arc<Self>,
        words: Words,
    ) -> Result<(SchemaRef, HashMap<String, Option<DataType>>), Refused> {
        let desk = self.clone();
        let shape = async move {
            let (_, ctx) = desk.session(&words).await?;
            let plan = gate::plan_unbounded(&ctx, parsed(&words)?).await?;
            let types = plan.get_parameter_types().map_err(|e| gate::refused(&e))?;
            Ok((Arc::new(plan.schema().as_arrow().clone()), types))
        };
        self.work(None, shape).await
    }

    /// Does work on the threads of statements, within their time: they have the stack for deep trees.
    ///
    /// # Errors
    /// Those of the work, or that its time is over.
    pub async fn work<T: Send + 'static>(
        &self,
        time: Option<Duration>,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let threads = self.threads.as_ref().expect("they are there until the end");
        let mut work = Work(threads.spawn(work));
        let time = time.unwrap_or(self.limits.time).min(self.limits.time);
        match tokio::time::timeout(time, &mut work.0).await {
            Ok(Ok(done)) => done,
            Ok(Err(fault)) => Err(Refused { state: "XX000", message: format!("the statement failed inside: {fault}") }),
            Err(_) => Err(Refused { state: "57014", message: format!("stopped: it took more than {time:?}") }),
        }
    }

    async fn session(&self, words: &Words) -> Result<(Arc<State>, SessionContext), Refused> {
        let fault = |e: datafusion::error::DataFusionError| gate::refused(&e);
        let state = self.store.state();
        let ctx = session(&state, &self.facts, self.runtime.clone()).await.map_err(fault)?;
        let Words::Postgres { person, .. } = words else { return Ok((state, ctx)) };
        let made = || async { PgCatalog::of(&session(&state, &self.facts, self.runtime.clone()).await?).await };
        let catalog = self.pg_catalog.get_or_try_init(made).await.map_err(fault)?;
        let ctx = catalog.added_to(&ctx, &state, person).map_err(fault)?;
        Ok((state, ctx))
    }

    async fn planned(&self, words: &Words) -> Result<(Arc<State>, SessionContext, LogicalPlan), Refused> {
        let statement = parsed(words)?;
        let (state, ctx) = self.session(words).await?;
        let plan = gate::plan(&ctx, statement, &state).await?;
        Ok((state, ctx, plan))
    }

    async fn run(&self, words: &Words) -> Result<Answer, Refused> {
        let fault = |e: datafusion::error::DataFusionError| gate::refused(&e);
        let (mut state, mut ctx, mut plan) = self.planned(words).await?;
        if wait_for(&plan, &self.store, self.limits.time).await.map_err(fault)? {
            (state, ctx, plan) = self.planned(words).await?;
        }
        let _permit = self.permits.acquire().await.expect("never closed");
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

fn parsed(words: &Words) -> Result<Statement, Refused> {
    match words {
        Words::Text(text) => gate::check(text),
        Words::Postgres { statement, .. } => Ok(Statement::Statement(statement.clone())),
    }
}
