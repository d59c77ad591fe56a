//! Integer arithmetic that fails at overflow. DataFusion's `+`, `-` and `*` wrap silently; the analyser turns them into
//! these functions in every session, so that the live engine and the batch fault alike (contract section 9).

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// Turns BIGINT `+`, `-`, `*` into their checked twins.
#[derive(Debug)]
pub(crate) struct CheckArithmetic;

impl FunctionRewrite for CheckArithmetic {
    fn name(&self) -> &'static str {
        "check_arithmetic"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Ok(Transformed::no(expr)) };
        let name = match op {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_sub",
            Operator::Multiply => "checked_mul",
            _ => return Ok(Transformed::no(expr)),
        };
        // What has no type yet is refused by the analyser with its own words.
        let is_bigint = |e: &Expr| e.get_type(schema).is_ok_and(|t| t == DataType::Int64);
        if !is_bigint(left) || !is_bigint(right) {
            return Ok(Transformed::no(expr));
        }
        let signature = Signature::exact(vec![DataType::Int64; 2], Volatility::Immutable);
        let function = ScalarUDF::from(Checked { name, signature });
        Ok(Transformed::yes(function.call(vec![left.as_ref().clone(), right.as_ref().clone()])))
    }
}

/// Is it one of these functions? NULL comes only from NULL.
pub(crate) fn is_checked(name: &str) -> bool {
    matches!(name, "checked_add" | "checked_sub" | "checked_mul")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    signature: Signature,
}

impl Checked {
    fn kernel(&self) -> fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError> {
        match self.name {
            "checked_add" => add,
            "checked_sub" => sub,
            _ => mul,
        }
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
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("two arguments") };
        let result = self.kernel()(datum(left)?.as_ref(), datum(right)?.as_ref())?;
        match (left, right) {
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
            }
            _ => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn datum(value: &ColumnarValue) -> Result<Arc<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Arc::new(array.clone()),
        ColumnarValue::Scalar(scalar) => Arc::new(scalar.to_scalar()?),
    })
}
