//! Fingerprints of window groups: what they compute as a hash, so that a state finds its group again when rules change.

use crate::source::Source;
use crate::stream::window_name;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction;
use foreshock_engine::{ExprIdx, GroupPlan};
use std::collections::HashMap;

fn hash(text: &str) -> u128 {
    let hash = blake3::hash(text.as_bytes());
    u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes"))
}

/// Of where a stream's rows come from.
pub(crate) fn of_source(source: &Source) -> u128 {
    hash(&format!("{}\n{}\n{}", source.name, source.sql.as_deref().unwrap_or_default(), source.schema))
}

/// Gives each group its own. Numbers of expressions and windows depend on the other rules, so they are not in it: an
/// expression counts by its text, a window that it reads by what it computes.
pub(crate) fn of_groups(groups: &mut [GroupPlan], exprs: &[Expr]) -> Result<()> {
    let mut windows = HashMap::new();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|at| groups[*at].level);
    for at in order {
        let group = &mut groups[at];
        let (of, computed) = descriptions(group, exprs, &windows)?;
        for (window, what) in &computed {
            windows.insert(window_name(*window), format!("#{:x}", hash(&format!("{of}\n{what}"))));
        }
        // How its entries are laid out counts too.
        let slots = format!("{:?} {:?} {:?}", group.arguments.len(), group.filters.len(), slots(group));
        let all: Vec<String> = [of, slots].into_iter().chain(computed.into_iter().map(|c| c.1)).collect();
        group.fingerprint = hash(&all.join("\n"));
    }
    Ok(())
}

fn slots(group: &GroupPlan) -> Vec<(Option<usize>, Option<usize>)> {
    group.cursors.iter().flat_map(|c| &c.accumulators).map(|a| (a.argument, a.filter)).collect()
}

/// Which rows a group takes in and how it splits them; what it computes, by window.
fn descriptions(
    group: &GroupPlan,
    exprs: &[Expr],
    windows: &HashMap<String, String>,
) -> Result<(String, Vec<(usize, String)>)> {
    let text = |expr: ExprIdx| text(&exprs[expr], windows);
    let mut of = format!("level {}", group.level);
    if let Some(filter) = group.filter {
        of += &format!("\nwhere {}", text(filter)?);
    }
    for key in &group.keys {
        of += &format!("\nby {}", text(*key)?);
    }
    let mut computed = Vec::new();
    for cursor in &group.cursors {
        for a in &cursor.accumulators {
            let argument = match a.argument.map(|slot| group.arguments[slot]) {
                Some((expr, kind)) => Some(format!("{kind:?} {}", text(expr)?)),
                None => None,
            };
            let filter = a.filter.map(|slot| text(group.filters[slot])).transpose()?;
            let what = format!("{:?} {:?} of {argument:?} where {filter:?}", cursor.frame, a.function);
            computed.push((a.window, what));
        }
    }
    Ok((of, computed))
}

/// Conditions joined by AND in one order: the order they have depends on the numbers of windows.
fn text(expr: &Expr, windows: &HashMap<String, String>) -> Result<String> {
    let renamed = expr.clone().transform(|e| match &e {
        Expr::Column(column) if windows.contains_key(&column.name) => {
            Ok(Transformed::yes(Expr::Column(Column::from_name(&windows[&column.name]))))
        }
        _ => Ok(Transformed::no(e)),
    })?;
    let mut conditions = split_conjunction(&renamed.data).into_iter().map(structure).collect::<Result<Vec<_>>>()?;
    conditions.sort_unstable();
    Ok(conditions.join("\nand "))
}

/// An expression with all its parts: as SQL, `(a OR b) AND c` and `a OR (b AND c)` may look the same.
fn structure(expr: &Expr) -> Result<String> {
    let mut text = String::new();
    write_structure(expr, &mut text)?;
    Ok(text)
}

/// Into one text: a text for each part, put together level by level, takes cubic time.
fn write_structure(expr: &Expr, text: &mut String) -> Result<()> {
    *text += &format!("{expr}[");
    let mut is_first = true;
    expr.apply_children(|part| {
        if !std::mem::replace(&mut is_first, false) {
            text.push_str("; ");
        }
        write_structure(part, text)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    text.push(']');
    Ok(())
}
