//! The TOML form to a plan: all that is wrong with it is found before a row is read.

use crate::context::{Context, Place, line_of};
use crate::fields::field;
use crate::form::{Case, Condition, Field, Form, Lookup, Word};
use crate::moment::TimeForm;
use crate::number::NumberForm;
use crate::plan::{Block, Mapping, TablePlan, Test};
use crate::problem::{Problem, Problems, near, of_file};
use crate::records::Signs;
use crate::targets::{ACTION, Target, targets};
use crate::text::Encoding;
use crate::token::TokenForm;
use crate::value::{Reading, is_acceptable};
use foreshock_core::{Feed, ids};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

impl Mapping {
    /// Reads the text of a mapping file; `file` is its name in messages.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Mapping, Problems> {
        let form: Form = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| line_of(text, span.start));
            Problem { line, ..of_file(file, e.message()) }
        })?;
        let mut context = Context::new(file, text);
        let mapping = check(&mut context, &form);
        let mut problems = context.problems;
        problems.sort_by_key(|p| p.line);
        problems.dedup();
        match mapping {
            Some(mapping) if problems.is_empty() => Ok(mapping),
            _ => Err(Problems(problems)),
        }
    }
}

/// `None` only after a problem was told.
fn check(context: &mut Context<'_>, form: &Form) -> Option<Mapping> {
    let feed = feed(context, &form.feed);
    if !ids::is_reporter(form.reporter.get_ref()) {
        context.wrong(&Place::of(&form.reporter, "reporter"), "a reporter is 1 to 64 of `A-Z a-z 0-9 . _ -`");
    }
    let named = (form.encoding.as_ref(), form.delimiter.as_ref(), form.quote.as_ref());
    let (encoding, signs) = context.signs("", named, (Encoding::default(), Signs::default()));
    context.settings(form);
    for (name, lookup) in &form.lookup {
        let plan = table(context, name, lookup, (encoding, signs));
        context.tables.push(plan);
    }
    context.targets = targets(feed?);
    let mut skip = Vec::new();
    for (idx, condition) in form.skip.iter().enumerate() {
        skip.extend(test(context, &format!("skip[{idx}]"), condition));
    }
    let base = block(context, "", &form.constants, &form.fields);
    let mut cases = Vec::new();
    for (idx, case) in form.case.iter().enumerate() {
        let Case { when, constants, fields } = case.get_ref();
        let at = format!("case[{idx}].");
        let test = test(context, &format!("{at}when"), when);
        let block = block(context, &at, constants, fields);
        cases.extend(test.map(|t| (t, block)));
    }
    context.tell_prefixes_apart();
    required(context, form);
    Some(Mapping {
        file: context.file.to_owned(),
        feed: feed?,
        reporter: form.reporter.get_ref().clone(),
        encoding,
        signs,
        trim: form.trim,
        names: std::mem::take(&mut context.names),
        skip,
        base,
        cases,
        tables: std::mem::take(&mut context.tables),
    })
}

/// By its table, or by the word of its topic.
fn feed(context: &mut Context<'_>, name: &Spanned<String>) -> Option<Feed> {
    let word = |feed: Feed| feed.topic().split('.').nth(1).unwrap_or_default();
    let found = Feed::ALL.into_iter().find(|f| f.table() == name.get_ref() || word(*f) == name.get_ref());
    if found.is_none() {
        let near = near(name.get_ref(), Feed::ALL.into_iter().map(Feed::table));
        context.wrong(&Place::of(name, "feed"), format!("unknown feed `{}`{near}", name.get_ref()));
    }
    found
}

fn table(context: &mut Context<'_>, name: &str, form: &Spanned<Lookup>, default: (Encoding, Signs)) -> TablePlan {
    let at = Place::of(form, &format!("lookup.{name}"));
    let Lookup { file, key, encoding, delimiter, quote } = form.get_ref();
    let named = (encoding.as_ref(), delimiter.as_ref(), quote.as_ref());
    let (encoding, signs) = context.signs(&format!("{}.", at.key), named, default);
    let names = vec![context.name_at(key, &at.sub("key"))];
    TablePlan { name: name.to_owned(), file: file.clone(), encoding, signs, names }
}

fn test(context: &mut Context<'_>, key: &str, form: &Spanned<Condition>) -> Option<Test> {
    let at = Place::of(form, key);
    let Condition { column, values, same_as } = form.get_ref();
    let column = context.column(column, &at.sub("column"));
    match (values, same_as) {
        (Some(values), None) if !values.is_empty() => {
            Some(Test::OneOf(column, values.iter().map(|Word(v)| v.clone()).collect()))
        }
        (None, Some(other)) => Some(Test::Same(column, context.column(other, &at.sub("same_as")))),
        _ => {
            context.wrong(&at, "a condition has either `values`, at least one, or `same_as`");
            None
        }
    }
}

fn block(
    context: &mut Context<'_>,
    prefix: &str,
    constants: &BTreeMap<String, Spanned<Word>>,
    fields: &BTreeMap<String, Spanned<Field>>,
) -> Block {
    let mut block = Block::default();
    for (path, word) in constants {
        let at = Place::of_path(word, &format!("{prefix}constants"), path);
        let Some(target) = context.target(path, &at) else { continue };
        if fields.contains_key(path) {
            context.wrong(&at, "stands under `fields` too: a field's `default` is for rows without a value");
        }
        let Word(text) = word.get_ref();
        if text.is_empty() {
            if prefix.is_empty() {
                context.wrong(&at, "is empty: leave it out; only a `case` can take a field away");
            }
            block.constants.push((target.path, None));
        } else if let Some(value) = constant(context, target, text, &at) {
            block.constants.push((target.path, Some(value)));
        }
    }
    for (path, form) in fields {
        block.fields.extend(field(context, &format!("{prefix}fields"), path, form));
    }
    block
}

/// A constant is written as JSON has it: decimal point, RFC 3339.
fn constant(context: &mut Context<'_>, target: Target, text: &str, at: &Place) -> Option<Value> {
    let time = TimeForm::new(None, None).ok()?;
    let reading = Reading { kind: target.kind, token: TokenForm::default(), number: NumberForm::default(), time };
    match reading.value(text) {
        Ok(value) if is_acceptable(target.kind, &value) => Some(value),
        _ => {
            context.unacceptable(at, target.kind, text);
            None
        }
    }
}

/// What no decoder would take is not begun: each required field is filled somewhere.
fn required(context: &mut Context<'_>, form: &Form) {
    let mut given: BTreeSet<&str> = form.constants.keys().chain(form.fields.keys()).map(String::as_str).collect();
    for case in &form.case {
        let Case { constants, fields, .. } = case.get_ref();
        given.extend(constants.keys().chain(fields.keys()).map(String::as_str));
    }
    let can_withdraw = given.contains(ACTION);
    let missing: Vec<String> = (context.targets.iter())
        .filter(|t| t.is_required && (t.is_always_required || !can_withdraw) && !given.contains(t.path))
        .map(|t| format!("`{}`, {}", t.path, t.kind.expected()))
        .collect();
    for field in missing {
        context.problems.push(Problem {
            key: "fields".into(),
            ..of_file(context.file, format!("nothing fills the required field {field}"))
        });
    }
}
