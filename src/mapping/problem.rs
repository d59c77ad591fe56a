//! What is wrong with a mapping or the files it names: where, under which key, what was expected.

use crate::limits::NAMES_SHOWN_MAX;
use std::fmt;

/// One reason why an import does not begin, or cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: u64,
    /// Key of the mapping, such as `fields.amount.column`; empty for none.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " `{}`:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Problem {}

/// All that is wrong: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, problem) in self.0.iter().enumerate() {
            let end = if idx == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

/// A problem of a whole file.
pub(crate) fn of_file(file: &str, message: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), line: 0, key: String::new(), message: message.into() }
}

/// `; did you mean ..` with the names that look like `name`, or all there are.
pub(crate) fn near<'a>(name: &str, there: impl IntoIterator<Item = &'a str>) -> String {
    let there: Vec<&str> = there.into_iter().filter(|t| !t.is_empty()).collect();
    let mut close: Vec<(usize, &str)> =
        there.iter().map(|t| (distance(name, t), *t)).filter(|(d, t)| *d <= t.chars().count().div_ceil(3)).collect();
    close.sort_unstable();
    let quoted = |names: &[&str]| names.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ");
    if !close.is_empty() {
        let names: Vec<&str> = close.iter().map(|(_, t)| *t).take(3).collect();
        return format!("; did you mean {}?", quoted(&names));
    }
    match there.get(..NAMES_SHOWN_MAX) {
        Some(first) if there.len() > NAMES_SHOWN_MAX => {
            format!("; there are {} and {} more", quoted(first), there.len() - NAMES_SHOWN_MAX)
        }
        _ if there.is_empty() => "; there is none".to_owned(),
        _ => format!("; there are {}", quoted(&there)),
    }
}

/// Longest part of a name that is shown, and compared: the distance costs the product of two lengths.
const COMPARED_MAX: usize = 64;

/// A name of a file may be long and have any sign in it.
fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(COMPARED_MAX).collect();
    format!("`{}`", shown.escape_debug())
}

/// Letters to change, add or take away, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).take(COMPARED_MAX).collect() };
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let (above, left, corner) = (row[j + 1], next[j], row[j]);
            next.push((above + 1).min(left + 1).min(corner + usize::from(x != y)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_its_neighbours_and_a_strange_one_gets_all() {
        let there = ["amount", "tx_id", "event_time"];
        assert_eq!(near("Amount ", there), "; did you mean `amount`?");
        assert_eq!(near("txid", there), "; did you mean `tx_id`?");
        assert_eq!(near("zzz", there), "; there are `amount`, `tx_id`, `event_time`");
        assert_eq!(near("zzz", []), "; there is none");
        let many: Vec<String> = (0..40).map(|i| format!("a-long-name-{i:02}")).collect();
        assert!(near("zzz", many.iter().map(String::as_str)).ends_with("and 10 more"));
    }
}
