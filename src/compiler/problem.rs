//! What is wrong with a rule, where, and what to do.

use datafusion::common::Span;
use datafusion::error::DataFusionError;
use std::fmt;

/// One reason why a rule or view is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File.
    pub file: String,
    /// Line, from 1.
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

    pub(crate) fn in_file(mut self, file: &str) -> Self {
        file.clone_into(&mut self.file);
        self
    }

    /// From DataFusion's error: its span where it has one, else the place in its text, else `fallback`.
    pub(crate) fn from_datafusion(error: &DataFusionError, fallback: (u64, u64)) -> Self {
        let text = error.strip_backtrace();
        let first = text.lines().next().unwrap_or_default();
        let near = text.lines().find(|l| l.starts_with("Did you mean")).unwrap_or_default();
        if let Some(diagnostic) = error.diagnostic()
            && let Some(span) = diagnostic.span
        {
            let helps: Vec<&str> = diagnostic.notes.iter().map(|n| n.message.as_str()).collect();
            return Problem::at(start(span), diagnostic.message.clone(), helps.join("; "));
        }
        Problem::at(place_in_text(&text).unwrap_or(fallback), first, near)
    }
}

fn start(span: Span) -> (u64, u64) {
    (span.start.line, span.start.column)
}

/// The parser tells the place only in its text: `.. at Line: 2, Column: 17`.
fn place_in_text(text: &str) -> Option<(u64, u64)> {
    let rest = text.split("Line: ").nth(1)?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, column.parse().ok()?))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n    hint: {}", self.hint)?;
        }
        Ok(())
    }
}
