//! Parameters: from the header, overridden by configuration or the command line.

use crate::aggregates::Params;
use crate::header::{self, Header, ParamValue};
use crate::near::near;
use crate::pack::RuleFile;
use crate::problem::Problem;
use datafusion::scalar::ScalarValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parameters set by configuration or the command line.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `currency` and the like, for every rule that has such a parameter.
    pub all: BTreeMap<String, String>,
    /// (rule id, name) to value.
    pub of_rule: BTreeMap<(String, String), String>,
}

impl Settings {
    /// Takes in one parameter as people write it: `currency` for all rules that have it, `M01.min_payers_day` for one.
    pub fn set(&mut self, name: &str, value: &str) {
        match name.split_once('.') {
            Some((rule, param)) => self.of_rule.insert((rule.into(), param.into()), value.into()),
            None => self.all.insert(name.into(), value.into()),
        };
    }
}

/// Settings that no rule has. To be asked once for all rule files of a folder, also those that are not chosen: a pack of
/// some rules cannot tell what the others have. Files that cannot be read are left to [`crate::compile`].
pub fn check_settings(files: &[RuleFile], settings: &Settings) -> Vec<Problem> {
    let headers: Vec<Header> =
        files.iter().filter_map(|file| header::read(&file.path, &file.text).ok()).map(|(header, _)| header).collect();
    let mut problems = Vec::new();
    for name in settings.all.keys() {
        let mut names = headers.iter().flat_map(|h| h.params.keys()).map(String::as_str);
        if !names.any(|n| n == name) {
            let names = headers.iter().flat_map(|h| h.params.keys()).map(String::as_str);
            problems.push(unknown(format!("no rule has a parameter `{name}`"), near(name, names)));
        }
    }
    for (rule, name) in settings.of_rule.keys() {
        match headers.iter().find(|h| h.id == *rule) {
            None => {
                let close = near(rule, headers.iter().map(|h| h.id.as_str()));
                problems.push(unknown(format!("there is no rule `{rule}`"), close));
            }
            Some(header) => problems.extend(of_rule(header, name)),
        }
    }
    problems
}

/// The problem of a setting for a rule that has no such parameter.
pub(crate) fn of_rule(header: &Header, name: &str) -> Option<Problem> {
    if header.params.contains_key(name) {
        return None;
    }
    let close = near(name, header.params.keys().map(String::as_str));
    Some(unknown(format!("rule `{}` has no parameter `{name}`", header.id), close))
}

fn unknown(message: String, close: Option<&str>) -> Problem {
    let hint = match close {
        Some(name) => format!("did you mean `{name}`?"),
        None => "the headers of the rules list their parameters".into(),
    };
    Problem::of_settings(message, hint)
}

/// The values of a rule's parameters.
pub(crate) fn resolve(header: &Header, settings: &Settings) -> Result<Params, Problem> {
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
