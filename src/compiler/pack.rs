//! All rules of a folder compiled together: checked, shared, versioned.

use crate::aggregates::Params;
use crate::checks::{check_defaults, check_plan};
use crate::deep::deep;
use crate::dialect::{self, Checked};
use crate::header::{self, Header};
use crate::inline::Budget;
use crate::locate;
use crate::output;
use crate::problem::Problem;
use crate::session::{analysed_plan, register_empty, session};
use crate::settings::{self, Settings, resolve};
use crate::source::{Source, feed_sources, view_source};
use crate::spread::Spread;
use crate::stream::StreamBuilder;
use crate::walk::{Relation, Walker};
use crate::warnings;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionContext;
use foreshock_core::Part;
use foreshock_engine::PackPlan;
use std::collections::BTreeMap;
use std::path::Path;

/// A rule file as text.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Path, for messages; the stem must be the rule's id.
    pub path: String,
    /// Content.
    pub text: String,
}

/// A view file as text.
pub type ViewFile = RuleFile;

/// A checked rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its header.
    pub header: Header,
    /// Hash of body, views and resolved parameters: a new title is no new version.
    pub version: String,
    /// The file's text, which runs in the batch with its named windows written out.
    pub sql: String,
    /// Its file.
    pub path: String,
    /// Resolved parameters.
    pub params: Params,
    /// Stream it reads.
    pub stream: String,
    /// Position among the stream's rules.
    pub position: usize,
    /// Longest frame in microseconds.
    pub longest_frame_us: i64,
    /// Can several processes share it?
    pub spread: Spread,
}

/// All rules, ready for both executors.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The rules, in the order of their ids.
    pub rules: Vec<Rule>,
    /// For the engine.
    pub plan: PackPlan,
    /// SQL of the views, for the batch.
    pub views: Vec<String>,
    /// Only the keys of this partition.
    pub part: Option<Part>,
    /// What is allowed and probably a slip: a condition that never holds, a parameter that is never read.
    pub warnings: Vec<Problem>,
}

impl Pack {
    /// The rule of a verdict.
    pub fn rule_at(&self, stream: &str, position: usize) -> Option<&Rule> {
        self.rules.iter().find(|r| r.stream == stream && r.position == position)
    }

    /// A pack of some of its rules.
    ///
    /// # Errors
    /// When they do not compile, which they did before.
    pub fn only(&self, ids: &[String], settings: &Settings) -> Result<Pack, Vec<Problem>> {
        let rules = self.rules.iter().filter(|rule| ids.contains(&rule.header.id));
        let mut rules: Vec<RuleFile> = rules.map(|r| RuleFile { path: r.path.clone(), text: r.sql.clone() }).collect();
        // What rules share is in the order in which they were compiled.
        rules.sort_by(|a, b| a.path.cmp(&b.path));
        let view = |text: &String| ViewFile { path: "view".into(), text: text.clone() };
        let views: Vec<ViewFile> = self.views.iter().map(view).collect();
        deep(|| compile_for(self.part, &rules, &views, settings))
    }
}

/// Compiles views and rules.
///
/// # Errors
/// Every problem found, of all files.
pub fn compile(rules: &[RuleFile], views: &[ViewFile], settings: &Settings) -> Result<Pack, Vec<Problem>> {
    deep(|| compile_for(None, rules, views, settings))
}

/// The same for the keys of one partition. Rules that do not spread are left out.
///
/// # Errors
/// As [`compile`].
pub fn compile_part(
    part: Part,
    rules: &[RuleFile],
    views: &[ViewFile],
    settings: &Settings,
) -> Result<Pack, Vec<Problem>> {
    deep(|| compile_for(Some(part), rules, views, settings))
}

