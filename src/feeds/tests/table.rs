//! Batches of other writers as the columns of a feed.
#![allow(clippy::unwrap_used)]

mod support;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use foreshock_core::{Feed, Type};
use foreshock_feeds::table::{Taken, TypeProblem, feed_of, take};
use foreshock_feeds::{Counts, Record, decode, to_record_batch};
use std::sync::Arc;
use support::whole_record;

/// The feed's table as Arrow sees it.
fn schema(feed: Feed) -> SchemaRef {
    let ty = |ty| match ty {
        Type::Text => DataType::Utf8,
        Type::Bigint => DataType::Int64,
        Type::Boolean => DataType::Boolean,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    };
    Arc::new(Schema::new(feed.columns().iter().map(|c| Field::new(c.name, ty(c.ty), c.nullable)).collect::<Vec<_>>()))
}

/// A right batch of three rows, as our own writer makes it.
fn right(feed: Feed) -> RecordBatch {
    let text = whole_record(feed).to_string();
    let event = decode(&Record { bytes: text.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap();
    to_record_batch(feed, schema(feed), &[event.clone(), event.clone(), event])
}

/// The batch with another column in the place of one.
fn with(batch: &RecordBatch, name: &str, array: impl Array + 'static) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields[at] = Field::new(name, array.data_type().clone(), true);
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(array);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn take_payments(batch: &RecordBatch) -> Result<Taken, TypeProblem> {
    take(Feed::Transactions, schema(Feed::Transactions), batch)
}

/// What a column of payments becomes.
fn taken(name: &str, array: impl Array + 'static) -> ArrayRef {
    let taken = take_payments(&with(&right(Feed::Transactions), name, array)).unwrap();
    assert_eq!(taken.refused, [], "{name}");
    taken.batch.column_by_name(name).unwrap().clone()
}

/// Row, code and column of each refusal when a column of payments is another one.
fn refused(name: &str, array: impl Array + 'static) -> Vec<(usize, &'static str, &'static str)> {
    let taken = take_payments(&with(&right(Feed::Transactions), name, array)).unwrap();
    assert_eq!(taken.batch.num_rows() + taken.refused.len(), 3);
    taken.refused.iter().map(|r| (r.row, r.code.code, r.column)).collect()
}

/// The error when a column of payments is another one.
fn problem(name: &str, array: impl Array + 'static) -> String {
    take_payments(&with(&right(Feed::Transactions), name, array)).unwrap_err().to_string()
}

#[test]
fn what_our_own_writer_wrote_is_taken_as_it_is() {
    for feed in Feed::ALL {
        let batch = right(feed);
        assert_eq!(feed_of(&batch.schema()), Ok(feed));
        let taken = take(feed, schema(feed), &batch).unwrap();
        assert_eq!((taken.batch, taken.refused, taken.counts), (batch, vec![], Counts::default()));
    }
}

#[test]
fn a_type_that_has_no_exact_conversion_refuses_the_file_by_column_and_type() {
    let cents = Decimal128Array::from(vec![1299; 3]).with_precision_and_scale(18, 2).unwrap();
    assert_eq!(
        problem("amount", cents.clone()),
        "column `amount` is Decimal128(18, 2), not BIGINT in whole minor units"
    );
    assert!(problem("payer_balance_before", cents).starts_with("column `payer_balance_before` is Decimal128(18, 2)"));
    assert!(problem("amount", Float64Array::from(vec![12.99; 3])).contains("Float64, not BIGINT"));
    assert!(problem("amount", StringArray::from(vec!["12.99"; 3])).contains("Utf8, not BIGINT"));
    assert!(problem("payer_account_age_days", Float64Array::from(vec![1.0; 3])).contains("not BIGINT in whole days"));
    assert!(problem("event_time", Int64Array::from(vec![1_772_000_000; 3])).contains("Int64, not a TIMESTAMP"));
    assert!(problem("event_time", Date32Array::from(vec![20_000; 3])).contains("Date32, not a TIMESTAMP"));
    assert!(problem("event_time", StringArray::from(vec!["2026-03-02"; 3])).contains("Utf8, not a TIMESTAMP"));
    assert!(problem("first_time_payee", StringArray::from(vec!["maybe"; 3])).contains("Utf8, not BOOLEAN"));
    assert!(problem("first_time_payee", Int32Array::from(vec![1; 3])).contains("Int32, not BOOLEAN"));
    assert!(problem("payer_account", Float64Array::from(vec![1.0; 3])).contains("Float64, not TEXT"));
    let dictionary = DictionaryArray::new(Int32Array::from(vec![0; 3]), Arc::new(Float64Array::from(vec![1.5])));
    assert!(problem("amount", dictionary).contains("Dictionary(Int32, Float64), not BIGINT"));
}

#[test]
fn whole_numbers_of_any_width_are_taken_and_those_that_do_not_fit_refuse_their_row() {
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![1_299; 3]));
    let decimal = |scale| Decimal128Array::from(vec![1_299; 3]).with_precision_and_scale(38, scale).unwrap();
    assert_eq!(&taken("amount", decimal(0)), &expected);
    assert_eq!(&taken("amount", Int32Array::from(vec![1_299; 3])), &expected);
    assert_eq!(&taken("amount", UInt64Array::from(vec![1_299; 3])), &expected);
    let huge = UInt64Array::from(vec![u64::MAX, 1_299, 1_000_000_000_000_001]);
    assert_eq!(refused("amount", huge), [(0, "number_range", "amount"), (2, "amount_range", "amount")]);
    let wide = Decimal256Array::from_iter_values([i256::MAX, i256::from_i128(1), i256::MIN]);
    let wide = wide.with_precision_and_scale(76, 0).unwrap();
    assert_eq!(refused("amount", wide), [(0, "number_range", "amount"), (2, "number_range", "amount")]);
    let days = Int64Array::from(vec![100_000, 100_001, -1]);
    let column = "payer_account_age_days";
    assert_eq!(refused(column, days), [(1, "number_range", column), (2, "number_range", column)]);
}

#[test]
fn times_of_every_unit_are_the_same_moment() {
    const US: i64 = 1_772_445_600_000_000;
    let expected: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![US; 3]).with_timezone("UTC"));
    assert_eq!(&taken("event_time", TimestampSecondArray::from(vec![US / 1_000_000; 3])), &expected);
    assert_eq!(&taken("event_time", TimestampMillisecondArray::from(vec![US / 1_000; 3])), &expected);
    assert_eq!(&taken("event_time", TimestampMicrosecondArray::from(vec![US; 3])), &expected);
    // Digits beyond the microsecond are cut, as in a text.
    assert_eq!(&taken("event_time", TimestampNanosecondArray::from(vec![US * 1_000 + 999; 3])), &expected);
    let elsewhere = TimestampMillisecondArray::from(vec![US / 1_000; 3]).with_timezone("+08:00");
    assert_eq!(&taken("event_time", elsewhere), &expected);
}

