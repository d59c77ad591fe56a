//! The table `audit`: who asked what, from the file that statements are written down in.

use crate::serve::computed::Rows;
use crate::serve::gate::Refused;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use datafusion::catalog::Session;
use datafusion::error::{DataFusionError, Result};
use foreshock_compiler::data_type;
use foreshock_core::Type;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The last bytes of the file that are read: more would not fit beside other statements.
const BYTES_MAX: u64 = 32 << 20;

/// The lines of a file as rows.
#[derive(Debug)]
pub struct Audited {
    /// The file.
    pub path: PathBuf,
}

#[async_trait::async_trait]
impl Rows for Audited {
    fn schema(&self) -> SchemaRef {
        let column = |name: &str, ty| Field::new(name, data_type(ty), true);
        Arc::new(Schema::new(vec![
            column("time", Type::Time),
            column("user", Type::Text),
            column("role", Type::Text),
            column("purpose", Type::Text),
            column("case", Type::Text),
            column("statement", Type::Text),
            column("statement_sha256", Type::Text),
            Field::new("tables", DataType::new_list(DataType::Utf8, true), true),
            column("rows", Type::Bigint),
            column("sqlstate", Type::Text),
            column("previous", Type::Text),
        ]))
    }

    async fn rows(&self, _: &dyn Session) -> Result<Vec<RecordBatch>> {
        let text = last_lines(&self.path, BYTES_MAX).map_err(|error| {
            tracing::error!(%error, path = %self.path.display(), "the audit cannot be read");
            let message = "the audit cannot be read; the reader's log says why".into();
            DataFusionError::External(Box::new(Refused { state: "58030", message }))
        })?;
        let lines = ReaderBuilder::new(self.schema()).build(text.as_slice())?;
        Ok(lines.collect::<std::result::Result<_, _>>()?)
    }
}

/// Whole lines at the end of a file; the pieces that dying processes left are not among them.
fn last_lines(path: &Path, max: u64) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file that could be read again"));
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(max);
    file.seek(SeekFrom::Start(from))?;
    let mut lines = BufReader::new(file.take(length - from));
    if from > 0 {
        lines.skip_until(b'\n')?;
    }
    let mut text = Vec::new();
    for line in lines.split(b'\n') {
        let line = line?;
        if serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok() {
            text.extend(line);
            text.push(b'\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_file_the_last_whole_lines_are_read_and_pieces_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.ndjson");
        std::fs::write(&path, "{\"n\":1}\n{\"n\":2}\n{\"n\":\n{\"n\":3}\n").unwrap();
        assert_eq!(last_lines(&path, 1_000).unwrap(), b"{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        assert_eq!(last_lines(&path, 16).unwrap(), b"{\"n\":3}\n");
        assert_eq!(last_lines(&path, 22).unwrap(), b"{\"n\":3}\n");
    }
}
