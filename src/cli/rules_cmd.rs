//! `rules list`, `rules check`, `rules explain`.

use crate::cli::{Exit, RuleOptions, explain::explain};
use crate::offline::cases;
use clap::Subcommand;
use std::path::Path;

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
    /// Runs each rule's cases as a stream and as a batch.
    Test(RuleOptions),
    /// Shows a rule's windows, which rules share them, and what they cost in memory.
    Explain(RuleOptions),
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
                    println!(
                        "{:<10} {:<7?} {:<9?} {:<8?} {} / {}",
                        h.id, h.status, h.category, h.action, h.title.en, h.title.zh
                    );
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
            Action::Test(options) => test(options),
            Action::Explain(options) => explain(options),
        }
    }
}

fn test(options: &RuleOptions) -> anyhow::Result<Exit> {
    let (rules, views) = crate::rules::files::read(&options.dir)?;
    let mut failed = 0;
    for rule in &rules {
        let stem = Path::new(&rule.path).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        if !options.ids.is_empty() && !options.ids.contains(&stem) {
            continue;
        }
        let outcome = cases::run(rule, &views)?;
        println!(
            "{stem:<10} {} cases hold ({} firing, {} silent), {} do not",
            outcome.passed,
            outcome.firing,
            outcome.silent,
            outcome.failures.len()
        );
        outcome.failures.iter().for_each(|f| println!("  {f}"));
        failed += outcome.failures.len();
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Findings })
}