#[test]
fn a_time_outside_the_span_refuses_its_row_and_never_wraps() {
    let seconds = TimestampSecondArray::from(vec![i64::MAX, 1_772_445_600, -1]);
    assert_eq!(refused("event_time", seconds), [(0, "time_range", "event_time"), (2, "time_range", "event_time")]);
    let micros = TimestampMicrosecondArray::from(vec![i64::MIN, 0, i64::MAX]);
    assert_eq!(refused("event_time", micros), [(0, "time_range", "event_time"), (2, "time_range", "event_time")]);
    let batch = right(Feed::Telecom);
    let starts = TimestampSecondArray::from(vec![Some(-62_135_596_800), None, Some(0)]);
    let taken = take(Feed::Telecom, schema(Feed::Telecom), &with(&batch, "started_at", starts)).unwrap();
    let refused: Vec<_> = taken.refused.iter().map(|r| (r.row, r.code.code, r.column)).collect();
    assert_eq!(refused, [(0, "time_range", "started_at")]);
}

#[test]
fn texts_of_every_layout_and_whole_numbers_are_texts() {
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["42"; 3]));
    assert_eq!(&taken("payer_account", LargeStringArray::from(vec!["42"; 3])), &expected);
    assert_eq!(&taken("payer_account", StringViewArray::from(vec!["42"; 3])), &expected);
    assert_eq!(&taken("payer_account", DictionaryArray::<Int32Type>::from_iter(["42"; 3])), &expected);
    assert_eq!(&taken("payer_account", Int32Array::from(vec![42; 3])), &expected);
    let nothing: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 3]));
    assert_eq!(&taken("payer_person", NullArray::new(3)), &nothing);
    let long = "x".repeat(100_000);
    let texts = LargeStringArray::from(vec![long.as_str(), "42", "汉字"]);
    assert_eq!(
        refused("payer_account", texts),
        [(0, "token_invalid", "payer_account"), (2, "token_invalid", "payer_account")]
    );
}

