//! Who reports: the payload, else the source, else the topic; and who may.

use crate::payment;
use foreshock_feeds::{CODES, Counts, HEADER_POINTER, Record, Reporters, decode};
use std::collections::{BTreeMap, BTreeSet};

fn reporters() -> Reporters {
    let source = |uri: &str, id: &str| (uri.to_owned(), id.to_owned());
    Reporters {
        sources: BTreeMap::from([
            source("https://bank.example/pay", "bank-7"),
            source("urn:bank:8", "bank-8"),
            source("bank-old", "bank-new"),
        ]),
        allowed: Some(["bank-1", "bank-7", "bank-new", "bank-default"].map(str::to_owned).into()),
    }
}

/// Who reported it, or code and pointer of the refusal.
fn who(record: Record<'_>) -> Result<String, (&'static str, String)> {
    let event = decode(&record, &mut Counts::default()).map_err(|r| (r.code.code, r.pointer))?;
    Ok(event.event_id.split(':').nth(1).unwrap().to_owned())
}

fn nameless() -> String {
    payment("").replace(r#""reporter":"bank-1","#, "")
}

fn envelope(source: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"x","source":"{source}","type":"t","time":"2026-03-02T10:00:00Z","data":{data}}}"#
    )
}

#[test]
fn the_payload_names_the_reporter_before_the_source_and_the_source_before_the_topic() {
    let (named, nameless) = (payment(""), nameless());
    let record = |bytes, source| Record { bytes, source, default_reporter: Some("bank-default"), ..Record::default() };
    assert_eq!(who(record(named.as_bytes(), Some(b"bank-7"))), Ok("bank-1".into()));
    assert_eq!(who(record(named.as_bytes(), Some(b"https://bank.example/pay"))), Ok("bank-1".into()));
    assert_eq!(who(record(nameless.as_bytes(), Some(b"bank-7"))), Ok("bank-7".into()));
    assert_eq!(who(record(nameless.as_bytes(), None)), Ok("bank-default".into()));
    let no_default = Record { bytes: nameless.as_bytes(), ..Record::default() };
    assert_eq!(who(no_default), Err(("reporter_invalid", "/reporter".into())));
    let wrapped = envelope("//bank.example/pay", &named);
    assert_eq!(who(record(wrapped.as_bytes(), Some(b"bank-7"))), Ok("bank-1".into()));
}

#[test]
fn a_source_is_mapped_by_the_configuration_or_stands_for_itself_or_is_refused_where_it_stood() {
    let (nameless, reporters) = (nameless(), reporters());
    for (source, expected) in [
        ("https://bank.example/pay", Ok("bank-7")),
        ("bank-1", Ok("bank-1")),
        ("bank-old", Ok("bank-new")),
        ("/banks/7", Err("source_unknown")),
        ("https://bank.example/pay/", Err("source_unknown")),
        ("urn:bank:9", Err("source_unknown")),
        ("urn:bank:8", Err("reporter_not_allowed")),
        ("bank-2", Err("reporter_not_allowed")),
    ] {
        let expect = |pointer: &str| expected.map(str::to_owned).map_err(|code| (code, pointer.to_owned()));
        let wrapped = envelope(source, &nameless);
        let record = Record { bytes: wrapped.as_bytes(), reporters: Some(&reporters), ..Record::default() };
        assert_eq!(who(record), expect("/source"), "{source}");
        let header = Record { bytes: nameless.as_bytes(), source: Some(source.as_bytes()), ..record };
        assert_eq!(who(header), expect(HEADER_POINTER), "{source}");
    }
}

#[test]
fn a_reporter_whom_the_topic_may_not_carry_is_refused_wherever_it_is_named() {
    let (reporters, foreign) = (reporters(), payment("").replace("bank-1", "bank-2"));
    let record = Record { bytes: foreign.as_bytes(), reporters: Some(&reporters), ..Record::default() };
    assert_eq!(who(record), Err(("reporter_not_allowed", "/reporter".into())));
    // Nor may its facts be withdrawn here.
    let close = r#"{"txId":"1","reporter":"bank-2","creDtTm":"2026-03-02T10:00:00Z","reportAction":"CLSE"}"#;
    let record = Record { bytes: close.as_bytes(), ..record };
    assert_eq!(who(record), Err(("reporter_not_allowed", "/reporter".into())));
    let nobody = Reporters { allowed: Some(BTreeSet::new()), ..Reporters::default() };
    let good = payment("");
    let record = Record { bytes: good.as_bytes(), reporters: Some(&nobody), ..Record::default() };
    assert_eq!(who(record).unwrap_err().0, "reporter_not_allowed");
    assert_eq!(who(Record { reporters: None, ..record }), Ok("bank-1".into()));
}

