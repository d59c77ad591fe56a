//! DataFusion's functions of time that have no value for a time before 1677 or after 2262: NULL there, as arithmetic beyond
//! BIGINT ([`crate::checked`]), where DataFusion's own end the whole query.

use crate::checked::set_fault;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// The same call with NULL where it has no value.
pub(crate) fn guarded(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if !func.inner().is::<Guarded>() => {
            let func = Arc::new(ScalarUDF::from(Guarded { inner: func }));
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
        }
        other => Transformed::no(other),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn signature(&self) -> &Signature {
        self.inner.signature()
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type().clone();
        if let Ok(value) = self.inner.invoke_with_args(args.clone()) {
            return Ok(value);
        }
        // One bad row must not take the others with it.
        let mut rows = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            let mut one = args.clone();
            one.number_rows = 1;
            for arg in &mut one.args {
                if let ColumnarValue::Array(array) = arg {
                    *arg = ColumnarValue::Array(array.slice(row, 1));
                }
            }
            let value = self.inner.invoke_with_args(one).and_then(|value| value.into_array(1));
            rows.push(value.unwrap_or_else(|_| {
                set_fault();
                new_null_array(&data_type, 1)
            }));
        }
        let rows: Vec<_> = rows.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&rows)?))
    }
}
