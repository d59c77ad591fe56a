//! One Delta table: rows of batches, each batch at most once.
//!
//! Every commit says with a transaction of ours (`txn` in Delta's log) up to which batch the table has all rows. Who dies between the
//! rows and the commit has written files that nobody reads; two that write at once cannot both commit, for the second sees the
//! transaction of the first.

use crate::history::past::Past;
use anyhow::{Context, ensure};
use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::ident;
use datafusion::prelude::SessionContext;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::{CommitProperties, TransactionError};
use deltalake::kernel::{StructType, Transaction};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use foreshock_core::time::DAY_US;
use foreshock_log::seq;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// The column that tables are parted by: the day (UTC) of a row's time.
pub const DAY: &str = "day";
/// The column of a row's number: that of its batch, and its place in it.
const SEQ: &str = "seq";
/// Our name in the transactions of Delta's log.
const APP: &str = "foreshock";
/// Commits between two checkpoints of Delta's log.
const CHECKPOINT: &str = "100";

/// What a table holds.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Name: of the table, and of its folder.
    pub name: String,
    /// Columns; `seq` is one of them.
    pub schema: SchemaRef,
    /// The column of the time that the day is of.
    pub time: &'static str,
    /// What is in it, for whoever finds the folder.
    pub about: String,
}

/// A table.
#[derive(Debug)]
pub struct Book {
    /// What it holds.
    pub kind: Kind,
    pub(super) table: DeltaTable,
    /// Number of the last batch whose rows are in it.
    done: Option<u64>,
    /// The highest number of a row.
    last: Option<i64>,
    /// Days that this process has put together, and the files that were left of each.
    pub(super) settled: BTreeMap<i32, u64>,
}

/// How an attempt to add rows ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// So many rows are in it.
    Rows(usize),
    /// Another process has changed the table meanwhile: what is still missing is another matter now.
    Overtaken,
}

impl Book {
    pub(super) async fn open(root: &Url, kind: Kind, make: bool) -> anyhow::Result<Book> {
        let url = root.join(&format!("{}/", kind.name))?;
        let place = || format!("history table {url}");
        if let Some(folder) = url.to_file_path().ok().filter(|_| make) {
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
        }
        let mut table =
            DeltaTableBuilder::from_url(url.clone()).and_then(DeltaTableBuilder::build).with_context(place)?;
        match table.load().await {
            Ok(()) => {}
            Err(DeltaTableError::NotATable(_)) if make => table = create(table, &kind).await.with_context(place)?,
            Err(error) => return Err(error).with_context(place),
        }
        let mut book = Book { kind, table, done: None, last: None, settled: BTreeMap::new() };
        book.check().with_context(place)?;
        book.look().await.with_context(place)?;
        Ok(book)
    }

    /// Number of the last batch whose rows are in it.
    pub fn done(&self) -> Option<u64> {
        self.done
    }

    /// Is it ours, with the columns that we know?
    fn check(&self) -> anyhow::Result<()> {
        let snapshot = self.table.snapshot()?;
        let found: Schema = snapshot.schema().as_ref().try_into_arrow()?;
        for field in stored(&self.kind.schema).fields() {
            let same = found.field_with_name(field.name()).ok().filter(|f| f.data_type() == field.data_type());
            ensure!(
                same.is_some(),
                "it is not a table that this version knows: column {} ({}) is not there, or of another type. Nothing is written to it",
                field.name(),
                field.data_type()
            );
        }
        let parts = snapshot.metadata().partition_columns();
        ensure!(parts.len() == 1 && parts[0] == DAY, "it is not parted by {DAY}: not a table of ours");
        Ok(())
    }

    /// Up to where it goes.
    async fn look(&mut self) -> anyhow::Result<()> {
        let store = self.table.log_store();
        let version = self.table.snapshot()?.snapshot().transaction_version(store.as_ref(), APP).await?;
        self.done = version.and_then(|version| u64::try_from(version).ok());
        let rows = SessionContext::new().read_table(self.table.table_provider().await?)?;
        let last = rows.aggregate(Vec::new(), vec![max(ident(SEQ))])?.collect().await?;
        let value = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().iter().flatten().max();
        self.last = last.iter().filter_map(value).max();
        Ok(())
    }

    /// A change of ours led to this table: others may have written before it.
    pub(super) async fn now(&mut self, table: DeltaTable) -> anyhow::Result<()> {
        self.table = table;
        self.look().await.with_context(|| self.place())
    }

    /// Which version of it this is.
    pub fn version(&self) -> Option<u64> {
        self.table.version()
    }

