//! From judged rows to what is said about them: detections with their values, revisions, retractions.

use crate::eval::Evaluation;
use crate::expr::{downcast, evaluate};
use crate::plan::{RulePlan, StreamPlan};
use crate::published::Published;
use crate::rows::YoungRows;
use crate::shared::Shared;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use foreshock_core::{Detection, Value};

/// The output columns of a rule for the rows at `at`.
pub(crate) fn output(
    plan: &StreamPlan,
    rule: &RulePlan,
    evaluation: &mut Evaluation<'_>,
    at: &UInt32Array,
    young: &YoungRows,
    shared: &mut Shared<'_>,
) -> Vec<Detection> {
    let mut column = |idx: usize| {
        let expr = plan.exprs[idx].as_ref();
        let columns = evaluation.take(expr.columns(), at, young, shared.texts);
        evaluate(expr, &columns, at.len(), shared.faults)
    };
    let [event_id, event_time, subject] = rule.head.map(&mut column);
    let values: Vec<(&String, ArrayRef)> = rule.values.iter().map(|(name, idx)| (name, column(*idx))).collect();
    let (ids, times) = (downcast::<StringArray>(&event_id), downcast::<TimestampMicrosecondArray>(&event_time));
    let detection = |row: usize| Detection {
        event_id: ids.value(row).to_owned(),
        event_time: times.value(row),
        subject: value_at(&subject, row).to_string(),
        values: values.iter().map(|(name, array)| ((*name).clone(), value_at(array, row))).collect(),
    };
    (0..at.len()).map(detection).collect()
}

/// One value of a result column. Shared by the live engine and the batch, so that both say the same.
pub fn value_at(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => Value::Text(downcast::<StringArray>(array).value(row).to_owned()),
        DataType::Boolean => Value::Bool(downcast::<BooleanArray>(array).value(row)),
        DataType::Int64 => Value::Int(downcast::<Int64Array>(array).value(row)),
        DataType::Int32 => Value::Int(i64::from(downcast::<Int32Array>(array).value(row))),
        DataType::UInt64 => Value::Int(i64::try_from(downcast::<UInt64Array>(array).value(row)).unwrap_or(i64::MAX)),
        DataType::Float64 => Value::Double(downcast::<Float64Array>(array).value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Value::Time(downcast::<TimestampMicrosecondArray>(array).value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Value::Time(downcast::<TimestampNanosecondArray>(array).value(row).div_euclid(1_000))
        }
        other => Value::Text(format!("a value of type {other}")),
    }
}

/// Something to say: the revision and the detection.
pub(crate) type Said = (u32, Detection);

/// Takes back what was said about a row: its revision and what it was, when something is to be said.
pub(crate) fn retract(young: &mut YoungRows, key: (u64, u32)) -> Option<Said> {
    take_back(young.said_before(key)?)
}

fn take_back(published: &mut Published) -> Option<Said> {
    published.pending = None;
    let detection = published.said.take()?;
    Some((published.next_revision(&detection.subject), detection))
}

/// Keeps a detection until its row is final.
pub(crate) fn hold(young: &mut YoungRows, key: (u64, u32), cause: u64, detection: Detection) {
    let cause = young.event_id(cause).to_owned();
    young.said(key).pending = Some((detection, cause));
}

/// Says a detection when it is new or again true; a change of values alone waits until the row is final. Should a correction
/// have given the event another subject, then what was said of the one before is taken back: the first of the two.
pub(crate) fn publish(
    young: &mut YoungRows,
    key: (u64, u32),
    cause: u64,
    detection: Detection,
    is_incomplete: bool,
) -> (Option<Said>, Option<Said>) {
    let cause_id = young.event_id(cause).to_owned();
    let published = young.said(key);
    let is_other = published.said.as_ref().is_some_and(|said| said.subject != detection.subject);
    let taken_back = if is_other { take_back(published) } else { None };
    match &published.said {
        Some(said) if *said == detection && published.said_incomplete == is_incomplete => published.pending = None,
        Some(_) => published.pending = Some((detection, cause_id)),
        None => {
            published.said = Some(detection.clone());
            published.pending = None;
            published.said_incomplete = is_incomplete;
            return (taken_back, Some((published.next_revision(&detection.subject), detection)));
        }
    }
    (taken_back, None)
}
