//! One value of a log or of a window column, and columns of them.

use crate::expr::downcast;
use crate::intern::Interner;
use crate::plan::ValueKind;
use arrow_array::builder::StringBuilder;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, PrimitiveArray, TimestampMicrosecondArray, UInt64Array,
};
use std::sync::Arc;

/// One value of the log: NULL is `None`.
pub(crate) type Cell = Option<i64>;

pub(crate) fn cells_to_array(cells: impl Iterator<Item = Cell>, kind: ValueKind, texts: &Interner) -> ArrayRef {
    match kind {
        ValueKind::Int => Arc::new(cells.collect::<Int64Array>()),
        ValueKind::Time => Arc::new(cells.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        ValueKind::Bool => Arc::new(cells.map(|c| c.map(|v| v != 0)).collect::<BooleanArray>()),
        ValueKind::Unsigned => Arc::new(cells.map(|c| c.map(i64::cast_unsigned)).collect::<UInt64Array>()),
        ValueKind::Double => {
            let double = |v: i64| f64::from_bits(v.cast_unsigned());
            Arc::new(cells.map(|c| c.map(double)).collect::<Float64Array>())
        }
        ValueKind::Text => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                builder.append_option(cell.map(|id| texts.text(id).as_ref()));
            }
            Arc::new(builder.finish())
        }
    }
}

/// An argument column as plain integers; NULL where the array is NULL.
pub(crate) fn array_to_cells(
    array: &ArrayRef,
    kind: ValueKind,
    texts: &mut Interner,
    newest: i64,
) -> (Vec<i64>, Option<arrow_buffer::NullBuffer>) {
    let nulls = array.logical_nulls();
    let values = match kind {
        ValueKind::Int => downcast::<PrimitiveArray<Int64Type>>(array).values().to_vec(),
        ValueKind::Time => downcast::<TimestampMicrosecondArray>(array).values().to_vec(),
        ValueKind::Bool => {
            let bools = downcast::<BooleanArray>(array);
            (0..bools.len()).map(|i| i64::from(bools.value(i))).collect()
        }
        ValueKind::Unsigned => downcast::<UInt64Array>(array).values().iter().map(|v| v.cast_signed()).collect(),
        ValueKind::Double => {
            downcast::<Float64Array>(array).values().iter().map(|v| v.to_bits().cast_signed()).collect()
        }
        ValueKind::Text => texts.intern_all(downcast(array), newest),
    };
    (values, nulls)
}
