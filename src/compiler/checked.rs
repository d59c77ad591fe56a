//! Integer arithmetic that has no value for some numbers: beyond BIGINT, or a division by 0. DataFusion's own wraps
//! silently or ends the whole query; the analyser turns it into these functions in every session. Where there is no value
//! the row's is NULL, in the batch as live; live it is counted besides ([`crate::expr`]).

use crate::guarded::guarded;
use datafusion::arrow::array::{ArrayRef, AsArray, Datum, Int64Array};
use datafusion::arrow::compute::kernels::numeric::{add, div, mul, rem, sub};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, cast,
};
use datafusion::scalar::ScalarValue;
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

thread_local! {
    /// Was a value missing since this was last asked? Evaluation stays on one thread.
    static FAULT: Cell<bool> = const { Cell::new(false) };
}

/// A value is missing.
pub(crate) fn set_fault() {
    FAULT.set(true);
}

/// Was a value missing in this thread since the last call?
pub(crate) fn take_fault() -> bool {
    FAULT.replace(false)
}

/// Turns BIGINT `+`, `-`, `*`, `/`, `%`, `abs` and the sign into their checked twins.
#[derive(Debug)]
pub(crate) struct CheckArithmetic;

impl FunctionRewrite for CheckArithmetic {
    fn name(&self) -> &'static str {
        "check_arithmetic"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (name, arguments): (_, Vec<&Expr>) = match &expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::Plus => ("checked_add", vec![left, right]),
                Operator::Minus => ("checked_sub", vec![left, right]),
                Operator::Multiply => ("checked_mul", vec![left, right]),
                Operator::Divide => ("checked_div", vec![left, right]),
                Operator::Modulo => ("checked_rem", vec![left, right]),
                _ => return Ok(Transformed::no(expr)),
            },
            Expr::Negative(inner) => ("checked_neg", vec![inner]),
            Expr::ScalarFunction(call) if matches!(call.name(), "date_part" | "date_trunc") => {
                return Ok(guarded(expr));
            }
            Expr::ScalarFunction(call) if call.name() == "abs" => ("checked_abs", call.args.iter().collect()),
            _ => return Ok(Transformed::no(expr)),
        };
        // What has no type yet is refused by the analyser with its own words.
        let mut exact = Vec::new();
        for argument in arguments {
            match type_of(argument, schema) {
                Ok(DataType::Int64) => exact.push(argument.clone()),
                // Hours of a time, lengths of a text: fewer bits, so this cast always has a value.
                Ok(DataType::Int32) => exact.push(cast(argument.clone(), DataType::Int64)),
                _ => return Ok(Transformed::no(expr)),
            }
        }
        let signature = Signature::exact(vec![DataType::Int64; exact.len()], Volatility::Immutable);
        let digest = digest(name, &exact);
        Ok(Transformed::yes(ScalarUDF::from(Checked { name, signature, digest }).call(exact)))
    }
}

/// The type of an argument. Of one of these functions it is known without a look at all that is below it.
fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Checked>() => Ok(DataType::Int64),
        other => other.get_type(schema),
    }
}

/// Of a call with these arguments. One of these functions among them has its own already, so a long chain costs no more
/// at its end than at its beginning.
fn digest(name: &str, arguments: &[Expr]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    for argument in arguments {
        let inner = match argument {
            Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Checked>(),
            _ => None,
        };
        match inner {
            Some(inner) => inner.digest.hash(&mut hasher),
            None => argument.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Can it be NULL although its arguments are not? Only a division by a literal has a value for all numbers.
pub(crate) fn is_total(name: &str, arguments: &[Expr]) -> bool {
    let by = match arguments.last() {
        Some(Expr::Literal(ScalarValue::Int64(Some(n)), _)) => *n,
        _ => 0,
    };
    matches!(name, "checked_div" | "checked_rem") && by != 0 && by != -1
}

#[derive(Debug)]
struct Checked {
    name: &'static str,
    signature: Signature,
    /// Of the call as it was written.
    digest: u64,
}

// The name says what it computes; calls are equal when their arguments are, wherever they were written.
impl PartialEq for Checked {
    fn eq(&self, other: &Checked) -> bool {
        self.name == other.name
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError>;

impl Checked {
    /// All rows at once, or an error when one has no value.
    fn kernel(&self) -> Option<Kernel> {
        match self.name {
            "checked_add" => Some(add),
            "checked_sub" => Some(sub),
            "checked_mul" => Some(mul),
            "checked_div" => Some(div),
            "checked_rem" => Some(rem),
            _ => None,
        }
    }

    fn one(&self, a: i64, b: i64) -> Option<i64> {
        match self.name {
            "checked_add" => a.checked_add(b),
            "checked_sub" => a.checked_sub(b),
            "checked_mul" => a.checked_mul(b),
            "checked_div" => a.checked_div(b),
            "checked_rem" => (b != 0).then(|| a.wrapping_rem(b)),
            "checked_neg" => a.checked_neg(),
            _ => a.checked_abs(),
        }
    }

    fn row_by_row(&self, left: &Int64Array, right: &Int64Array) -> Int64Array {
        let pairs = left.iter().zip(right);
        let one = |(a, b): (Option<i64>, Option<i64>)| {
            let value = self.one(a?, b?);
            if value.is_none() {
                set_fault();
            }
            value
        };
        pairs.map(one).collect()
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }
    /// A short name, asked for at every level again and again: DataFusion's own writes each level's text anew, which takes
    /// cubic time and much stack. The columns of a rule keep their names, for these functions come in where names are
    /// given already.
    fn schema_name(&self, _: &[Expr]) -> Result<String> {
        Ok(format!("{}#{:x}", self.name, self.digest))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(left), Some(right)) = (args.args.first(), args.args.last()) else {
            return internal_err!("one or two arguments");
        };
        let at_once = self.kernel().and_then(|kernel| {
            let (left, right) = (datum(left).ok()?, datum(right).ok()?);
            kernel(left.as_ref(), right.as_ref()).ok()
        });
        let is_scalar = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let result = match at_once {
            Some(result) => result,
            None => {
                let rows = if is_scalar { 1 } else { args.number_rows };
                let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
                Arc::new(self.row_by_row(left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>()))
            }
        };
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn datum(value: &ColumnarValue) -> Result<Arc<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Arc::new(array.clone()),
        ColumnarValue::Scalar(scalar) => Arc::new(scalar.to_scalar()?),
    })
}
