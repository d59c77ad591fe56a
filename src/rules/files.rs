//! Rule and view files from a folder to a checked pack.

use crate::rules::work::Work;
use anyhow::{Context, bail};
use foreshock_compiler::{Pack, Problem, Rule, RuleFile, Settings, Spread, Status, compile, compile_part};
use foreshock_core::Part;
use foreshock_engine::Router;
use std::path::Path;
use std::sync::Arc;

/// Reads `<dir>/rules/*.sql` and `<dir>/views/*.sql`, in name order.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn read(dir: &Path) -> anyhow::Result<(Vec<RuleFile>, Vec<RuleFile>)> {
    Ok((sql_files(&dir.join("rules"))?, sql_files(&dir.join("views"))?))
}

fn sql_files(dir: &Path) -> anyhow::Result<Vec<RuleFile>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read the folder {}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "sql") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(RuleFile { path: path.display().to_string(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files of the rules that run live.
#[derive(Debug, Clone)]
pub struct Files {
    rules: Vec<RuleFile>,
    views: Vec<RuleFile>,
    settings: Settings,
}

impl Files {
    /// The same rules for the keys of one partition.
    ///
    /// # Errors
    /// When they do not compile, which they did before.
    pub fn of_part(&self, part: Part) -> anyhow::Result<Pack> {
        compile_part(part, &self.rules, &self.views, &self.settings).map_err(|problems| {
            let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the rules of partition {}: {}", part.number, text.join("; "))
        })
    }
}

/// A pack cut in two: the rules that need all events, with where to send the events of the others; and those others.
///
/// # Errors
/// When the files were changed meanwhile.
pub fn cut(pack: &Pack, dir: &Path, settings: &Settings, partitions: u32) -> anyhow::Result<(Work, Files)> {
    let (rules, views) = read(dir)?;
    let spreads = |rule: &Rule| matches!(rule.spread, Spread::By(_));
    let of = |is_wanted: &dyn Fn(&Rule) -> bool| -> Vec<RuleFile> {
        let has = |file: &&RuleFile| pack.rules.iter().any(|r| r.path == file.path && is_wanted(r));
        rules.iter().filter(has).cloned().collect()
    };
    let owned = compile(&of(&|rule| !spreads(rule)), &views, settings);
    let owned = owned.map_err(|problems| anyhow::anyhow!("{}", problems[0]))?;
    let keys = pack.rules.iter().filter(|r| spreads(r)).map(|r| (r.stream.as_str(), r.position));
    let router = Router::new(&pack.plan, keys, partitions);
    let files = Files { rules: of(&spreads), views, settings: settings.clone() };
    Ok((Work { pack: owned, router: Some(Arc::new(router)) }, files))
}

/// Which rules to take.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only these ids; all when empty.
    pub ids: Vec<String>,
    /// Leave out drafts (`run`, `demo`).
    pub no_drafts: bool,
}

/// Reads and compiles; problems come back as values for the caller to print.
///
/// # Errors
/// When a folder or file cannot be read, or a chosen rule is not there.
pub fn load(dir: &Path, choice: &Choice, settings: &Settings) -> anyhow::Result<Result<Pack, Vec<Problem>>> {
    let (rules, views) = read(dir)?;
    let stem = |file: &RuleFile| Path::new(&file.path).file_stem().map(|s| s.to_string_lossy().into_owned());
    for id in &choice.ids {
        if !rules.iter().any(|r| stem(r).as_ref() == Some(id)) {
            let near: Vec<String> = rules.iter().filter_map(stem).collect();
            bail!("unknown rule `{id}`; there are: {}", near.join(", "));
        }
    }
    let chosen = |file: &&RuleFile| choice.ids.is_empty() || stem(file).is_some_and(|s| choice.ids.contains(&s));
    let chosen: Vec<RuleFile> = rules.iter().filter(chosen).cloned().collect();
    let pack = compile(&chosen, &views, settings);
    let is_out = |status: Status| status == Status::Retired || choice.no_drafts && status == Status::Draft;
    let Ok(first) = &pack else { return Ok(pack) };
    if !first.rules.iter().any(|r| is_out(r.header.status)) {
        return Ok(pack);
    }
    let runs = |file: &RuleFile| first.rules.iter().any(|r| r.path == file.path && !is_out(r.header.status));
    let kept: Vec<RuleFile> = chosen.into_iter().filter(runs).collect();
    Ok(compile(&kept, &views, settings))
}
