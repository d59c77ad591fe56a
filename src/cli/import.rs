//! `import`: CSV of other people as events.

use crate::cli::Exit;
use crate::offline::writer::EventWriter;
use crate::offline::{files, mapping::Importer};
use anyhow::Context;
use foreshock_feeds::{Counts, Record, decode};
use std::path::PathBuf;

/// `foreshock import`
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Mapping file, such as `mappings/paysim.toml`.
    #[arg(long)]
    mapping: PathBuf,
    /// CSV file, or `.gz` of it.
    input: PathBuf,
    /// Events: `.ndjson`, `.ndjson.gz`, or `.parquet` with the SQL columns.
    #[arg(long)]
    out: PathBuf,
}

impl Import {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read or written, or the mapping does not fit.
    pub fn run(&self) -> anyhow::Result<Exit> {
        let mut reader = csv::Reader::from_reader(files::open(&self.input)?);
        let importer = Importer::new(&self.mapping, &self.input, reader.headers()?)?;
        let mut writer = EventWriter::create(&self.out)?;
        let (mut done, mut left_out, mut refused) = (0_u64, 0_u64, 0_u64);
        for row in reader.records() {
            let row = row.with_context(|| format!("{}", self.input.display()))?;
            let line = row.position().map_or(0, csv::Position::line);
            let Some(json) = importer.event(&row) else {
                left_out += 1;
                continue;
            };
            let bytes = serde_json::to_vec(&json)?;
            match decode(&Record { bytes: &bytes, ..Record::default() }, &mut Counts::default()) {
                Ok(event) => {
                    writer.write(&bytes, event)?;
                    done += 1;
                }
                Err(reject) => {
                    if refused < 20 {
                        let (code, reason) = (reject.code.code, reject.code.en);
                        eprintln!("refused {}:{line} {code} {}: {reason}", self.input.display(), reject.pointer);
                    }
                    refused += 1;
                }
            }
        }
        writer.finish()?;
        println!("{done} events, {left_out} rows left out by the mapping, {refused} refused");
        Ok(if refused > 0 { Exit::Refused } else { Exit::Ok })
    }
}
