//! `replace(text, from, to)` with a bound: DataFusion's own makes a text as long as its arguments say.

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Most bytes that one call makes of the rows it is given.
const BYTES_MAX: usize = 32 << 20;

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
        let text = |at: usize| -> Result<_> { Ok(cast(&args.args[at].to_array(args.number_rows)?, &DataType::Utf8)?) };
        let (texts, froms, tos) = (text(0)?, text(1)?, text(2)?);
        let (texts, froms, tos) = (texts.as_string::<i32>(), froms.as_string::<i32>(), tos.as_string::<i32>());
        let (mut made, mut bytes) = (Vec::with_capacity(texts.len()), 0_usize);
        for row in 0..texts.len() {
            if texts.is_null(row) || froms.is_null(row) || tos.is_null(row) {
                made.push(None);
                continue;
            }
            let (text, from, to) = (texts.value(row), froms.value(row), tos.value(row));
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
