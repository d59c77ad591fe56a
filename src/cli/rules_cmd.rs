//! `rules list`, `rules check`, `rules explain`.

use crate::cli::{Exit, RuleOptions};
use clap::Subcommand;

/// `foreshock rules`
#[derive(Debug, clap::Args)]
pub struct RulesCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The rules of a folder with their parameters.
    List(RuleOptions),
    /// Checks headers, SQL and dialect; says file, line and column of each problem.
    Check(RuleOptions),
}

impl RulesCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When files cannot be read.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.action {
            Action::List(options) => {
                let Some(pack) = options.load()? else { return Ok(Exit::Findings) };
                for rule in &pack.rules {
                    let h = &rule.header;
                    println!("{:<10} {:<7?} {:<9?} {:<8?} {} / {}", h.id, h.status, h.category, h.action, h.title.en, h.title.zh);
                    for (name, param) in &h.params {
                        println!("           {name} = {} {}", param.default, param.unit);
                    }
                }
                Ok(Exit::Ok)
            }
            Action::Check(options) => {
                let Some(pack) = options.load()? else { return Ok(Exit::Findings) };
                println!("{} rules, {} streams: no problem found", pack.rules.len(), pack.plan.streams.len());
                Ok(Exit::Ok)
            }
        }
    }
}
