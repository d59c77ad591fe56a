//! `import`: CSV of other people as events.

use crate::cli::Exit;
use crate::cli::output::decided;
use crate::offline::writer::EventWriter;
use foreshock_feeds::{Counts, Record, decode};
use foreshock_mapping::{Importer, Outcome, Row};
use std::path::PathBuf;

/// So many refused rows are shown, the others are counted.
const REFUSED_SHOWN: usize = 20;

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
        let mut importer = Importer::open(&self.mapping, &self.input)?;
        let mut writer = EventWriter::create(&self.out)?;
        let (mut counts, mut shown) = (Counts::default(), 0);
        while let Some(row) = importer.next() {
            let Row { line, outcome } = row?;
            let refusal = match outcome {
                Outcome::LeftOut => continue,
                Outcome::Refused(refusal) => refusal,
                Outcome::Event(json) => {
                    let bytes = serde_json::to_vec(&json)?;
                    match decode(&Record { bytes: &bytes, ..Record::default() }, &mut counts) {
                        Ok(event) => {
                            writer.write(&bytes, event)?;
                            continue;
                        }
                        Err(reject) => importer.refuse(reject.code.code, &reject.pointer, reject.code.en),
                    }
                }
            };
            if shown < REFUSED_SHOWN {
                eprintln!("refused {}:{line} {refusal}", self.input.display());
            }
            shown += 1;
        }
        writer.finish()?;
        let is_refused = importer.summary().refused_count() > 0;
        let exit = decided(if is_refused { Exit::Refused } else { Exit::Ok });
        println!("{}", importer.summary());
        if counts.unknown_codes > 0 {
            println!("{} codes of open lists were not known and became OTHER", counts.unknown_codes);
        }
        Ok(exit)
    }
}
