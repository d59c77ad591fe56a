//! Other people's CSV as our events: a mapping file says which column becomes which field.

use crate::offline::files;
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// A mapping file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Kind of event, for people: the fields decide.
    pub feed: String,
    /// Reporter of every event.
    pub reporter: String,
    /// Rows left out.
    #[serde(default)]
    pub skip: Vec<Condition>,
    /// Fields of one value for all rows.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// Field to column.
    pub fields: BTreeMap<String, Field>,
    /// Later ones override earlier ones where their condition holds.
    #[serde(default)]
    pub case: Vec<Case>,
    /// Further files to look values up in.
    #[serde(default)]
    pub lookup: BTreeMap<String, Lookup>,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Column of the CSV.
    pub column: String,
    /// Values to codes.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// For values that are not in `map`.
    pub default: Option<String>,
    /// Characters that no token may have become `-`.
    #[serde(default)]
    pub clean: bool,
    /// Name of a `[lookup]` ..
    pub lookup: Option<String>,
    /// .. and the column taken from it.
    pub value: Option<String>,
}

/// A test of a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Column of the CSV.
    pub column: String,
    /// It has one of these values ..
    #[serde(default)]
    pub values: Vec<String>,
    /// .. or the value of this other column.
    pub same_as: Option<String>,
}

/// Fields for some rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Which rows.
    pub when: Condition,
    /// As in the mapping.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// As in the mapping.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
}

/// A second CSV, by key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// File, beside the input.
    pub file: String,
    /// Its key column.
    pub key: String,
}

type Table = BTreeMap<String, BTreeMap<String, String>>;

/// A mapping with its look-up files read.
#[derive(Debug)]
pub struct Importer {
    mapping: Mapping,
    columns: BTreeMap<String, usize>,
    tables: BTreeMap<String, Table>,
}

impl Importer {
    /// Reads the mapping and checks it against the columns of the input.
    ///
    /// # Errors
    /// When a file cannot be read, a key is unknown or a column is not there.
    pub fn new(mapping_path: &Path, input: &Path, headers: &csv::StringRecord) -> anyhow::Result<Importer> {
        let text =
            std::fs::read_to_string(mapping_path).with_context(|| format!("cannot read {}", mapping_path.display()))?;
        let mapping: Mapping = toml::from_str(&text).with_context(|| format!("mapping {}", mapping_path.display()))?;
        let columns: BTreeMap<String, usize> = headers.iter().enumerate().map(|(i, h)| (h.to_owned(), i)).collect();
        let fields = mapping.fields.values().chain(mapping.case.iter().flat_map(|c| c.fields.values()));
        let conditions = mapping.skip.iter().chain(mapping.case.iter().map(|c| &c.when));
        let named =
            fields.map(|f| &f.column).chain(conditions.flat_map(|c| std::iter::once(&c.column).chain(&c.same_as)));
        for column in named {
            if !columns.contains_key(column) {
                let there: Vec<&str> = headers.iter().collect();
                bail!("{}: no column `{column}`; the input has: {}", mapping_path.display(), there.join(", "));
            }
        }
        let folder = input.parent().unwrap_or(Path::new("."));
        let mut tables = BTreeMap::new();
        for (name, lookup) in &mapping.lookup {
            tables.insert(name.clone(), read_table(&folder.join(&lookup.file), &lookup.key)?);
        }
        Ok(Importer { mapping, columns, tables })
    }

    /// The event of a row as JSON; `None` when the row is left out.
    pub fn event(&self, row: &csv::StringRecord) -> Option<Value> {
        if self.mapping.skip.iter().any(|c| self.holds(c, row)) {
            return None;
        }
        let mut object = Map::new();
        object.insert("reporter".into(), Value::String(self.mapping.reporter.clone()));
        self.fill(&mut object, &self.mapping.constants, &self.mapping.fields, row);
        for case in self.mapping.case.iter().filter(|c| self.holds(&c.when, row)) {
            self.fill(&mut object, &case.constants, &case.fields, row);
        }
        Some(Value::Object(object))
    }

    fn text<'r>(&self, column: &str, row: &'r csv::StringRecord) -> &'r str {
        self.columns.get(column).and_then(|i| row.get(*i)).unwrap_or_default()
    }

    fn holds(&self, condition: &Condition, row: &csv::StringRecord) -> bool {
        let value = self.text(&condition.column, row);
        match &condition.same_as {
            Some(other) => value == self.text(other, row),
            None => condition.values.iter().any(|v| v == value),
        }
    }

    fn fill(
        &self,
        object: &mut Map<String, Value>,
        constants: &BTreeMap<String, String>,
        fields: &BTreeMap<String, Field>,
        row: &csv::StringRecord,
    ) {
        for (path, value) in constants {
            put(object, path, value.clone());
        }
        for (path, field) in fields {
            if let Some(value) = self.value(field, row) {
                put(object, path, value);
            }
        }
    }

    fn value(&self, field: &Field, row: &csv::StringRecord) -> Option<String> {
        let mut text = self.text(&field.column, row).to_owned();
        if let (Some(table), Some(column)) = (&field.lookup, &field.value) {
            text = self.tables.get(table)?.get(&text)?.get(column)?.clone();
        }
        if !field.map.is_empty() {
            text = field.map.get(&text).or(field.default.as_ref()).unwrap_or(&text).clone();
        }
        if field.clean {
            let allowed = |c: char| if c.is_ascii_alphanumeric() || "._:-".contains(c) { c } else { '-' };
            text = text.chars().map(allowed).take(foreshock_core::limits::TOKEN_LEN_MAX).collect();
        }
        (!text.is_empty()).then_some(text)
    }
}

fn read_table(path: &Path, key: &str) -> anyhow::Result<Table> {
    let mut reader = csv::Reader::from_reader(files::open(path)?);
    let headers = reader.headers()?.clone();
    let mut table = Table::new();
    for row in reader.records() {
        let row = row?;
        let values: BTreeMap<String, String> =
            headers.iter().zip(&row).map(|(h, v)| (h.to_owned(), v.to_owned())).collect();
        let key = values.get(key).with_context(|| format!("{}: no column `{key}`", path.display()))?.clone();
        table.insert(key, values);
    }
    Ok(table)
}

/// Sets `a.b.c` in nested objects.
fn put(object: &mut Map<String, Value>, path: &str, value: String) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), Value::String(value));
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
