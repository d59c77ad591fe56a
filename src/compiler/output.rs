//! What a rule returns: the event, its subject, and values of types that are published.

use crate::casts::time_type;
use crate::currency::{fixed_currency, hint, reads_money};
use crate::dialect::Checked;
use crate::problem::Problem;
use crate::stream::{StreamBuilder, windows_read};
use crate::walk::{Relation, is_key};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, LogicalPlan};
use foreshock_engine::RulePlan;

/// The rule's part of its stream, and its subject over the columns of the table or view.
pub(crate) fn of(
    stream: &mut StreamBuilder,
    plan: &LogicalPlan,
    relation: &Relation,
    checked: &Checked,
) -> Result<(RulePlan, Expr), Problem> {
    check_types(plan, checked)?;
    let names: Vec<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
    let column = |name: &str| {
        let at = names.iter().position(|n| n == name);
        at.map(|i| (relation.columns[i].clone(), checked.place_of_output(i))).ok_or_else(|| {
            let message = format!("the rule returns no `{name}`");
            Problem::at(checked.select, message, "SELECT event_id, event_time, .. AS subject, ..")
        })
    };
    let (id, time, (subject, at)) = (column("event_id")?, column("event_time")?, column("subject")?);
    for ((expr, place), name) in [(&id, "event_id"), (&time, "event_time")] {
        if *expr != crate::expr::column(name) {
            return Err(Problem::at(*place, format!("`{name}` is computed"), "return the event's own"));
        }
    }
    if !windows_read(&subject).is_empty() {
        return Err(Problem::at(at, "`subject` reads a window result", "a subject is a column of the event"));
    }
    if !is_key(&subject, &relation.filters, stream) {
        return Err(Problem::at(at, "`subject` can be NULL", "add WHERE .. IS NOT NULL, or coalesce(..)"));
    }
    let compares_money = relation.filters.iter().any(|f| reads_money(f, &stream.source.money));
    if compares_money && fixed_currency(&relation.filters, &stream.source.currency).is_none() {
        let message = "amounts are compared without a currency";
        return Err(Problem::at(checked.select, message, hint(&stream.source)));
    }
    let head = [stream.expr(id.0), stream.expr(time.0), stream.expr(subject.clone())];
    let predicate = stream.predicate(&relation.filters);
    let fixed: Vec<_> = relation.filters.iter().filter(|f| windows_read(f).is_empty()).cloned().collect();
    let condition = stream.predicate(&fixed);
    let mut values = Vec::new();
    for (name, expr) in names.iter().zip(&relation.columns) {
        if !matches!(name.as_str(), "event_id" | "event_time" | "subject") {
            values.push((name.clone(), stream.expr(expr.clone())));
        }
    }
    let (id, version) = (String::new(), String::new());
    let plan = RulePlan { id, version, predicate, condition, head, values, is_final: false, longest_frame_us: 0 };
    Ok((plan, subject))
}

/// Only what a detection can say.
fn check_types(plan: &LogicalPlan, checked: &Checked) -> Result<(), Problem> {
    for (i, field) in plan.schema().fields().iter().enumerate() {
        let (name, data_type) = (field.name(), field.data_type());
        let place = checked.place_of_output(i);
        if name == "subject" && *data_type != DataType::Utf8 {
            let message = format!("`subject` is {data_type}, not TEXT");
            return Err(Problem::at(place, message, "CAST(.. AS TEXT) AS subject"));
        }
        let plain = [DataType::Utf8, DataType::Boolean, DataType::Int64, DataType::Float64, time_type()];
        // Hours of a time and numbers of rows are published as BIGINT.
        let whole = [DataType::Int32, DataType::UInt64];
        if !plain.contains(data_type) && !whole.contains(data_type) {
            let message = format!("the column `{name}` is of type {data_type}, which is not published");
            let hint = "TEXT, BIGINT, BOOLEAN, TIMESTAMPTZ or DOUBLE: CAST(.. AS TEXT), CAST(NULL AS TEXT)";
            return Err(Problem::at(place, message, hint));
        }
    }
    Ok(())
}
