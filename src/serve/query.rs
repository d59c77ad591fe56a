//! A statement to its rows, within limits.

use crate::serve::catalog::Facts;
use crate::serve::changes::wait_for;
use crate::serve::gate::{self, Refused};
use crate::serve::session::session;
use crate::serve::store::{State, Store};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// An answer and what it is true of.
#[derive(Debug)]
pub struct Answer {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// The state that it was asked of.
    pub state: Arc<State>,
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
        Ok(Desk { store, facts, limits, runtime, permits, threads: Some(threads), answered, refused })
    }

    /// Most bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        self.limits.answer_bytes
    }

    /// What is known now.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Rows of one statement.
    ///
    /// # Errors
    /// Why it does not run, or at which limit it was stopped.
    pub async fn answer(self: &Arc<Self>, text: &str) -> Result<Answer, Refused> {
        let (desk, text) = (self.clone(), text.to_owned());
        let threads = self.threads.as_ref().expect("they are there until the end");
        let mut work = Work(threads.spawn(async move { desk.run(&text).await }));
        let stopped = |message: String| Refused { state: "57014", message };
        let answer = match tokio::time::timeout(self.limits.time, &mut work.0).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fault)) => Err(Refused { state: "XX000", message: format!("the statement failed inside: {fault}") }),
            Err(_) => Err(stopped(format!("stopped: it took more than {} s", self.limits.time.as_secs()))),
        };
        let counter = if answer.is_ok() { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn planned(&self, text: &str) -> Result<(Arc<State>, SessionContext, LogicalPlan), Refused> {
        let statement = gate::check(text)?;
        let state = self.store.state();
        let ctx = session(&state, &self.facts, self.runtime.clone()).await.map_err(|e| gate::refused(&e))?;
        let plan = gate::plan(&ctx, statement, &state).await?;
        Ok((state, ctx, plan))
    }

    async fn run(&self, text: &str) -> Result<Answer, Refused> {
        let fault = |e: datafusion::error::DataFusionError| gate::refused(&e);
        let (mut state, mut ctx, mut plan) = self.planned(text).await?;
        if wait_for(&plan, &self.store, self.limits.time).await.map_err(fault)? {
            (state, ctx, plan) = self.planned(text).await?;
        }
        let _permit = self.permits.acquire().await.expect("never closed");
        let mut rows = ctx.execute_logical_plan(plan).await.map_err(fault)?.execute_stream().await.map_err(fault)?;
        let (schema, mut batches) = (rows.schema(), Vec::new());
        let (mut count, mut bytes) = (0, 0);
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(fault)?;
            count += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if count > self.limits.rows {
                let message = format!("the answer has more than {} rows: add LIMIT, or ask for less", self.limits.rows);
                return Err(Refused { state: "54000", message });
            }
            if bytes > self.limits.answer_bytes {
                let message = format!("the answer has more than {} MB: ask for less", self.limits.answer_bytes >> 20);
                return Err(Refused { state: "54000", message });
            }
            batches.push(batch);
        }
        Ok(Answer { schema, batches, state })
    }
}
