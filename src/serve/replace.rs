//! `replace(text, from, to)` with a bound: DataFusion's own makes a text as long as its arguments say.

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Most bytes that one call makes of the rows it is given.
const BYTES_MAX: usize = 32 << 20;

/// An argument's texts. One that is the same for all rows is not written out for each.
pub enum Texts {
    /// For all rows.
    One(Option<String>),
    /// For each.
    Each(StringArray),
}

impl Texts {
    /// Of an argument.
    ///
    /// # Errors
    /// When it has no form as a text.
    pub fn of(argument: &ColumnarValue) -> Result<Texts> {
        Ok(match argument {
            ColumnarValue::Scalar(value) => {
                Texts::One(value.cast_to(&DataType::Utf8)?.try_as_str().flatten().map(str::to_owned))
            }
            ColumnarValue::Array(values) => Texts::Each(cast(values, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }

    /// Of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Texts::One(text) => text.as_deref(),
            Texts::Each(texts) => texts.is_valid(row).then(|| texts.value(row)),
        }
    }
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Replace(Signature);

impl Default for Replace {
    fn default() -> Replace {
        Replace(Signature::string(3, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Replace {
    fn name(&self) -> &str {
        "replace"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args.iter().map(Texts::of).collect::<Result<Vec<_>>>()?;
        let [texts, froms, tos] = texts.as_slice() else {
            return Err(DataFusionError::Plan("replace has three texts".into()));
        };
        let (mut made, mut bytes) = (Vec::with_capacity(args.number_rows), 0_usize);
        for row in 0..args.number_rows {
            let (Some(text), Some(from), Some(to)) = (texts.get(row), froms.get(row), tos.get(row)) else {
                made.push(None);
                continue;
            };
            // PostgreSQL leaves a text as it is where nothing is looked for.
            let times = if from.is_empty() { 0 } else { text.matches(from).count() };
            bytes = bytes.saturating_add(text.len()).saturating_add(times.saturating_mul(to.len()));
            if bytes > BYTES_MAX {
                let message = format!("replace makes more than {} MB of texts", BYTES_MAX >> 20);
                return Err(DataFusionError::ResourcesExhausted(message));
            }
            made.push(Some(if times == 0 { text.to_owned() } else { text.replace(from, to) }));
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(made.into_iter().collect::<StringArray>())))
    }
}
