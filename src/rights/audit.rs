//! Who asked what, for what, and how many rows he got (Article 18 of the law): a file of JSON lines. Each names the hash of the
//! one before it, so that a line that was changed or taken out is found. A statement that cannot be written down is not
//! answered.

use crate::rights::grant::Person;
use anyhow::Context;
use foreshock_core::time::format_rfc3339;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The hash before the first line.
const FIRST: &str = "0";

/// What is written of a statement.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    user: &'a str,
    role: &'a str,
    purpose: Option<&'a str>,
    case: Option<&'a str>,
    statement: &'a str,
    statement_sha256: String,
    tables: &'a [String],
    rows: Option<usize>,
    sqlstate: Option<&'a str>,
    previous: &'a str,
}

/// What came of a statement.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// So many rows.
    Rows(usize),
    /// Refused or stopped, with its SQLSTATE.
    Refused(&'a str),
}

/// The open file.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    end: Mutex<End>,
}

#[derive(Debug)]
struct End {
    file: File,
    hash: String,
}

impl Audit {
    /// Goes on with a file, or begins one that only its owner may read.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> anyhow::Result<Audit> {
        let place = || format!("serve.audit: {}", path.display());
        let mut options = OpenOptions::new();
        options.append(true).create(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).with_context(place)?;
        let (mut hash, mut is_whole) = (FIRST.to_owned(), true);
        // A pipe or a device has nothing to go on from.
        let is_file = file.metadata().with_context(place)?.is_file();
        let lines = is_file.then(|| File::open(path)).transpose().with_context(place)?;
        for line in lines.into_iter().flat_map(|file| BufReader::new(file).split(b'\n')) {
            let line = line.with_context(place)?;
            is_whole = line.ends_with(b"}");
            hash = next_hash(&hash, &line);
        }
        if !is_whole {
            // A process died while it wrote; the piece stays and is part of the chain.
            file.write_all(b"\n").with_context(place)?;
        }
        Ok(Audit { path: path.to_owned(), end: Mutex::new(End { file, hash }) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a statement down.
    ///
    /// # Errors
    /// When it cannot: then nothing of its answer may leave.
    pub fn write(&self, person: &Person, statement: &str, tables: &[String], outcome: Outcome) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let purpose = person.purpose.as_ref();
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(&Line {
            time: format_rfc3339(i64::try_from(now.as_micros()).unwrap_or(i64::MAX)),
            user: &person.name,
            role: &person.role,
            purpose: purpose.map(|purpose| purpose.code.as_str()),
            case: purpose.map(|purpose| purpose.case.as_str()),
            statement,
            statement_sha256: hash_of(statement.as_bytes()),
            tables,
            rows: if let Outcome::Rows(rows) = outcome { Some(rows) } else { None },
            sqlstate: if let Outcome::Refused(state) = outcome { Some(state) } else { None },
            previous: &end.hash,
        })?;
        let written = end.file.write_all(format!("{line}\n").as_bytes());
        written.with_context(|| format!("serve.audit: cannot write {}", self.path.display()))?;
        end.hash = hash_of(line.as_bytes());
        Ok(())
    }
}

/// A line names the one before it; the piece of a line that a dying process left does not, so its hash takes it in.
fn next_hash(before: &str, line: &[u8]) -> String {
    if line.ends_with(b"}") { hash_of(line) } else { hash_of(&[before.as_bytes(), line].concat()) }
}

fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number of the first line of a file that does not follow from those before it.
///
/// # Errors
/// When it cannot be read.
pub fn first_break(path: &Path) -> anyhow::Result<Option<usize>> {
    let mut before = FIRST.to_owned();
    for (number, line) in BufReader::new(File::open(path)?).split(b'\n').enumerate() {
        let line = line?;
        let is_piece = !line.ends_with(b"}");
        let value = serde_json::from_slice::<serde_json::Value>(&line).unwrap_or_default();
        if !is_piece && value["previous"].as_str() != Some(&before) {
            return Ok(Some(number + 1));
        }
        before = next_hash(&before, &line);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_chain_goes_on_after_a_restart_and_a_piece_and_any_change_in_it_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.ndjson");
        let person = Person::on_this_machine("li");
        for turn in 0..3 {
            let audit = Audit::open(&path).unwrap();
            audit.write(&person, "SELECT 1", &["rules".into()], Outcome::Rows(turn)).unwrap();
            audit.write(&person, "SELECT\n'x'", &[], Outcome::Refused("42703")).unwrap();
            if turn == 1 {
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(b"{\"time\":\"2026").unwrap();
            }
        }
        assert_eq!(first_break(&path).unwrap(), None);
        let lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 7);
        for changed in 0..lines.len() - 1 {
            let without: Vec<&String> =
                lines.iter().enumerate().filter(|(at, _)| *at != changed).map(|(_, l)| l).collect();
            std::fs::write(&path, without.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
            assert!(first_break(&path).unwrap().is_some(), "line {changed} taken out");
            let other: String = lines
                .iter()
                .enumerate()
                .map(|(at, l)| if at == changed { format!("{}\n", l.replace('2', "3")) } else { format!("{l}\n") })
                .collect();
            std::fs::write(&path, other).unwrap();
            assert!(first_break(&path).unwrap().is_some(), "line {changed} changed");
        }
    }
}
