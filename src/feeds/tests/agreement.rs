//! The JSON Schemas and the decoder give one verdict: a whole record of each feed, each of its fields changed to each of the
//! values below, under each kind of report. A field `specversion` would make the record an envelope, of which these are not the
//! schemas.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_core::Feed;
use foreshock_feeds::{Counts, Record, decode, json_schema};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use support::{paths, put, whole_record};

/// JSON texts that a field is changed to.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "42",
    "42.0",
    "4.2e1",
    "4.5",
    "-1",
    "1e5",
    "100001",
    "0.5",
    "1e-7",
    "1.0001",
    "1e300",
    "{}",
    "[]",
    "[null]",
    "[1]",
    "[\"A\"]",
    "[\"a b\"]",
    "[{}]",
    "[{\"amount_local\":\"1.00\"}]",
    "[{\"amount_local\":1}]",
    "[{\"amount_local\":null}, 7]",
    "{\"0\":\"A\"}",
    "{\"accountToken\":\"A\"}",
    "{\"accountToken\":null}",
    "{\"accountToken\":1}",
    "\"\"",
    "\" \"",
    "\"A\"",
    "\"a b\"",
    "\"é\"",
    "\"a:b\"",
    "\"A\\n\"",
    "\"\\u0041\"",
    "\"CS-01\"",
    "\"CS_01\"",
    "\"AAAAAAAAAAAAAAAA\"",
    "\"AAAAAAAAAAAAAAAAA\"",
    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    "\"CNY\"",
    "\"cny\"",
    "\"JPY\"",
    "\"KWD\"",
    "\"XCG\"",
    "\"ANG\"",
    "\"XTS\"",
    "\"XAU\"",
    "\"TRANSFER\"",
    "\"ACSC\"",
    "\"PDNG\"",
    "\"MO_CALL\"",
    "\"MT_SMS\"",
    "\"START\"",
    "\"OTHER\"",
    "\"PIGEON\"",
    "\"WEB\"",
    "\"NEWF\"",
    "\"UPDT\"",
    "\"REOP\"",
    "\"CLSE\"",
    "\"DUPL\"",
    "\"ATTEMPT\"",
    "\"attempt\"",
    "\"12.50\"",
    "\"12.5000\"",
    "\"-12.50\"",
    "\"12.505\"",
    "\"0012.5\"",
    "\"0\"",
    "\"0.00\"",
    "\"0.01\"",
    "\"-0\"",
    "\"1e3\"",
    "\"+1\"",
    "\"1.\"",
    "\".5\"",
    "\"12,5\"",
    "\"10000000000000.00\"",
    "\"10000000000000.01\"",
    "\"99999999999999999999999\"",
    "\"0.876; DROP\"",
    "\"0.1234 \"",
    "\"1\"",
    "\"1.0\"",
    "\"1.0009\"",
    "\"00.5\"",
    "\"1.000e-9\"",
    "\"2e0\"",
    "\"-1e-7\"",
    "\"1e\"",
    "\"2026-03-02T10:00:00Z\"",
    "\"2026-03-02t10:00:00.5z\"",
    "\"2026-03-02 10:00:00+08:00\"",
    "\"2026-03-02T10:00:00.123456789Z\"",
    "\"2026-03-02T10:00:00\"",
    "\"2026-03-02T10:00:00.Z\"",
    "\"2026-03-02T24:00:00Z\"",
    "\"2026-03-02T10:00:00+24:00\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"2026-02-29T00:00:00Z\"",
    "\"2024-02-29T00:00:00Z\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"2026-04-31T00:00:00Z\"",
    "\"2026-13-01T00:00:00Z\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"1970-01-01T00:00:00Z\"",
    "\"1970-01-01T00:00:00+08:00\"",
    "\"2199-12-31T23:59:59.999999Z\"",
    "\"2199-12-31T23:59:59-00:01\"",
    "\"2200-01-01T00:00:00Z\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"0001-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"10000-01-01T00:00:00Z\"",
    "\"-001-01-01T00:00:00Z\"",
    "\"N/A\"",
];

/// What JSON Schema accepts and the decoder refuses, because JSON Schema cannot say it: code, the values, why. Besides, most
/// validators read a number as a double, so what is beyond its digits (`1.0000000000000000001`) or its range (`1e400`) is not
/// among the values; nor can a schema see that a field stands twice.
const NOT_SAYABLE: &[(&str, &[&str], &str)] = &[
    (
        "amount_decimals",
        &[
            "\"12.505\"",
            "\"0.01\"",
            "\"12.50\"",
            "\"12.5000\"",
            "\"0012.5\"",
            "\"-12.50\"",
            "\"00.5\"",
            "\"1.0009\"",
            "\"JPY\"",
        ],
        "how many decimals an amount may have hangs on the currency, another field",
    ),
    (
        "amount_range",
        &["\"10000000000000.01\"", "\"99999999999999999999999\""],
        "a pattern cannot compare the number that a text is",
    ),
    ("number_range", &["\"1e3\"", "\"2e0\"", "\"-1e-7\""], "nor one with an exponent"),
    ("time_invalid", &["\"2026-02-29T00:00:00Z\""], "nor which years are leap years, in a pattern that one can read"),
    (
        "time_range",
        &["\"1970-01-01T00:00:00+08:00\"", "\"2199-12-31T23:59:59-00:01\""],
        "nor what an offset does to the first and the last day",
    ),
];

