//! Which rows and which windows a rule can still need: a row that fails the part of a rule's predicate that reads no window
//! can never be its detection, so nobody asks for its window results.

use crate::expr::{downcast, evaluate};
use crate::plan::{ExprIdx, GroupPlan, StreamPlan};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use std::collections::BTreeMap;

/// Rules from this number on share a bit, which is set where the condition of one of them holds: the others then ask for windows that they
/// do not need, and find nothing more by them.
const LAST_BIT: usize = 63;

/// The bit of a rule.
pub(crate) fn bit(rule: usize) -> u64 {
    1 << rule.min(LAST_BIT)
}

/// Of each row of a batch: the rules that it can be a detection of, by bits.
pub(crate) fn candidates(plan: &StreamPlan, batch: &RecordBatch, faults: &mut u64) -> Vec<u64> {
    let mut always = 0;
    // By their conditions: rules of one pattern often share one, which is then asked once.
    let mut meant: BTreeMap<ExprIdx, u64> = BTreeMap::new();
    for (number, rule) in plan.rules.iter().enumerate() {
        *rule.condition.map_or(&mut always, |condition| meant.entry(condition).or_default()) |= bit(number);
    }
    let mut masks = vec![always; batch.num_rows()];
    for (condition, rules) in meant {
        let expr = plan.exprs[condition].as_ref();
        let columns: Vec<ArrayRef> = expr.columns().iter().map(|c| batch.column(*c).clone()).collect();
        let holds = evaluate(expr, &columns, batch.num_rows(), faults);
        let holds: &BooleanArray = downcast(&holds);
        for (_, mask) in masks.iter_mut().enumerate().filter(|(at, _)| holds.is_valid(*at) && holds.value(*at)) {
            *mask |= rules;
        }
    }
    masks
}

/// The rules that read results of a group's windows, by bits; `u64::MAX` when windows above read them, of any row.
pub(crate) fn readers(plan: &StreamPlan, group: &GroupPlan) -> u64 {
    let rules = reading_rules(plan, group);
    rules.map_or(u64::MAX, |rules| rules.into_iter().fold(0, |mask, number| mask | bit(number)))
}

/// The same by their numbers; `None` when windows above read them.
pub(crate) fn reading_rules(plan: &StreamPlan, group: &GroupPlan) -> Option<Vec<usize>> {
    let base = plan.schema.fields().len();
    let own: Vec<usize> = group.cursors.iter().flat_map(|c| &c.accumulators).map(|a| base + a.window).collect();
    let reads = |expr: &ExprIdx| plan.exprs[*expr].columns().iter().any(|c| own.contains(c));
    let inputs = |g: &GroupPlan| -> bool {
        let arguments = g.arguments.iter().map(|a| &a.0);
        arguments.chain(&g.filter).chain(&g.keys).chain(&g.filters).any(reads)
    };
    if plan.groups.iter().any(inputs) {
        return None;
    }
    let rules = plan.rules.iter().enumerate();
    let reading = rules.filter(|(_, r)| r.predicate.iter().chain(r.values.iter().map(|v| &v.1)).any(reads));
    Some(reading.map(|(number, _)| number).collect())
}

/// Of each window column: the rules that read it themselves, by bits. What only windows above read makes nobody judge a row.
pub(crate) fn window_readers(plan: &StreamPlan) -> Vec<u64> {
    let base = plan.schema.fields().len();
    let mut readers = vec![0; plan.windows.len()];
    for (number, rule) in plan.rules.iter().enumerate() {
        let values = rule.values.iter().map(|(_, expr)| expr);
        for expr in rule.predicate.iter().chain(&rule.head).chain(values) {
            let windows = plan.exprs[*expr].columns().iter().filter_map(|column| column.checked_sub(base));
            windows.for_each(|window| readers[window] |= bit(number));
        }
    }
    readers
}
