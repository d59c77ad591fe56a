//! Columns of an inner SELECT written out in the expressions that read them, within a bound: `a + a AS a`, forty times
//! inside each other, would be more than a machine holds.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::Expr;
use std::cell::Cell;

/// Most parts that the written-out expressions of one file have together.
const PARTS_MAX: usize = 200_000;
/// Most levels of one written-out expression.
const DEPTH_MAX: usize = 250;

/// What a file may still write out.
pub(crate) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(PARTS_MAX))
    }
}

/// Replaces each column of a node's input by the expression it stands for; aliases fall away.
pub(crate) fn substitute(
    expr: &Expr,
    schema: &DFSchema,
    columns: &[Expr],
    budget: &Budget,
) -> Result<Expr, &'static str> {
    let size = measure(expr, Some((schema, columns)));
    if size.depth > DEPTH_MAX || size.parts > budget.0.get() {
        return Err("the rule's expressions grow too large when the columns of inner SELECTs are written out");
    }
    budget.0.set(budget.0.get() - size.parts);
    let replaced = expr.clone().transform_up(|e| match e {
        Expr::Column(Column { .. }) => {
            let Expr::Column(column) = &e else { return Ok(Transformed::no(e)) };
            Ok(Transformed::yes(columns[schema.index_of_column(column)?].clone()))
        }
        Expr::Alias(alias) => Ok(Transformed::yes(*alias.expr)),
        other => Ok(Transformed::no(other)),
    });
    replaced.map(|t| t.data).map_err(|_| "an expression reads a column that is not there")
}

struct Size {
    parts: usize,
    depth: usize,
}

/// With the columns of an input, as if each were written out.
fn measure(expr: &Expr, input: Option<(&DFSchema, &[Expr])>) -> Size {
    if let (Expr::Column(column), Some((schema, columns))) = (expr, input)
        && let Some(written) = schema.maybe_index_of_column(column).and_then(|at| columns.get(at))
    {
        return measure(written, None);
    }
    let mut size = Size { parts: 1, depth: 0 };
    let _ = expr.apply_children(|child| {
        let inner = measure(child, input);
        size.parts = size.parts.saturating_add(inner.parts);
        size.depth = size.depth.max(inner.depth);
        Ok(TreeNodeRecursion::Continue)
    });
    size.depth += 1;
    size
}
