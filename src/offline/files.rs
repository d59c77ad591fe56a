//! Event files as source partitions: read twice, once for what is in them and once for their events in micro-batches.

use crate::offline::piece::{Builder, Piece};
use crate::offline::reading::{EventFile, Findings};
use anyhow::Context;
use foreshock_core::Feed;
use foreshock_core::limits::BATCH_EVENTS_MAX;
use foreshock_engine::FeedBatch;
use foreshock_feeds::Event;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Event files, looked through once.
#[derive(Debug, Default)]
pub struct Files {
    sources: Vec<Source>,
    /// Time of the first event of each feed that occurs, by file.
    firsts: Vec<BTreeMap<Feed, i64>>,
    /// Events of all files.
    pub events: u64,
    /// What was refused and tolerated.
    pub findings: Findings,
}

#[derive(Debug)]
enum Source {
    /// `content`: a copy of what can be read only once, such as a pipe.
    Path { path: PathBuf, content: Option<File> },
    /// As if read from a file.
    Events(Vec<Event>),
}

impl Files {
    /// Looks through all files.
    ///
    /// # Errors
    /// When a file cannot be read or is of no known kind.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Files> {
        let sources = paths.iter().map(|path| Source::of(path)).collect::<anyhow::Result<Vec<_>>>()?;
        Files::of(sources)
    }

    /// Lists of events, as if each was read from a file in this order.
    pub fn of_events(lists: impl IntoIterator<Item = Vec<Event>>) -> Files {
        Files::of(lists.into_iter().map(Source::Events).collect()).expect("lists of events have no errors")
    }

    fn of(sources: Vec<Source>) -> anyhow::Result<Files> {
        let mut files = Files { firsts: vec![BTreeMap::new(); sources.len()], sources, ..Files::default() };
        for (source, firsts) in files.sources.iter().zip(&mut files.firsts) {
            let mut pieces = source.open(BATCH_EVENTS_MAX)?;
            while let Some(piece) = pieces.next(BATCH_EVENTS_MAX, &mut files.findings)? {
                files.events += piece.len() as u64;
                for (feed, first_us) in piece.firsts() {
                    firsts.entry(feed).or_insert(first_us);
                }
            }
        }
        Ok(files)
    }

    /// Time of the first event of each source partition. There is one for each file and feed that occurs in it, so that each
    /// has one order of its own.
    pub fn firsts(&self) -> Vec<i64> {
        self.firsts.iter().flat_map(BTreeMap::values).copied().collect()
    }

    /// Micro-batches of `size` events; of several files the one whose next event is oldest comes first.
    ///
    /// # Errors
    /// When a file cannot be read any more.
    pub fn batches(&self, size: usize) -> anyhow::Result<Batches> {
        let mut batches = Batches { open: Vec::new(), size, ended: Vec::new() };
        let mut partition = 0;
        for (source, feeds) in self.sources.iter().zip(&self.firsts) {
            let partitions = feeds.keys().copied().zip(partition..).collect();
            partition += feeds.len();
            let mut pieces = source.open(size)?;
            let next = pieces.next(size, &mut Findings::default())?;
            batches.open.push(Open { pieces, next, partitions });
        }
        batches.note_ended();
        Ok(batches)
    }
}

impl Source {
    fn of(path: &Path) -> anyhow::Result<Source> {
        let problem = || format!("cannot read {}", path.display());
        let is_file = std::fs::metadata(path).with_context(problem)?.is_file();
        let content = if is_file { None } else { Some(copy(path).with_context(problem)?) };
        Ok(Source::Path { path: path.to_owned(), content })
    }

    fn open(&self, size: usize) -> anyhow::Result<Pieces> {
        Ok(match self {
            Source::Events(events) => Pieces::Events(events.clone().into_iter()),
            Source::Path { path, content } => {
                if let Some(mut content) = content.as_ref() {
                    content.seek(SeekFrom::Start(0))?;
                }
                Pieces::File(EventFile::open(path, content.as_ref(), size)?)
            }
        })
    }
}

/// A copy without a name, gone with the process.
fn copy(path: &Path) -> std::io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    std::io::copy(&mut File::open(path)?, &mut copy)?;
    Ok(copy)
}

enum Pieces {
    File(EventFile),
    Events(std::vec::IntoIter<Event>),
}

impl Pieces {
    fn next(&mut self, size: usize, findings: &mut Findings) -> anyhow::Result<Option<Piece>> {
        match self {
            Pieces::File(file) => file.next(size, findings),
            Pieces::Events(events) => {
                let mut builder = Builder::default();
                events.take(size).for_each(|event| builder.push(event));
                Ok(builder.finish())
            }
        }
    }
}

struct Open {
    pieces: Pieces,
    next: Option<Piece>,
    partitions: BTreeMap<Feed, usize>,
}

/// Iterator over micro-batches.
pub struct Batches {
    open: Vec<Open>,
    size: usize,
    ended: Vec<usize>,
}

impl Batches {
    /// Source partitions that have no more events.
    pub fn ended(&self) -> &[usize] {
        &self.ended
    }

    fn note_ended(&mut self) {
        let ended = self.open.iter().filter(|file| file.next.is_none());
        self.ended = ended.flat_map(|file| file.partitions.values().copied()).collect();
    }

    fn step(&mut self) -> anyhow::Result<Option<Vec<FeedBatch>>> {
        let waiting = self.open.iter_mut().filter_map(|file| Some((file.next.as_ref()?.first_us, file)));
        let Some((_, file)) = waiting.min_by_key(|(first_us, _)| *first_us) else { return Ok(None) };
        let following = file.pieces.next(self.size, &mut Findings::default())?;
        let piece = std::mem::replace(&mut file.next, following).expect("it waits");
        let mut batches = Vec::new();
        for (feed, (batch, actions)) in piece.feeds {
            let partition = *file.partitions.get(&feed).context("a file was changed while it was read")?;
            batches.push(FeedBatch { feed, partition, batch, actions });
        }
        if file.next.is_none() {
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
