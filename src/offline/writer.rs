//! Writes events to a file: NDJSON, packed or not, or Parquet with the SQL columns.

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use foreshock_compiler::feed_schema;
use foreshock_core::limits::BATCH_EVENTS_MAX;
use foreshock_feeds::{Event, to_record_batch};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A file of events being written.
pub struct EventWriter {
    to: Target,
}

enum Target {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
    Parquet { file: Option<File>, writer: Option<ArrowWriter<File>>, open: Vec<Event> },
}

impl EventWriter {
    /// Creates the file; its ending says the form.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<EventWriter> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let to = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Target::Packed(GzEncoder::new(BufWriter::new(file), Compression::fast())),
            Some("parquet") => Target::Parquet { file: Some(file), writer: None, open: Vec::new() },
            _ => Target::Plain(BufWriter::new(file)),
        };
        Ok(EventWriter { to })
    }

    /// Writes one event: its JSON, or for Parquet its columns.
    ///
    /// # Errors
    /// When writing fails, or a Parquet file gets events of two feeds.
    pub fn write(&mut self, json: &[u8], event: Event) -> anyhow::Result<()> {
        match &mut self.to {
            Target::Plain(w) => w.write_all(json).and_then(|()| w.write_all(b"\n"))?,
            Target::Packed(w) => w.write_all(json).and_then(|()| w.write_all(b"\n"))?,
            Target::Parquet { open, .. } => {
                let is_other = open.first().is_some_and(|first| first.feed != event.feed);
                anyhow::ensure!(!is_other, "a Parquet file holds events of one feed");
                open.push(event);
                if open.len() == BATCH_EVENTS_MAX {
                    self.seal()?;
                }
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> anyhow::Result<()> {
        let Target::Parquet { file, writer, open } = &mut self.to else { return Ok(()) };
        let Some(first) = open.first() else { return Ok(()) };
        let schema = feed_schema(first.feed);
        if let Some(file) = file.take() {
            *writer = Some(ArrowWriter::try_new(file, schema.clone(), None)?);
        }
        if let Some(writer) = writer {
            writer.write(&to_record_batch(first.feed, schema, open))?;
        }
        open.clear();
        Ok(())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.seal()?;
        match self.to {
            Target::Plain(mut w) => w.flush()?,
            Target::Packed(w) => w.finish()?.flush()?,
            Target::Parquet { writer: Some(w), .. } => {
                w.close()?;
            }
            Target::Parquet { .. } => {}
        }
        Ok(())
    }
}