fn compile_for(
    part: Option<Part>,
    rules: &[RuleFile],
    views: &[ViewFile],
    settings: &Settings,
) -> Result<Pack, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut sources = feed_sources();
    for view in views {
        match view_source(&view.path, &view.text) {
            Ok(source) if sources.iter().any(|s| s.name == source.name) => {
                let message = format!("there is another table or view named `{}`", source.name);
                problems.push(Problem::at((1, 1), message, "give the view its own name").in_file(&view.path));
            }
            Ok(source) => sources.push(source),
            Err(found) => problems.extend(found),
        }
    }
    let views = sources.iter().filter_map(|s| s.sql.clone()).collect();
    let mut streams: BTreeMap<String, StreamBuilder> = BTreeMap::new();
    let (mut done, mut warnings): (Vec<Rule>, _) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for file in rules {
        let compiled = read(file, &mut seen, settings)
            .and_then(|read| compile_in(part, file, &read, &sources, &mut streams, settings));
        match compiled {
            Ok(Some(compiled)) => {
                done.push(compiled.rule);
                warnings.extend(compiled.warnings.into_iter().map(|p| p.in_file(&file.path)));
            }
            Ok(None) => {}
            Err(found) => problems.extend(found.into_iter().map(|p| p.in_file(&file.path))),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    done.sort_by(|a, b| a.header.id.cmp(&b.header.id));
    let ctx = session(&Params::default(), 1).map_err(|e| vec![Problem::from_datafusion(&e, (1, 1))])?;
    let streams: Result<Vec<_>, _> = streams.into_values().map(|s| s.finish(&ctx)).collect();
    // Each rule's expressions were compiled with it, so this is no rule's fault.
    let streams = streams.map_err(|e| vec![Problem::from_datafusion(&e, (0, 0)).in_file("rules")])?;
    Ok(Pack { rules: done, plan: PackPlan { streams }, views, part, warnings })
}

/// A rule file that was read, but not planned.
struct Read {
    header: Header,
    body: String,
    checked: Checked,
}

/// Reads header and text; the id must be the file's name, and no other file's.
fn read<'a>(
    file: &'a RuleFile,
    seen: &mut BTreeMap<String, &'a str>,
    settings: &Settings,
) -> Result<Read, Vec<Problem>> {
    let (header, body) = header::read(&file.path, &file.text).map_err(|p| vec![p])?;
    let place = (header::line_of(&file.text, "id"), 1);
    let mut problems = Vec::new();
    if let Some(other) = seen.insert(header.id.clone(), &file.path) {
        let message = format!("rule `{}` is also in {other}", header.id);
        problems.push(Problem::at(place, message, "give each rule its own id"));
    } else if Path::new(&file.path).file_stem().is_none_or(|stem| stem != header.id.as_str()) {
        let message = format!("the file of rule `{}` has another name", header.id);
        problems.push(Problem::at(place, message, format!("name it {}.sql, or change the id", header.id)));
    }
    let of_rule = settings.of_rule.keys().filter(|(rule, _)| *rule == header.id);
    problems.extend(of_rule.filter_map(|(_, name)| settings::of_rule(&header, name)));
    match dialect::check(&file.text) {
        Ok(checked) if problems.is_empty() => Ok(Read { header, body, checked }),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// A rule, its subject over the columns of its table or view, and what to look at again.
struct Compiled {
    rule: Rule,
    subject: Expr,
    warnings: Vec<Problem>,
}

/// `None` for a rule that does not spread, in the pack of a partition.
fn compile_in(
    part: Option<Part>,
    file: &RuleFile,
    read: &Read,
    sources: &[Source],
    streams: &mut BTreeMap<String, StreamBuilder>,
    settings: &Settings,
) -> Result<Option<Compiled>, Vec<Problem>> {
    let one = |part, streams: &mut _| compile_rule(part, file, read, sources, streams, settings).map_err(|p| vec![p]);
    let Some(part) = part else { return one(None, streams).map(Some) };
    let whole = one(None, &mut BTreeMap::new())?;
    match whole.rule.spread {
        Spread::By(_) => one(Some((part, whole.subject)), streams).map(Some),
        Spread::No(_) => Ok(None),
    }
}

fn compile_rule(
    part: Option<(Part, Expr)>,
    file: &RuleFile,
    read: &Read,
    sources: &[Source],
    streams: &mut BTreeMap<String, StreamBuilder>,
    settings: &Settings,
) -> Result<Compiled, Problem> {
    let Read { header, body, checked } = read;
    let params = resolve(header, settings)?;
    let (ctx, plan) = planned(checked, header, &params, sources)?;
    let mut walker = Walker {
        stream: None,
        sources,
        streams,
        checked,
        longest_frame_us: 0,
        keys: Vec::new(),
        conditions: Vec::new(),
        budget: Budget::default(),
        part,
    };
    let relation = walker.walk(&plan);
    let Walker { stream, longest_frame_us, keys, conditions, .. } = walker;
    let Some(mut stream) = stream else {
        let nothing = Problem::at(checked.select, "the rule reads no feed", "FROM transactions");
        return Err(relation.err().unwrap_or(nothing));
    };
    let name = stream.source.name.clone();
    let done = relation.and_then(|relation: Relation| {
        let (mut rule_plan, subject) = output::of(&mut stream, &plan, &relation, checked)?;
        let compiled = stream.compile_added(&ctx).and_then(|()| stream.columns());
        let columns = compiled.map_err(|e| Problem::from_datafusion(&e, checked.select))?;
        let warnings = warnings::of_rule(&file.text, header, checked, &stream.source, &relation, &conditions, &columns);
        let version = version(body, &stream.source, &params);
        rule_plan.id.clone_from(&header.id);
        rule_plan.version.clone_from(&version);
        rule_plan.longest_frame_us = longest_frame_us;
        rule_plan.is_final = header.emit == header::Emit::Final;
        stream.rules.push(rule_plan);
        let (path, sql, position) = (file.path.clone(), file.text.clone(), stream.rules.len() - 1);
        let spread = Spread::of(&subject, &keys, header.action);
        let (header, stream) = (header.clone(), name.clone());
        let rule = Rule { header, version, sql, path, params, stream, position, longest_frame_us, spread };
        Ok(Compiled { rule, subject, warnings })
    });
    streams.insert(name, stream);
    done
}

/// The session and the analysed plan of a rule.
fn planned(
    checked: &Checked,
    header: &Header,
    params: &Params,
    sources: &[Source],
) -> Result<(SessionContext, LogicalPlan), Problem> {
    let fallback = |e| Problem::from_datafusion(&e, checked.select);
    let ctx = session(params, 1).map_err(fallback)?;
    for source in sources {
        register_empty(&ctx, &source.name, source.schema.clone()).map_err(fallback)?;
    }
    check_defaults(&ctx, checked, header)?;
    let plan = analysed_plan(&ctx, &checked.query).map_err(|e| locate::problem(&ctx, checked, &e))?;
    check_plan(&plan, checked)?;
    Ok((ctx, plan))
}

fn version(body: &str, source: &Source, params: &Params) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(body.trim().as_bytes());
    hasher.update(source.sql.as_deref().unwrap_or_default().as_bytes());
    for (name, value) in params.iter() {
        hasher.update(format!("\n{name}={value:?}").as_bytes());
    }
    hasher.finalize().to_hex().as_str().chars().take(16).collect()
}
