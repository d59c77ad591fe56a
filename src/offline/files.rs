//! Event files: NDJSON, `.gz` of it, and Parquet with the SQL columns. A file is read whole into columns, in its order.

use anyhow::Context;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use foreshock_compiler::feed_schema;
use foreshock_core::limits::BATCH_EVENTS_MAX;
use foreshock_core::{Feed, ReportAction};
use foreshock_engine::FeedBatch;
use foreshock_feeds::table::{RowRefused, feed_of, take};
use foreshock_feeds::{Counts, Event, Record, decode, to_record_batch};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type as PhysicalType;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A refused line of a file.
#[derive(Debug, Clone)]
pub struct Refused {
    /// File and line.
    pub place: String,
    /// Stable code.
    pub code: &'static str,
    /// JSON pointer.
    pub pointer: String,
    /// English reason.
    pub reason: &'static str,
}

/// One file's events.
#[derive(Debug, Default)]
pub struct EventFile {
    /// Columns by feed, in file order.
    pub feeds: BTreeMap<Feed, RecordBatch>,
    /// What each row does, by feed.
    actions: BTreeMap<Feed, Vec<ReportAction>>,
    /// Feed of each event, in file order.
    order: Vec<Feed>,
    times: Vec<i64>,
}

/// Files with what was refused in them.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The files.
    pub files: Vec<EventFile>,
    /// Refused lines.
    pub refused: Vec<Refused>,
    /// What was tolerated.
    pub counts: Counts,
}

impl Loaded {
    /// Reads all files.
    ///
    /// # Errors
    /// When a file cannot be read or is of no known kind.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Loaded> {
        let mut loaded = Loaded::default();
        for path in paths {
            let file = if path.extension().is_some_and(|e| e == "parquet") {
                read_parquet(path, &mut loaded)?
            } else {
                read_ndjson(path, &mut loaded)?
            };
            loaded.files.push(file);
        }
        Ok(loaded)
    }

    /// Events of all files.
    pub fn event_count(&self) -> usize {
        self.files.iter().map(|f| f.order.len()).sum()
    }

    /// Source partitions: one for each file and feed that occurs in it, so that each has one order of its own.
    pub fn partition_count(&self) -> usize {
        self.files.iter().map(|f| f.feeds.len()).sum()
    }

    /// Micro-batches of `size` events; of several files the one whose next event is oldest comes first.
    pub fn batches(&self, size: usize) -> Batches<'_> {
        Batches { loaded: self, size, at: self.files.iter().map(Cursor::new).collect() }
    }
}

/// Opens a file for reading lines, unpacking `.gz`.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok(Box::new(BufReader::with_capacity(1 << 20, reader)))
}

fn read_ndjson(path: &Path, loaded: &mut Loaded) -> anyhow::Result<EventFile> {
    let mut reader = open(path)?;
    let mut builder = FileBuilder::default();
    let mut counts = Counts::default();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            break;
        }
        number += 1;
        let bytes = line.trim_ascii();
        if bytes.is_empty() {
            continue;
        }
        match decode(&Record { bytes, ..Record::default() }, &mut counts) {
            Ok(event) => builder.push(event),
            Err(reject) => loaded.refused.push(Refused {
                place: format!("{}:{number}", path.display()),
                code: reject.code.code,
                pointer: reject.pointer,
                reason: reject.code.en,
            }),
        }
    }
    loaded.counts += counts;
    Ok(builder.finish())
}

#[derive(Default)]
struct FileBuilder {
    open: BTreeMap<Feed, Vec<Event>>,
    done: BTreeMap<Feed, Vec<RecordBatch>>,
    actions: BTreeMap<Feed, Vec<ReportAction>>,
    order: Vec<Feed>,
    times: Vec<i64>,
}

impl FileBuilder {
    fn push(&mut self, event: Event) {
        self.actions.entry(event.feed).or_default().push(event.action);
        self.order.push(event.feed);
        self.times.push(event.time);
        let feed = event.feed;
        let open = self.open.entry(feed).or_default();
        open.push(event);
        if open.len() == BATCH_EVENTS_MAX {
            self.seal(feed);
        }
    }

    fn seal(&mut self, feed: Feed) {
        let events = self.open.remove(&feed).unwrap_or_default();
        self.done.entry(feed).or_default().push(to_record_batch(feed, feed_schema(feed), &events));
    }

