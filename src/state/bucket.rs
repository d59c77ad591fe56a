//! Snapshots in an object store (S3, Azure, Google, or a folder by its URL), so that a start on another machine finds them.

use crate::places;
use crate::state::snapshot::{Store, file_name, number_of};
use anyhow::Context;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Who asks for names waits so long at most: a start must not hang on a store that is away.
const LIST_MAX: Duration = Duration::from_secs(20);
/// Whole snapshots may take so long.
const COPY_MAX: Duration = Duration::from_secs(600);
/// Bytes of one part of an upload: the least that S3 takes is 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// A prefix in an object store.
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    place: String,
    /// Of one thread: whoever asks, waits.
    runtime: Runtime,
}

impl Bucket {
    /// The place that a URL names, and `name` in it.
    ///
    /// # Errors
    /// When it is no URL of an object store, or a setting in the environment cannot be used.
    pub fn open(url: &str, name: Option<&str>) -> anyhow::Result<Bucket> {
        let place = || format!("snapshots.object_store = \"{url}\"");
        let (store, prefix) = places::store(url).with_context(place)?;
        let prefix = name.map_or_else(|| prefix.clone(), |name| prefix.clone().join(name));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Bucket { store, prefix, place: url.to_owned(), runtime })
    }

    fn path(&self, number: u64) -> Path {
        self.prefix.clone().join(file_name(number))
    }

    fn wait<T>(&self, most: Duration, work: impl Future<Output = Result<T, object_store::Error>>) -> anyhow::Result<T> {
        let done = self.runtime.block_on(async { tokio::time::timeout(most, work).await });
        done.with_context(|| format!("{}: no answer for {} s", self.place(), most.as_secs()))?
            .with_context(|| self.place())
    }
}

impl Store for Bucket {
    fn place(&self) -> String {
        format!("object store {}", self.place)
    }

    fn numbers(&self) -> anyhow::Result<Vec<u64>> {
        let found: Vec<_> = self.wait(LIST_MAX, async {
            let listed = self.store.list_with_delimiter(Some(&self.prefix)).await?;
            Ok(listed.objects)
        })?;
        Ok(found.iter().filter_map(|object| number_of(object.location.filename()?)).collect())
    }

    fn read(&self, number: u64) -> anyhow::Result<Vec<u8>> {
        self.wait(COPY_MAX, async { Ok(self.store.get(&self.path(number)).await?.bytes().await?.into()) })
    }

    /// In parts: the object is there when the last one is.
    fn write(&self, number: u64, content: &mut dyn Read) -> anyhow::Result<()> {
        let done = self.wait(COPY_MAX, async {
            let upload = self.store.put_multipart(&self.path(number)).await?;
            let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            if let Err(error) = copy(content, &mut writer).await {
                // Else its parts stay in the store for ever.
                writer.abort().await?;
                return Ok(Err(error));
            }
            writer.finish().await?;
            Ok(Ok(()))
        });
        done?.with_context(|| self.place())
    }

    fn remove(&self, number: u64) -> anyhow::Result<()> {
        self.wait(LIST_MAX, self.store.delete(&self.path(number)))
    }
}

async fn copy(from: &mut dyn Read, to: &mut WriteMultipart) -> std::io::Result<()> {
    let mut part = vec![0; PART_BYTES];
    loop {
        let bytes = from.read(&mut part)?;
        if bytes == 0 {
            return Ok(());
        }
        to.wait_for_capacity(1).await?;
        to.write(&part[..bytes]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::state::snapshot::{KEPT, keep};

    #[test]
    fn an_object_store_keeps_the_newest_snapshots_of_each_name_apart() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/a", folder.path().display());
        let (engine, part) = (Bucket::open(&url, None).unwrap(), Bucket::open(&url, Some("part-1")).unwrap());
        assert_eq!(engine.numbers().unwrap(), [0; 0], "nothing there yet");
        let content = |number: u64| vec![number as u8; PART_BYTES * 2 + 1];
        for number in 1..=5 {
            keep(&engine, number, &mut content(number).as_slice()).unwrap();
        }
        keep(&part, 9, &mut content(9).as_slice()).unwrap();
        let mut numbers = engine.numbers().unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(numbers.len(), KEPT);
        assert_eq!(engine.read(4).unwrap(), content(4));
        assert_eq!((part.numbers().unwrap(), part.read(9).unwrap()), (vec![9], content(9)));
        assert!(engine.read(9).is_err());
    }

    #[test]
    fn what_is_no_object_store_is_said_with_what_it_should_be() {
        for url in ["no url", "https://example.org/x", "ftp://x/y", "memory:///"] {
            let said = format!("{:#}", Bucket::open(url, None).err().unwrap());
            assert!(said.contains("snapshots.object_store") && said.contains(url), "{said}");
        }
    }
}
