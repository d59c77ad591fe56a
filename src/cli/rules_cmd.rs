//! `rules list`, `rules check`, `rules explain`.

use crate::cases;
use crate::cli::{Exit, RuleOptions};
use clap::Subcommand;
use foreshock_compiler::Pack;
use foreshock_engine::{GroupPlan, StreamPlan};
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
    let (rules, views) = crate::rules::read(&options.dir)?;
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

/// Bytes of an entry in a key's log: time, row number, flags and one word for each argument.
fn entry_bytes(group: &GroupPlan) -> usize {
    8 * (3 + group.arguments.len())
}

fn explain(options: &RuleOptions) -> anyhow::Result<Exit> {
    let all = RuleOptions { ids: Vec::new(), ..options.clone() };
    let Some(pack) = all.load()? else { return Ok(Exit::Findings) };
    for rule in pack.rules.iter().filter(|r| options.ids.is_empty() || options.ids.contains(&r.header.id)) {
        println!("{} {} (version {}), over `{}`", rule.header.id, rule.header.title.en, rule.version, rule.stream);
        let alone = RuleOptions { ids: vec![rule.header.id.clone()], ..options.clone() };
        let Some(own) = alone.load()? else { return Ok(Exit::Findings) };
        for stream in &own.plan.streams {
            stream.groups.iter().for_each(|group| print_group(stream, group));
        }
        let names = |p: &Pack| p.plan.streams.iter().map(|s| s.groups.len()).sum::<usize>();
        println!(
            "  {} window groups alone; the whole pack of {} rules needs {}",
            names(&own),
            pack.rules.len(),
            names(&pack)
        );
    }
    Ok(Exit::Ok)
}

fn print_group(stream: &StreamPlan, group: &GroupPlan) {
    let name = |idx: usize| column_names(stream, idx);
    let keys: Vec<String> = group.keys.iter().map(|k| name(*k)).collect();
    println!("  level {} key ({}): {} bytes per event", group.level, keys.join(", "), entry_bytes(group));
    for cursor in &group.cursors {
        let functions: Vec<String> = cursor.accumulators.iter().map(|a| format!("{:?}", a.function)).collect();
        println!("    {:?}: {}", cursor.frame, functions.join(", "));
    }
}

/// The columns an expression reads.
fn column_names(stream: &StreamPlan, idx: usize) -> String {
    let fields = stream.schema.fields();
    let names: Vec<String> = stream.exprs[idx]
        .columns()
        .iter()
        .map(|c| fields.get(*c).map_or(format!("window {}", c - fields.len().min(*c)), |f| f.name().clone()))
        .collect();
    names.join(" ")
}
