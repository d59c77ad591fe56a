//! Text to a syntax tree, with errors in our own words: what was expected, what was found, where.

use super::bounds;
use crate::problem::Problem;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

/// Parses a file that is within the bounds.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, Problem> {
    if text.len() > bounds::FILE_BYTES_MAX {
        let message = format!("the file is longer than {} bytes", bounds::FILE_BYTES_MAX);
        return Err(Problem::at((1, 1), message, "long lists of values belong into the data, not into a rule"));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| syntax_error(&e.to_string(), end_of(text)))?;
    bounds::check(&tokens)?;
    let parsed = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens).parse_statements();
    parsed
        .map_err(|e| match e {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => (text, ""),
            ParserError::RecursionLimitExceeded => ("expressions are nested too deep".into(), "write an inner SELECT"),
        })
        .map_err(|(message, hint)| {
            let mut problem = syntax_error(&message, end_of(text));
            if !hint.is_empty() {
                problem.hint = hint.into();
            }
            problem
        })
}

/// The end of the last line that holds anything.
fn end_of(text: &str) -> (u64, u64) {
    let text = text.trim_end();
    (text.lines().count().max(1) as u64, text.lines().last().map_or(1, |l| l.chars().count() as u64 + 1))
}

/// `Expected: X, found: Y at Line: L, Column: C`, or another text with or without the place.
fn syntax_error(text: &str, end: (u64, u64)) -> Problem {
    let (what, place) = match text.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, numbers(place)),
        None => (text, None),
    };
    let is_at_end = what.ends_with("found: EOF");
    let place = place.filter(|_| !is_at_end).unwrap_or(end);
    let parts = what.strip_prefix("Expected: ").and_then(|w| w.split_once(", found: "));
    let message = match parts {
        Some((expected, "EOF")) => format!("the file ends where {expected} is expected"),
        Some((expected, found)) => format!("expected {expected}, found `{found}`"),
        None => what.trim_start_matches("sql parser error: ").to_lowercase(),
    };
    Problem::at(place, message, "a rule is one SELECT as docs/rules.md shows it")
}

fn numbers(place: &str) -> Option<(u64, u64)> {
    let (line, column) = place.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, digits.parse().ok()?))
}
