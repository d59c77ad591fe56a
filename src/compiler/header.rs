//! The YAML header of a rule file: `/*--- .. ---*/` before the SELECT.

use crate::problem::Problem;
use crate::yaml;
use foreshock_core::{TargetKind, measure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A text in both languages of the house.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Dimension of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Category {
    Flow,
    Region,
    Personnel,
    Telecom,
    Joint,
}

/// How grave a detection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// What a detection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// An alert only.
    Detect,
    /// A draft of a public warning.
    Warn,
    /// A draft of a blocking request.
    Block,
}

/// Where a rule may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// `replay`, `backtest`, `rules test` only.
    Draft,
    /// Also in `run` and `demo`, without acts.
    Shadow,
    /// Acts.
    Live,
    /// Never runs.
    Retired,
}

/// When a detection is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emit {
    /// As soon as the rule holds; a late event may take it back or make it later.
    #[default]
    Arrival,
    /// Once, when nothing can change it any more: later by the lateness, never taken back.
    Final,
}

/// Value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// BOOLEAN.
    Bool(bool),
    /// BIGINT.
    Int(i64),
    /// TEXT.
    Text(String),
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamValue::Bool(v) => write!(f, "{v}"),
            ParamValue::Int(v) => write!(f, "{v}"),
            ParamValue::Text(v) => f.write_str(v),
        }
    }
}

/// A parameter with its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Value when no configuration sets it.
    pub default: ParamValue,
    /// Unit, for people.
    #[serde(default)]
    pub unit: String,
    /// Smallest value allowed.
    pub min: Option<i64>,
    /// Largest value allowed.
    pub max: Option<i64>,
}

/// The header.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Id; the file is named after it.
    pub id: String,
    /// Title.
    pub title: Bilingual,
    /// Dimension.
    pub category: Category,
    /// Gravity.
    pub severity: Severity,
    /// What it leads to.
    pub action: Action,
    /// What a detection is about: column or expression, for people.
    pub subject: String,
    /// Code of the fraud-type list.
    pub fraud_type: String,
    /// For `action: block`: the measure asked for.
    pub measure: Option<String>,
    /// For `action: block`: what the subject is, where the measure fits several things.
    pub target: Option<String>,
    /// Articles.
    pub legal_basis: Vec<String>,
    /// Desk that answers for it.
    pub owner: String,
    /// Where it may run.
    pub status: Status,
    /// When a detection is published.
    #[serde(default)]
    pub emit: Emit,
    /// Event time after which an alert closes, e.g. `1h`; default one hour.
    pub quiet: Option<String>,
    /// Parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Free words.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Honest customers who look alike.
    #[serde(default)]
    pub false_positives: Vec<String>,
    /// Page for the duty officer.
    pub runbook: Option<String>,
}

impl Header {
    /// What a blocking request of this rule is for: what the header says, else what the measure is usually taken against.
    pub fn target(&self) -> TargetKind {
        let said = self.target.as_deref().and_then(TargetKind::parse);
        let usual = || self.measure.as_deref().and_then(measure::targets).and_then(|targets| targets.first().copied());
        said.or_else(usual).unwrap_or(TargetKind::Account)
    }

    /// Event time in microseconds after which an alert of this rule closes.
    pub fn quiet_us(&self) -> i64 {
        self.quiet.as_deref().and_then(parse_span).unwrap_or(3_600 * 1_000_000)
    }
}

/// `90s`, `30m`, `1h`, `2d` in microseconds.
pub fn parse_span(text: &str) -> Option<i64> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let (number, seconds) = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    if !number.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    number.parse::<i64>().ok()?.checked_mul(seconds * 1_000_000)
}

/// Splits a rule file and reads its header.
pub(crate) fn read(file: &str, text: &str) -> Result<(Header, String), Problem> {
    let problem = |line: u64, message: String, hint: &str| Problem::at((line, 1), message, hint).in_file(file);
    let Some(rest) = text.strip_prefix("/*---") else {
        return Err(problem(1, "the file does not begin with a header".into(), "begin with `/*---`, YAML, `---*/`"));
    };
    let Some((yaml, body)) = rest.split_once("---*/") else {
        return Err(problem(1, "the header has no end".into(), "end it with `---*/`"));
    };
    let header: Header = yaml::read(yaml).map_err(|found| {
        // The YAML begins behind `/*---` of the first line.
        let column = if found.line == 1 { found.column + 5 } else { found.column };
        let hint = if found.hint.is_empty() { "docs/rules.md lists the keys of a header".into() } else { found.hint };
        Problem { line: found.line, column, message: format!("header: {}", found.message), hint, file: file.into() }
    })?;
    check(&header).map_err(|(key, message, hint)| problem(line_of_key(text, key), message, hint))?;
    Ok((header, body.to_owned()))
}

