//! `schemas`: writes the JSON Schemas of events and results.

use crate::cli::Exit;
use crate::offline::schemas::{all, text};
use anyhow::Context;
use std::path::PathBuf;

/// `foreshock schemas`
#[derive(Debug, clap::Args)]
pub struct Schemas {
    /// Folder.
    #[arg(long, default_value = "docs/schemas")]
    out: PathBuf,
}

impl Schemas {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        std::fs::create_dir_all(&self.out)?;
        for (name, schema) in all() {
            let path = self.out.join(name);
            std::fs::write(&path, text(&schema)).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
        Ok(Exit::Ok)
    }
}
