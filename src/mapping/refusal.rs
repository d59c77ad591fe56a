//! Why a row is refused: a stable code, the field, the reason. Never a value of the row.

use std::fmt;

/// One row's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name.
    pub code: &'static str,
    /// JSON pointer of the field, empty for the whole row.
    pub pointer: String,
    /// Column of the CSV, empty for the whole row.
    pub column: String,
    /// What was expected.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn of_row(code: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { code, pointer: String::new(), column: String::new(), reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        if !self.column.is_empty() {
            write!(f, " (column `{}`)", self.column)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Stable names of reasons.
pub mod codes {
    /// A quote that does not close, or text after one that does.
    pub const QUOTE: &str = "csv_quote";
    /// More or fewer fields than the header.
    pub const FIELDS: &str = "csv_fields";
    /// A line beyond the bound.
    pub const TOO_LONG: &str = "csv_too_long";
    /// Bytes that are no text in the encoding, in a column that the mapping names.
    pub const DAMAGED: &str = "csv_damaged";
    /// Not a whole number.
    pub const INTEGER: &str = "import_integer";
    /// Not a number in the mapping's form.
    pub const NUMBER: &str = "import_number";
    /// Neither true nor false.
    pub const BOOLEAN: &str = "import_boolean";
    /// Not a time in the mapping's form.
    pub const TIME: &str = "import_time";
}
