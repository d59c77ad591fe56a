//! What a report says of a payment: its own id (UETR), and what must agree for two reports to be of one payment.

use crate::expr::downcast;
use crate::feed_batch::FeedBatch;
use arrow_array::{Array, Int64Array, StringArray};
use foreshock_core::Feed;

/// A payment as one report has it. Digests stand for texts, so that what is remembered is small, and the same in every
/// process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payment {
    /// The payment's own id, that all banks report.
    pub(crate) uetr: u128,
    /// Of kind, amount, currency and both accounts.
    pub(crate) facts: u128,
    /// Of the reporter.
    pub(crate) reporter: u64,
    /// Of the event id.
    pub(crate) event: u64,
}

/// The columns that say it.
pub(crate) struct PaymentColumns<'a> {
    reference: &'a StringArray,
    ids: &'a StringArray,
    reporters: &'a StringArray,
    amounts: &'a Int64Array,
    /// Kind, currency, payer's and payee's account.
    texts: [&'a StringArray; 4],
}

impl<'a> PaymentColumns<'a> {
    /// `None` for a feed that is not of payments.
    pub(crate) fn of(feed_batch: &'a FeedBatch) -> Option<Self> {
        if feed_batch.feed != Feed::Transactions {
            return None;
        }
        let batch = &feed_batch.batch;
        let text = |name: &str| batch.column_by_name(name).map(downcast::<StringArray>);
        Some(PaymentColumns {
            reference: text("payment_ref")?,
            ids: downcast(batch.column(0)),
            reporters: text("reporter")?,
            amounts: downcast(batch.column_by_name("amount")?),
            texts: [text("kind")?, text("currency")?, text("payer_account")?, text("payee_account")?],
        })
    }

    /// `None` when the row names no payment.
    pub(crate) fn payment(&self, row: usize) -> Option<Payment> {
        let uetr = self.reference.is_valid(row).then(|| uetr(self.reference.value(row)))??;
        let mut facts = blake3::Hasher::new();
        let amount = self.amounts.is_valid(row).then(|| self.amounts.value(row));
        facts.update(&amount.unwrap_or(i64::MIN).to_le_bytes());
        for column in self.texts {
            // A withdrawal may leave them out.
            let text = if column.is_valid(row) { column.value(row) } else { "" };
            facts.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        let reporter = if self.reporters.is_valid(row) { self.reporters.value(row) } else { "" };
        Some(Payment {
            uetr,
            facts: u128::from_le_bytes(first_bytes(&facts.finalize())),
            reporter: u64::from_le_bytes(first_bytes(&blake3::hash(reporter.as_bytes()))),
            event: event_digest(self.ids.value(row)),
        })
    }
}

/// See [`Payment::event`].
pub(crate) fn event_digest(id: &str) -> u64 {
    u64::from_le_bytes(first_bytes(&blake3::hash(id.as_bytes())))
}

fn first_bytes<const N: usize>(hash: &blake3::Hash) -> [u8; N] {
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// A UETR: a random UUID (version 4, RFC 9562) in its usual writing, as the payment messages ask. Others name no payment: systems
/// that have no UETR write the nil one. An `endToEndId` has at most 35 characters, so it is none.
fn uetr(text: &str) -> Option<u128> {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut id = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        if DASHES.contains(&at) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        id = id << 4 | u128::from((*byte as char).to_digit(16)?);
    }
    let (version, variant) = (id >> 76 & 0xf, id >> 62 & 0b11);
    (version == 4 && variant == 0b10).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::uetr;

    #[test]
    fn only_a_random_uuid_names_a_payment_in_upper_or_lower_case() {
        let id = uetr("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        assert_eq!(id, Some(0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301));
        assert_eq!(uetr("3F2504E0-4F89-41D3-9A0C-0305E82C3301"), id);
        for none in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-1a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-ca0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330g",
            "3f2504e0+4f89-41d3-9a0c-0305e82c3301",
            "3f2504e04f8941d39a0c0305e82c3301",
            "é2504e0-4f89-41d3-9a0c-0305e82c33010",
            "",
        ] {
            assert_eq!(uetr(none), None, "{none}");
        }
    }
}
