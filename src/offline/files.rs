//! Event files as source partitions: read once into columns, which wait in a temporary folder, then given in micro-batches. A
//! file of any length, and a pipe, takes the disk, not the memory.

use crate::offline::piece::{Builder, Piece};
use crate::offline::reading::{EventFile, Findings};
use anyhow::Context;
use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use foreshock_compiler::feed_schema;
use foreshock_core::{Feed, ReportAction};
use foreshock_engine::FeedBatch;
use foreshock_feeds::Event;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Event files in columns.
#[derive(Debug)]
pub struct Files {
    sources: Vec<Source>,
    /// Events of all files.
    pub events: u64,
    /// What was refused and tolerated.
    pub findings: Findings,
    /// Goes with the rest.
    folder: tempfile::TempDir,
}

/// One file in columns.
#[derive(Debug, Default)]
struct Source {
    /// Time of the first event of each feed that occurs, microseconds.
    firsts: BTreeMap<Feed, i64>,
    /// The columns of each feed.
    paths: BTreeMap<Feed, PathBuf>,
    /// Of each piece the time of its first event, and the feeds that it has.
    pieces: VecDeque<(i64, Vec<Feed>)>,
}

impl Files {
    /// Reads all files, to be given in micro-batches of `size` events.
    ///
    /// # Errors
    /// When a file cannot be read or is of no known kind, or the temporary folder has no room.
    pub fn read(paths: &[PathBuf], size: usize) -> anyhow::Result<Files> {
        let mut files = Files::none()?;
        for path in paths {
            let mut file = EventFile::open(path, size)?;
            let mut findings = std::mem::take(&mut files.findings);
            files.add(|| file.next(size, &mut findings))?;
            files.findings = findings;
        }
        Ok(files)
    }

    /// Lists of events, as if each was read from a file in this order.
    ///
    /// # Errors
    /// When the temporary folder has no room.
    pub fn of_events(lists: impl IntoIterator<Item = Vec<Event>>, size: usize) -> anyhow::Result<Files> {
        let mut files = Files::none()?;
        for events in lists {
            let mut events = events.into_iter();
            files.add(|| {
                let mut builder = Builder::default();
                events.by_ref().take(size).for_each(|event| builder.push(&event));
                Ok(builder.finish())
            })?;
        }
        Ok(files)
    }

    fn none() -> anyhow::Result<Files> {
        let folder = tempfile::Builder::new().prefix("foreshock-events-").tempdir();
        let folder = folder.context("no temporary folder for the events (TMPDIR names where it is made)")?;
        Ok(Files { sources: Vec::new(), events: 0, findings: Findings::default(), folder })
    }

    /// Takes in one file, piece by piece.
    fn add(&mut self, mut next: impl FnMut() -> anyhow::Result<Option<Piece>>) -> anyhow::Result<()> {
        let (mut source, mut columns) = (Source::default(), BTreeMap::new());
        while let Some(piece) = next()? {
            self.events += piece.event_count() as u64;
            for (feed, first_us) in piece.firsts() {
                source.firsts.entry(feed).or_insert(first_us);
            }
            source.pieces.push_back((piece.first_us, piece.feeds.keys().copied().collect()));
            for (feed, (rows, actions)) in piece.feeds {
                let writer = match columns.entry(feed) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let name = format!("{}-{}.arrow", self.sources.len(), feed.table());
                        let path = source.paths.entry(feed).or_insert(self.folder.path().join(name));
                        entry.insert(create(path, feed)?)
                    }
                };
                writer.write(&with_actions(feed, &rows, &actions)?).with_context(|| problem(&source.paths[&feed]))?;
            }
        }
        for (feed, mut writer) in columns {
            writer.finish().with_context(|| problem(&source.paths[&feed]))?;
        }
        self.sources.push(source);
        Ok(())
    }

    /// Time of the first event of each source partition. There is one for each file and feed that occurs in it, so that each
    /// has one order of its own.
    pub fn firsts(&self) -> Vec<i64> {
        self.sources.iter().flat_map(|source| source.firsts.values()).copied().collect()
    }

    /// The micro-batches; of several files the one whose next event is oldest comes first.
    ///
    /// # Errors
    /// When the temporary files cannot be read.
    pub fn batches(&self) -> anyhow::Result<Batches> {
        let mut batches = Batches { open: Vec::new(), ended: Vec::new() };
        let mut partition = 0;
        for source in &self.sources {
            let partitions = source.firsts.keys().copied().zip(partition..).collect();
            partition += source.firsts.len();
            let (paths, pieces) = (source.paths.clone(), source.pieces.clone());
            batches.open.push(Open { columns: BTreeMap::new(), paths, pieces, partitions });
        }
        batches.note_ended();
        Ok(batches)
    }
}

