//! One entry of `fields`: from its TOML form to how its value is found and read.

use crate::context::{Context, Place};
use crate::form::{Field, Word};
use crate::limits::PREFIX_LEN_MAX;
use crate::moment::TimeForm;
use crate::plan::FieldPlan;
use crate::problem::near;
use crate::targets::{Kind, Target};
use crate::token::{Hash, TokenForm};
use crate::value::{Reading, is_acceptable};
use std::collections::BTreeMap;
use toml::Spanned;

/// `None` only after a problem was told.
pub(crate) fn field(context: &mut Context<'_>, table: &str, path: &str, form: &Spanned<Field>) -> Option<FieldPlan> {
    let at = Place::of_path(form, table, path);
    let form = form.get_ref();
    let column = context.column(&form.column, &at.sub("column"));
    let target = context.target(path, &at)?;
    let lookup = lookup(context, form, &at);
    misplaced_keys(context, form, target.kind, &at);
    let reading = reading(context, form, target, &at)?;
    let words = form.map.iter().map(|(from, word)| (format!("map.\"{from}\""), word));
    let default = form.default.iter().map(|word| ("default".to_owned(), word));
    for (key, Word(text)) in words.chain(default) {
        let value = reading.value(text).ok().filter(|value| is_acceptable(target.kind, value));
        if !text.is_empty() && value.is_none() {
            context.unacceptable(&at.sub(&key), target.kind, text);
        }
    }
    let map: BTreeMap<String, String> = form.map.iter().map(|(from, Word(to))| (from.clone(), to.clone())).collect();
    let default = form.default.as_ref().map(|Word(text)| text.clone());
    let null = form.null.clone().unwrap_or_else(|| context.null.clone());
    Some(FieldPlan { path: target.path, column, lookup, map, default, null, reading })
}

/// Table and value of a field that is looked up.
fn lookup(context: &mut Context<'_>, form: &Field, at: &Place) -> Option<(usize, usize)> {
    let (name, value) = match (&form.lookup, &form.value) {
        (None, None) => return None,
        (Some(name), Some(value)) => (name, value),
        _ => {
            context.wrong(at, "`lookup` names a table and `value` the column taken from it: both or neither");
            return None;
        }
    };
    let Some(table) = context.tables.iter().position(|t| t.name == *name) else {
        let near = near(name, context.tables.iter().map(|t| t.name.as_str()));
        context.wrong(&at.sub("lookup"), format!("no table `[lookup.{name}]`{near}"));
        return None;
    };
    let named = context.name_at(value, &at.sub("value"));
    let names = &mut context.tables.get_mut(table)?.names;
    let known = names.iter().skip(1).position(|n| n.column == *value);
    Some((
        table,
        known.unwrap_or_else(|| {
            names.push(named);
            names.len() - 2
        }),
    ))
}

/// A key that means nothing for this kind of field would be passed over in silence.
fn misplaced_keys(context: &mut Context<'_>, form: &Field, kind: Kind, at: &Place) {
    let is_number = matches!(kind, Kind::Int(..) | Kind::Money | Kind::MoneyPositive | Kind::Loss | Kind::Score);
    for (key, is_there, fits, what) in [
        ("clean", form.clean, kind == Kind::Token, "tokens"),
        ("prefix", form.prefix.is_some(), kind == Kind::Token, "tokens"),
        ("number", form.number.is_some(), is_number, "numbers"),
        ("format", form.format.is_some(), kind == Kind::Time, "times"),
        ("time_zone", form.time_zone.is_some(), kind == Kind::Time, "times"),
    ] {
        if is_there && !fits {
            context.wrong(&at.sub(key), format!("is for {what}; this field is {}", kind.expected()));
        }
    }
}

fn reading(context: &mut Context<'_>, form: &Field, target: Target, at: &Place) -> Option<Reading> {
    let prefix = form.prefix.clone().unwrap_or_default();
    context.prefix(&prefix, &at.sub("prefix"));
    let clean = form.clean.then(|| Hash::new(context.token_key.as_deref()));
    let is_fit = prefix.len() <= PREFIX_LEN_MAX;
    let token = TokenForm { prefix: if is_fit { prefix } else { String::new() }, clean };
    let number = match &form.number {
        Some(number) => context.number_form(number, &at.sub("number").key),
        None => context.number,
    };
    let zone = match &form.time_zone {
        Some(name) => context.zone(name, &at.sub("time_zone").key),
        None => context.zone,
    };
    match TimeForm::new(form.format.as_deref(), zone) {
        Ok(time) => Some(Reading { kind: target.kind, token, number, time }),
        Err(message) => {
            context.wrong(&at.sub("format"), message);
            None
        }
    }
}
