//! Rule and view files from a folder to a checked pack.

use crate::rules::work::Work;
use anyhow::{Context, bail, ensure};
use foreshock_compiler::{
    Pack, Problem, Rule, RuleFile, Settings, Spread, Status, check_settings, compile, compile_part,
};
use foreshock_core::Part;
use foreshock_engine::Router;
use include_dir::{Dir, include_dir};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The rules, views and cases that the program brings along.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");
/// What paths of these begin with.
const BUILT_IN_NAME: &str = "built-in";
/// The folder that is taken when none is named, where it is there: whoever works on the rules stands beside it.
const USUAL: &str = "sql";

/// The folder that rules come from when none is named: `sql` where it is there; `None` for the rules that are built in.
fn folder(dir: &Path) -> Option<PathBuf> {
    if !dir.as_os_str().is_empty() {
        return Some(dir.to_owned());
    }
    Path::new(USUAL).join("rules").is_dir().then(|| USUAL.into())
}

/// Where rules come from, for people.
pub fn origin(dir: &Path) -> String {
    folder(dir).map_or_else(|| "the program itself".into(), |dir| dir.display().to_string())
}

/// Reads `<dir>/rules/*.sql` and `<dir>/views/*.sql`, in name order; without a folder of views those that are built in.
/// With an empty path: `sql`, or where there is none all that is built in.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn read(dir: &Path) -> anyhow::Result<(Vec<RuleFile>, Vec<RuleFile>)> {
    match folder(dir) {
        Some(dir) => {
            let views = dir.join("views");
            Ok((sql_files(&dir.join("rules"))?, if views.is_dir() { sql_files(&views)? } else { built_in("views") }))
        }
        None => Ok((built_in("rules"), built_in("views"))),
    }
}

fn built_in(name: &str) -> Vec<RuleFile> {
    let files = BUILT_IN.get_dir(name).into_iter().flat_map(Dir::files);
    let files = files.filter(|f| f.path().extension().is_some_and(|e| e == "sql"));
    let text = |file: &include_dir::File<'_>| file.contents_utf8().unwrap_or_default().to_owned();
    let mut files: Vec<RuleFile> =
        files.map(|f| RuleFile { path: format!("{BUILT_IN_NAME}/{}", f.path().display()), text: text(f) }).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The case file beside a rule, with its path; `None` for the text when it is not there.
pub fn cases_of(rule: &RuleFile) -> (PathBuf, Option<String>) {
    let path = Path::new(&rule.path).with_extension("test.yaml");
    let text = match path.strip_prefix(BUILT_IN_NAME) {
        Ok(inner) if !path.exists() => BUILT_IN.get_file(inner).and_then(|f| f.contents_utf8()).map(str::to_owned),
        _ => std::fs::read_to_string(&path).ok(),
    };
    (path, text)
}

/// Writes the built-in rules, views and cases into a folder that has none yet; how many files.
///
/// # Errors
/// When the folder has rules, or cannot be written.
pub fn write_built_in(dir: &Path) -> anyhow::Result<usize> {
    ensure!(!dir.join("rules").exists(), "{} is there already: nothing was changed", dir.join("rules").display());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    BUILT_IN.extract(dir).with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(BUILT_IN.dirs().flat_map(Dir::files).count())
}

fn sql_files(dir: &Path) -> anyhow::Result<Vec<RuleFile>> {
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read the folder {}; `foreshock rules init DIR` writes one", dir.display()))?;
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
    Ok((Work { router: Some(Arc::new(router)), ..Work::of(owned) }, files))
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
    let unknown = check_settings(&rules, settings);
    if !unknown.is_empty() {
        return Ok(Err(unknown));
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
