//! One event file read piece by piece: NDJSON, `.gz` of it, and Parquet with the SQL columns. A piece holds what follows one
//! another in the file, so that a file of any length takes the memory of a piece.

use crate::offline::piece::{Builder, Piece};
use anyhow::Context;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use foreshock_compiler::feed_schema;
use foreshock_core::Feed;
use foreshock_core::limits::BATCH_EVENTS_MAX;
use foreshock_feeds::table::{feed_of, take};
use foreshock_feeds::{Counts, Record};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many refused lines are kept to be shown.
const REFUSED_KEPT: usize = 20;

/// A refused line of a file.
#[derive(Debug, Clone)]
pub struct Refused {
    /// File and line.
    pub place: String,
    /// Stable code.
    pub code: &'static str,
    /// JSON pointer, or column.
    pub pointer: String,
    /// English reason.
    pub reason: &'static str,
}

/// What reading found beside events.
#[derive(Debug, Default)]
pub struct Findings {
    /// The first refused lines.
    pub first_refused: Vec<Refused>,
    /// Refused lines in all.
    pub refused: u64,
    /// What was tolerated.
    pub counts: Counts,
}

impl Findings {
    fn refuse(&mut self, refused: impl FnOnce() -> Refused) {
        self.refused += 1;
        if self.first_refused.len() < REFUSED_KEPT {
            self.first_refused.push(refused());
        }
    }
}

/// An open event file.
pub struct EventFile {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Lines { reader: Box<dyn BufRead>, number: u64 },
    Table { reader: ParquetRecordBatchReader, feed: Feed, rows: usize },
}

impl EventFile {
    /// Opens a file whose pieces have at most `size` events.
    ///
    /// # Errors
    /// When it cannot be opened, is no Parquet file or has not the columns of a feed.
    pub fn open(path: &Path, size: usize) -> anyhow::Result<EventFile> {
        let is_table = path.extension().is_some_and(|e| e == "parquet");
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let kind = if is_table {
            let (reader, feed) = open_table(path, file, size)?;
            Kind::Table { reader, feed, rows: 0 }
        } else {
            Kind::Lines { reader: unpacked(path, file), number: 0 }
        };
        Ok(EventFile { path: path.to_owned(), kind })
    }

    /// The next events, at most `size`; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a column is of a type that is not converted.
    pub fn next(&mut self, size: usize, findings: &mut Findings) -> anyhow::Result<Option<Piece>> {
        let path = &self.path;
        match &mut self.kind {
            Kind::Lines { reader, number } => next_lines(path, reader, number, size, findings),
            Kind::Table { reader, feed, rows } => next_rows(path, reader, *feed, rows, findings),
        }
    }
}

/// Opens a file for reading lines, unpacking `.gz`.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(unpacked(path, file))
}

fn unpacked(path: &Path, file: File) -> Box<dyn BufRead> {
    let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Box::new(BufReader::with_capacity(1 << 20, reader))
}

fn next_lines(
    path: &Path,
    reader: &mut dyn BufRead,
    number: &mut u64,
    size: usize,
    findings: &mut Findings,
) -> anyhow::Result<Option<Piece>> {
    let (mut builder, mut line) = (Builder::default(), Vec::new());
    while builder.event_count() < size {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            break;
        }
        *number += 1;
        let bytes = line.trim_ascii();
        if bytes.is_empty() {
            continue;
        }
        if let Err(reject) = builder.decode(&Record { bytes, ..Record::default() }, &mut findings.counts) {
            findings.refuse(|| Refused {
                place: format!("{}:{number}", path.display()),
                code: reject.code.code,
                pointer: reject.pointer,
                reason: reject.code.en,
            });
        }
    }
    Ok(builder.finish())
}

fn open_table(path: &Path, file: File, size: usize) -> anyhow::Result<(ParquetRecordBatchReader, Feed)> {
    let is_none = || format!("{} is no Parquet file", path.display());
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).with_context(is_none)?;
    let options = ArrowReaderOptions::new().with_schema(old_times_in_micros(&metadata));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).with_context(is_none)?;
    let feed = feed_of(builder.schema()).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())?;
    Ok((builder.with_batch_size(size.min(BATCH_EVENTS_MAX)).build()?, feed))
}

