//! What is known while a mapping is checked: its settings, the columns it names so far, what is wrong.

use crate::form::{Form, Number};
use crate::limits::{KEY_LEN_MIN, PREFIX_LEN_MAX};
use crate::moment::{self, Zone};
use crate::number::NumberForm;
use crate::plan::{Name, TablePlan};
use crate::problem::{Problem, near};
use crate::records::Signs;
use crate::targets::{Kind, Target};
use crate::text::{DAMAGED, Encoding};
use foreshock_core::ids::is_token;
use std::collections::BTreeMap;
use toml::Spanned;

/// Words that stand for nothing unless the mapping names its own. `NA` is not one: it is Namibia.
const NULL: &[&str] = &[
    "NULL",
    "Null",
    "null",
    "(NULL)",
    "(null)",
    "<NULL>",
    "<null>",
    "\\N",
    "NaN",
    "NAN",
    "nan",
    "-NaN",
    "-nan",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "None",
    "none",
    "NONE",
    "nil",
    "undefined",
    "-",
    "--",
];

/// Where something stands in a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    at: usize,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn of<T>(value: &Spanned<T>, key: &str) -> Place {
        Place { at: value.span().start, key: key.to_owned() }
    }

    /// A path with points is one key, in quotes.
    pub(crate) fn of_path<T>(value: &Spanned<T>, table: &str, path: &str) -> Place {
        let quote = if path.contains('.') { "\"" } else { "" };
        Place::of(value, &format!("{table}.{quote}{path}{quote}"))
    }

    pub(crate) fn sub(&self, key: &str) -> Place {
        Place { at: self.at, key: format!("{}.{key}", self.key) }
    }
}

pub(crate) struct Context<'a> {
    pub(crate) file: &'a str,
    text: &'a str,
    pub(crate) problems: Vec<Problem>,
    /// Fields of the feed.
    pub(crate) targets: Vec<Target>,
    /// Columns of the input that were named.
    pub(crate) names: Vec<Name>,
    pub(crate) tables: Vec<TablePlan>,
    pub(crate) null: Vec<String>,
    pub(crate) number: NumberForm,
    pub(crate) zone: Option<Zone>,
    pub(crate) token_key: Option<String>,
    prefixes: BTreeMap<String, Place>,
}

/// Names of `encoding`, `delimiter`, `quote`.
type SignNames<'f> = (Option<&'f Spanned<String>>, Option<&'f Spanned<String>>, Option<&'f Spanned<String>>);

