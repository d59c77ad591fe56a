//! What became of the rows of an import, in numbers.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that are events.
    pub events: u64,
    /// Rows that the mapping leaves out.
    pub left_out: u64,
    /// Rows refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Keys that a look-up table does not have, by table.
    pub missing: BTreeMap<String, u64>,
    /// Rows whose quoted fields run over several lines: many where few are expected tell of broken quotes.
    pub many_lines: u64,
}

impl Summary {
    /// Rows refused, of all codes.
    pub fn refused_count(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { events, left_out, refused, missing, many_lines } = self;
        write!(f, "{events} events, {left_out} rows left out by the mapping, {} refused", self.refused_count())?;
        if !refused.is_empty() {
            let counts: Vec<String> = refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
            write!(f, " ({})", counts.join(", "))?;
        }
        for (table, count) in missing {
            write!(f, "; {count} keys not in the look-up table {table}")?;
        }
        if *many_lines > 0 {
            write!(f, "; {many_lines} rows over several lines")?;
        }
        Ok(())
    }
}
