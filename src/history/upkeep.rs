//! What a history needs from time to time: small files put together, old rows let go of, files that no version needs removed.
//! And what the law may ask for: rows that must stay, a person that must go. Nothing is overwritten in place: each of these is a
//! commit, and the files before it stay for `keep_hours`.

use crate::history::book::{Book, DAY};
use crate::history::library::Library;
use crate::rights::names::{holds_anything, names_somebody};
use anyhow::{Context, ensure};
use arrow::array::{AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Partitioning, ScalarUDF, Volatility, create_udf, ident, lit, when,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use deltalake::DeltaTableError;
use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::{CommitProperties, TransactionError};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::SaveMode;
use foreshock_core::time::DAY_US;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often it is looked whether something is to be done.
const EVERY: Duration = Duration::from_secs(3_600);
/// Bytes of a file of a closed day; there is a new one beyond.
const FILE_BYTES: u64 = 128 << 20;
/// How often an erasure is tried beside others that change the same table.
const ERASE_ATTEMPTS: usize = 20;
/// Days that are compacted at once, of each table: the rest is done an hour later.
const DAYS_AT_ONCE: usize = 40;

/// How long what is kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// Days that rows stay, by table; a table that is not named keeps all.
    pub days: BTreeMap<String, u32>,
    /// Days that rows name somebody, by table; a table that is not named keeps its names.
    pub names_days: BTreeMap<String, u32>,
    /// Hours that files stay which the newest version of a table no longer needs.
    pub file_hours: u32,
    /// The file of what must stay; empty for none.
    pub holds: PathBuf,
}

impl Default for Keeping {
    /// All rows stay, and files for a day.
    fn default() -> Keeping {
        Keeping { days: BTreeMap::new(), names_days: BTreeMap::new(), file_hours: 24, holds: PathBuf::new() }
    }
}

impl Keeping {
    /// Corrections of a table stay as long as its rows.
    fn days_of(&self, table: &str) -> Option<u32> {
        let table = table.trim_end_matches("_corrections");
        self.days.iter().find(|(name, _)| stored_as(name) == table).map(|(_, days)| *days)
    }

    fn names_days_of(&self, table: &str) -> Option<u32> {
        self.names_days.iter().find(|(name, _)| stored_as(name) == table).map(|(_, days)| *days)
    }
}

/// The table that holds the revisions of what a statement sees as it stands now.
fn stored_as(table: &str) -> &str {
    match table {
        "detections" => "detection_revisions",
        "alerts" => "alert_revisions",
        "blocking_drafts" => "blocking_draft_revisions",
        other => other,
    }
}

/// Rows that must stay, whatever their age.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Why: the number of the case.
    pub case: String,
    /// Of this table; of all without it.
    pub table: Option<String>,
    /// From this day on (`2026-11-01`).
    pub from: Option<String>,
    /// Up to this day.
    pub to: Option<String>,
    /// Only rows that name this token.
    pub subject: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holds {
    #[serde(default)]
    hold: Vec<Hold>,
}

/// Does it.
#[derive(Debug)]
pub struct Upkeep {
    keeping: Keeping,
    last: Option<Instant>,
}

/// What was done to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Files put together.
    pub compacted: u64,
    /// Rows let go of.
    pub removed: usize,
    /// Rows that name nobody any more.
    pub unnamed: usize,
    /// Files removed.
    pub files: usize,
}

impl Upkeep {
    /// With these limits.
    pub fn new(keeping: Keeping) -> Upkeep {
        Upkeep { keeping, last: None }
    }

    /// Does what is due; the names of the tables that changed.
    ///
    /// # Errors
    /// When the holds or a table cannot be read or written.
    pub async fn tend(&mut self, library: &mut Library) -> anyhow::Result<Vec<String>> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(Vec::new());
        }
        // Also after an error it is tried again an hour later.
        self.last = Some(Instant::now());
        let changed = all(library, &self.keeping, today()?).await?;
        Ok(changed.into_iter().map(|(name, _)| name).collect())
    }
}

/// Today, as days since 1970 (UTC).
///
/// # Errors
/// When the clock is before 1970.
pub fn today() -> anyhow::Result<i32> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(i32::try_from(now.as_secs() / 86_400)?)
}

