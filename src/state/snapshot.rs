//! The state in a file, so that a start need not take every batch again.
//!
//! Its first line is the format, its second the BLAKE3 hash of the rest. A damaged one is passed over for the one before it.

use anyhow::{Context, bail};
use foreshock_log::{Progress, Range};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

const MAGIC: &str = "foreshock-snapshot";
/// Raised whenever the form of the content changes. The last two are read too: an upgrade must not need all batches again.
const FORMAT: u32 = 6;
/// The form of program 0.1, with states of the first form.
const FORMAT_5: u32 = 5;
/// Raised when the same bytes would mean something else: a state of another meaning cannot be used, and that is said.
const MEANING: u32 = 1;
/// How many are kept.
pub const KEPT: usize = 3;

/// The state after a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the program that wrote it, for people.
    pub program: String,
    /// What its content means: see [`Snapshot::decode`].
    pub meaning: u32,
    /// `pipeline::base_hash`: nothing of it can be used under another one.
    pub base: String,
    /// The rules of the state: id and version of each.
    pub rules: BTreeSet<String>,
    /// Those that were in force with the last batch.
    pub in_force: BTreeSet<String>,
    /// Number of the last batch in it.
    pub number: u64,
    /// The process that took that batch: numbers begin again when topics are made anew, its name does not come again.
    pub owner: String,
    /// Partitions that the horizon waits for.
    pub waits_for: Vec<String>,
    /// Every partition in the order of the engine; `to` is the next offset to take.
    pub partitions: Vec<Range>,
    /// Kafka's ids of the incoming topics, as far as they are known.
    pub topics: BTreeMap<String, String>,
    /// `Engine::state_hash`: what is loaded must have it again.
    pub state_hash: [u8; 32],
    /// The form of the next one: `SavedState::FORMAT` of the program that wrote it.
    pub engine_format: u32,
    /// `Engine::save`.
    pub engine: Vec<u8>,
    /// `Actions::save`.
    pub actions: Vec<u8>,
}

/// As program 0.1 wrote it. Its fields are those of [`Snapshot`].
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct Snapshot5 {
    program: String,
    base: String,
    rules: BTreeSet<String>,
    in_force: BTreeSet<String>,
    number: u64,
    owner: String,
    waits_for: Vec<String>,
    partitions: Vec<Range>,
    state_hash: [u8; 32],
    engine: Vec<u8>,
    actions: Vec<u8>,
}

impl From<Snapshot5> for Snapshot {
    fn from(old: Snapshot5) -> Snapshot {
        Snapshot {
            program: old.program,
            meaning: MEANING,
            base: old.base,
            rules: old.rules,
            in_force: old.in_force,
            number: old.number,
            owner: old.owner,
            waits_for: old.waits_for,
            partitions: old.partitions,
            topics: BTreeMap::new(),
            state_hash: old.state_hash,
            engine_format: 1,
            engine: old.engine,
            actions: old.actions,
        }
    }
}

impl Snapshot {
    /// The meaning of what this program writes.
    pub const MEANING: u32 = MEANING;

    /// The content of a file.
    pub fn encode(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("a snapshot is plain data");
        let mut bytes = format!("{MAGIC} {FORMAT}\n{}\n", blake3::hash(&body)).into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }

    /// `None` when it is damaged, or of a format older than the last two.
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
        if hash != blake3::hash(body).to_hex().as_bytes() {
            return Ok(None);
        }
        Ok(match format {
            FORMAT => postcard::from_bytes(body).ok(),
            FORMAT_5 => postcard::from_bytes::<Snapshot5>(body).ok().map(Snapshot::from),
            _ => {
                tracing::error!(format, "the program that wrote it is too old: it cannot be carried over");
                None
            }
        })
    }

    /// Is it the state after this batch?
    pub fn is_after(&self, batch: &Progress) -> bool {
        (self.number, &self.owner) == (batch.number, &batch.owner)
    }

    /// Why it cannot be used: it must be of this configuration and this program, and not beyond the last batch done.
    fn misfit(&self, base: &str, last: Option<u64>) -> Option<&'static str> {
        if self.base != base {
            Some("it is of another lateness, number of keys or partition")
        } else if self.meaning != MEANING {
            Some("it is of a program for which the same state means something else")
        } else if last.is_none_or(|last| self.number > last) {
            Some("it is ahead of what was committed: another broker's?")
        } else {
            None
        }
    }
}