    fn finish(mut self) -> EventFile {
        for feed in self.open.keys().copied().collect::<Vec<_>>() {
            self.seal(feed);
        }
        let concat = |(feed, parts): (Feed, Vec<RecordBatch>)| {
            (
                feed,
                arrow::compute::concat_batches(&feed_schema(feed), &parts).expect("parts of one feed have one schema"),
            )
        };
        EventFile {
            feeds: self.done.into_iter().map(concat).collect(),
            actions: self.actions,
            order: self.order,
            times: self.times,
        }
    }
}

/// Events of tests and benches, as if read from a file in this order.
pub fn from_events(events: Vec<Event>) -> EventFile {
    let mut builder = FileBuilder::default();
    events.into_iter().for_each(|e| builder.push(e));
    builder.finish()
}

fn read_parquet(path: &Path, loaded: &mut Loaded) -> anyhow::Result<EventFile> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let place = || path.display().to_string();
    let is_none = || format!("{} is no Parquet file", path.display());
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).with_context(is_none)?;
    let options = ArrowReaderOptions::new().with_schema(old_times_in_micros(&metadata));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).with_context(is_none)?;
    let feed = feed_of(builder.schema()).map_err(anyhow::Error::msg).with_context(place)?;
    let schema = feed_schema(feed);
    let (mut parts, mut before) = (Vec::new(), 0);
    for batch in builder.build()? {
        let batch = batch.with_context(place)?;
        let taken = take(feed, schema.clone(), &batch).with_context(place)?;
        for RowRefused { row, code, column } in taken.refused {
            loaded.refused.push(Refused {
                place: format!("{}:row {}", path.display(), before + row + 1),
                code: code.code,
                pointer: column.to_owned(),
                reason: code.en,
            });
        }
        loaded.counts += taken.counts;
        before += batch.num_rows();
        parts.push(taken.batch);
    }
    let rows = arrow::compute::concat_batches(&schema, &parts)?;
    let times = rows.column(1).as_primitive::<TimestampMicrosecondType>().values().to_vec();
    // Parquet holds facts, no corrections.
    let (order, actions) = (vec![feed; times.len()], BTreeMap::new());
    Ok(EventFile { order, times, actions, feeds: BTreeMap::from([(feed, rows)]) })
}

/// Times of the old form (INT96) are read as nanoseconds when nothing else is said, and wrap before 1678 and after 2262.
fn old_times_in_micros(metadata: &ArrowReaderMetadata) -> SchemaRef {
    let columns = metadata.parquet_schema().columns();
    let is_old = |name: &str| columns.iter().any(|c| c.name() == name && c.physical_type() == PhysicalType::INT96);
    let fields = metadata.schema().fields().iter().map(|field| match is_old(field.name()) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None))),
        false => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

struct Cursor {
    next: usize,
    taken: BTreeMap<Feed, usize>,
}

impl Cursor {
    fn new(file: &EventFile) -> Self {
        Cursor { next: 0, taken: file.feeds.keys().map(|f| (*f, 0)).collect() }
    }
}

/// Iterator over micro-batches.
pub struct Batches<'a> {
    loaded: &'a Loaded,
    size: usize,
    at: Vec<Cursor>,
}

impl Iterator for Batches<'_> {
    type Item = Vec<FeedBatch>;

    fn next(&mut self) -> Option<Vec<FeedBatch>> {
        let files = &self.loaded.files;
        let waiting = (0..files.len()).filter(|i| self.at[*i].next < files[*i].order.len());
        let idx = waiting.min_by_key(|i| files[*i].times[self.at[*i].next])?;
        let (file, cursor) = (&files[idx], &mut self.at[idx]);
        let end = (cursor.next + self.size).min(file.order.len());
        let first_partition: usize = files[..idx].iter().map(|f| f.feeds.len()).sum();
        let mut batches = Vec::new();
        for (number, (feed, rows)) in file.feeds.iter().enumerate() {
            let count = file.order[cursor.next..end].iter().filter(|f| *f == feed).count();
            let from = cursor.taken[feed];
            if count > 0 {
                let batch = rows.slice(from, count);
                let actions = file.actions.get(feed).map_or_else(Vec::new, |a| a[from..from + count].to_vec());
                batches.push(FeedBatch { feed: *feed, partition: first_partition + number, batch, actions });
                cursor.taken.insert(*feed, from + count);
            }
        }
        cursor.next = end;
        Some(batches)
    }
}