/// Compacts closed days, lets go of what is old, removes files; the tables that changed.
///
/// # Errors
/// As [`Upkeep::tend`].
pub async fn all(library: &mut Library, keeping: &Keeping, today: i32) -> anyhow::Result<Vec<(String, Done)>> {
    let holds = read_holds(&keeping.holds)?;
    for (key, days) in [("days", &keeping.days), ("names_days", &keeping.names_days)] {
        for name in days.keys() {
            ensure!(library.book(stored_as(name)).is_some(), "history.{key}: no table `{name}`");
        }
    }
    check_tables(library, &holds)?;
    let (mut changed, mut first_error) = (Vec::new(), None);
    for book in &mut library.books {
        match one(book, keeping, &holds, today).await.with_context(|| book.place()) {
            Ok(done) if done.removed > 0 || done.compacted > 0 || done.unnamed > 0 => {
                changed.push((book.kind.name.clone(), done))
            }
            Ok(_) => {}
            Err(error) => {
                // The other tables are tended all the same.
                tracing::error!(error = format!("{error:#}"), "a table of the history is not tended");
                book.refresh().await?;
                first_error = first_error.or(Some(error));
            }
        }
    }
    first_error.map_or(Ok(changed), Err)
}

async fn one(book: &mut Book, keeping: &Keeping, holds: &[Hold], today: i32) -> anyhow::Result<Done> {
    let mut done = Done::default();
    book.refresh().await?;
    if let Some(days) = keeping.days_of(&book.kind.name) {
        let first = today.saturating_sub(i32::try_from(days)?);
        done.removed = let_go(book, first, holds).await?;
    }
    if let Some(days) = keeping.names_days_of(&book.kind.name) {
        let first = today.saturating_sub(i32::try_from(days)?);
        done.unnamed = unname(book, first, holds).await?;
    }
    done.compacted = compact(book, today).await?;
    done.files = sweep(book, keeping.file_hours, VacuumMode::Full).await?;
    Ok(done)
}

/// A hold of a table that there is not would hold nothing.
fn check_tables(library: &mut Library, holds: &[Hold]) -> anyhow::Result<()> {
    for hold in holds {
        let Some(table) = &hold.table else { continue };
        ensure!(
            library.book(stored_as(table)).is_some(),
            "history.holds: case {}: there is no table `{table}`; `foreshock history show` lists them",
            hold.case
        );
    }
    Ok(())
}

/// The rows that must stay.
///
/// # Errors
/// When the file is not valid.
pub fn read_holds(path: &Path) -> anyhow::Result<Vec<Hold>> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    // One that cannot be read holds everything: nothing is let go of.
    let text =
        std::fs::read_to_string(path).with_context(|| format!("history.holds: cannot read {}", path.display()))?;
    let holds: Holds = toml::from_str(&text).with_context(|| format!("history.holds: {}", path.display()))?;
    for hold in &holds.hold {
        for day in hold.from.iter().chain(&hold.to) {
            days_of(day)
                .with_context(|| format!("history.holds: case {}: `{day}` is no day like 2026-11-01", hold.case))?;
        }
    }
    Ok(holds.hold)
}

/// Days since 1970 of `2026-11-01`.
fn days_of(day: &str) -> Option<i32> {
    let us = foreshock_core::time::parse_rfc3339(&format!("{day}T00:00:00Z"))?;
    i32::try_from(us.div_euclid(DAY_US)).ok()
}

fn day(days: i32) -> Expr {
    Expr::Literal(ScalarValue::Date32(Some(days)), None)
}

/// Columns of texts, where a token may stand.
fn texts(book: &Book) -> Vec<&str> {
    let is_text = |field: &&Arc<Field>| *field.data_type() == DataType::Utf8;
    book.kind.schema.fields().iter().filter(is_text).map(|field| field.name().as_str()).collect()
}

/// Is it a row that names a token, in a column of its own or in a JSON text?
fn names(book: &Book, token: &str) -> Expr {
    let token = token.to_owned();
    let holds = test_of("is_held", move |text| text.contains(&token));
    let any = texts(book).into_iter().map(|column| holds.call(vec![ident(column)]).is_true());
    any.reduce(Expr::or).unwrap_or(lit(false))
}

/// The rows of a hold.
fn held(book: &Book, hold: &Hold) -> Option<Expr> {
    // Corrections name no token: without them what was corrected would count again.
    let of = book.kind.name.trim_end_matches("_corrections");
    let is_corrections = of != book.kind.name;
    let is_other = |table: &str| table != of && table != book.kind.name;
    if hold.table.as_deref().map(stored_as).is_some_and(is_other) {
        return None;
    }
    let from = hold.from.as_deref().and_then(days_of).map(|from| ident(DAY).gt_eq(day(from)));
    let to = hold.to.as_deref().and_then(days_of).map(|to| ident(DAY).lt_eq(day(to)));
    let subject = hold.subject.as_deref().filter(|_| !is_corrections).map(|token| names(book, token));
    Some(from.into_iter().chain(to).chain(subject).reduce(Expr::and).unwrap_or(lit(true)))
}

