//! The command line: one file for each subcommand.

mod demo;
mod evaluate;
mod explain;
mod generate;
mod import;
pub mod replay;
mod rules_cmd;
mod run;
mod schemas;

use anyhow::Context;
use clap::{Parser, Subcommand};
use foreshock_compiler::{Pack, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a command ends with (contract section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Ok,
    /// Something was found: a failing case, a difference, no detection.
    Findings,
    /// Configuration or rules are not valid.
    Invalid,
    /// A dependency cannot be reached.
    Unreachable,
    /// Input was refused.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Invalid => 3,
            Exit::Unreachable => 4,
            Exit::Refused => 5,
        })
    }
}

#[derive(Debug, Parser)]
#[command(name = "foreshock", version, about = "Fraud early warning: rules are SQL, windows are exact")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A labelled day on a broker inside this process: see it work.
    Demo(demo::Demo),
    /// The live process, against Apache Kafka.
    Run(run::Run),
    /// Make or show the topics.
    Topics(run::Topics),
    /// Show what comes on a topic.
    Tail(run::Tail),
    /// Show the configuration.
    Config(run::ConfigCommand),
    /// Write a labelled city's day to files.
    Gen(generate::Gen),
    /// Write the JSON Schemas of events and results.
    Schemas(schemas::Schemas),
    /// Compare detections with a truth file.
    Evaluate(evaluate::Evaluate),
    /// Run the live engine over event files.
    Replay(replay::Replay),
    /// Run the same rules as one batch in DataFusion over event files.
    Backtest(replay::Backtest),
    /// Turn other people's CSV into events.
    Import(import::Import),
    /// Rules: list, check, test, explain.
    Rules(rules_cmd::RulesCommand),
}

/// Where rules come from and with which parameters.
#[derive(Debug, Clone, clap::Args)]
pub struct RuleOptions {
    /// Folder with `rules/` and `views/`.
    #[arg(long = "rules", default_value = "sql", value_name = "DIR")]
    pub dir: PathBuf,
    /// Only this rule; may be given several times.
    #[arg(long = "rule", value_name = "ID")]
    pub ids: Vec<String>,
    /// A parameter: `currency=XTS` for all rules, `M01.min_payers_day=5` for one.
    #[arg(long = "set", value_name = "[RULE.]NAME=VALUE")]
    pub set: Vec<String>,
}

impl RuleOptions {
    /// Compiles the chosen rules; on problems prints them and gives `None`.
    ///
    /// # Errors
    /// When files cannot be read or an option is malformed.
    pub fn load(&self) -> anyhow::Result<Option<Pack>> {
        let choice = crate::rules::files::Choice { ids: self.ids.clone(), no_drafts: false };
        match crate::rules::files::load(&self.dir, &choice, &self.settings()?)? {
            Ok(pack) => Ok(Some(pack)),
            Err(problems) => {
                problems.iter().for_each(|p| eprintln!("{p}"));
                Ok(None)
            }
        }
    }

    /// The `--set` options.
    ///
    /// # Errors
    /// When one has no `=`.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::default();
        for option in &self.set {
            let (name, value) = option.split_once('=').with_context(|| format!("--set {option}: write NAME=VALUE"))?;
            match name.split_once('.') {
                Some((rule, param)) => settings.of_rule.insert((rule.into(), param.into()), value.into()),
                None => settings.all.insert(name.into(), value.into()),
            };
        }
        Ok(settings)
    }
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    end_quietly_with_the_pipe();
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Demo(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Topics(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Gen(command) => command.run(),
        Command::Schemas(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Backtest(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Rules(command) => command.run(),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("foreshock: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `foreshock .. | head` ends the reader first: that is no fault of ours and needs no message.
fn end_quietly_with_the_pipe() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") {
            std::process::exit(0);
        }
        usual(info);
    }));
}
