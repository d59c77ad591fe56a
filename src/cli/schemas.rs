//! `schemas`: writes the JSON Schemas of events and results, and the OpenAPI description of the reader.

use crate::cli::Exit;
use crate::offline::schemas::{all, text};
use crate::serve::door::description;
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
        let description = ("openapi.json".to_owned(), serde_json::to_value(description())?);
        let evidence = ("evidence.v1.json".to_owned(), crate::evidence::bundle::schema());
        for (name, schema) in all().into_iter().chain([evidence, description]) {
            let path = self.out.join(name);
            std::fs::write(&path, text(&schema)).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
        Ok(Exit::Ok)
    }
}
