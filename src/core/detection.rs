//! A detection: one rule's verdict on one event, with the values that explain it.

use std::fmt;

/// One value of a detection. Floats appear only as results (`avg`, `stddev`), never as money or time.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// BIGINT; money in minor units.
    Int(i64),
    /// TEXT.
    Text(String),
    /// BOOLEAN.
    Bool(bool),
    /// TIMESTAMPTZ in microseconds.
    Time(i64),
    /// A statistic.
    Double(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Text(v) => f.write_str(v),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Time(v) => f.write_str(&crate::time::format_rfc3339(*v)),
            Value::Double(v) => write!(f, "{v}"),
        }
    }
}

/// What a rule's SELECT returns for one event: a row of the net result.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The event that triggered it.
    pub event_id: String,
    /// Its event time, microseconds.
    pub event_time: i64,
    /// What the detection is about.
    pub subject: String,
    /// The other output columns, in the order of the SELECT.
    pub values: Vec<(String, Value)>,
}
