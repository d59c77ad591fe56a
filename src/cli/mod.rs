//! The command line: one file for each subcommand.

mod asker;
mod check;
mod config_cmd;
mod demo;
mod demo_requests;
mod evaluate;
mod evidence;
mod explain;
mod generate;
mod history;
mod import;
mod institution;
mod key;
pub mod options;
mod output;
mod repl;
pub mod replay;
mod requests;
mod rules_cmd;
mod run;
mod schemas;
mod serve;
mod sql;
mod stop;
mod tail;
mod topic_settings;
mod topics;
mod user;

use clap::{Parser, Subcommand};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    /// A fault of this program.
    Ours,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Invalid => 3,
            Exit::Unreachable => 4,
            Exit::Refused => 5,
            Exit::Ours => 70,
        }
    }
}

/// As the context of an error it says what the command ends with.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exit::Ok => "done",
            Exit::Findings => "something was found",
            Exit::Invalid => "not valid",
            Exit::Unreachable => "cannot be reached",
            Exit::Refused => "input refused",
            Exit::Ours => "a fault of this program",
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
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
    /// The process that is asked: follows the topics, answers SQL.
    Serve(serve::Serve),
    /// Ask a running `serve`.
    Sql(sql::Sql),
    /// Blocking requests: list, propose, approve, lift, through a running `serve`.
    Requests(requests::RequestsCommand),
    /// What a detection stands on: write it into a file, check such a file.
    Evidence(evidence::EvidenceCommand),
    /// What `serve` keeps for years: show it, tend it, erase a person.
    History(history::HistoryCommand),
    /// The lines of a user for the file of users of `serve`.
    User(user::User),
    /// Play a bank or carrier that answers blocking requests.
    Institution(institution::Institution),
    /// Make a key that signs: for the writer, a reader or an institution.
    Key(key::Key),
    /// Checks what `run` needs: configuration, rules, broker, topics, disk, clock.
    Check(check::Check),
    /// Make or show the topics.
    Topics(topics::Topics),
    /// Show what comes on a topic.
    Tail(tail::Tail),
    /// Show the configuration, or write one to begin with.
    Config(config_cmd::ConfigCommand),
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

impl Command {
    fn run(&self) -> anyhow::Result<Exit> {
        match self {
            Command::Demo(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Sql(command) => command.run(),
            Command::Requests(command) => command.run(),
            Command::Evidence(command) => command.run(),
            Command::History(command) => command.run(),
            Command::User(command) => command.run(),
            Command::Key(command) => command.run(),
            Command::Institution(command) => command.run(),
            Command::Check(command) => command.run(),
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
        }
    }
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    output::end_quietly_with_the_pipe();
    // Two crypto providers are in the program: whoever asks for "the" provider must find one that was chosen.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    match catch_unwind(AssertUnwindSafe(|| arguments.command.run())) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => {
            eprintln!("foreshock: {error:#}");
            // Without a word about it an error is one of usage.
            error.downcast_ref::<Exit>().map_or(ExitCode::from(2), |exit| (*exit).into())
        }
        Err(_) => {
            eprintln!("foreshock: this is a fault of the program; please report it with the lines above");
            Exit::Ours.into()
        }
    }
}