#[test]
fn each_value_is_checked_as_that_of_a_record_and_refuses_its_row_alone() {
    let texts = |texts: [&str; 3]| StringArray::from(texts.to_vec());
    assert_eq!(
        refused("amount", Int64Array::from(vec![-5, 0, 1])),
        [(0, "amount_range", "amount"), (1, "amount_range", "amount")]
    );
    assert_eq!(
        refused("currency", texts(["cny", "CNY", "XAU"])),
        [(0, "currency_unknown", "currency"), (2, "currency_unknown", "currency")]
    );
    assert_eq!(refused("payer_account", texts(["a b; x", "A", ""])).len(), 2);
    assert_eq!(
        refused("kind", texts(["TRANSFER", "GIFT", "OTHER"])),
        [(1, "code_unknown", "kind"), (2, "code_unknown", "kind")]
    );
    assert_eq!(refused("payer_district", texts(["cs-01", "CS-01", "汉"])).len(), 2);
    assert_eq!(refused("payment_ref", texts(["a b", "U-1", "E"])), [(0, "token_invalid", "payment_ref")]);
    assert_eq!(
        refused("bank_score_permille", Int64Array::from(vec![0, 1_000, 1_001])),
        [(2, "number_range", "bank_score_permille")]
    );
    let balance = Int64Array::from(vec![i64::MIN, -1, i64::MAX]);
    assert_eq!(refused("payer_balance_before", balance).len(), 2);
    let missing = StringArray::from(vec![Some("A"), None, Some("B")]);
    assert_eq!(refused("payer_account", missing), [(1, "field_missing", "payer_account")]);
    assert_eq!(refused("amount", NullArray::new(3)).len(), 3);
}

#[test]
fn the_event_id_is_that_of_its_own_row() {
    let ids = |ids: [&str; 3]| StringArray::from(ids.to_vec());
    let wrong = |row| (row, "event_id_invalid", "event_id");
    assert_eq!(
        refused("event_id", ids(["tx:bank-1:token-1", "tx:bank-2:token-1", "sar:bank-1:token-1"])),
        [wrong(1), wrong(2)]
    );
    assert_eq!(
        refused("event_id", ids(["tx:bank-1:token-2", "token-1", "tx:bank-1:"])),
        [wrong(0), wrong(1), wrong(2)]
    );
    assert_eq!(
        refused("reporter", ids(["bank-1", "bank-2", "a:b"])),
        [(1, "event_id_invalid", "event_id"), (2, "reporter_invalid", "reporter")]
    );
}

#[test]
fn null_stands_for_an_absent_field_and_an_unknown_code_becomes_other() {
    let channels = StringArray::from(vec![Some("PIGEON"), None, Some("WEB")]);
    let batch = with(&right(Feed::Transactions), "channel", channels);
    let taken = take_payments(&with(&batch, "status", NullArray::new(3))).unwrap();
    let texts = |name: &str| taken.batch.column_by_name(name).unwrap().clone();
    assert_eq!(&texts("channel"), &(Arc::new(StringArray::from(vec!["OTHER", "OTHER", "WEB"])) as ArrayRef));
    assert_eq!(&texts("status"), &(Arc::new(StringArray::from(vec!["ACSC"; 3])) as ArrayRef));
    assert_eq!((taken.refused.len(), taken.counts.unknown_codes), (0, 1));
}

