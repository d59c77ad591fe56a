//! A right record of each feed with every field, made from the column table.
#![allow(clippy::unwrap_used, dead_code)]

use foreshock_core::Feed;
use foreshock_core::schema::Check;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Fields that are no column of their own, with a right value.
const OTHERS: &[(Feed, &str, &str)] = &[
    (Feed::Transactions, "uetr", "1f0e6c1a-6c7e-4a2e-9f2e-0c8a7b1d2e3f"),
    (Feed::Transactions, "endToEndId", "E2E-1"),
    (Feed::Telecom, "seizureTime", "2026-03-02T09:59:00Z"),
    (Feed::Telecom, "answerTime", "2026-03-02T09:59:10Z"),
    (Feed::Complaints, "lossAmount", "1200.50"),
    (Feed::SuspiciousReports, "reason", "三笔相同金额"),
];

fn right_value(check: Check) -> Value {
    match check {
        Check::Time => json!("2026-03-02T10:00:00.25+08:00"),
        Check::Code(set, _) | Check::OpenCode(set, _) => json!(set[0]),
        Check::Currency => json!("CNY"),
        Check::Money | Check::MoneyPositive => json!("12.50"),
        Check::Int(min, max) => json!(max.min(min + 42)),
        Check::Bool => json!(true),
        Check::Permille => json!(0.8769),
        Check::Place => json!("CS-01"),
        Check::Token | Check::EventId | Check::Reporter | Check::Derived => json!("token-1"),
    }
}

/// A right record with every field of its feed.
pub fn whole_record(feed: Feed) -> Value {
    let mut record = json!({ "reporter": "bank-1", "reportAction": "NEWF" });
    put(&mut record, feed.id_field(), Some(json!("record-1")));
    for column in feed.columns().iter().filter(|c| !c.path.is_empty()) {
        put(&mut record, column.path, Some(right_value(column.check)));
    }
    for (_, path, value) in OTHERS.iter().filter(|(f, ..)| *f == feed) {
        put(&mut record, path, Some(json!(value)));
    }
    record
}

/// Every field of a feed, and every object and array around one.
pub fn paths(feed: Feed) -> BTreeSet<String> {
    let columns = feed.columns().iter().map(|c| c.path).filter(|path| !path.is_empty());
    let others = OTHERS.iter().filter(|(f, ..)| *f == feed).map(|(_, path, _)| *path);
    let mut all = BTreeSet::new();
    for path in columns.chain(others).chain([feed.id_field(), "reporter", "reportAction"]) {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        all.extend(ends.map(|end| path[..end].to_owned()));
    }
    all
}

/// Puts a value at a path, making what is around it; `None` takes it away.
pub fn put(record: &mut Value, path: &str, value: Option<Value>) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if let (Ok(idx), false) = (first.parse::<usize>(), record.is_object()) {
        if record.is_null() {
            *record = json!([null]);
        }
        match (rest.is_empty(), value) {
            (false, value) => put(&mut record[idx], rest, value),
            (true, Some(value)) => record[idx] = value,
            (true, None) => drop(record.as_array_mut().unwrap().remove(idx)),
        }
        return;
    }
    match (rest.is_empty(), value) {
        (false, value) => put(&mut record[first], rest, value),
        (true, Some(value)) => record[first] = value,
        (true, None) => drop(record.as_object_mut().unwrap().remove(first)),
    }
}