/// Rows of days before `first` go, but those that are held.
async fn let_go(book: &mut Book, first: i32, holds: &[Hold]) -> anyhow::Result<usize> {
    let days = days_with_files(book)?;
    if days.keys().all(|day| *day >= first) {
        return Ok(0);
    }
    let old = ident(DAY).lt(day(first));
    let kept = holds.iter().filter_map(|hold| held(book, hold)).reduce(Expr::or);
    let predicate = match kept {
        Some(kept) => old.and(kept.is_not_true()),
        None => old,
    };
    let change = book.table.clone().delete().with_predicate(predicate).with_commit_properties(alone());
    let Some((table, metrics)) = unless_overtaken(book, change.await).await? else { return Ok(0) };
    book.now(table).await?;
    Ok(metrics.num_deleted_rows.unwrap_or(metrics.num_removed_files))
}

/// Our name in the transactions of changes that are not of the log: of two commits with one name the second is refused.
///
/// Delta's own checks are not enough (`deltalake` 1.1.3): its `optimize` leaves the transaction out, and files that one process put
/// together count as untouched for another that puts them together, too, or changes them, so every row was there twice. That is
/// why days are put together by writing them anew.
const APP: &str = "foreshock.upkeep";

/// Of a change that must be the only one at its time.
fn alone() -> CommitProperties {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let version = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    CommitProperties::default().with_application_transaction(Transaction::new(APP, version))
}