fn next_rows(
    path: &Path,
    reader: &mut ParquetRecordBatchReader,
    feed: Feed,
    rows: &mut usize,
    findings: &mut Findings,
) -> anyhow::Result<Option<Piece>> {
    let place = || path.display().to_string();
    for batch in reader {
        let batch = batch.with_context(place)?;
        let taken = take(feed, feed_schema(feed), &batch).with_context(place)?;
        for refused in taken.refused {
            findings.refuse(|| Refused {
                place: format!("{}:row {}", path.display(), *rows + refused.row + 1),
                code: refused.code.code,
                pointer: refused.column.to_owned(),
                reason: refused.code.en,
            });
        }
        findings.counts += taken.counts;
        *rows += batch.num_rows();
        if taken.batch.num_rows() > 0 {
            return Ok(Some(Piece::of_table(feed, taken.batch)));
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;
    use foreshock_core::Type;
    use foreshock_core::time::parse_rfc3339;
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type, Int96, Int96Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    /// Days since the Julian epoch at 1970-01-01.
    const JULIAN_1970: i64 = 2_440_588;
    const DAY_US: i64 = 86_400_000_000;

    fn int96(us: i64) -> Int96 {
        let nanos = us.rem_euclid(DAY_US) * 1_000;
        let day = u32::try_from(us.div_euclid(DAY_US) + JULIAN_1970).unwrap();
        let mut value = Int96::new();
        value.set_data((nanos & 0xffff_ffff) as u32, (nanos >> 32) as u32, day);
        value
    }

    /// A table of payments as old Spark and Hive write it, one row for each time.
    fn old_table(path: &Path, times: &[i64]) {
        let columns = Feed::Transactions.columns();
        let field = |c: &foreshock_core::Column| {
            let (ty, like) = match c.ty {
                Type::Time => ("int96", ""),
                Type::Bigint => ("int64", ""),
                Type::Boolean => ("boolean", ""),
                Type::Text => ("binary", "(UTF8)"),
            };
            format!("{} {ty} {} {like};", if c.nullable { "optional" } else { "required" }, c.name)
        };
        let fields: String = columns.iter().map(field).collect();
        let schema = Arc::new(parse_message_type(&format!("message payments {{ {fields} }}")).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        let mut rows = file.next_row_group().unwrap();
        let mut columns = columns.iter();
        while let Some(mut writer) = rows.next_column().unwrap() {
            let column = columns.next().unwrap();
            // What may be NULL is.
            let (count, levels) = if column.nullable { (0, Some(vec![0; times.len()])) } else { (times.len(), None) };
            let (levels, name) = (levels.as_deref(), column.name);
            let text = |n: usize| match name {
                "event_id" => format!("tx:a:{n}"),
                "currency" => "CNY".to_owned(),
                "kind" => "TRANSFER".to_owned(),
                "status" => "ACSC".to_owned(),
                "tx_id" => n.to_string(),
                _ => "a".to_owned(),
            };
            match column.ty {
                Type::Time => {
                    let values: Vec<Int96> = times[..count].iter().map(|us| int96(*us)).collect();
                    writer.typed::<Int96Type>().write_batch(&values, levels, None).unwrap();
                }
                Type::Bigint => {
                    writer.typed::<Int64Type>().write_batch(&vec![5; count], levels, None).unwrap();
                }
                Type::Boolean => {
                    writer.typed::<BoolType>().write_batch(&vec![true; count], levels, None).unwrap();
                }
                Type::Text => {
                    let values: Vec<ByteArray> = (0..count).map(|n| text(n).as_str().into()).collect();
                    writer.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
                }
            }
            writer.close().unwrap();
        }
        rows.close().unwrap();
        file.close().unwrap();
    }

    #[test]
    fn times_of_the_old_form_are_read_to_the_microsecond_and_those_out_of_bounds_are_refused_and_never_wrap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.parquet");
        let right = ["2026-03-01T08:00:00.123456Z", "1999-12-31T23:59:59.999999Z"].map(|t| parse_rfc3339(t).unwrap());
        // Both are outside what 64 bits of nanoseconds can say.
        let wrong = ["1500-01-01T00:00:00Z", "3000-01-01T00:00:00Z"].map(|t| parse_rfc3339(t).unwrap());
        old_table(&path, &[right[0], wrong[0], right[1], wrong[1]]);
        let (mut file, mut findings) = (EventFile::open(&path, 100).unwrap(), Findings::default());
        let mut times = Vec::new();
        while let Some(piece) = file.next(100, &mut findings).unwrap() {
            let (rows, _) = &piece.feeds[&Feed::Transactions];
            times.extend_from_slice(rows.column(1).as_primitive::<TimestampMicrosecondType>().values());
        }
        assert_eq!(times, right, "{:?}", findings.first_refused);
        let refused: Vec<(&str, &str)> =
            findings.first_refused.iter().map(|r| (r.place.rsplit(':').next().unwrap(), r.pointer.as_str())).collect();
        assert_eq!(refused, [("row 2", "event_time"), ("row 4", "event_time")]);
    }
}