/// The record with a field changed to a JSON text, or without it.
fn changed(record: &Value, path: &str, value: Option<&str>) -> String {
    const MARK: &str = "@changed@";
    let mut record = record.clone();
    put(&mut record, path, value.map(|_| MARK.into()));
    record.to_string().replacen(&format!("\"{MARK}\""), value.unwrap_or_default(), 1)
}

/// The decoder's verdict: the code of its refusal.
fn verdict(feed: Feed, text: &str) -> Option<&'static str> {
    let record =
        Record { bytes: text.as_bytes(), feed: Some(feed), default_reporter: Some("bank-1"), ..Record::default() };
    decode(&record, &mut Counts::default()).err().map(|reject| reject.code.code)
}

#[test]
fn the_schema_and_the_decoder_give_each_changed_record_the_same_verdict() {
    let mut met = BTreeSet::new();
    let (mut accepted, mut refused) = (0, 0);
    for feed in Feed::ALL {
        let schema = jsonschema::validator_for(&json_schema(feed)).unwrap();
        for action in ["\"NEWF\"", "\"UPDT\"", "\"CLSE\""] {
            let mut record = whole_record(feed);
            put(&mut record, "reportAction", Some(serde_json::from_str(action).unwrap()));
            for path in paths(feed) {
                for value in VALUES.iter().copied().map(Some).chain([None]) {
                    let text = changed(&record, &path, value);
                    let code = verdict(feed, &text);
                    let says = schema.is_valid(&serde_json::from_str(&text).unwrap());
                    let value = value.unwrap_or("nothing");
                    let place = |(c, values, _): &(&str, &[&str], &str)| code == Some(*c) && values.contains(&value);
                    match NOT_SAYABLE.iter().position(place) {
                        Some(reason) if says => drop(met.insert(reason)),
                        _ => assert_eq!(says, code.is_none(), "{feed:?} {action} {path} {value}: {code:?}\n{text}"),
                    }
                    *if code.is_none() { &mut accepted } else { &mut refused } += 1;
                }
            }
        }
    }
    assert_eq!(met.len(), NOT_SAYABLE.len(), "each exception is needed");
    assert!(accepted > 5_000 && refused > 5_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_bare_withdrawal_is_valid_and_a_bare_update_is_not() {
    for feed in Feed::ALL {
        let schema = jsonschema::validator_for(&json_schema(feed)).unwrap();
        let whole = whole_record(feed);
        let time = feed.columns()[1].path;
        for (action, is_right) in [("CLSE", true), ("DUPL", true), ("UPDT", false), ("REOP", false), ("NEWF", false)] {
            let mut bare = serde_json::json!({ "reporter": "bank-1", "reportAction": action });
            for path in [feed.id_field(), time] {
                put(&mut bare, path, whole.get(path).cloned());
            }
            assert_eq!(schema.is_valid(&bare), is_right, "{feed:?} {action}");
            assert_eq!(verdict(feed, &bare.to_string()).is_none(), is_right, "{feed:?} {action}");
        }
    }
}

#[test]
fn the_properties_of_the_schema_are_the_fields_that_the_decoder_knows() {
    for feed in Feed::ALL {
        let mut counts = Counts::default();
        let mut record = whole_record(feed);
        let decode = |record: &Value, counts: &mut Counts| {
            let text = record.to_string();
            decode(&Record { bytes: text.as_bytes(), ..Record::default() }, counts).unwrap();
        };
        decode(&record, &mut counts);
        assert_eq!(counts.unknown_fields, 0, "{feed:?}");
        put(&mut record, "releaseTime", Some("N/A".into()));
        let path = match feed {
            Feed::Transactions => "debtor.nickname",
            Feed::Telecom => "causeForTerm",
            Feed::Complaints => "victim.nickname",
            Feed::SuspiciousReports => "subject.nickname",
        };
        put(&mut record, path, Some(7.into()));
        decode(&record, &mut counts);
        assert_eq!(counts.unknown_fields, 2, "{feed:?}");
    }
}

#[test]
fn the_committed_schemas_of_the_feeds_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    for feed in Feed::ALL {
        let committed = std::fs::read_to_string(folder.join(format!("{}.json", feed.topic()))).unwrap_or_default();
        let is_fresh = committed == format!("{:#}\n", json_schema(feed));
        assert!(is_fresh, "{} is stale: run `cargo run -- schemas`", feed.topic());
    }
}
