//! Which rules can be shared by several processes, each of which has the keys of one partition.
//!
//! A rule spreads by its subject when every window of it is partitioned by the same, alone or with more: all events
//! that its windows hold then stand in the subject's partition. In the pack of a partition, every rule has one more
//! condition at its table or view, that the subject is of this partition.

use crate::header::Action;
use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use foreshock_core::Part;
use foreshock_core::partition::partition_of;
use std::sync::Arc;

/// Can several processes share a rule?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// By its subject, this expression over its table or view.
    By(String),
    /// No: the reason.
    No(&'static str),
}

impl Spread {
    /// From the subject and the partition keys of all windows, over the columns of the table or view.
    pub(crate) fn of(subject: &Expr, keys: &[Vec<Expr>], action: Action) -> Spread {
        if action == Action::Warn {
            // Warnings of all areas share one sequence of identifiers.
            return Spread::No("it warns the public");
        }
        if !keys.iter().all(|keys| keys.contains(subject)) {
            return Spread::No("a window is not partitioned by its subject");
        }
        Spread::By(subject.to_string())
    }
}

/// The condition that a subject is of a partition.
pub(crate) fn is_in(subject: &Expr, part: Part) -> Expr {
    let of = Expr::Literal(ScalarValue::Int64(Some(part.of.into())), None);
    let number = Expr::Literal(ScalarValue::Int64(Some(part.number.into())), None);
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Int64], Volatility::Immutable);
    ScalarUDF::from(PartitionOf { signature }).call(vec![subject.clone(), of]).eq(number)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PartitionOf {
    signature: Signature,
}

impl ScalarUDFImpl for PartitionOf {
    fn name(&self) -> &'static str {
        "partition_of"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let keys = args.args[0].to_array(args.number_rows)?;
        let of = match &args.args[1] {
            ColumnarValue::Scalar(ScalarValue::Int64(Some(of))) => u32::try_from(*of).unwrap_or(1),
            _ => return datafusion::common::internal_err!("the number of partitions is a literal"),
        };
        let keys = keys.as_string::<i32>();
        let numbers = keys.iter().map(|key| key.map(|key| i64::from(partition_of(key.as_bytes(), of))));
        Ok(ColumnarValue::Array(Arc::new(numbers.collect::<Int64Array>())))
    }
}
