//! Snapshots in a folder. A file is written whole or not at all: a temporary name, fsync, rename, fsync of the folder.

use crate::state::snapshot::{Store, file_name, number_of};
use anyhow::Context;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What names of half-written files begin with.
const TEMPORARY: &str = "snapshot-";

/// Makes the folder, for its owner alone; one that is there stays as it is.
fn create_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

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
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // Only what this program writes: the folder may hold other people's files.
            if name.starts_with(TEMPORARY) && name.ends_with(".tmp") {
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
        let path = self.0.join(format!("{TEMPORARY}probe.tmp"));
        create_folder(&self.0).with_context(|| self.place())?;
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
        create_folder(&self.0).with_context(place)?;
        self.remove_leftovers();
        let temporary = self.0.join(format!("{TEMPORARY}{}.tmp", std::process::id()));
        // The state holds accounts, numbers and devices: for its owner alone.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary).with_context(place)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_snapshot_is_for_its_owner_alone_and_other_peoples_files_stay() {
        let around = tempfile::tempdir().unwrap();
        let folder = Folder(around.path().join("state"));
        folder.probe().unwrap();
        fs::write(folder.0.join("letter.tmp"), "not ours").unwrap();
        fs::write(folder.0.join("snapshot-99.tmp"), "left by a process that died").unwrap();
        folder.write(1, &mut b"state".as_slice()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.path(1))), (0o700, 0o600));
        assert!(folder.0.join("letter.tmp").exists() && !folder.0.join("snapshot-99.tmp").exists());
        assert_eq!(folder.numbers().unwrap(), [1]);
    }
}
