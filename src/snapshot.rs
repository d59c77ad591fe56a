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
const FORMAT: u32 = 4;
/// How many are kept.
pub const KEPT: usize = 3;

/// The state after a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the program: another one plans rules in another way.
    pub program: String,
    /// Hash of rules, parameters and lateness.
    pub rules: String,
    /// Number of the last batch in it.
    pub number: u64,
    /// Partitions that the horizon waits for.
    pub waits_for: Vec<String>,
    /// Every partition in the order of the engine; `to` is the next offset to take.
    pub partitions: Vec<Range>,
    /// `Engine::state_hash`: what is loaded must have it again.
    pub state_hash: [u8; 32],
    /// `Engine::save`.
    pub engine: Vec<u8>,
    /// `Actions::save`.
    pub actions: Vec<u8>,
}

impl Snapshot {
    /// The content of a file.
    pub fn encode(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("a snapshot is plain data");
        let mut bytes = format!("{MAGIC} {FORMAT}\n{}\n", blake3::hash(&body)).into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }

    /// `None` when it is damaged, or of an older format.
    ///
    /// # Errors
    /// When the format is newer than this program knows.
    pub fn decode(bytes: &[u8]) -> anyhow::Result<Option<Snapshot>> {
        let mut parts = bytes.splitn(3, |b| *b == b'\n');
        let (Some(head), Some(hash), Some(body)) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
        let head = std::str::from_utf8(head).unwrap_or_default();
        let Some(format) = head.strip_prefix(MAGIC).and_then(|n| n.trim().parse::<u32>().ok()) else {
            return Ok(None);
        };
        if format > FORMAT {
            bail!("format {format} is newer than this program knows ({FORMAT}); use the newer program");
        }
        if format < FORMAT || hash != blake3::hash(body).to_hex().as_bytes() {
            return Ok(None);
        }
        Ok(postcard::from_bytes(body).ok())
    }

    /// Why it cannot be used: it must be of these rules and this program, and not beyond the last batch done.
    fn misfit(&self, rules: &str, last: Option<u64>) -> Option<&'static str> {
        if self.rules != rules {
            Some("it is of other rules, parameters or lateness")
        } else if self.program != env!("CARGO_PKG_VERSION") {
            Some("it is of another version of the program")
        } else if last.is_none_or(|last| self.number > last) {
            Some("it is ahead of what was committed: another broker's?")
        } else {
            None
        }
    }
}

/// Where snapshots are kept: a folder, or the simulated one of the tests.
pub trait Store {
    /// Numbers of the snapshots there are, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn numbers(&self) -> anyhow::Result<Vec<u64>>;
    /// The bytes of one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, number: u64) -> anyhow::Result<Vec<u8>>;
    /// Writes one, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; no other one is touched then.
    fn write(&self, number: u64, bytes: &[u8]) -> anyhow::Result<()>;
    /// Removes one.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, number: u64) -> anyhow::Result<()>;
}

/// Writes a snapshot and removes the oldest ones. How many bytes it has.
///
/// # Errors
/// When it cannot be written; no earlier one is touched then.
pub fn keep(store: &impl Store, snapshot: &Snapshot) -> anyhow::Result<usize> {
    let bytes = snapshot.encode();
    store.write(snapshot.number, &bytes)?;
    // Higher numbers are of another log, as of topics made anew: they must not push ours out.
    let numbers = store.numbers()?;
    let (ours, others): (Vec<u64>, Vec<u64>) = numbers.into_iter().partition(|n| *n <= snapshot.number);
    for old in ours.into_iter().skip(KEPT).chain(others) {
        store.remove(old)?;
    }
    Ok(bytes.len())
}

/// The whole snapshots that fit, newest first.
///
/// # Errors
/// When the store cannot be read, or a snapshot is of a newer format.
pub fn fitting(store: &impl Store, rules: &str, last: Option<u64>) -> anyhow::Result<Vec<Snapshot>> {
    let mut fitting = Vec::new();
    for number in store.numbers()? {
        let bytes = match store.read(number) {
            Ok(bytes) => bytes,
            Err(error) => {
                // The process that writes may just have removed it.
                tracing::warn!(number, error = format!("{error:#}"), "snapshot not read");
                continue;
            }
        };
        match Snapshot::decode(&bytes).with_context(|| format!("snapshot {number}"))? {
            Some(snapshot) => match snapshot.misfit(rules, last) {
                None => fitting.push(snapshot),
                Some(reason) => tracing::warn!(number, reason, "snapshot not used"),
            },
            None => tracing::error!(number, "snapshot damaged or of an older format: the one before it is used"),
        }
    }
    Ok(fitting)
}

