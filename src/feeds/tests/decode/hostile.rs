//! No text and no bytes make the decoder panic. `PROPTEST_CASES` asks for more than 256 of each.

use crate::support::{paths, put, whole_record};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use foreshock_core::time::{format_rfc3339, parse_event_time, parse_rfc3339};
use foreshock_core::{Column, Decimal, Feed, Type, ids, money};
use foreshock_feeds::{Columns, Counts, Event, Record, Reject, decode, decode_into, to_record_batch};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn any_feed() -> impl Strategy<Value = Feed> {
    (0..Feed::ALL.len()).prop_map(|idx| Feed::ALL[idx])
}

/// JSON values of every kind, and texts that look like what a field holds.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        any::<String>(),
        "[0-9.eE+-]{0,40}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:[0-9]{2})",
        "\\PC{0,70}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec(("[a-zA-Z0]{0,12}", inner), 0..4).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

/// The record as a row: the same as the event alone; a record that is refused adds none.
fn row(record: &Record<'_>, counts: &mut Counts) -> Result<RecordBatch, Reject> {
    let mut columns = BTreeMap::new();
    let fact =
        decode_into(record, counts, |feed| columns.entry(feed).or_insert_with(|| Columns::with_capacity(feed, 1)));
    assert_eq!(columns.len(), usize::from(fact.is_ok()));
    let fact = fact?;
    let (rows, actions) = columns.remove(&fact.feed).expect("its feed's").finish(schema(fact.feed));
    assert_eq!(actions, [fact.action]);
    Ok(rows)
}

fn alone(event: &Event) -> RecordBatch {
    to_record_batch(event.feed, schema(event.feed), std::slice::from_ref(event))
}

fn schema(feed: Feed) -> SchemaRef {
    let field = |column: &Column| {
        let ty = match column.ty {
            Type::Text => DataType::Utf8,
            Type::Bigint => DataType::Int64,
            Type::Boolean => DataType::Boolean,
            Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        Field::new(column.name, ty, column.nullable)
    };
    Arc::new(Schema::new(feed.columns().iter().map(field).collect::<Vec<_>>()))
}

/// Decodes as each kind of sender might have sent it.
fn decode_all_ways(bytes: &[u8], source: &[u8]) {
    for feed in Feed::ALL.into_iter().map(Some).chain([None]) {
        let record = Record { bytes, feed, source: Some(source), record_time: Some(0), ..Record::default() };
        for record in [record, Record { source: None, record_time: None, ..record }] {
            let (mut counts, mut counts_of_row) = (Counts::default(), Counts::default());
            let event = decode(&record, &mut counts);
            assert_eq!(row(&record, &mut counts_of_row), event.as_ref().map(alone).map_err(Clone::clone));
            assert_eq!(counts, counts_of_row);
            if let Ok(event) = event {
                assert_eq!(event.cells.len(), event.feed.columns().len());
                assert_eq!(parse_rfc3339(&format_rfc3339(event.time)), Some(event.time));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), source in prop::collection::vec(any::<u8>(), 0..20)) {
        decode_all_ways(&bytes, &source);
    }

    #[test]
    fn no_field_of_a_right_record_makes_it_panic(feed in any_feed(), at in any::<prop::sample::Index>(), value in any_value()) {
        let paths: Vec<_> = paths(feed).into_iter().collect();
        let mut record = whole_record(feed);
        put(&mut record, &paths[at.index(paths.len())], Some(value));
        decode_all_ways(record.to_string().as_bytes(), b"");
    }

    #[test]
    fn no_byte_of_a_right_record_makes_it_panic(
        feed in any_feed(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), wrap in any::<bool>()
    ) {
        let mut text = whole_record(feed).to_string();
        if wrap {
            text = format!(r#"{{"specversion":"1.0","id":"x","source":"s","type":"t","data":{text}}}"#);
        }
        let mut bytes = text.into_bytes();
        let (at, cut) = (at.index(bytes.len()), cut.index(bytes.len()));
        bytes[at] = byte;
        decode_all_ways(&bytes, b"");
        decode_all_ways(&bytes[..cut], b"");
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![any::<String>(), "[0-9TtZz:.eE+ -]{0,40}"], digits in 0..4_u32) {
        if let Ok(us) = parse_event_time(&text) {
            prop_assert_eq!(parse_rfc3339(&text), Some(us));
        }
        if let Ok(minor) = money::parse_minor(&text, digits) {
            prop_assert_eq!(money::parse_minor(&money::format_minor(minor, digits), digits), Ok(minor));
        }
        let _ = (parse_rfc3339(&text), Decimal::parse(&text).map(|d| d.floor(digits)), money::minor_digits(&text));
        let _ = (ids::is_token(&text), ids::is_place(&text), ids::is_reporter(&text));
    }

    #[test]
    fn a_time_survives_printing_and_parsing(us in any::<i64>()) {
        prop_assert_eq!(parse_rfc3339(&format_rfc3339(us)), Some(us));
    }

    #[test]
    fn a_decimal_is_cut_where_its_digits_say(units in 0..1_000_000_i64, fraction in "[0-9]{0,30}", shift in -40..40_i64) {
        let digits = format!("{units}{fraction}");
        // The same number with its point moved and the exponent that moves it back.
        let point = usize::try_from(shift.rem_euclid(digits.len() as i64)).unwrap().max(1);
        let moved = if point < digits.len() { format!("{}.{}", &digits[..point], &digits[point..]) } else { digits.clone() };
        let exponent = format!("{units}").len() as i64 - point as i64;
        let text = format!("{moved}e{exponent}");
        let floor = Decimal::parse(&text).and_then(|d| d.floor(0)).map(|f| (f.value, f.is_exact));
        prop_assert_eq!(floor, Some((units, fraction.bytes().all(|c| c == b'0'))), "{}", text);
    }
}
