//! Expressions over the columns of one step: each evaluated once, window results turned into columns when first read.

use crate::cell::cells_to_array;
use crate::expr::evaluate;
use crate::intern::Interner;
use crate::plan::{ExprIdx, StreamPlan};
use crate::rows::{Picked, YoungRows};
use arrow_array::ArrayRef;

/// The rows judged in one stage of a step, with the columns evaluated so far.
pub(crate) struct Evaluation<'a> {
    plan: &'a StreamPlan,
    rows: &'a [u64],
    picked: Picked,
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
            picked: young.pick(rows),
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
            return base.get_or_insert_with(|| young.column(idx, &self.picked)).clone();
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
