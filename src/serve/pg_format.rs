//! `format('%s.%I', ..)` as PostgreSQL has it, and the number of a table by its name.

use crate::serve::replace::Texts;
use arrow::array::{Array, AsArray, Int32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Most bytes that one call makes.
const BYTES_MAX: usize = 32 << 20;

/// `format(form, ..)` with `%s`, `%I`, `%L` and `%%`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Format(Signature);

impl Default for Format {
    fn default() -> Format {
        Format(Signature::variadic_any(Volatility::Immutable))
    }
}

fn refused(message: &str) -> DataFusionError {
    DataFusionError::Plan(format!("format: {message}"))
}

/// A name, in quotes where it needs them.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn formatted<'a>(form: &str, mut values: impl Iterator<Item = Option<&'a str>>, max: usize) -> Result<String> {
    let (mut text, mut rest) = (String::new(), form.chars());
    while let Some(c) = rest.next() {
        if text.len() > max {
            return Err(DataFusionError::ResourcesExhausted("format makes too long texts".into()));
        }
        if c != '%' {
            text.push(c);
            continue;
        }
        let kind = rest.next().ok_or_else(|| refused("the form ends with %"))?;
        if kind == '%' {
            text.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| refused("there are too few values"))?;
        match (kind, value) {
            ('s', value) => text.push_str(value.unwrap_or_default()),
            ('I', Some(value)) => text.push_str(&quoted(value)),
            ('I', None) => return Err(refused("NULL is no name")),
            ('L', Some(value)) => {
                let _ = write!(text, "'{}'", value.replace('\'', "''"));
            }
            ('L', None) => text.push_str("NULL"),
            _ => return Err(refused("only %s, %I, %L and %% are known")),
        }
    }
    Ok(text)
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(Texts::of).collect::<Result<Vec<_>>>()?;
        let [forms, values @ ..] = columns.as_slice() else { return Err(refused("it has a form first")) };
        let (mut made, mut left) = (Vec::with_capacity(args.number_rows), BYTES_MAX);
        for row in 0..args.number_rows {
            let text =
                forms.get(row).map(|form| formatted(form, values.iter().map(|v| v.get(row)), left)).transpose()?;
            left = left.saturating_sub(text.as_ref().map_or(0, String::len));
            made.push(text);
        }
        Ok(ColumnarValue::Array(Arc::new(made.into_iter().collect::<StringArray>())))
    }
}

/// `to_regclass('public.transactions')`: the number of a table; no value where there is none.
#[derive(Debug)]
pub struct ToRegclass {
    signature: Signature,
    tables: Arc<BTreeMap<String, i32>>,
}

impl ToRegclass {
    /// Over tables by their names without a schema.
    pub fn new(tables: BTreeMap<String, i32>) -> ToRegclass {
        ToRegclass { signature: Signature::any(1, Volatility::Stable), tables: Arc::new(tables) }
    }
}

impl PartialEq for ToRegclass {
    fn eq(&self, other: &ToRegclass) -> bool {
        Arc::ptr_eq(&self.tables, &other.tables)
    }
}

impl Eq for ToRegclass {}

impl std::hash::Hash for ToRegclass {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl ScalarUDFImpl for ToRegclass {
    fn name(&self) -> &str {
        "to_regclass"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args[0].to_array(args.number_rows)?;
        if given.data_type().is_numeric() {
            // It is one already.
            return Ok(ColumnarValue::Array(cast(&given, &DataType::Int32)?));
        }
        let names = cast(&given, &DataType::Utf8)?;
        let number = |name: Option<&str>| {
            let name = name?.replace('"', "");
            self.tables.get(name.rsplit('.').next()?).copied()
        };
        let numbers: Int32Array = names.as_string::<i32>().iter().map(number).collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_form_takes_its_values_as_texts_names_and_literals() {
        let values = || ["a'b", "Weird\"Name", "plain_1"].map(Some).into_iter();
        assert_eq!(
            formatted("%L is %I or %I, 100%%", values(), 100).unwrap(),
            "'a''b' is \"Weird\"\"Name\" or plain_1, 100%"
        );
        assert_eq!(formatted("%s-%L", [None, None].into_iter(), 100).unwrap(), "-NULL");
        for wrong in ["%", "%d", "%s%s%s%s"] {
            assert!(formatted(wrong, values(), 100).is_err(), "{wrong}");
        }
        assert!(formatted("%s%s%s", values(), 8).is_err());
    }
}
