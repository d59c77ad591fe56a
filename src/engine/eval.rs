//! Expressions over the columns of one step: each evaluated once, window results turned into columns when first read.

use crate::accumulator::Cell;
use crate::intern::Interner;
use crate::plan::{ExprIdx, StreamPlan, ValueKind};
use crate::rows::{Places, YoungRows};
use arrow_array::builder::StringBuilder;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, PrimitiveArray, TimestampMicrosecondArray, UInt64Array,
    new_null_array,
};
use arrow_schema::DataType;
use std::fmt::Debug;
use std::sync::Arc;

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

/// The rows judged in one stage of a step, with the columns evaluated so far.
pub(crate) struct Evaluation<'a> {
    plan: &'a StreamPlan,
    rows: &'a [u64],
    places: Places,
    base: Vec<Option<ArrayRef>>,
    windows: Vec<Option<ArrayRef>>,
    exprs: Vec<Option<ArrayRef>>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(plan: &'a StreamPlan, rows: &'a [u64], young: &YoungRows) -> Self {
        let base = vec![None; plan.schema.fields().len()];
        Evaluation {
            plan,
            rows,
            places: young.places(rows),
            base,
            windows: vec![None; plan.windows.len()],
            exprs: vec![None; plan.exprs.len()],
        }
    }

    /// The value of an expression for every row.
    pub(crate) fn expr(&mut self, idx: ExprIdx, young: &YoungRows, texts: &Interner, faults: &mut u64) -> ArrayRef {
        if let Some(array) = &self.exprs[idx] {
            return array.clone();
        }
        let expr = self.plan.exprs[idx].clone();
        let columns: Vec<ArrayRef> = expr.columns().iter().map(|c| self.column(*c, young, texts)).collect();
        let array = evaluate(expr.as_ref(), &columns, self.rows.len(), faults);
        self.exprs[idx] = Some(array.clone());
        array
    }

    fn column(&mut self, idx: usize, young: &YoungRows, texts: &Interner) -> ArrayRef {
        if let Some(base) = self.base.get_mut(idx) {
            return base.get_or_insert_with(|| young.column(idx, &self.places)).clone();
        }
        let window = idx - self.base.len();
        let (plan, rows) = (self.plan, self.rows);
        self.windows[window]
            .get_or_insert_with(|| {
                let cells = rows.iter().map(|row| young.cell(*row, window));
                cells_to_array(cells, plan.windows[window], texts)
            })
            .clone()
    }

    /// The same stage for some of its rows only.
    pub(crate) fn take(
        &mut self,
        columns: &[usize],
        at: &arrow_array::UInt32Array,
        young: &YoungRows,
        texts: &Interner,
    ) -> Vec<ArrayRef> {
        let pick = |c: &ArrayRef| arrow_select::take::take(c, at, None).expect("positions come from this batch");
        columns.iter().map(|c| pick(&self.column(*c, young, texts))).collect()
    }
}

fn cells_to_array(cells: impl Iterator<Item = Cell>, kind: ValueKind, texts: &Interner) -> ArrayRef {
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

pub(crate) fn downcast<T: 'static>(array: &ArrayRef) -> &T {
    array.as_any().downcast_ref::<T>().expect("the compiler checked the type of this expression")
}
