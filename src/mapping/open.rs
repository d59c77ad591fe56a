//! The files of an import. The only place here that touches a disk.

use crate::importer::{Importer, Opened};
use crate::limits::MAPPING_BYTES_MAX;
use crate::plan::Mapping;
use crate::problem::{Problems, of_file};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

impl Mapping {
    /// Reads and checks a mapping file.
    ///
    /// # Errors
    /// When it cannot be read, and all that is wrong with it.
    pub fn read(path: &Path) -> Result<Mapping, Problems> {
        let name = path.display().to_string();
        let mut text = String::new();
        let file = File::open(path).map_err(|e| of_file(&name, format!("cannot be opened: {e}")))?;
        let read = file.take(MAPPING_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|e| of_file(&name, format!("cannot be read: {e}; a mapping is UTF-8")))?;
        if text.len() as u64 > MAPPING_BYTES_MAX {
            return Err(of_file(&name, format!("is larger than {MAPPING_BYTES_MAX} bytes")).into());
        }
        Mapping::parse(&name, &text)
    }
}

impl Importer {
    /// Begins an import: mapping, header and look-up tables, which lie beside the input, are read and checked.
    ///
    /// # Errors
    /// When a file cannot be read, and all that does not fit.
    pub fn open(mapping: &Path, input: &Path) -> Result<Importer, Problems> {
        let mapping = Mapping::read(mapping)?;
        let name = input.display().to_string();
        let folder = input.parent().unwrap_or(Path::new(""));
        let raw = open(input).map_err(|message| of_file(&name, message))?;
        Importer::new(mapping, &name, raw, &|file| open(&folder.join(file)))
    }
}

/// A file, unpacked when it is a gzip.
fn open(path: &Path) -> Opened {
    let file = File::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let start = reader.fill_buf().map_err(|e| format!("cannot be read: {e}"))?;
    if start.starts_with(b"\x1f\x8b") {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader)));
    }
    Ok(Box::new(reader))
}