#[test]
fn a_source_header_that_cannot_be_read_is_not_passed_over() {
    let (named, nameless) = (payment(""), nameless());
    for header in [b"".as_slice(), b"\xff\xfe", b"bank-\xc3"] {
        for bytes in [named.as_bytes(), nameless.as_bytes()] {
            let record =
                Record { bytes, source: Some(header), default_reporter: Some("bank-default"), ..Record::default() };
            assert_eq!(who(record), Err(("envelope_invalid", HEADER_POINTER.into())), "{header:?}");
        }
    }
}

#[test]
fn a_reporter_of_the_wrong_shape_is_refused_and_not_replaced_by_the_default() {
    for (reporter, code) in
        [("7", "field_type"), ("{}", "field_type"), ("\"\"", "reporter_invalid"), ("\"a:b\"", "reporter_invalid")]
    {
        let wrong = payment("").replace("\"bank-1\"", reporter);
        let record = Record {
            bytes: wrong.as_bytes(),
            source: Some(b"bank-7"),
            default_reporter: Some("b"),
            ..Record::default()
        };
        assert_eq!(who(record), Err((code, "/reporter".into())), "{reporter}");
    }
}

#[test]
fn the_content_of_an_envelope_may_be_base64() {
    // {"txId":"1","reporter":"b","creDtTm":"2026-03-02T10:00:00Z","reportAction":"CLSE"}
    const CLOSE: &str = "eyJ0eElkIjoiMSIsInJlcG9ydGVyIjoiYiIsImNyZUR0VG0iOiIyMDI2LTAzLTAyVDEwOjAwOjAwWiIsInJlcG9ydEFjdGlvbiI6IkNMU0UifQ==";
    let of = |data: &str| {
        let text = format!(r#"{{"specversion":"1.0","id":"x","source":"/b","type":"t",{data}}}"#);
        who(Record { bytes: text.as_bytes(), ..Record::default() })
    };
    let coded = |text: &str| of(&format!("\"data_base64\":\"{text}\""));
    assert_eq!(coded(CLOSE), Ok("b".into()));
    assert_eq!(coded("e30="), Err(("feed_unknown", String::new())));
    assert_eq!(coded("WzFd"), Err(("json_not_object", "/data_base64".into())));
    assert_eq!(coded("ew=="), Err(("json_invalid", "/data_base64".into())));
    assert_eq!(coded("/w=="), Err(("json_invalid", "/data_base64".into())));
    for wrong in ["e30", "e3 0=", "****", "e30=e30="] {
        assert_eq!(coded(wrong), Err(("envelope_invalid", "/data_base64".into())), "{wrong}");
    }
    assert_eq!(of(&format!("\"data\":{{}},\"data_base64\":\"{CLOSE}\"")).unwrap_err().1, "/data_base64");
    assert_eq!(of("\"data\":\"text\""), Err(("envelope_invalid", "/data".into())));
    assert_eq!(of("\"data\":[1]"), Err(("envelope_invalid", "/data".into())));
}

#[test]
fn an_envelope_without_one_of_its_parts_is_refused_at_that_part() {
    let whole = envelope("bank-7", &payment(""));
    assert!(who(Record { bytes: whole.as_bytes(), ..Record::default() }).is_ok());
    for (part, pointer) in
        [("\"id\":\"x\",", "/id"), ("\"source\":\"bank-7\",", "/source"), ("\"type\":\"t\",", "/type")]
    {
        let cut = whole.replace(part, "");
        let record = Record { bytes: cut.as_bytes(), ..Record::default() };
        assert_eq!(who(record), Err(("envelope_invalid", pointer.into())));
    }
    let other = whole.replace("\"1.0\"", "\"0.3\"");
    let record = Record { bytes: other.as_bytes(), ..Record::default() };
    assert_eq!(who(record), Err(("envelope_invalid", "/specversion".into())));
}

#[test]
fn a_name_that_is_no_institution_id_is_found_in_the_configuration() {
    assert_eq!((reporters().fault(None), reporters().fault(Some("bank-default"))), (None, None));
    assert!(reporters().fault(Some("bank-2")).unwrap().contains("default reporter `bank-2`"));
    assert!(Reporters::default().fault(Some("a b")).unwrap().contains("`a b`"));
    let mut wrong = reporters();
    wrong.sources.insert("/x".into(), "a:b".into());
    assert!(wrong.fault(None).unwrap().contains("`a:b`"));
    let wrong = Reporters { allowed: Some(BTreeSet::from(["银行".to_owned()])), ..Reporters::default() };
    assert!(wrong.fault(None).unwrap().contains("`银行`"));
}

#[test]
fn the_new_refusals_are_among_the_codes() {
    for code in
        ["reporter_not_allowed", "source_unknown", "field_twice", "number_invalid", "time_range", "time_leap_second"]
    {
        assert!(CODES.iter().any(|c| c.code == code), "{code}");
    }
}
