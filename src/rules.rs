//! Rule and view files from a folder to a checked pack.

use anyhow::{Context, bail};
use foreshock_compiler::{Pack, Problem, RuleFile, Settings, Status, compile};
use std::path::Path;

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
