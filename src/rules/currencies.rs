//! Which currencies the rules ask for: payments in others are seen by none of them that looks at amounts.

use arrow::array::{AsArray, StringArray};
use foreshock_compiler::Pack;
use foreshock_core::Feed;
use foreshock_engine::FeedBatch;
use std::collections::{BTreeMap, BTreeSet};

/// The parameter by which rules name their currency.
const PARAMETER: &str = "currency";
/// So many other currencies are told apart.
const OTHERS_MAX: usize = 200;

/// Payments by currency, as far as no rule asks for theirs.
#[derive(Debug, Clone, Default)]
pub struct Currencies {
    asked: BTreeSet<String>,
    /// Payments in a currency that a rule asks for.
    pub seen: u64,
    /// Payments in each other one.
    pub others: BTreeMap<String, u64>,
}

impl Currencies {
    /// Those that the rules of a pack ask for.
    pub fn of(pack: &Pack) -> Currencies {
        let values = pack.rules.iter().filter_map(|rule| rule.params.get(PARAMETER)?.try_as_str().flatten());
        Currencies { asked: values.map(str::to_owned).collect(), ..Currencies::default() }
    }

    /// Takes in payments; how many of them no rule asks for.
    pub fn note(&mut self, batch: &FeedBatch) -> u64 {
        if self.asked.is_empty() || batch.feed != Feed::Transactions {
            return 0;
        }
        let Some(column) = batch.batch.column_by_name(PARAMETER) else { return 0 };
        let column: &StringArray = column.as_string();
        let mut others = 0;
        for currency in column.iter().flatten() {
            if self.asked.contains(currency) {
                self.seen += 1;
                continue;
            }
            others += 1;
            if self.others.contains_key(currency) || self.others.len() < OTHERS_MAX {
                *self.others.entry(currency.to_owned()).or_insert(0) += 1;
            }
        }
        others
    }

    /// What a person should know: payments that the rules do not look at, and the option that would make them.
    pub fn hint(&self) -> Option<String> {
        let (most, _) = self.others.iter().max_by_key(|(_, count)| **count)?;
        let asked: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        let others: Vec<String> =
            self.others.iter().map(|(currency, count)| format!("{count} in {currency}")).collect();
        let none = if self.seen == 0 { "no payment is" } else { "not all payments are" };
        Some(format!(
            "{none} in a currency that a rule asks for ({}): {}; `--set currency={most}` asks for it",
            asked.join(", "),
            others.join(", ")
        ))
    }
}
