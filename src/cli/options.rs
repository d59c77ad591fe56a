//! Options that several commands have, and what they lead to.

use crate::cli::Exit;
use crate::ops::config::Config;
use crate::rules::files::{Choice, load};
use anyhow::Context;
use foreshock_compiler::{Pack, Settings};
use std::path::{Path, PathBuf};

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigOption {
    /// Configuration file.
    #[arg(long, default_value = "foreshock.toml")]
    pub config: PathBuf,
}

impl ConfigOption {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not there or not valid: exit code 3.
    pub fn read(&self) -> anyhow::Result<Config> {
        if !self.config.exists() {
            let message = format!(
                "there is no file {}: `foreshock config init` writes one, --config names another; `foreshock demo` needs none",
                self.config.display()
            );
            return Err(anyhow::Error::msg(message).context(Exit::Invalid));
        }
        Config::read(&self.config).context(Exit::Invalid)
    }
}

/// Where rules come from and with which parameters.
#[derive(Debug, Clone, clap::Args)]
pub struct RuleOptions {
    /// Folder with `rules/` and `views/`; without it `sql`, or where that is not there the rules that are built in.
    #[arg(long = "rules", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Only this rule; may be given several times.
    #[arg(long = "rule", value_name = "ID")]
    pub ids: Vec<String>,
    /// A parameter: `currency=XTS` for all rules, `M01.min_payers_day=5` for one.
    #[arg(long = "set", value_name = "[RULE.]NAME=VALUE")]
    pub set: Vec<String>,
}

impl RuleOptions {
    /// The folder; empty when none is named.
    pub fn dir(&self) -> &Path {
        self.dir.as_deref().unwrap_or(Path::new(""))
    }

    /// Compiles the chosen rules; on problems prints them and gives `None`.
    ///
    /// # Errors
    /// When files cannot be read or an option is malformed.
    pub fn load(&self) -> anyhow::Result<Option<Pack>> {
        load_pack(self.dir(), &Choice { ids: self.ids.clone(), no_drafts: false }, &self.settings()?)
    }

    /// The `--set` options.
    ///
    /// # Errors
    /// When one has no `=`.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::default();
        for option in &self.set {
            let (name, value) = option.split_once('=').with_context(|| format!("--set {option}: write NAME=VALUE"))?;
            settings.set(name, value);
        }
        Ok(settings)
    }
}

/// Compiles the rules of a folder; on problems prints them and gives `None`.
///
/// # Errors
/// When files cannot be read.
pub fn load_pack(dir: &Path, choice: &Choice, settings: &Settings) -> anyhow::Result<Option<Pack>> {
    match load(dir, choice, settings)? {
        Ok(pack) => {
            pack.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            Ok(Some(pack))
        }
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            eprintln!("{} problems in the rules", problems.len());
            Ok(None)
        }
    }
}
