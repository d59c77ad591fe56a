//! `config`: shows the configuration, or writes one to begin with.

use crate::cli::Exit;
use crate::cli::options::ConfigOption;
use crate::cli::output::{OutputOption, print};
use crate::ops::config::Config;
use anyhow::{Context, ensure};
use clap::Subcommand;
use std::path::PathBuf;

/// `foreshock config`
#[derive(Debug, clap::Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: ConfigAction,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Shows every key with its value and where it comes from. Secrets are not shown.
    Show {
        #[command(flatten)]
        config: ConfigOption,
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Writes a file with every key and its default.
    Init {
        /// The file.
        #[arg(default_value = "foreshock.toml")]
        path: PathBuf,
    },
}

impl ConfigCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.action {
            ConfigAction::Show { config, origin, output } => show(config, *origin, *output),
            ConfigAction::Init { path } => {
                ensure!(!path.exists(), "{} is there already: nothing was changed", path.display());
                std::fs::write(path, sample()?).with_context(|| format!("cannot write {}", path.display()))?;
                println!("{}: set kafka.brokers, then `foreshock topics create` and `foreshock check`", path.display());
                Ok(Exit::Ok)
            }
        }
    }
}

fn show(option: &ConfigOption, origin: bool, output: OutputOption) -> anyhow::Result<Exit> {
    let config = option.read()?;
    let text = std::fs::read_to_string(&option.config)?;
    let mut rows = Vec::new();
    for (key, value, is_given) in config.origins(&text)? {
        let from = if is_given { option.config.display().to_string() } else { "default".into() };
        rows.push(if origin { vec![key, value, from] } else { vec![key, value] });
    }
    let names = if origin { &["key", "value", "from"][..] } else { &["key", "value"] };
    print(output.output, names, &rows);
    Ok(Exit::Ok)
}

/// Every key with its default, as comments.
fn sample() -> anyhow::Result<String> {
    let all = toml::to_string(&Config::default())?;
    let keys = all.lines().map(|line| match line {
        line if line.is_empty() || line.starts_with('[') => format!("{line}\n"),
        line => format!("# {line}\n"),
    });
    let head =
        "# Every key with its default; what each means is in docs/config.md. Take off the # of what you change.\n\n";
    Ok(head.to_owned() + &keys.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_configuration_with_and_without_its_comments() {
        let sample = sample().expect("a sample");
        let without: String =
            sample.lines().skip(1).map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
        for text in [sample.as_str(), without.as_str()] {
            let config: Config = toml::from_str(text).expect("a configuration");
            assert_eq!(toml::to_string(&config).ok(), toml::to_string(&Config::default()).ok());
        }
        assert!(sample.contains("# brokers = "), "{sample}");
    }
}
