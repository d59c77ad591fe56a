//! `rules list`, `rules check`, `rules page`, `rules explain`.

use crate::cli::Exit;
use crate::cli::explain::explain;
use crate::cli::options::RuleOptions;
use crate::cli::output::{Output, OutputOption, print, print_json};
use crate::offline::cases;
use crate::offline::rules_page::{page, word};
use crate::rules::files::write_built_in;
use clap::Subcommand;
use foreshock_compiler::{Pack, Rule};
use serde_json::json;
use std::path::{Path, PathBuf};

/// `foreshock rules`
#[derive(Debug, clap::Args)]
pub struct RulesCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The rules of a folder with their parameters.
    List {
        #[command(flatten)]
        rules: RuleOptions,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Writes the built-in rules, views and cases into a folder, to begin with.
    Init {
        /// The folder.
        #[arg(default_value = "sql")]
        dir: PathBuf,
    },
    /// Checks headers, SQL and dialect; says file, line and column of each problem.
    Check(RuleOptions),
    /// Runs each rule's cases as a stream and as a batch.
    Test(RuleOptions),
    /// Prints a page (Markdown) about the rules of a folder.
    Page(RuleOptions),
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
            Action::List { rules, output } => {
                let Some(pack) = rules.load()? else { return Ok(Exit::Findings) };
                list(&pack, output.output);
                Ok(Exit::Ok)
            }
            Action::Init { dir } => {
                let count = write_built_in(dir)?;
                println!("{count} files in {}; `foreshock rules check --rules {0}` looks at them", dir.display());
                Ok(Exit::Ok)
            }
            Action::Check(options) => {
                let Some(pack) = options.load()? else { return Ok(Exit::Findings) };
                println!("{} rules, {} streams: no problem found", pack.rules.len(), pack.plan.streams.len());
                Ok(Exit::Ok)
            }
            Action::Test(options) => test(options),
            Action::Page(options) => {
                let Some(pack) = options.load()? else { return Ok(Exit::Findings) };
                print!("{}", page(&pack));
                Ok(Exit::Ok)
            }
            Action::Explain(options) => explain(options),
        }
    }
}

fn list(pack: &Pack, output: Output) {
    if output == Output::Json {
        return print_json(&pack.rules.iter().map(as_json).collect::<Vec<_>>());
    }
    let mut rows = Vec::new();
    for rule in &pack.rules {
        let h = &rule.header;
        let (status, category) = (word(&h.status), word(&h.category));
        rows.push(vec![
            h.id.clone(),
            status,
            category,
            word(&h.severity),
            word(&h.action),
            format!("{} / {}", h.title.en, h.title.zh),
        ]);
        for (name, param) in &h.params {
            let value = format!("  {name} = {} {}", param.default, param.unit);
            rows.push([String::new(), String::new(), String::new(), String::new(), String::new(), value].to_vec());
        }
    }
    print(output, &["rule", "status", "category", "severity", "action", "title"], &rows);
}

fn as_json(rule: &Rule) -> serde_json::Value {
    let h = &rule.header;
    let params: serde_json::Map<String, serde_json::Value> = h
        .params
        .iter()
        .map(|(name, p)| (name.clone(), json!({ "default": p.default.to_string(), "unit": p.unit })))
        .collect();
    json!({
        "id": h.id, "version": rule.version, "status": word(&h.status), "category": word(&h.category),
        "severity": word(&h.severity), "action": word(&h.action), "title": { "zh": h.title.zh, "en": h.title.en },
        "file": rule.path, "reads": rule.stream, "params": params,
    })
}

fn test(options: &RuleOptions) -> anyhow::Result<Exit> {
    let (rules, views) = crate::rules::files::read(options.dir())?;
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