const ACTION: &str = "action";

/// The feed's columns, and what each row does.
fn schema(feed: Feed) -> SchemaRef {
    let own = feed_schema(feed);
    let fields = own.fields().iter().map(|field| field.as_ref().clone());
    Arc::new(Schema::new(fields.chain([Field::new(ACTION, DataType::UInt8, false)]).collect::<Vec<_>>()))
}

fn with_actions(feed: Feed, rows: &RecordBatch, actions: &[ReportAction]) -> anyhow::Result<RecordBatch> {
    let code = |row: usize| match actions.get(row).copied().unwrap_or_default() {
        ReportAction::New => 0,
        ReportAction::Update => 1,
        ReportAction::Withdraw => 2,
    };
    let codes: ArrayRef = Arc::new((0..rows.num_rows()).map(|row| Some(code(row))).collect::<UInt8Array>());
    Ok(RecordBatch::try_new(schema(feed), rows.columns().iter().cloned().chain([codes]).collect())?)
}

fn without_actions(feed: Feed, rows: &RecordBatch) -> anyhow::Result<(RecordBatch, Vec<ReportAction>)> {
    let (own, codes) = rows.columns().split_at(rows.num_columns() - 1);
    let action = |code: &u8| match code {
        1 => ReportAction::Update,
        2 => ReportAction::Withdraw,
        _ => ReportAction::New,
    };
    let actions = codes[0].as_primitive::<UInt8Type>().values().iter().map(action).collect();
    Ok((RecordBatch::try_new(feed_schema(feed), own.to_vec())?, actions))
}

fn create(path: &Path, feed: Feed) -> anyhow::Result<FileWriter<BufWriter<File>>> {
    let file = File::create(path).with_context(|| problem(path))?;
    FileWriter::try_new(BufWriter::new(file), &schema(feed)).with_context(|| problem(path))
}

fn open(path: &Path) -> anyhow::Result<FileReader<BufReader<File>>> {
    let file = File::open(path).with_context(|| problem(path))?;
    FileReader::try_new_buffered(file, None).with_context(|| problem(path))
}

fn problem(path: &Path) -> String {
    format!("the events in {} (TMPDIR names where they are kept)", path.display())
}

struct Open {
    /// Opened when they are first read, closed when all are: there may be more files than a process may have open.
    columns: BTreeMap<Feed, FileReader<BufReader<File>>>,
    paths: BTreeMap<Feed, PathBuf>,
    pieces: VecDeque<(i64, Vec<Feed>)>,
    partitions: BTreeMap<Feed, usize>,
}

/// Micro-batches that are read ahead, so that whoever judges them does nothing else: his caches stay his.
const AHEAD: usize = 4;

/// Gives each micro-batch, read by another thread, and the source partitions that have no more events after it.
///
/// # Errors
/// When the temporary files cannot be read, and what the receiver says.
pub fn for_each_batch(
    files: &Files,
    mut on_batch: impl FnMut(Vec<FeedBatch>, Vec<usize>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut source = files.batches()?;
    let (sender, receiver) = std::sync::mpsc::sync_channel(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Some(batches) = source.next() {
                // Nobody receives any more after an error of his.
                if sender.send((batches, source.ended.clone())).is_err() {
                    break;
                }
            }
        });
        receiver.into_iter().try_for_each(|(batches, ended)| on_batch(batches?, ended))
    })
}

/// Iterator over micro-batches.
pub struct Batches {
    open: Vec<Open>,
    ended: Vec<usize>,
}

impl Batches {
    fn note_ended(&mut self) {
        let ended = self.open.iter().filter(|file| file.pieces.is_empty());
        self.ended = ended.flat_map(|file| file.partitions.values().copied()).collect();
    }

    fn step(&mut self) -> anyhow::Result<Option<Vec<FeedBatch>>> {
        let waiting = self.open.iter_mut().filter_map(|file| Some((file.pieces.front()?.0, file)));
        let Some((_, file)) = waiting.min_by_key(|(first_us, _)| *first_us) else { return Ok(None) };
        let (_, feeds) = file.pieces.pop_front().expect("it waits");
        let mut batches = Vec::new();
        for feed in feeds {
            let columns = match file.columns.entry(feed) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(open(&file.paths[&feed])?),
            };
            let rows = columns.next().context("a temporary file was changed")??;
            let (batch, actions) = without_actions(feed, &rows)?;
            batches.push(FeedBatch { feed, partition: file.partitions[&feed], batch, actions });
        }
        if file.pieces.is_empty() {
            file.columns.clear();
            self.note_ended();
        }
        Ok(Some(batches))
    }
}

impl Iterator for Batches {
    type Item = anyhow::Result<Vec<FeedBatch>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
