//! `sum` over BIGINT: NULL where the sum is beyond BIGINT, as live. DataFusion's own wraps.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sum {
    signature: Signature,
}

impl Sum {
    pub(crate) fn new() -> Self {
        Sum { signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }
    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(SumState { n: 0, sum: 0 }))
    }
}

#[derive(Debug)]
struct SumState {
    n: i128,
    sum: i128,
}

impl SumState {
    fn add(&mut self, values: &[ArrayRef], sign: i128) {
        for v in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.n += sign;
            self.sum += sign * i128::from(v);
        }
    }
}

impl Accumulator for SumState {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1);
        Ok(())
    }
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1);
        Ok(())
    }
    fn supports_retract_batch(&self) -> bool {
        true
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = i64::try_from(self.sum).ok().filter(|_| self.n > 0);
        Ok(ScalarValue::Int64(sum))
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("windows have no partial aggregation")
    }
    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("windows have no partial aggregation")
    }
}