    /// Looks at what others have written since.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn refresh(&mut self) -> anyhow::Result<()> {
        let place = self.place();
        let before = self.table.version();
        self.table.update_state().await.with_context(|| place.clone())?;
        if self.table.version() == before {
            return Ok(());
        }
        self.look().await.context(place)
    }

    /// Adds the rows of all batches after the last one in it, up to batch `number`. Rows of earlier ones are left out.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is in the table.
    pub async fn add(&mut self, rows: &[RecordBatch], number: u64) -> anyhow::Result<Added> {
        if self.done.is_some_and(|done| done >= number) {
            return Ok(Added::Rows(0));
        }
        let first = self.done.map_or(0, |done| first_seq(done + 1));
        let new: Vec<RecordBatch> = rows.iter().filter_map(|rows| after(rows, first)).collect();
        let count = new.iter().map(RecordBatch::num_rows).sum();
        if count == 0 {
            return Ok(Added::Rows(0));
        }
        let last = new.last().and_then(|rows| seqs(rows).last().copied());
        let new = new.iter().map(|rows| with_day(rows, &self.kind)).collect::<anyhow::Result<Vec<_>>>()?;
        let batch = i64::try_from(number)?;
        let commit = CommitProperties::default().with_application_transaction(Transaction::new(APP, batch));
        match self.table.clone().write(new).with_commit_properties(commit).await {
            Ok(table) => {
                (self.table, self.done, self.last) = (table, Some(number), last);
                Ok(Added::Rows(count))
            }
            // The same batches by another process, or days put together or rows let go of meanwhile.
            Err(DeltaTableError::Transaction { source: TransactionError::CommitConflict(_) }) => {
                self.refresh().await?;
                Ok(Added::Overtaken)
            }
            Err(error) => Err(error).with_context(|| self.place()),
        }
    }

    /// Its rows as they are now, for statements. What is added later is not among them.
    ///
    /// # Errors
    /// When Delta's log does not say what is in it.
    pub async fn past(&self) -> anyhow::Result<Past> {
        let provider = self.table.table_provider().await.with_context(|| self.place())?;
        let files = self.table.snapshot()?.snapshot().log_data();
        let rows = files.into_iter().filter_map(|file| file.num_records()).sum::<usize>() as u64;
        let until = self.done.map_or(0, |done| first_seq(done + 1));
        Ok(Past {
            schema: nullable(&self.kind.schema),
            provider,
            rows,
            until,
            last: self.last,
            version: self.version(),
            conditions: Vec::new(),
        })
    }

    /// How many files it has.
    ///
    /// # Errors
    /// Never for one that is open.
    pub fn file_count(&self) -> anyhow::Result<usize> {
        Ok(self.table.snapshot()?.snapshot().log_data().num_files())
    }

    pub(super) fn place(&self) -> String {
        format!("history table {}", self.table.table_url())
    }
}

/// The first number that a row of a batch can have.
fn first_seq(batch: u64) -> i64 {
    seq(batch, 0)
}

async fn create(table: DeltaTable, kind: &Kind) -> anyhow::Result<DeltaTable> {
    let columns: StructType = stored(&kind.schema).as_ref().try_into_kernel()?;
    let settings = [
        ("delta.checkpointInterval", CHECKPOINT.to_owned()),
        // Statements ask by time and number; the rest of the columns is not worth its place in the log.
        ("delta.dataSkippingStatsColumns", format!("{},{SEQ}", kind.time)),
    ];
    let made = table
        .create()
        .with_table_name(&kind.name)
        .with_comment(&kind.about)
        .with_columns(columns.fields().cloned())
        .with_partition_columns([DAY])
        .with_configuration(settings.map(|(key, value)| (key.to_owned(), Some(value))))
        .await;
    match made {
        Ok(table) => Ok(table),
        // Another process was quicker.
        Err(DeltaTableError::VersionAlreadyExists(_)) => {
            let mut table = table;
            table.load().await?;
            Ok(table)
        }
        Err(error) => Err(error.into()),
    }
}

/// The same columns, of which every one may be empty: Delta has them so.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns as they are stored: the day comes last.
fn stored(schema: &SchemaRef) -> SchemaRef {
    let fields = nullable(schema).fields().iter().cloned().collect::<Vec<_>>();
    let day = Arc::new(Field::new(DAY, DataType::Date32, true));
    Arc::new(Schema::new(fields.into_iter().chain([day]).collect::<Vec<_>>()))
}

/// The rows from a number on: they stand in its order.
fn after(rows: &RecordBatch, first: i64) -> Option<RecordBatch> {
    let from = seqs(rows).partition_point(|seq| *seq < first);
    (from < rows.num_rows()).then(|| rows.slice(from, rows.num_rows() - from))
}

fn seqs(rows: &RecordBatch) -> &[i64] {
    rows.column_by_name(SEQ).expect("every table has it").as_primitive::<Int64Type>().values()
}

fn with_day(rows: &RecordBatch, kind: &Kind) -> anyhow::Result<RecordBatch> {
    let times = rows.column_by_name(kind.time).context("the column of the time")?;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let day = |us: i64| i32::try_from(us.div_euclid(DAY_US)).unwrap_or(i32::MAX);
    let days: Date32Array = (0..times.len()).map(|at| times.is_valid(at).then(|| day(times.value(at)))).collect();
    let columns = rows.columns().iter().cloned().chain([Arc::new(days) as ArrayRef]).collect();
    Ok(RecordBatch::try_new(stored(&kind.schema), columns)?)
}
