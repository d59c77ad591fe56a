//! The state in a file, so that a start need not take every batch again.
//!
//! A file is written whole or not at all: a temporary name, fsync, rename, fsync of the folder. Its first line is the
//! format, its second the BLAKE3 hash of the rest. A damaged one is passed over for the one before it.

use crate::progress::Range;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &str = "foreshock-snapshot";
/// Raised whenever the content changes.
const FORMAT: u32 = 1;
/// How many are kept.
const KEPT: usize = 3;

/// The state after a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the program: another one plans rules in another way.
    pub program: String,
    /// Hash of rules, parameters and lateness.
    pub rules: String,
    /// Number of the last batch in it.
    pub number: u64,
    /// Every partition in the order of the engine; `to` is the next offset to take.
    pub partitions: Vec<Range>,
    /// `Engine::save`.
    pub engine: Vec<u8>,
    /// `Actions::save`.
    pub actions: Vec<u8>,
}

impl Snapshot {
    /// Writes it into a folder and removes the oldest ones.
    ///
    /// # Errors
    /// When the file cannot be written; no earlier one is touched then.
    pub fn write(&self, folder: &Path) -> anyhow::Result<u64> {
        let place = || format!("snapshot in {}", folder.display());
        fs::create_dir_all(folder).with_context(place)?;
        let body = postcard::to_stdvec(self).context("cannot encode a snapshot")?;
        let temporary = folder.join("snapshot.tmp");
        let mut file = File::create(&temporary).with_context(place)?;
        writeln!(file, "{MAGIC} {FORMAT}\n{}", blake3::hash(&body)).with_context(place)?;
        file.write_all(&body).with_context(place)?;
        file.sync_all().with_context(place)?;
        fs::rename(&temporary, folder.join(format!("snapshot-{:020}.bin", self.number))).with_context(place)?;
        File::open(folder).and_then(|f| f.sync_all()).with_context(place)?;
        for old in files(folder)?.into_iter().skip(KEPT) {
            fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
        Ok(body.len() as u64)
    }
}

/// The newest whole snapshot that fits: of these rules and this program, and not beyond the last batch done.
///
/// # Errors
/// When the folder cannot be read, or a file is of a newer format.
pub fn newest(folder: &Path, rules: &str, last: Option<u64>) -> anyhow::Result<Option<Snapshot>> {
    if !folder.exists() {
        return Ok(None);
    }
    for path in files(folder)? {
        match read(&path) {
            Ok(Some(snapshot)) => {
                let reason = if snapshot.rules != rules {
                    "it is of other rules, parameters or lateness"
                } else if snapshot.program != env!("CARGO_PKG_VERSION") {
                    "it is of another version of the program"
                } else if last.is_none_or(|last| snapshot.number > last) {
                    "it is ahead of what was committed: another broker's?"
                } else {
                    return Ok(Some(snapshot));
                };
                tracing::warn!(path = %path.display(), reason, "snapshot not used");
            }
            Ok(None) => tracing::error!(path = %path.display(), "snapshot damaged: the one before it is used"),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// `None` when it is damaged.
fn read(path: &Path) -> anyhow::Result<Option<Snapshot>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut parts = bytes.splitn(3, |b| *b == b'\n');
    let (Some(first), Some(hash), Some(body)) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
    let Some(format) = String::from_utf8_lossy(first).strip_prefix(MAGIC).and_then(|n| n.trim().parse::<u32>().ok())
    else {
        return Ok(None);
    };
    if format > FORMAT {
        bail!("{}: format {format} is newer than this program knows ({FORMAT}); use the newer program", path.display());
    }
    if format < FORMAT || hash != blake3::hash(body).to_hex().as_bytes() {
        return Ok(None);
    }
    Ok(postcard::from_bytes(body).ok())
}

/// Snapshot files, newest first.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    files.retain(|p| name(p).starts_with("snapshot-") && name(p).ends_with(".bin"));
    files.sort_unstable_by(|a, b| b.cmp(a));
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn snapshot(number: u64) -> Snapshot {
        let (program, rules) = (env!("CARGO_PKG_VERSION").to_owned(), "r".to_owned());
        Snapshot { program, rules, number, partitions: Vec::new(), engine: vec![7; 100], actions: Vec::new() }
    }

    #[test]
    fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=5 {
            snapshot(number).write(folder.path()).unwrap();
        }
        assert_eq!(files(folder.path()).unwrap().len(), KEPT);
        assert_eq!(newest(folder.path(), "r", Some(9)).unwrap(), Some(snapshot(5)));
        assert_eq!(newest(folder.path(), "r", Some(4)).unwrap(), Some(snapshot(4)), "not beyond what was committed");
        assert_eq!(newest(folder.path(), "other", Some(9)).unwrap(), None);
        let last = &files(folder.path()).unwrap()[0];
        let whole = fs::read(last).unwrap();
        for at in [0, 30, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(last, &damaged).unwrap();
            assert_eq!(newest(folder.path(), "r", Some(9)).unwrap(), Some(snapshot(4)), "byte {at}");
        }
        fs::write(last, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(newest(folder.path(), "r", Some(9)).unwrap(), Some(snapshot(4)), "torn");
        fs::write(last, "foreshock-snapshot 2\nx\ny").unwrap();
        assert!(newest(folder.path(), "r", Some(9)).unwrap_err().to_string().contains("newer"));
    }
}