/// `None` when another process made such a change meanwhile: then the table is as that one left it.
async fn unless_overtaken<T>(book: &mut Book, changed: Result<T, DeltaTableError>) -> anyhow::Result<Option<T>> {
    match changed {
        Ok(changed) => Ok(Some(changed)),
        Err(DeltaTableError::Transaction { source: TransactionError::CommitConflict(_) }) => {
            tracing::info!(place = book.place(), "another process changes this table: its change stands");
            book.refresh().await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// In rows of days before `first` the columns that name somebody are emptied, but in those that are held.
async fn unname(book: &mut Book, first: i32, holds: &[Hold]) -> anyhow::Result<usize> {
    let table = book.kind.name.clone();
    let is_name = |column: &&str| names_somebody(&table, column) || holds_anything(&table, column);
    let columns: Vec<String> = texts(book).into_iter().filter(is_name).map(str::to_owned).collect();
    let is_old = days_with_files(book)?.keys().any(|day| *day < first);
    let named = columns.iter().map(|column| ident(column).is_not_null()).reduce(Expr::or);
    let Some(named) = named.filter(|_| is_old) else { return Ok(0) };
    let mut predicate = ident(DAY).lt(day(first)).and(named);
    if let Some(kept) = holds.iter().filter_map(|hold| held(book, hold)).reduce(Expr::or) {
        predicate = predicate.and(kept.is_not_true());
    }
    // An update that finds no row would write a version for nothing each hour.
    if count(book, predicate.clone()).await? == 0 {
        return Ok(0);
    }
    let mut update = book.table.clone().update().with_predicate(predicate).with_commit_properties(alone());
    for column in &columns {
        update = update.with_update(column.as_str(), Expr::Literal(ScalarValue::Utf8(None), None));
    }
    let Some((table, metrics)) = unless_overtaken(book, update.await).await? else { return Ok(0) };
    book.now(table).await?;
    Ok(metrics.num_updated_rows)
}

/// Files of a day.
#[derive(Debug, Clone, Copy, Default)]
struct Files {
    all: u64,
    /// Those that are worth putting together.
    small: u64,
}

/// Days and the files of each.
fn days_with_files(book: &Book) -> anyhow::Result<BTreeMap<i32, Files>> {
    let mut days = BTreeMap::new();
    for file in book.table.snapshot()?.snapshot().log_data() {
        let path = file.object_store_path().to_string();
        let part = path.split('/').find_map(|part| part.strip_prefix("day="));
        if let Some(day) = part.and_then(days_of) {
            let files: &mut Files = days.entry(day).or_default();
            files.all += 1;
            files.small += u64::from(file.size() < i64::try_from(FILE_BYTES / 2)?);
        }
    }
    Ok(days)
}

/// The files of each closed day are put together.
async fn compact(book: &mut Book, today: i32) -> anyhow::Result<u64> {
    let days = days_with_files(book)?;
    // A day is closed when the one after it is over: late events still come to the last two.
    let settled = book.settled.clone();
    let closed = days.into_iter().filter(|(day, files)| *day < today - 1 && files.small > 1);
    // A day that does not come to fewer files is not written anew each hour.
    let closed = closed.filter(|(day, files)| settled.get(day) != Some(&files.all));
    let mut done = 0;
    for (days, files) in closed.take(DAYS_AT_ONCE) {
        let of_day = ident(DAY).eq(day(days));
        let rows = SessionContext::new().read_table(book.table.table_provider().await?)?.filter(of_day.clone())?;
        // One writer, or each would leave a small file.
        let rows = rows.repartition(Partitioning::RoundRobinBatch(1))?;
        let change = book
            .table
            .clone()
            .write(Vec::new())
            .with_input_plan(rows.into_unoptimized_plan())
            .with_save_mode(SaveMode::Overwrite)
            .with_replace_where(of_day)
            .with_target_file_size(NonZeroU64::new(FILE_BYTES))
            .with_commit_properties(alone());
        let Some(table) = unless_overtaken(book, change.await).await? else { break };
        book.now(table).await?;
        let now = days_with_files(book)?.get(&days).map_or(0, |files| files.all);
        book.settled.insert(days, now);
        done += files.all;
    }
    Ok(done)
}

/// Files go that no version of the last hours needs; `Full`: also those of writers that died.
async fn sweep(book: &mut Book, hours: u32, mode: VacuumMode) -> anyhow::Result<usize> {
    let vacuum = book.table.clone().vacuum().with_retention_period(chrono::Duration::hours(i64::from(hours)));
    let (table, metrics) = vacuum.with_enforce_retention_duration(false).with_mode(mode).await?;
    book.now(table).await?;
    Ok(metrics.files_deleted.len())
}

/// A test of a text. A function, not a comparison with constants: Delta writes the condition of a change into its log, and tokens
/// must not stand there.
fn test_of(name: &str, is_so: impl Fn(&str) -> bool + Send + Sync + 'static) -> ScalarUDF {
    let ask = move |arguments: &[ColumnarValue]| {
        let texts = arguments[0].to_array(1)?;
        let found = texts.as_string::<i32>().iter().map(|text| text.map(&is_so));
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    };
    create_udf(name, vec![DataType::Utf8], DataType::Boolean, Volatility::Immutable, Arc::new(ask))
}

/// How many rows a condition is true of.
async fn count(book: &Book, condition: Expr) -> anyhow::Result<usize> {
    let rows = SessionContext::new().read_table(book.table.table_provider().await?)?;
    Ok(rows.filter(condition)?.count().await?)
}

/// What an erasure did, by table: rows in which a token was blanked.
pub type Erased = BTreeMap<String, usize>;

/// Takes the tokens of a person out of the facts: the columns that hold them are empty afterwards, the rows stay, for others are
/// named in them too. Files with them go at once.
///
/// # Errors
/// When one of the tokens is held, or a table cannot be written.
pub async fn erase(
    library: &mut Library,
    tables: &BTreeSet<&str>,
    tokens: &[String],
    holds: &[Hold],
    case: &str,
) -> anyhow::Result<Erased> {
    check_tables(library, holds)?;
    let all: BTreeSet<String> = tokens.iter().cloned().collect();
    let is_named = test_of("is_erased", move |text| all.contains(text));
    for book in library.books.iter().filter(|book| tables.contains(book.kind.name.as_str())) {
        let any = texts(book).into_iter().map(|column| is_named.call(vec![ident(column)]).is_true()).reduce(Expr::or);
        let Some(any) = any else { continue };
        for (hold, held) in holds.iter().filter_map(|hold| Some((hold, held(book, hold)?))) {
            let rows = count(book, any.clone().and(held)).await?;
            let case = &hold.case;
            ensure!(
                rows == 0,
                "nothing is erased: case {case} holds {rows} rows that name this person (history.holds)"
            );
        }
    }
    let mut erased = Erased::new();
    for book in library.books.iter_mut().filter(|book| tables.contains(book.kind.name.as_str())) {
        let columns: Vec<String> = texts(book).into_iter().map(str::to_owned).collect();
        let is_in = |column: &String| is_named.call(vec![ident(column)]);
        let Some(any) = columns.iter().map(|column| is_in(column).is_true()).reduce(Expr::or) else { continue };
        let mut attempts = 0..ERASE_ATTEMPTS;
        let metrics = loop {
            ensure!(attempts.next().is_some(), "{}: others change it all the time: try again", book.place());
            let reason = [("foreshock.erasure".to_owned(), serde_json::Value::from(case))];
            let commit = alone().with_metadata(reason);
            let mut update = book.table.clone().update().with_predicate(any.clone()).with_commit_properties(commit);
            for column in &columns {
                let blank = Expr::Literal(ScalarValue::Utf8(None), None);
                update = update.with_update(column.as_str(), when(is_in(column), blank).otherwise(ident(column))?);
            }
            let place = book.place();
            if let Some((table, metrics)) = unless_overtaken(book, update.await).await.context(place)? {
                book.now(table).await?;
                break metrics;
            }
        };
        // Also what an erasure before this one left behind.
        sweep(book, 0, VacuumMode::Lite).await?;
        if metrics.num_updated_rows > 0 {
            erased.insert(book.kind.name.clone(), metrics.num_updated_rows);
        }
    }
    Ok(erased)
}
