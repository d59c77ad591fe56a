//! The tables of a history, at one place.

use crate::history::book::{Book, Kind};
use crate::history::stores;
use anyhow::{Context, bail};
use std::path::Path;
use url::Url;

/// All tables of a history.
#[derive(Debug)]
pub struct Library {
    root: Url,
    /// One for each kind it was opened with, in that order.
    pub books: Vec<Book>,
}

impl Library {
    /// Opens the tables at a place, a folder or a URL, and makes those that are not there.
    ///
    /// # Errors
    /// When the place cannot be used, or a table there is not one of ours.
    pub async fn open(place: &str, kinds: Vec<Kind>) -> anyhow::Result<Library> {
        let root = root(place)?;
        let mut books = Vec::with_capacity(kinds.len());
        for kind in kinds {
            books.push(Book::open(&root, kind, true).await?);
        }
        Ok(Library { root, books })
    }

    /// Opens the tables at a place to read them: none is made.
    ///
    /// # Errors
    /// As [`Library::open`], and when a table is not there.
    pub async fn read(place: &str, kinds: Vec<Kind>) -> anyhow::Result<Library> {
        let root = root(place)?;
        let mut books = Vec::with_capacity(kinds.len());
        for kind in kinds {
            books.push(Book::open(&root, kind, false).await?);
        }
        Ok(Library { root, books })
    }

    /// Where it is.
    pub fn place(&self) -> &str {
        self.root.as_str()
    }

    /// The table of a name.
    pub fn book(&mut self, name: &str) -> Option<&mut Book> {
        self.books.iter_mut().find(|book| book.kind.name == name)
    }
}

/// The place as a URL that ends with `/`.
fn root(place: &str) -> anyhow::Result<Url> {
    let url = match Url::parse(place) {
        Ok(url) if place.contains("://") => url,
        _ => {
            let folder = std::path::absolute(Path::new(place)).with_context(|| format!("history: folder {place}"))?;
            Url::from_directory_path(&folder).map_err(|()| anyhow::anyhow!("history: {place} is no folder"))?
        }
    };
    if url.scheme() != "file" && !stores::SCHEMES.contains(&url.scheme()) {
        bail!("history: {place}: give a folder, file:///.., s3://bucket/prefix, az://.. or gs://..");
    }
    stores::register();
    let text = url.as_str().trim_end_matches('/');
    Ok(Url::parse(&format!("{text}/"))?)
}