/// Snapshots as files `snapshot-<number>.bin`.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    fn path(&self, number: u64) -> PathBuf {
        self.0.join(format!("snapshot-{number:020}.bin"))
    }

    fn place(&self) -> String {
        format!("snapshots in {}", self.0.display())
    }
}

impl Folder {
    /// Bytes of a snapshot, 0 when it is not there.
    pub fn size(&self, number: u64) -> u64 {
        fs::metadata(self.path(number)).map_or(0, |m| m.len())
    }

    /// Files that a process which died, or a full disk, left half written.
    fn remove_leftovers(&self) {
        for path in fs::read_dir(&self.0).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())) {
            if path.extension().is_some_and(|e| e == "tmp") {
                // What cannot be removed is not in the way.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Can anything be written?
    ///
    /// # Errors
    /// Why not.
    pub fn probe(&self) -> anyhow::Result<()> {
        let path = self.0.join("snapshot-probe.tmp");
        fs::create_dir_all(&self.0).with_context(|| self.place())?;
        // As much as a small disk may lack.
        fs::write(&path, vec![0; 1 << 20]).with_context(|| self.place())?;
        fs::remove_file(&path).with_context(|| self.place())
    }
}

impl Store for Folder {
    fn numbers(&self) -> anyhow::Result<Vec<u64>> {
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let number = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix("snapshot-")?.strip_suffix(".bin")?.parse().ok()
        };
        let entries = fs::read_dir(&self.0).with_context(|| self.place())?;
        let mut numbers: Vec<u64> = entries.filter_map(|e| number(&e.ok()?.path())).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    fn read(&self, number: u64) -> anyhow::Result<Vec<u8>> {
        let path = self.path(number);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn write(&self, number: u64, bytes: &[u8]) -> anyhow::Result<()> {
        let place = || self.place();
        fs::create_dir_all(&self.0).with_context(place)?;
        self.remove_leftovers();
        let temporary = self.0.join(format!("snapshot-{}.tmp", std::process::id()));
        let mut file = File::create(&temporary).with_context(place)?;
        file.write_all(bytes).with_context(place)?;
        file.sync_all().with_context(place)?;
        fs::rename(&temporary, self.path(number)).with_context(place)?;
        File::open(&self.0).and_then(|f| f.sync_all()).with_context(place)
    }

    fn remove(&self, number: u64) -> anyhow::Result<()> {
        let path = self.path(number);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn snapshot(number: u64) -> Snapshot {
        Snapshot {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            rules: "r".to_owned(),
            number,
            waits_for: Vec::new(),
            partitions: Vec::new(),
            state_hash: [1; 32],
            engine: vec![7; 100],
            actions: Vec::new(),
        }
    }

    #[test]
    fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder(folder.path().to_owned());
        for number in 1..=5 {
            keep(&store, &snapshot(number)).unwrap();
        }
        let newest = |rules: &str, last| fitting(&store, rules, last).map(|all| all.into_iter().next());
        assert_eq!(store.numbers().unwrap(), [5, 4, 3]);
        assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(5)));
        assert_eq!(newest("r", Some(4)).unwrap(), Some(snapshot(4)), "not beyond what was committed");
        assert_eq!(newest("other", Some(9)).unwrap(), None);
        let whole = store.read(5).unwrap();
        for at in [0, 30, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            store.write(5, &damaged).unwrap();
            assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(4)), "byte {at}");
        }
        store.write(5, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(4)), "torn");
        store.write(5, format!("{MAGIC} {}\nx\ny", FORMAT + 1).as_bytes()).unwrap();
        assert!(format!("{:#}", newest("r", Some(9)).unwrap_err()).contains("newer"));
    }
}
