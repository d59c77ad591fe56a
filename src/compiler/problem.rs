//! What is wrong with a rule, where, and what to do.

use crate::near::near;
use datafusion::common::Span;
use datafusion::error::DataFusionError;
use std::fmt;

/// One reason why a rule or view is refused, or one to look at it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, or `settings` for what configuration or the command line says.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    pub(crate) fn at(place: (u64, u64), message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem { file: String::new(), line: place.0, column: place.1, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn of_settings(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem::at((0, 0), message, hint).in_file("settings")
    }

    pub(crate) fn in_file(mut self, file: &str) -> Self {
        if self.file.is_empty() {
            file.clone_into(&mut self.file);
        }
        self
    }

    /// Does DataFusion say where?
    pub(crate) fn has_place(error: &DataFusionError) -> bool {
        error.diagnostic().is_some_and(|d| d.span.is_some())
    }

    /// From DataFusion's error: its span where it has one, else `fallback`. Its advice is left out: it knows neither the
    /// dialect nor who reads it.
    pub(crate) fn from_datafusion(error: &DataFusionError, fallback: (u64, u64)) -> Self {
        if let Some(diagnostic) = error.diagnostic()
            && let Some(span) = diagnostic.span
        {
            let names: Vec<&str> = diagnostic.notes.iter().filter_map(|n| name_in_note(&n.message)).collect();
            // It lists them in no order that helps.
            let wrong = quoted(&diagnostic.message);
            let hint = match near(wrong, names.iter().copied()).or(names.first().copied()) {
                None => "docs/rules.md lists tables, views, columns and functions".to_owned(),
                Some(name) => format!("did you mean `{name}`?"),
            };
            return Problem::at(start(span), in_our_words(&diagnostic.message), hint);
        }
        let text = error.strip_backtrace();
        Problem::at(fallback, in_our_words(&text), "docs/rules.md lists what a rule may hold")
    }
}

fn start(span: Span) -> (u64, u64) {
    (span.start.line, span.start.column)
}

/// `possible column legs.account`: the name without its table.
/// The first name in quotes of either kind.
fn quoted(message: &str) -> &str {
    message.split(['\'', '`']).nth(1).unwrap_or_default()
}

fn name_in_note(note: &str) -> Option<&str> {
    let name = note.strip_prefix("possible ").and_then(|n| n.split_once(' '))?.1;
    Some(name.rsplit('.').next().unwrap_or(name))
}

/// Words that DataFusion puts around what it has to say.
const WRAPPING: &[&str] = &[
    "Error during planning: ",
    "Schema error: ",
    "Execution error: ",
    "Arrow error: ",
    "Cast error: ",
    "Parser error: ",
    "Internal error: ",
    "SQL error: ",
    "This feature is not implemented: ",
    "type_coercion",
    "apply_function_rewrites",
    "caused by",
];

/// Where what it says ends, and advice for its own developers or its own SQL begins.
const ADVICE: &[&str] = &[
    " This issue was likely caused by",
    " No function matches",
    "Did you mean",
    "Valid fields are",
    " You might need to",
    "Candidate functions",
    " Please ",
    " Consider ",
];

fn in_our_words(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut words = lines.map(|line| WRAPPING.iter().fold(line.to_owned(), |line, w| line.replace(w, "")));
    let mut message = words.find(|line| !line.trim().is_empty()).unwrap_or_else(|| "this cannot be planned".into());
    for advice in ADVICE {
        if let Some(at) = message.find(advice) {
            message.truncate(at);
        }
    }
    let message = reworded(message.trim().trim_end_matches('.'));
    if message.is_empty() { "this cannot be planned".into() } else { message }
}

/// What it says most often, as one would say it to an analyst.
const REWORDED: &[(&str, &str)] = &[
    ("Cannot infer common argument type for comparison operation ", "these types cannot be compared: "),
    ("Cannot infer common argument type for logical boolean operation ", "AND and OR join conditions: "),
    ("Cannot coerce arithmetic expression ", "these types cannot be computed with: "),
    ("Invalid input syntax for type interval: ", "no span of time: "),
    ("Cannot cast string ", "not of the type that is needed: "),
];

fn reworded(text: &str) -> String {
    // Of what a function takes it lists all that it tried.
    let of_function = ["to match any signature", "Failed to coerce arguments", " requires ", "user-defined coercion"];
    if of_function.iter().any(|words| text.contains(words))
        && let Some(name) = text.split(['\'', '`']).nth(1)
    {
        return format!("`{name}` does not take values of this type");
    }
    let found = REWORDED.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", text.strip_prefix(theirs)?)));
    let text =
        found.unwrap_or_else(|| text.to_owned()).replace("There isn't", "there is no").replace(" a common", " common");
    let text = text.replace(" to valid types", "");
    text.replace('\'', "`").chars().take(MESSAGE_MAX).collect()
}

/// Some of DataFusion's messages hold a whole plan.
const MESSAGE_MAX: usize = 300;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n    hint: {}", self.hint)?;
        }
        Ok(())
    }
}
