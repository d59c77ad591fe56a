//! A stateless expression, and how one is evaluated although rows of it may be at fault.

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::DataType;
use std::fmt::Debug;

/// A stateless expression: columns in, one column out. The compiler implements it with DataFusion's expressions.
pub trait Expr: Debug + Send + Sync {
    /// The columns it reads, by number.
    fn columns(&self) -> &[usize];
    /// Type of the result.
    fn data_type(&self) -> DataType;
    /// Evaluates over columns given in the order of [`Expr::columns`].
    ///
    /// # Errors
    /// The text of a fault in the data, such as an overflow.
    fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, String>;
}

/// Evaluates an expression; rows at fault become NULL and are counted in `faults`.
pub(crate) fn evaluate(expr: &dyn Expr, columns: &[ArrayRef], rows: usize, faults: &mut u64) -> ArrayRef {
    if let Ok(array) = expr.evaluate(columns, rows) {
        return array;
    }
    // One bad row must not take the others with it.
    let one = |row: usize, faults: &mut u64| {
        let cut: Vec<ArrayRef> = columns.iter().map(|c| c.slice(row, 1)).collect();
        expr.evaluate(&cut, 1).unwrap_or_else(|_| {
            *faults += 1;
            new_null_array(&expr.data_type(), 1)
        })
    };
    let parts: Vec<ArrayRef> = (0..rows).map(|row| one(row, faults)).collect();
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    arrow_select::concat::concat(&parts).expect("parts of one expression have one type")
}

pub(crate) fn downcast<T: 'static>(array: &ArrayRef) -> &T {
    array.as_any().downcast_ref::<T>().expect("the compiler checked the type of this expression")
}