/// Where snapshots are kept.
pub trait Store {
    /// Its name for people.
    fn place(&self) -> String;
    /// Numbers of the snapshots there are, in any order.
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
    fn write(&self, number: u64, content: &mut dyn Read) -> anyhow::Result<()>;
    /// Removes one.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, number: u64) -> anyhow::Result<()>;
}

/// The name of a snapshot in its store.
pub fn file_name(number: u64) -> String {
    format!("snapshot-{number:020}.bin")
}

/// The number of the snapshot of this name; `None` when it is something else.
pub fn number_of(file_name: &str) -> Option<u64> {
    file_name.strip_prefix("snapshot-")?.strip_suffix(".bin")?.parse().ok()
}

/// Writes a snapshot and removes the oldest ones.
///
/// # Errors
/// When it cannot be written; no earlier one is touched then.
pub fn keep(store: &impl Store, number: u64, content: &mut dyn Read) -> anyhow::Result<()> {
    store.write(number, content)?;
    // Higher ones are those of a process that has taken over, while this one still wrote, or of topics made anew.
    let mut numbers: Vec<u64> = store.numbers()?.into_iter().filter(|n| *n <= number).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.into_iter().skip(KEPT).try_for_each(|old| store.remove(old))
}

/// The snapshots of all stores, the newest first; of the same one in several, that of the first store.
pub struct Candidates<'a> {
    /// (number, store), the next one last.
    left: Vec<(u64, &'a dyn Store)>,
}

impl<'a> Candidates<'a> {
    /// Looks into the stores. One that does not answer is as good as empty: a start then takes longer.
    pub fn of(stores: impl IntoIterator<Item = &'a dyn Store>) -> Candidates<'a> {
        let mut left = Vec::new();
        for store in stores {
            match store.numbers() {
                Ok(numbers) => left.extend(numbers.into_iter().map(|number| (number, store))),
                Err(error) => tracing::error!(error = format!("{error:#}"), "the snapshots there cannot be used"),
            }
        }
        left.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        left.reverse();
        Candidates { left }
    }

    /// The next whole one that fits. `last`: the last batch that was committed.
    ///
    /// # Errors
    /// When a snapshot is of a newer format.
    pub fn next(&mut self, base: &str, last: Option<u64>) -> anyhow::Result<Option<Snapshot>> {
        while let Some((number, store)) = self.left.pop() {
            let place = store.place();
            let bytes = match store.read(number) {
                Ok(bytes) => bytes,
                Err(error) => {
                    // The process that writes may just have removed it.
                    tracing::warn!(number, error = format!("{error:#}"), "snapshot not read");
                    continue;
                }
            };
            match Snapshot::decode(&bytes).with_context(|| format!("snapshot {number} in {place}"))? {
                Some(snapshot) => match snapshot.misfit(base, last) {
                    None => return Ok(Some(snapshot)),
                    Some(reason) => tracing::warn!(number, place, reason, "snapshot not used"),
                },
                None => tracing::error!(number, place, "snapshot damaged or of an older format: not used"),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::folder::Folder;

    fn snapshot(number: u64) -> Snapshot {
        Snapshot {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            meaning: MEANING,
            base: "r".to_owned(),
            rules: BTreeSet::new(),
            in_force: BTreeSet::new(),
            number,
            owner: "o".to_owned(),
            waits_for: Vec::new(),
            partitions: Vec::new(),
            topics: BTreeMap::new(),
            state_hash: [1; 32],
            engine_format: 2,
            engine: vec![7; 100],
            actions: Vec::new(),
        }
    }

    #[test]
    fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder(folder.path().to_owned());
        for number in 1..=5 {
            keep(&store, number, &mut snapshot(number).encode().as_slice()).unwrap();
        }
        let newest = |base: &str, last| Candidates::of([&store as &dyn Store]).next(base, last);
        let mut numbers = store.numbers().unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(5)));
        assert_eq!(newest("r", Some(4)).unwrap(), Some(snapshot(4)), "not beyond what was committed");
        assert_eq!(newest("other", Some(9)).unwrap(), None);
        let whole = store.read(5).unwrap();
        for at in [0, 30, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            store.write(5, &mut damaged.as_slice()).unwrap();
            assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(4)), "byte {at}");
        }
        store.write(5, &mut &whole[..whole.len() / 2]).unwrap();
        assert_eq!(newest("r", Some(9)).unwrap(), Some(snapshot(4)), "torn");
        store.write(5, &mut format!("{MAGIC} {}\nx\ny", FORMAT + 1).as_bytes()).unwrap();
        assert!(format!("{:#}", newest("r", Some(9)).unwrap_err()).contains("newer"));
    }
}