impl<'a> Context<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Context<'a> {
        Context {
            file,
            text,
            problems: Vec::new(),
            targets: Vec::new(),
            names: Vec::new(),
            tables: Vec::new(),
            null: NULL.iter().map(|word| (*word).to_owned()).collect(),
            number: NumberForm::default(),
            zone: None,
            token_key: None,
            prefixes: BTreeMap::new(),
        }
    }

    pub(crate) fn wrong(&mut self, place: &Place, message: impl Into<String>) {
        let line = line_of(self.text, place.at);
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line,
            key: place.key.clone(),
            message: message.into(),
        });
    }

    /// A value that the mapping writes is none of its field.
    pub(crate) fn unacceptable(&mut self, place: &Place, kind: Kind, text: &str) {
        let near = match kind {
            Kind::Code(codes) | Kind::OpenCode(codes) => near(text, codes.iter().copied()),
            _ => String::new(),
        };
        self.wrong(place, format!("`{text}` is not {}{near}", kind.expected()));
    }

    /// Settings that hold for all fields.
    pub(crate) fn settings(&mut self, form: &Form) {
        if let Some(words) = &form.null {
            self.null.clone_from(words);
        }
        if let Some(number) = &form.number {
            self.number = self.number_form(number, "number");
        }
        if let Some(name) = &form.time_zone {
            self.zone = self.zone(name, "time_zone");
        }
        if let Some(key) = &form.token_key {
            if key.get_ref().len() < KEY_LEN_MIN {
                let message = format!("a key that cannot be guessed has {KEY_LEN_MIN} characters or more");
                self.wrong(&Place::of(key, "token_key"), message);
            }
            self.token_key = Some(key.get_ref().clone());
        }
    }

    pub(crate) fn number_form(&mut self, form: &Spanned<Number>, key: &str) -> NumberForm {
        let at = Place::of(form, key);
        let is_sign = |c: &char| !c.is_alphanumeric() && !matches!(c, '+' | '-');
        let decimal = form.get_ref().decimal.as_deref().map_or(Some('.'), one_sign).filter(is_sign);
        let group = form.get_ref().group.as_deref().filter(|g| !g.is_empty());
        let group_sign = group.and_then(one_sign).filter(is_sign);
        if decimal.is_none() || group.is_some() && group_sign.is_none() || decimal == group_sign {
            self.wrong(&at, "`decimal` and `group` are one sign each, such as `{ decimal = \",\", group = \".\" }`");
        }
        NumberForm { decimal: decimal.unwrap_or('.'), group: group_sign }
    }

    pub(crate) fn zone(&mut self, name: &Spanned<String>, key: &str) -> Option<Zone> {
        let zone = moment::zone(name.get_ref());
        if zone.is_none() {
            let near = near(name.get_ref(), moment::zone_names());
            let message =
                format!("unknown time zone `{}`: `+08:00`, or a name such as `Asia/Shanghai`{near}", name.get_ref());
            self.wrong(&Place::of(name, key), message);
        }
        zone
    }

    /// How a file is written; what is not named is as `default` has it.
    pub(crate) fn signs(&mut self, key: &str, named: SignNames<'_>, default: (Encoding, Signs)) -> (Encoding, Signs) {
        let (mut encoding, mut signs) = default;
        if let Some(name) = named.0 {
            match Encoding::from_name(name.get_ref()) {
                Some(known) => encoding = known,
                None => {
                    let near = near(name.get_ref(), Encoding::names());
                    let message = format!("unknown encoding `{}`{near}", name.get_ref());
                    self.wrong(&Place::of(name, &format!("{key}encoding")), message);
                }
            }
        }
        let is_sign = |c: &char| !matches!(*c, '\n' | '\r' | DAMAGED);
        if let Some(text) = named.1 {
            match one_sign(text.get_ref()).filter(is_sign) {
                Some(sign) => signs.delimiter = sign,
                None => self.wrong(&Place::of(text, &format!("{key}delimiter")), "is one sign, such as `;` or `\\t`"),
            }
        }
        if let Some(text) = named.2 {
            signs.quote = one_sign(text.get_ref()).filter(is_sign);
            if signs.quote.is_none() && !text.get_ref().is_empty() {
                self.wrong(&Place::of(text, &format!("{key}quote")), "is one sign, or empty when quotes are text");
            }
        }
        if let Some(text) = named.1.or(named.2)
            && signs.quote == Some(signs.delimiter)
        {
            self.wrong(&Place::of(text, &format!("{key}delimiter")), "`delimiter` and `quote` are the same sign");
        }
        (encoding, signs)
    }

    /// The field of a path.
    pub(crate) fn target(&mut self, path: &str, place: &Place) -> Option<Target> {
        if let Some(target) = self.targets.iter().find(|t| t.path == path) {
            return Some(*target);
        }
        let hint = match self.targets.iter().find(|t| t.column == path) {
            Some(target) => format!("; the column of that name is filled by `{}`", target.path),
            None => near(path, self.targets.iter().map(|t| t.path)),
        };
        self.wrong(place, format!("no field `{path}` in this feed{hint}"));
        None
    }

    /// The number of a column of the input.
    pub(crate) fn column(&mut self, column: &str, place: &Place) -> usize {
        if let Some(known) = self.names.iter().position(|n| n.column == column) {
            return known;
        }
        self.names.push(self.name_at(column, place));
        self.names.len() - 1
    }

    pub(crate) fn name_at(&self, column: &str, place: &Place) -> Name {
        Name { column: column.to_owned(), line: line_of(self.text, place.at), key: place.key.clone() }
    }

    /// A prefix of tokens.
    pub(crate) fn prefix(&mut self, prefix: &str, place: &Place) {
        if prefix.is_empty() {
            return;
        }
        if !is_token(prefix) || prefix.len() > PREFIX_LEN_MAX {
            self.wrong(place, format!("a prefix is at most {PREFIX_LEN_MAX} of `A-Z a-z 0-9 . _ : -`"));
        }
        self.prefixes.entry(prefix.to_owned()).or_insert_with(|| place.clone());
    }

    /// `C` and `C1` would make one token of 17 and 7.
    pub(crate) fn tell_prefixes_apart(&mut self) {
        let all: Vec<(String, Place)> = self.prefixes.clone().into_iter().collect();
        for (longer, place) in &all {
            if let Some((shorter, _)) = all.iter().find(|(p, _)| p != longer && longer.starts_with(p.as_str())) {
                let message =
                    format!("begins with the other prefix `{shorter}`: two tokens could become one; end both with `:`");
                self.wrong(place, message);
            }
        }
    }
}

fn one_sign(text: &str) -> Option<char> {
    let mut signs = text.chars();
    signs.next().filter(|_| signs.next().is_none())
}

/// Line of a byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> u64 {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|b| **b == b'\n').count() as u64
}
