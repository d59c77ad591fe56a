//! All rules of a folder compiled together: checked, shared, versioned.

use crate::aggregates::Params;
use crate::checks::{check_defaults, check_plan};
use crate::currency::{CURRENCY_HINT, fixes_currency, mentions};
use crate::dialect;
use crate::header::{self, Header, ParamValue};
use crate::problem::Problem;
use crate::session::{analysed_plan, register_empty, session};
use crate::source::{Source, feed_sources, view_source};
use crate::spread::Spread;
use crate::stream::{StreamBuilder, windows_read};
use crate::walk::{Relation, Walker, is_key};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;
use foreshock_core::Part;
use foreshock_engine::{PackPlan, RulePlan};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Parameters set by configuration or the command line.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `currency` and the like, for every rule that has such a parameter.
    pub all: BTreeMap<String, String>,
    /// (rule id, name) to value.
    pub of_rule: BTreeMap<(String, String), String>,
}

/// A checked rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its header.
    pub header: Header,
    /// Hash of body, views and resolved parameters: a new title is no new version.
    pub version: String,
    /// The file's text, which runs unchanged in the batch.
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
        compile_for(self.part, &rules, &self.views.iter().map(view).collect::<Vec<_>>(), settings)
    }
}

/// Compiles views and rules.
///
/// # Errors
/// Every problem found, of all files.
pub fn compile(rules: &[RuleFile], views: &[ViewFile], settings: &Settings) -> Result<Pack, Vec<Problem>> {
    compile_for(None, rules, views, settings)
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
    compile_for(Some(part), rules, views, settings)
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
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    let views = sources.iter().filter_map(|s| s.sql.clone()).collect();
    let mut streams: BTreeMap<String, StreamBuilder> = BTreeMap::new();
    let mut done = Vec::new();
    for file in rules {
        match compile_in(part, file, &sources, &mut streams, settings) {
            Ok(rule) => done.extend(rule),
            Err(found) => problems.extend(found.into_iter().map(|p| p.in_file(&file.path))),
        }
    }
    check_settings(&done, settings, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    done.sort_by(|a, b| a.header.id.cmp(&b.header.id));
    let ctx = session(&Params::default()).map_err(|e| vec![Problem::from_datafusion(&e, (1, 1))])?;
    let streams: Result<Vec<_>, _> = streams.into_values().map(|s| s.finish(&ctx)).collect();
    let streams = streams.map_err(|e| vec![Problem::from_datafusion(&e, (1, 1)).in_file("rules")])?;
    Ok(Pack { rules: done, plan: PackPlan { streams }, views, part })
}

fn check_settings(rules: &[Rule], settings: &Settings, problems: &mut Vec<Problem>) {
    for (rule, name) in settings.of_rule.keys() {
        let known = rules.iter().any(|r| r.header.id == *rule && r.header.params.contains_key(name));
        if !known && rules.iter().any(|r| r.header.id == *rule) {
            let message = format!("rule `{rule}` has no parameter `{name}`");
            problems.push(Problem::at((1, 1), message, "foreshock rules list shows them").in_file("settings"));
        }
    }
}

/// `None` for a rule that does not spread, in the pack of a partition.
fn compile_in(
    part: Option<Part>,
    file: &RuleFile,
    sources: &[Source],
    streams: &mut BTreeMap<String, StreamBuilder>,
    settings: &Settings,
) -> Result<Option<Rule>, Vec<Problem>> {
    let Some(part) = part else {
        return compile_rule(None, file, sources, streams, settings).map(|(rule, _)| Some(rule));
    };
    let (rule, subject) = compile_rule(None, file, sources, &mut BTreeMap::new(), settings)?;
    match rule.spread {
        Spread::By(_) => {
            compile_rule(Some((part, subject)), file, sources, streams, settings).map(|(rule, _)| Some(rule))
        }
        Spread::No(_) => Ok(None),
    }
}

/// The rule, and its subject over the columns of its table or view.
fn compile_rule(
    part: Option<(Part, Expr)>,
    file: &RuleFile,
    sources: &[Source],
    streams: &mut BTreeMap<String, StreamBuilder>,
    settings: &Settings,
) -> Result<(Rule, Expr), Vec<Problem>> {
    let (header, body) = header::read(&file.path, &file.text).map_err(|p| vec![p])?;
    let checked = dialect::check(&file.text).map_err(|p| vec![p])?;
    if !checked.problems.is_empty() {
        return Err(checked.problems);
    }
    let params = resolve(&header, settings).map_err(|p| vec![p])?;
    let place = checked.select;
    let fallback = |e: datafusion::error::DataFusionError| vec![Problem::from_datafusion(&e, place)];
    let ctx = session(&params).map_err(fallback)?;
    for source in sources {
        register_empty(&ctx, &source.name, source.schema.clone()).map_err(fallback)?;
    }
    check_defaults(&ctx, &file.text, &header, place).map_err(|p| vec![p])?;
    let plan = analysed_plan(&ctx, &file.text).map_err(fallback)?;
    check_plan(&plan, place).map_err(|p| vec![p])?;
    let (keys, stream) = (Vec::new(), None);
    let mut walker = Walker { stream, sources, streams, checked: &checked, longest_frame_us: 0, keys, part };
    let relation = walker.walk(&plan);
    let (longest_frame_us, keys) = (walker.longest_frame_us, walker.keys);
    let Some(mut stream) = walker.stream else {
        return Err(vec![
            relation.err().unwrap_or_else(|| Problem::at(place, "the rule reads no feed", "FROM transactions")),
        ]);
    };
    let done = relation.and_then(|relation| {
        let is_subject = |f: &&Arc<Field>| f.name() == "subject" && *f.data_type() != DataType::Utf8;
        if let Some(field) = plan.schema().fields().iter().find(is_subject) {
            let message = format!("`subject` is {}, not TEXT", field.data_type());
            return Err(Problem::at(place, message, "CAST(.. AS TEXT) AS subject"));
        }
        let names: Vec<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
        output(&mut stream, &names, &relation, place)
    });
    let name = stream.source.name.clone();
    let result = done.map(|(mut plan, subject)| {
        let spread = Spread::of(&subject, &keys, header.action);
        let version = version(&body, &stream.source, &params);
        plan.id.clone_from(&header.id);
        plan.version.clone_from(&version);
        plan.longest_frame_us = longest_frame_us;
        plan.is_final = header.emit == header::Emit::Final;
        stream.rules.push(plan);
        let (path, sql) = (file.path.clone(), file.text.clone());
        let position = stream.rules.len() - 1;
        let stream = name.clone();
        (Rule { header, version, sql, path, params, stream, position, longest_frame_us, spread }, subject)
    });
    streams.insert(name, stream);
    result.map_err(|p| vec![p])
}

fn resolve(header: &Header, settings: &Settings) -> Result<Params, Problem> {
    let mut values = BTreeMap::new();
    for (name, param) in &header.params {
        let set = settings.of_rule.get(&(header.id.clone(), name.clone())).or_else(|| settings.all.get(name));
        let value = match (set, &param.default) {
            (None, default) => default.clone(),
            (Some(text), ParamValue::Text(_)) => ParamValue::Text(text.clone()),
            (Some(text), ParamValue::Int(_)) => {
                text.parse().map(ParamValue::Int).map_err(|_| bad_value(header, name, text))?
            }
            (Some(text), ParamValue::Bool(_)) => {
                text.parse().map(ParamValue::Bool).map_err(|_| bad_value(header, name, text))?
            }
        };
        header::check_range(name, param, &value)
            .map_err(|(m, h)| Problem::at((1, 1), format!("rule `{}`: {m}", header.id), h))?;
        values.insert(name.clone(), scalar(&value));
    }
    Ok(Arc::new(values))
}

fn bad_value(header: &Header, name: &str, text: &str) -> Problem {
    let message = format!("rule `{}`, parameter `{name}`: `{text}` is not of the type of its default", header.id);
    Problem::at((1, 1), message, "the value comes from configuration or --set")
}

pub(crate) fn scalar(value: &ParamValue) -> ScalarValue {
    match value {
        ParamValue::Bool(v) => ScalarValue::Boolean(Some(*v)),
        ParamValue::Int(v) => ScalarValue::Int64(Some(*v)),
        ParamValue::Text(v) => ScalarValue::Utf8(Some(v.clone())),
    }
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

/// Also the subject over the columns of the table or view.
fn output(
    stream: &mut StreamBuilder,
    names: &[String],
    relation: &Relation,
    place: (u64, u64),
) -> Result<(RulePlan, Expr), Problem> {
    let column = |name: &str| {
        let at = names.iter().position(|n| n == name);
        at.map(|i| relation.columns[i].clone()).ok_or_else(|| {
            Problem::at(
                place,
                format!("the rule returns no `{name}`"),
                "SELECT event_id, event_time, .. AS subject, ..",
            )
        })
    };
    let (event_id, event_time, subject) = (column("event_id")?, column("event_time")?, column("subject")?);
    for (expr, name) in [(&event_id, "event_id"), (&event_time, "event_time")] {
        if *expr != crate::expr::column(name) {
            return Err(Problem::at(place, format!("`{name}` is computed"), "return the event's own"));
        }
    }
    if !windows_read(&subject).is_empty() {
        return Err(Problem::at(place, "`subject` reads a window result", "a subject is a column of the event"));
    }
    if !is_key(&subject, &relation.filters, stream) {
        return Err(Problem::at(place, "`subject` can be NULL", "add WHERE .. IS NOT NULL, or coalesce(..)"));
    }
    let compares_money = relation.filters.iter().any(|f| mentions(f, &stream.source.money));
    let by_currency = fixes_currency(&relation.filters);
    if compares_money && !by_currency {
        return Err(Problem::at(place, "amounts are compared without a currency", CURRENCY_HINT));
    }
    let head = [stream.expr(event_id), stream.expr(event_time), stream.expr(subject.clone())];
    let predicate = stream.predicate(&relation.filters);
    let fixed: Vec<_> = relation.filters.iter().filter(|f| windows_read(f).is_empty()).cloned().collect();
    let condition = stream.predicate(&fixed);
    let mut values = Vec::new();
    for (name, expr) in names.iter().zip(&relation.columns) {
        if !matches!(name.as_str(), "event_id" | "event_time" | "subject") {
            values.push((name.clone(), stream.expr(expr.clone())));
        }
    }
    let (id, version) = (String::new(), String::new());
    let plan = RulePlan { id, version, predicate, condition, head, values, is_final: false, longest_frame_us: 0 };
    Ok((plan, subject))
}
