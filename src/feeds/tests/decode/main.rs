//! Records from outside through the decoder's door.
#![allow(clippy::unwrap_used)]

mod currencies;
mod hostile;
mod numbers;
mod reporters;
#[path = "../support/mod.rs"]
mod support;
mod times;

use foreshock_core::Feed;
use foreshock_feeds::{Cell, Counts, Event, Record, Reject, decode};

/// A payment as short as it can be, with more fields.
fn payment(more: &str) -> String {
    format!(
        r#"{{"txId":"1","reporter":"bank-1","creDtTm":"2026-03-02T10:00:00Z","kind":"TRANSFER","amount":"12.50","currency":"CNY",
        "debtor":{{"accountToken":"A"}},"creditor":{{"accountToken":"B"}}{more}}}"#
    )
}

/// A call as short as it can be, with more fields.
fn call(more: &str) -> String {
    format!(
        r#"{{"recordId":"1","reporter":"c1","eventTime":"2026-03-02T10:00:01Z","recordType":"MO_CALL","servedMSISDN":"A"{more}}}"#
    )
}

fn decoded(json: &str) -> Result<Event, Reject> {
    decode(&Record { bytes: json.as_bytes(), ..Record::default() }, &mut Counts::default())
}

/// A column of an event.
fn cell(event: &Event, name: &str) -> Cell {
    event.cells[event.feed.columns().iter().position(|c| c.name == name).unwrap()].clone()
}

/// Code and pointer of a refusal.
fn refused(json: &str) -> (&'static str, String) {
    let reject = decoded(json).expect_err(json);
    (reject.code.code, reject.pointer)
}

#[test]
fn a_field_that_stands_twice_is_refused_and_an_unknown_one_is_counted() {
    assert_eq!(refused(&payment(r#","amount":"99999.00""#)), ("field_twice", "/amount".into()));
    assert_eq!(refused(&payment(r#","debtor":{"personToken":"P"}"#)), ("field_twice", "/debtor".into()));
    let mut counts = Counts::default();
    let text = payment(r#","nick":1e400,"nick":2,"device":{"deviceToken":"D"}"#);
    decode(&Record { bytes: text.as_bytes(), ..Record::default() }, &mut counts).unwrap();
    assert_eq!((counts.unknown_fields, counts.unknown_codes), (3, 0));
}

#[test]
fn a_value_where_an_object_must_stand_is_refused_and_null_is_absent() {
    assert_eq!(refused(&payment("").replace(r#"{"accountToken":"A"}"#, "\"A\"")), ("field_type", "/debtor".into()));
    assert_eq!(refused(&payment("").replace(r#"{"accountToken":"A"}"#, "null")).0, "field_missing");
    let event = decoded(&payment(r#","channel":null,"status":null,"bankScore":null"#)).unwrap();
    assert_eq!(cell(&event, "channel"), Cell::Text("OTHER".into()));
    assert_eq!(cell(&event, "status"), Cell::Text("ACSC".into()));
}

#[test]
fn a_record_of_the_expected_feed_may_carry_a_field_with_the_name_of_another_feeds_id() {
    let with_both = call(r#","txId":"T""#);
    let of = |feed| {
        let record = Record { bytes: with_both.as_bytes(), feed, ..Record::default() };
        decode(&record, &mut Counts::default()).map(|e| e.feed).map_err(|r| r.code.code)
    };
    assert_eq!(of(Some(Feed::Telecom)), Ok(Feed::Telecom));
    assert_eq!(of(Some(Feed::Complaints)), Err("feed_wrong"));
}

#[test]
fn a_name_may_be_written_with_escapes_and_nesting_has_no_end() {
    let escaped = payment("").replace("\"txId\"", "\"\\u0074xId\"").replace("\"A\"", "\"\\u0041\"");
    assert_eq!(decoded(&escaped), decoded(&payment("")));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(decoded(&payment(&format!(",\"nick\":{deep}"))).map(|e| e.event_id), Ok("tx:bank-1:1".into()));
    assert_eq!(refused(&payment(&format!(",\"deviceToken\":{deep}"))), ("field_type", "/deviceToken".into()));
    assert_eq!(refused(&payment(",\"deviceToken\":\"\\ud800\"")), ("json_invalid", "/deviceToken".into()));
}

#[test]
fn what_a_withdrawal_does_tell_must_be_right() {
    let bare = r#"{"txId":"1","reporter":"b","creDtTm":"2026-03-02T10:00:00Z","reportAction":"CLSE""#;
    assert!(decoded(&format!("{bare}}}")).is_ok());
    assert_eq!(refused(&format!("{bare},\"amount\":\"abc\"}}")), ("amount_invalid", "/amount".into()));
    assert_eq!(refused(&format!("{bare},\"bankScore\":7}}")), ("number_range", "/bankScore".into()));
}

#[test]
fn a_suspicious_report_needs_its_reason() {
    let report =
        r#"{"entity_reference":"1","reporter":"b","submission_date":"2026-03-02T10:00:00Z","report_code":"STR""#;
    assert_eq!(refused(&format!("{report}}}")), ("field_missing", "/reason".into()));
    assert!(decoded(&format!("{report},\"reason\":\"三笔\"}}")).is_ok());
}