/// The key or parameter that is wrong, what is, and what to do.
fn check(header: &Header) -> Result<(), (&str, String, &'static str)> {
    if header.title.zh.trim().is_empty() || header.title.en.trim().is_empty() {
        return Err(("title", "the title needs both languages".into(), "fill `zh` and `en`"));
    }
    if !foreshock_core::ids::is_token(&header.id) {
        return Err(("id", format!("`{}` is no rule id", header.id), "use 1 to 64 of A-Z a-z 0-9 . _ : -"));
    }
    if header.action == Action::Block && header.measure.is_none() {
        return Err(("action", "`action: block` needs a `measure`".into(), "for example STOP_PAYMENT"));
    }
    check_target(header)?;
    if header.quiet.as_deref().is_some_and(|q| parse_span(q).is_none_or(|us| us <= 0)) {
        return Err(("quiet", "`quiet` is no span of time".into(), "write for example 90s, 30m, 1h, 2d"));
    }
    for (name, param) in &header.params {
        check_range(name, param, &param.default).map_err(|(message, hint)| (name.as_str(), message, hint))?;
    }
    Ok(())
}

/// A measure that exists, taken against something that it can be taken against: the subject goes out as a token of that kind.
fn check_target(header: &Header) -> Result<(), (&str, String, &'static str)> {
    let Some(measure) = &header.measure else { return Ok(()) };
    let Some(targets) = measure::targets(measure) else {
        return Err(("measure", format!("`{measure}` is no measure"), "docs/rules.md lists the measures"));
    };
    let Some(target) = &header.target else { return Ok(()) };
    if TargetKind::parse(target).is_some_and(|kind| targets.contains(&kind)) {
        return Ok(());
    }
    let names: Vec<&str> = targets.iter().map(|kind| kind.name()).collect();
    let message = format!("`{measure}` cannot be taken against `{target}`, only against {}", names.join(", "));
    Err(("target", message, "change `target` or `measure`"))
}

/// Line of a key, or of a parameter.
fn line_of_key(text: &str, key: &str) -> u64 {
    if line_of(text, key) > 1 { line_of(text, key) } else { line_of_param(text, key) }
}

pub(crate) fn check_range(name: &str, param: &Param, value: &ParamValue) -> Result<(), (String, &'static str)> {
    if std::mem::discriminant(value) != std::mem::discriminant(&param.default) {
        return Err((
            format!("parameter `{name}`: `{value}` is of another type than the default"),
            "give a value of the default's type",
        ));
    }
    let ParamValue::Int(v) = value else { return Ok(()) };
    if param.min.is_some_and(|min| *v < min) || param.max.is_some_and(|max| *v > max) {
        let (min, max) = (param.min.unwrap_or(i64::MIN), param.max.unwrap_or(i64::MAX));
        return Err((format!("parameter `{name}`: {v} is outside {min} to {max}"), "choose a value in the range"));
    }
    Ok(())
}

/// Line of a key of the header, else the first.
pub(crate) fn line_of(text: &str, key: &str) -> u64 {
    line_where(text, |line| line.starts_with(key) && line[key.len()..].trim_start().starts_with(':'))
}

/// Line of a parameter in the header, else the first.
pub(crate) fn line_of_param(text: &str, name: &str) -> u64 {
    let is_it = |line: &str| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let params = text.lines().position(|line| line.starts_with("params")).unwrap_or(0);
    let after = text.lines().skip(params + 1).position(is_it);
    after.map_or_else(|| params as u64 + 1, |at| (params + at) as u64 + 2)
}

fn line_where(text: &str, is_it: impl Fn(&str) -> bool) -> u64 {
    let header = text.lines().take_while(|line| !line.starts_with("---*/"));
    header.map(is_it).position(|found| found).map_or(1, |at| at as u64 + 1)
}
