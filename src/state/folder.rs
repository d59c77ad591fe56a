//! Snapshots in a folder. A file is written whole or not at all: a temporary name, fsync, rename, fsync of the folder.

use crate::state::snapshot::{Store, file_name, number_of};
use anyhow::Context;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

/// Snapshots as files.
#[derive(Debug, Clone)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The file of a snapshot.
    pub fn path(&self, number: u64) -> PathBuf {
        self.0.join(file_name(number))
    }

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
    fn place(&self) -> String {
        format!("folder {}", self.0.display())
    }

    fn numbers(&self) -> anyhow::Result<Vec<u64>> {
        if !self.0.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.0).with_context(|| self.place())?;
        Ok(entries.filter_map(|e| number_of(e.ok()?.file_name().to_str()?)).collect())
    }

    fn read(&self, number: u64) -> anyhow::Result<Vec<u8>> {
        let path = self.path(number);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn write(&self, number: u64, content: &mut dyn Read) -> anyhow::Result<()> {
        let place = || self.place();
        fs::create_dir_all(&self.0).with_context(place)?;
        self.remove_leftovers();
        let temporary = self.0.join(format!("snapshot-{}.tmp", std::process::id()));
        let mut file = File::create(&temporary).with_context(place)?;
        std::io::copy(content, &mut file).with_context(place)?;
        file.sync_all().with_context(place)?;
        fs::rename(&temporary, self.path(number)).with_context(place)?;
        File::open(&self.0).and_then(|f| f.sync_all()).with_context(place)
    }

    fn remove(&self, number: u64) -> anyhow::Result<()> {
        let path = self.path(number);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}
