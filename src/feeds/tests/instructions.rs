//! What decoding costs, in instructions.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/support/instructions.rs"]
mod instructions;

use foreshock_core::Feed;
use foreshock_feeds::{Columns, Counts, Record, decode_into};

/// A tenth above what it was when this was written, with the payment's text.
const MOST: u64 = 29_200;

fn payment(number: usize) -> String {
    format!(
        r#"{{"txId":"T{number}","reporter":"bank-a","creDtTm":"2026-03-01T16:00:00.012000Z","kind":"TRANSFER","status":"ACSC","amount":"{number}.50","currency":"CNY","debtor":{{"accountToken":"acct-{number:08x}","institution":"bank-a","accountType":"PERSONAL"}},"creditor":{{"accountToken":"acct-{:08x}","accountType":"PERSONAL"}},"channel":"MOBILE_APP"}}"#,
        number / 7
    )
}

#[test]
fn payments_are_decoded_into_columns() {
    let count = instructions::wanted();
    let (mut columns, mut counts) = (Columns::with_capacity(Feed::Transactions, count), Counts::default());
    for number in 0..count {
        let bytes = payment(number);
        let record = Record { bytes: bytes.as_bytes(), feed: Some(Feed::Transactions), ..Record::default() };
        decode_into(&record, &mut counts, |_| &mut columns).unwrap();
    }
    assert_eq!((columns.len(), counts.unknown_fields), (count, 0));
}

#[test]
fn a_payment_is_decoded_with_no_more_instructions_than_before() {
    let Some(count) = instructions::per_record("payments_are_decoded_into_columns", 1_000, 3_000) else { return };
    assert!(count <= MOST, "{count} instructions, {MOST} are meant: if it is worth it, raise the bound and say why");
}
