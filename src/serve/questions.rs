//! Questions that are ready to be asked: SQL files with a title in both languages and parameters (`sql/queries`).

use anyhow::{Context, bail, ensure};
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql/queries");

/// What a parameter's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Number,
    /// Any text.
    Text,
}

/// A parameter of a question: `:name` in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What its value may be.
    pub kind: Kind,
    /// Its value when nothing is said; `None`: something must be said.
    pub default: Option<String>,
    /// What it means.
    pub meaning: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name of its file.
    pub name: String,
    /// Title in Chinese.
    pub zh: String,
    /// Title in English.
    pub en: String,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    text: String,
}

impl Question {
    /// All that the program brings along, by name.
    ///
    /// # Errors
    /// When a file has another form than they have.
    pub fn all() -> anyhow::Result<Vec<Question>> {
        let files = FILES.files().filter(|file| file.path().extension().is_some_and(|e| e == "sql"));
        let mut all = files
            .map(|file| {
                let name = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                Question::parse(name, file.contents_utf8().context("not UTF-8")?).with_context(|| name.to_owned())
            })
            .collect::<anyhow::Result<Vec<Question>>>()?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Of a file's text: lines `-- zh:`, `-- en:` and `-- param name number|text default: meaning`, then one query.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Question> {
        let heads: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("-- ")).collect();
        let title = |word: &str| {
            let line = heads.iter().find_map(|line| line.strip_prefix(word)).map(|title| title.trim().to_owned());
            line.filter(|title| !title.is_empty()).with_context(|| format!("no line `-- {word} ..`"))
        };
        let parameters = heads.iter().filter_map(|line| line.strip_prefix("param "));
        Ok(Question {
            name: name.to_owned(),
            zh: title("zh:")?,
            en: title("en:")?,
            parameters: parameters.map(parameter).collect::<anyhow::Result<_>>()?,
            text: text.lines().skip(heads.len()).collect::<Vec<_>>().join("\n"),
        })
    }

    /// Its SQL with values in the places of its parameters.
    ///
    /// # Errors
    /// When a value is missing, is none of its kind, or belongs to no parameter.
    pub fn with(&self, values: &BTreeMap<String, String>) -> anyhow::Result<String> {
        for name in values.keys() {
            let known: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
            ensure!(
                known.contains(&name.as_str()),
                "`{}` has no parameter `{name}`, but [{}]",
                self.name,
                known.join(", ")
            );
        }
        let mut written = Vec::new();
        for parameter in &self.parameters {
            let value = values.get(&parameter.name).or(parameter.default.as_ref());
            let value = value.with_context(|| {
                format!("`{}` needs --param {}=..: {}", self.name, parameter.name, parameter.meaning)
            })?;
            written.push((parameter.name.as_str(), literal(parameter, value)?));
        }
        Ok(filled(&self.text, &written))
    }
}

fn parameter(line: &str) -> anyhow::Result<Parameter> {
    let form = || format!("`-- param {line}`: write -- param name number|text default: meaning, with - for no default");
    let (head, meaning) = line.split_once(':').with_context(form)?;
    let parts: Vec<&str> = head.split_whitespace().collect();
    let [name, kind, default] = parts[..] else { bail!(form()) };
    let kind = match kind {
        "number" => Kind::Number,
        "text" => Kind::Text,
        _ => bail!(form()),
    };
    let default = (default != "-").then(|| default.to_owned());
    Ok(Parameter { name: name.to_owned(), kind, default, meaning: meaning.trim().to_owned() })
}

fn literal(parameter: &Parameter, value: &str) -> anyhow::Result<String> {
    match parameter.kind {
        Kind::Text => Ok(format!("'{}'", value.replace('\'', "''"))),
        Kind::Number => {
            let number: i64 =
                value.parse().with_context(|| format!("{} is no whole number: {value}", parameter.name))?;
            Ok(number.to_string())
        }
    }
}

/// Each `:name` in one go from left to right: a value that looks like a parameter stays as it is.
fn filled(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let name_len =
            rest[at + 1..].find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len() - at - 1);
        let name = &rest[at + 1..at + 1 + name_len];
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(&rest[..at]);
        filled.push_str(value.map_or(&rest[at..at + 1 + name_len], |(_, value)| value));
        rest = &rest[at + 1 + name_len..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_take_their_places_and_cannot_leave_them() {
        let text = "-- zh: 一\n-- en: one\n-- param from text -: who\n-- param days number 7: how long\nSELECT ':x' WHERE a = :from AND b > :days * :days";
        let question = Question::parse("q", text).unwrap();
        let with = |pairs: &[(&str, &str)]| {
            question.with(&pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(
            with(&[("from", "a' OR :days --")]).unwrap(),
            "SELECT ':x' WHERE a = 'a'' OR :days --' AND b > 7 * 7"
        );
        assert!(with(&[]).unwrap_err().to_string().contains("--param from"));
        assert!(with(&[("from", "a"), ("days", "7; DROP")]).is_err());
        assert!(with(&[("from", "a"), ("other", "1")]).unwrap_err().to_string().contains("[from, days]"));
    }
}
