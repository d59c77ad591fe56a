//! The facts that count at the end of a run: what the batch is computed over.

use anyhow::Context;
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use foreshock_compiler::{batch::Tables, feed_schema};
use foreshock_core::Feed;
use foreshock_engine::Output;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Facts corrected since they were accepted.
#[derive(Debug, Default)]
struct Corrected {
    /// Batches accepted so far.
    batches: usize,
    /// Event time and id to the number of batches that its correction applies to: an id may come again at another time.
    until: HashMap<i64, HashMap<String, usize>>,
}

impl Corrected {
    /// Numbers and rows of the batches that a step accepted.
    fn take<'a>(&mut self, output: &'a Output) -> impl Iterator<Item = (usize, Feed, &'a RecordBatch)> + use<'a> {
        let before = self.batches;
        for (id, time) in &output.corrected {
            self.until.entry(*time).or_default().insert(id.clone(), before);
        }
        let accepted = output.accepted.iter().filter(|(_, rows)| rows.num_rows() > 0);
        self.batches += accepted.clone().count();
        accepted.enumerate().map(move |(nth, (feed, rows))| (before + nth, *feed, rows))
    }

    /// The rows of a batch that count.
    fn standing(&self, number: usize, rows: &RecordBatch) -> RecordBatch {
        if self.until.is_empty() {
            return rows.clone();
        }
        let stands = |id: &str, time: i64| {
            let until = self.until.get(&time).and_then(|ids| ids.get(id));
            until.is_none_or(|until| number >= *until)
        };
        let times = rows.column(1).as_primitive::<TimestampMicrosecondType>().values();
        let ids = rows.column(0).as_string::<i32>();
        let kept: BooleanArray = ids.iter().zip(times).map(|(id, at)| Some(stands(id?, *at))).collect();
        arrow::compute::filter_record_batch(rows, &kept).expect("one flag per row")
    }
}

/// The facts in memory.
#[derive(Debug, Default)]
pub struct Standing {
    accepted: Vec<(usize, Feed, RecordBatch)>,
    corrected: Corrected,
}

impl Standing {
    /// Takes in what a step accepted.
    pub fn take(&mut self, output: &Output) {
        self.accepted.extend(self.corrected.take(output).map(|(number, feed, rows)| (number, feed, rows.clone())));
    }

    /// The facts that count.
    pub fn facts(self) -> BTreeMap<Feed, Vec<RecordBatch>> {
        let mut facts: BTreeMap<Feed, Vec<RecordBatch>> = BTreeMap::new();
        for (number, feed, rows) in &self.accepted {
            facts.entry(*feed).or_default().push(self.corrected.standing(*number, rows));
        }
        facts
    }
}

/// The facts in files of a temporary folder: a run of any length takes the disk, not the memory.
pub struct FactFiles {
    folder: tempfile::TempDir,
    open: BTreeMap<Feed, FactFile>,
    corrected: Corrected,
}

struct FactFile {
    path: PathBuf,
    writer: FileWriter<BufWriter<File>>,
    /// Number of each batch in the file.
    numbers: Vec<usize>,
}

/// Tables over the files, which go with it.
#[derive(Debug)]
pub struct FactTables {
    /// For the batch.
    pub tables: Tables,
    _folder: tempfile::TempDir,
}

impl FactFiles {
    /// No facts.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn new() -> anyhow::Result<FactFiles> {
        let folder = tempfile::Builder::new().prefix("foreshock-facts-").tempdir();
        let folder = folder.context("no temporary folder for the facts (TMPDIR names where it is made)")?;
        Ok(FactFiles { folder, open: BTreeMap::new(), corrected: Corrected::default() })
    }

    /// Takes in what a step accepted.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        for (number, feed, rows) in self.corrected.take(output) {
            if !self.open.contains_key(&feed) {
                let path = self.folder.path().join(format!("{}.arrow", feed.table()));
                self.open.insert(feed, FactFile::create(path, feed)?);
            }
            let file = self.open.get_mut(&feed).expect("made above");
            file.write(number, rows)?;
        }
        Ok(())
    }

    /// The facts that count.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(self) -> anyhow::Result<FactTables> {
        let mut tables = Tables::new();
        for (feed, mut file) in self.open {
            file.writer.finish().with_context(|| problem(&file.path))?;
            let path = if self.corrected.until.is_empty() { file.path } else { file.standing(feed, &self.corrected)? };
            tables.insert(feed, table(&path, feed)?);
        }
        Ok(FactTables { tables, _folder: self.folder })
    }
}

impl FactFile {
    fn create(path: PathBuf, feed: Feed) -> anyhow::Result<FactFile> {
        let file = File::create(&path).with_context(|| problem(&path))?;
        let writer = FileWriter::try_new(BufWriter::new(file), &feed_schema(feed)).with_context(|| problem(&path))?;
        Ok(FactFile { path, writer, numbers: Vec::new() })
    }

    fn write(&mut self, number: usize, rows: &RecordBatch) -> anyhow::Result<()> {
        self.numbers.push(number);
        self.writer.write(rows).with_context(|| problem(&self.path))
    }

    /// A second file with the rows that count.
    fn standing(self, feed: Feed, corrected: &Corrected) -> anyhow::Result<PathBuf> {
        let mut kept = FactFile::create(self.path.with_extension("standing.arrow"), feed)?;
        let written = File::open(&self.path).with_context(|| problem(&self.path))?;
        for (number, rows) in self.numbers.into_iter().zip(FileReader::try_new(written, None)?) {
            kept.write(number, &corrected.standing(number, &rows?))?;
        }
        kept.writer.finish().with_context(|| problem(&kept.path))?;
        std::fs::remove_file(&self.path).with_context(|| problem(&self.path))?;
        Ok(kept.path)
    }
}

fn problem(path: &Path) -> String {
    format!("the facts in {} (TMPDIR names where they are kept)", path.display())
}

fn table(path: &Path, feed: Feed) -> anyhow::Result<Arc<dyn TableProvider>> {
    let url = ListingTableUrl::parse(path.display().to_string())?;
    let options = ListingOptions::new(Arc::new(ArrowFormat)).with_file_extension(".arrow");
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(feed_schema(feed));
    Ok(Arc::new(ListingTable::try_new(config)?))
}
