//! YAML with errors in our own words: what was expected, what was found, where, and the name that was meant.

use crate::near::near;
use crate::problem::Problem;
use serde::de::DeserializeOwned;

/// Reads a text; places count from its own beginning.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
        let text = error.to_string();
        // `error: line 5 column 11: unknown variant ..`, then an excerpt.
        let first = text.lines().next().unwrap_or_default();
        let found = first.strip_prefix("error: line ").and_then(|rest| rest.split_once(": ")).map_or(first, |(_, f)| f);
        let (message, hint) = explain(found);
        Problem::at(at, message, hint)
    })
}

fn explain(found: &str) -> (String, String) {
    if let Some((name, known)) = unknown(found, "unknown field `") {
        return (format!("unknown key `{name}`"), meant(name, known));
    }
    if let Some((name, known)) = unknown(found, "unknown variant `") {
        return (format!("`{name}` is not known here"), meant(name, known));
    }
    if let Some(name) = found.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return (format!("the key `{name}` is missing"), String::new());
    }
    if let Some(name) = found.strip_prefix("duplicate mapping key: ") {
        let name = name.split(',').next().unwrap_or_default();
        return (format!("the key `{name}` stands twice"), "keep one of them".into());
    }
    let expected = match found {
        "expected mapping start" => "keys with values are expected here, as `{ default: 8 }`",
        "expected sequence start" => "a list is expected here, as `[a, b]`",
        "expected string scalar" => "a text is expected here",
        "invalid i64" | "invalid u64" | "invalid usize" => "a whole number is expected here",
        f if f.contains("untagged enum ParamValue") => "a whole number, true, false or a text is expected here",
        other => return (other.split(", set ").next().unwrap_or(other).to_owned(), "is this YAML?".into()),
    };
    (expected.into(), String::new())
}

fn unknown<'a>(found: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = found.strip_prefix(prefix)?.split_once('`')?;
    let known = rest.trim_start_matches(", expected one of ").trim_start_matches(", expected ");
    Some((name, known))
}

fn meant(name: &str, known: &str) -> String {
    let names = known.split([',', ' ', '`']).filter(|n| !n.is_empty() && *n != "or");
    match near(name, names) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("one of: {known}"),
    }
}
