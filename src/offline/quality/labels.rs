//! Cases from CSV by a mapping (`docs/mappings.md`), or from the truth of `gen`.

use crate::offline::quality::{By, Case};
use crate::offline::reading::open;
use anyhow::{Context, bail};
use foreshock_core::money;
use foreshock_core::time::{SECOND_US, parse_rfc3339};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

/// A mapping of labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelMapping {
    judge: By,
    case: CaseForm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseForm {
    /// Rows of one id are one case.
    id: Cell,
    kind: Text,
    /// Left out: each row is a fraud.
    fraud: Option<Test>,
    #[serde(default)]
    events: Vec<Cell>,
    #[serde(default)]
    accounts: Vec<Cell>,
    first: Option<Cell>,
    last: Option<Cell>,
    stop_before: Option<Cell>,
    amount: Option<Amount>,
    /// Time after its end in which a detection still belongs to a case.
    #[serde(default)]
    slack_seconds: i64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Constant(String),
    Cell(Cell),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    column: String,
    #[serde(default)]
    prefix: String,
    /// Several in one cell.
    split: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    column: String,
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    column: String,
    /// Digits of the minor unit.
    #[serde(default = "two")]
    digits: u32,
}

fn two() -> u32 {
    2
}

/// A row of CSV by the names of its columns.
struct Record<'a> {
    columns: &'a BTreeMap<String, usize>,
    record: &'a csv::StringRecord,
}

impl Record<'_> {
    fn get(&self, column: &str) -> anyhow::Result<&str> {
        let at = self.columns.get(column).with_context(|| {
            let there: Vec<&str> = self.columns.keys().map(String::as_str).collect();
            format!("the labels have no column `{column}`; they have {}", there.join(", "))
        })?;
        Ok(self.record.get(*at).unwrap_or_default().trim())
    }

    /// What a cell holds; empty ones hold nothing.
    fn all(&self, cell: &Cell) -> anyhow::Result<Vec<String>> {
        let text = self.get(&cell.column)?;
        let parts: Vec<&str> = cell.split.as_deref().map_or_else(|| vec![text], |by| text.split(by).collect());
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        Ok(parts.map(|part| format!("{}{part}", cell.prefix)).collect())
    }

    fn time(&self, cell: Option<&Cell>) -> anyhow::Result<Option<i64>> {
        let Some(cell) = cell else { return Ok(None) };
        let text = self.get(&cell.column)?;
        if text.is_empty() {
            return Ok(None);
        }
        let time = parse_rfc3339(text);
        time.map(Some).with_context(|| format!("`{}`: `{text}` is no time; write 2026-03-02T10:00:00Z", cell.column))
    }

    fn amount(&self, form: Option<&Amount>) -> anyhow::Result<Option<i64>> {
        let Some(form) = form else { return Ok(None) };
        let text = self.get(&form.column)?;
        if text.is_empty() {
            return Ok(None);
        }
        let minor = money::parse_minor(text, form.digits).ok();
        minor.map(Some).with_context(|| format!("`{}`: `{text}` is no amount with {} digits", form.column, form.digits))
    }
}

impl LabelMapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mapping: LabelMapping = toml::from_str(&text).with_context(|| path.display().to_string())?;
        if mapping.judge == By::Event && mapping.case.events.is_empty() {
            bail!("{}: `judge = \"event\"` needs `events` in [case]", path.display());
        }
        if mapping.judge == By::Account && (mapping.case.accounts.is_empty() || mapping.case.first.is_none()) {
            bail!("{}: `judge = \"account\"` needs `accounts`, `first` and `last` in [case]", path.display());
        }
        Ok(mapping)
    }

    /// The cases of a file, packed with gzip or not.
    ///
    /// # Errors
    /// When it cannot be read or a row does not fit; the line is named.
    pub fn cases(&self, path: &Path) -> anyhow::Result<(By, Vec<Case>)> {
        let mut reader = csv::ReaderBuilder::new().from_reader(open(path)?);
        let header = reader.headers().with_context(|| path.display().to_string())?;
        let columns = header.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
        let mut cases: BTreeMap<String, Case> = BTreeMap::new();
        for (row, record) in reader.records().enumerate() {
            let place = || format!("{}:{}", path.display(), row + 2);
            let record = record.with_context(place)?;
            let record = Record { columns: &columns, record: &record };
            self.add(&mut cases, &record).with_context(place)?;
        }
        Ok((self.judge, cases.into_values().collect()))
    }

    fn add(&self, cases: &mut BTreeMap<String, Case>, record: &Record) -> anyhow::Result<()> {
        let form = &self.case;
        let case = cases.entry(record.all(&form.id)?.join(" ")).or_default();
        case.kind = match &form.kind {
            Text::Constant(kind) => kind.clone(),
            Text::Cell(cell) => record.all(cell)?.join(" "),
        };
        case.is_fraud |= match &form.fraud {
            Some(test) => {
                let said = record.get(&test.column)?;
                test.values.iter().any(|value| value == said)
            }
            None => true,
        };
        for cell in &form.events {
            case.events.extend(record.all(cell)?);
        }
        for cell in &form.accounts {
            case.accounts.extend(record.all(cell)?);
        }
        let first = record.time(form.first.as_ref())?;
        let last = record.time(form.last.as_ref())?.or(first);
        if let (Some(first), Some(last)) = (first, last) {
            let (from, to) = case.span.unwrap_or((first, last));
            case.span = Some((from.min(first), to.max(last)));
        }
        case.slack_us = form.slack_seconds.saturating_mul(SECOND_US);
        let stop_before = record.time(form.stop_before.as_ref())?;
        case.stop_before = case.stop_before.or(stop_before);
        case.amount = record.amount(form.amount.as_ref())?.or(case.amount);
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
struct Story {
    scenario: String,
    fraud: bool,
    subjects: Vec<String>,
    event_ids: Vec<String>,
    first: String,
    last: String,
    amount: Option<i64>,
    stop_before: Option<String>,
}

/// The stories of `truth.ndjson` of `gen`.
///
/// # Errors
/// When it cannot be read or is none; the line is named.
pub fn of_truth(path: &Path) -> anyhow::Result<Vec<Case>> {
    let parse = |(n, line): (usize, std::io::Result<String>)| -> anyhow::Result<Case> {
        let place = || format!("{}:{}", path.display(), n + 1);
        let story: Story = serde_json::from_str(&line?).with_context(place)?;
        let time = |text: &str| parse_rfc3339(text).with_context(place);
        Ok(Case {
            kind: story.scenario,
            is_fraud: story.fraud,
            events: story.event_ids.into_iter().collect(),
            accounts: story.subjects.into_iter().collect(),
            span: Some((time(&story.first)?, time(&story.last)?)),
            stop_before: story.stop_before.as_deref().map(time).transpose()?,
            amount: story.amount,
            slack_us: 0,
        })
    };
    open(path)?.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
