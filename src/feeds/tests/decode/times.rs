//! One rule for every time from outside, and what hangs on one.

use crate::{call, cell, decoded, payment, refused};
use foreshock_core::time::parse_rfc3339;
use foreshock_feeds::Cell;

/// Texts that are no time of an event, with the code of their refusal.
const WRONG: &[(&str, &str)] = &[
    ("2016-12-31T23:59:60Z", "time_leap_second"),
    ("2017-01-01T07:59:60+08:00", "time_leap_second"),
    ("0000-01-01T00:00:00+01:00", "time_range"),
    ("0000-06-01T00:00:00Z", "time_range"),
    ("0001-01-01T00:00:00Z", "time_range"),
    ("1969-12-31T23:59:59.999999Z", "time_range"),
    ("2200-01-01T00:00:00Z", "time_range"),
    ("9999-12-31T23:59:59-01:00", "time_range"),
    ("-001-12-31T23:00:00Z", "time_invalid"),
    ("10000-01-01T00:00:00Z", "time_invalid"),
    ("+010000-01-01T00:00:00Z", "time_invalid"),
    ("2026-03-02T10:00:00", "time_invalid"),
    ("N/A", "time_invalid"),
    ("0", "time_invalid"),
    ("", "time_invalid"),
];

#[test]
fn nanoseconds_are_cut_to_microseconds() {
    let at = |time: &str| decoded(&payment("").replace("2026-03-02T10:00:00Z", time)).unwrap().time;
    assert_eq!(at("2026-03-01T10:00:00.123456789Z"), parse_rfc3339("2026-03-01T10:00:00.123456Z").unwrap());
    assert_eq!(at("2026-03-01T18:00:00.9999999999+08:00"), parse_rfc3339("2026-03-01T10:00:00.999999Z").unwrap());
}

#[test]
fn a_wrong_time_is_refused_with_its_true_reason_in_every_time_field() {
    for (time, code) in WRONG {
        let payment = payment("").replace("2026-03-02T10:00:00Z", time);
        assert_eq!(refused(&payment), (*code, "/creDtTm".into()), "{time}");
        for field in ["seizureTime", "answerTime"] {
            let call = call(&format!(",\"{field}\":\"{time}\""));
            assert_eq!(refused(&call), (*code, format!("/{field}")), "{time}");
        }
        // Also behind a right one, which the column would take.
        let call = call(&format!(",\"seizureTime\":\"2026-03-02T10:00:00Z\",\"answerTime\":\"{time}\""));
        assert_eq!(refused(&call), (*code, "/answerTime".into()), "{time}");
    }
    assert_eq!(refused(&call(",\"answerTime\":0")), ("field_type", "/answerTime".into()));
}

#[test]
fn a_call_is_answered_by_a_time_or_a_duration_and_by_nothing_else() {
    let answered = |more: &str| cell(&decoded(&call(more)).unwrap(), "answered");
    assert_eq!(answered(""), Cell::Bool(false));
    assert_eq!(answered(",\"answerTime\":null,\"callDuration\":0.0"), Cell::Bool(false));
    assert_eq!(answered(",\"callDuration\":4.2e1"), Cell::Bool(true));
    assert_eq!(answered(",\"answerTime\":\"2026-03-02T10:00:00Z\",\"callDuration\":0"), Cell::Bool(true));
    let sms = call(",\"answerTime\":\"2026-03-02T10:00:00Z\"").replace("MO_CALL", "MO_SMS");
    assert_eq!(cell(&decoded(&sms).unwrap(), "answered"), Cell::Null);
}

#[test]
fn what_a_column_passes_over_is_checked_all_the_same() {
    let uetr = ",\"uetr\":\"U-1\",\"endToEndId\":";
    assert_eq!(refused(&payment(&format!("{uetr}\"a b\""))), ("token_invalid", "/endToEndId".into()));
    assert_eq!(cell(&decoded(&payment(&format!("{uetr}\"E\""))).unwrap(), "payment_ref"), Cell::Text("U-1".into()));
    assert_eq!(refused(&call(",\"callingNumber\":7")), ("field_type", "/callingNumber".into()));
}
