//! What is allowed and probably a slip.

use crate::codes::{impossible, is_never_true};
use crate::dialect::Checked;
use crate::header::{Header, line_of_param};
use crate::problem::Problem;
use crate::source::Source;
use crate::walk::Relation;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Unknown codes of one rule that are told at once.
const CODES_MAX: usize = 20;

/// Of one rule: conditions that never hold, and parameters that nothing reads.
pub(crate) fn of_rule(
    text: &str,
    header: &Header,
    checked: &Checked,
    source: &Source,
    relation: &Relation,
    conditions: &[Expr],
    columns: &DFSchema,
) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for name in header.params.keys().filter(|name| !checked.params.contains(name)) {
        let message = format!("parameter `{name}` is in the header and nowhere in the rule");
        let hint = "read it by param(..), or remove it: setting it changes nothing";
        warnings.push(Problem::at((line_of_param(text, name), 1), message, hint));
    }
    let mut told = BTreeSet::new();
    let all = relation.filters.iter().chain(conditions).chain(&relation.columns);
    for (column, value, meant) in all.flat_map(|e| impossible(e, &source.codes)) {
        if told.len() == CODES_MAX || !told.insert((column.clone(), value.clone())) {
            continue;
        }
        let hint = match meant {
            Some(code) => format!("did you mean `{code}`?"),
            None => "src/core/schema.rs lists the codes of each column".into(),
        };
        let message = format!("`{column}` is never `{value}`");
        warnings.push(Problem::at(checked.place_of_text(&value), message, hint));
    }
    if cannot_fire(relation, source, columns) {
        let message = "the rule cannot fire: its conditions never hold together";
        warnings.push(Problem::at(checked.select, message, "look at its WHERE, and at the values of its parameters"));
    }
    warnings
}

fn cannot_fire(relation: &Relation, source: &Source, columns: &DFSchema) -> bool {
    if relation.filters.iter().any(|f| is_never_true(f, &source.codes)) {
        return true;
    }
    let context = SimplifyContext::builder().with_schema(Arc::new(columns.clone())).build();
    let simplifier = ExprSimplifier::new(context);
    let simple = conjunction(relation.filters.clone()).map(|together| simplifier.simplify(together));
    let Some(Ok(simple)) = simple else { return false };
    // `x AND NULL` is no constant and never true.
    split_conjunction(&simple).into_iter().any(|condition| {
        let never = ScalarValue::Boolean(Some(false));
        matches!(condition, Expr::Literal(value, _) if value.is_null() || *value == never)
    })
}