#[test]
fn a_table_without_a_column_is_refused_with_that_columns_name() {
    let without = |batch: &RecordBatch, names: &[&str]| {
        let fields =
            batch.schema().fields().iter().filter(|f| !names.contains(&f.name().as_str())).cloned().collect::<Vec<_>>();
        Schema::new(fields)
    };
    let (payments, reports) = (right(Feed::Transactions), right(Feed::SuspiciousReports));
    let error = feed_of(&without(&payments, &["bank_score_permille"])).unwrap_err();
    assert_eq!(error, "it looks like `transactions`, but lacks `bank_score_permille`");
    let error = feed_of(&without(&reports, &["report_code", "indicator"])).unwrap_err();
    assert_eq!(error, "it looks like `suspicious_reports`, but lacks `report_code`, `indicator`");
    assert!(feed_of(&Schema::empty()).unwrap_err().contains("no column"));
    let mut fields: Vec<Field> = payments.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields[7] = Field::new("AMOUNT", DataType::Int64, true);
    assert!(
        feed_of(&Schema::new(fields.clone()))
            .unwrap_err()
            .ends_with("lacks `amount`; it has `AMOUNT`, and case matters")
    );
    fields[7] = Field::new("amount", DataType::Int64, true);
    fields.push(Field::new("amount", DataType::Int64, true));
    assert_eq!(feed_of(&Schema::new(fields)).unwrap_err(), "column `amount` stands twice");
}

#[test]
fn a_column_more_is_ignored_and_counted_and_no_row_is_no_error() {
    let mut fields: Vec<Field> = right(Feed::Complaints).schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut columns = right(Feed::Complaints).columns().to_vec();
    fields.push(Field::new("note", DataType::Boolean, true));
    columns.push(Arc::new(BooleanArray::from(vec![true; 3])));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    assert_eq!(feed_of(&batch.schema()), Ok(Feed::Complaints));
    for rows in [3, 0] {
        let taken = take(Feed::Complaints, schema(Feed::Complaints), &batch.slice(0, rows)).unwrap();
        assert_eq!((taken.batch.num_rows(), taken.counts.unknown_fields), (rows, 1));
    }
}

/// Arrays of three rows of many types, with the ends of their ranges.
fn arrays_of_any_type() -> Vec<ArrayRef> {
    let decimal =
        |scale| Decimal128Array::from(vec![i128::MAX / 10, 0, -1]).with_precision_and_scale(38, scale).unwrap();
    let keys = Int32Array::from(vec![Some(0), None, Some(1)]);
    let dictionary = |values: ArrayRef| DictionaryArray::new(keys.clone(), values);
    vec![
        Arc::new(NullArray::new(3)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(1)])),
        Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])),
        Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1])),
        Arc::new(Float64Array::from(vec![f64::NAN, 0.0, f64::MAX])),
        Arc::new(decimal(0)),
        Arc::new(decimal(2)),
        Arc::new(decimal(-2)),
        Arc::new(StringArray::from(vec![Some(""), None, Some("é;\n")])),
        Arc::new(LargeStringArray::from(vec!["汉".repeat(1_000), "A".into(), "OTHER".into()])),
        Arc::new(StringArray::from(vec!["x", "A", "B", "C"]).slice(1, 3)),
        Arc::new(BinaryArray::from(vec![b"A".as_slice(), b"\xff", b""])),
        Arc::new(Date32Array::from(vec![i32::MIN, 0, i32::MAX])),
        Arc::new(TimestampSecondArray::from(vec![i64::MIN, 0, i64::MAX])),
        Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, 0, i64::MAX]).with_timezone("Asia/Shanghai")),
        Arc::new(dictionary(Arc::new(StringArray::from(vec![Some("A"), None])))),
        Arc::new(dictionary(Arc::new(Int64Array::from(vec![i64::MAX, 1])))),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None, Some(vec![])])),
    ]
}

#[test]
fn a_column_of_any_type_is_taken_or_refused_and_no_row_is_lost() {
    let (mut whole, mut by_row) = (0, 0);
    for feed in Feed::ALL {
        let right = right(feed);
        for column in feed.columns() {
            for array in arrays_of_any_type() {
                match take(feed, schema(feed), &with(&right, column.name, array.clone())) {
                    Ok(taken) => {
                        assert_eq!(taken.batch.num_rows() + taken.refused.len(), 3, "{} {array:?}", column.name);
                        by_row += 1;
                    }
                    Err(problem) => {
                        assert_eq!((problem.column, problem.found), (column.name, array.data_type().to_string()));
                        whole += 1;
                    }
                }
            }
        }
    }
    assert!(whole > 500 && by_row > 500, "{whole} refused whole, {by_row} row by row");
}
