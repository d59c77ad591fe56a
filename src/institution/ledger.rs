//! Accounts and what is held on them.

use foreshock_actions::Target;
use foreshock_blocking::{Action, Order, Stage};
use foreshock_core::money;
use std::collections::BTreeMap;

/// What was decided about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How far it is.
    pub stage: Stage,
    /// Why not, or not all.
    pub reason: Option<&'static str>,
    /// Decimal text: what is held.
    pub blocked_amount: Option<String>,
    /// Until when, by the institution's own clock.
    pub valid_until: Option<i64>,
}

impl Decision {
    fn no(reason: &'static str) -> Decision {
        Decision { stage: Stage::Refused, reason: Some(reason), blocked_amount: None, valid_until: None }
    }

    fn yes(stage: Stage) -> Decision {
        Decision { stage, reason: None, blocked_amount: None, valid_until: None }
    }
}

/// A measure that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hold {
    target: Target,
    until: i64,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Decimal text by account; `None`: every account is there and holds enough.
    balances: Option<BTreeMap<String, String>>,
    holds: BTreeMap<String, Hold>,
}

impl Ledger {
    /// With these accounts (decimal text by token), or with every account there could be.
    pub fn new(balances: Option<BTreeMap<String, String>>) -> Ledger {
        Ledger { balances, holds: BTreeMap::new() }
    }

    /// Measures in force.
    pub fn holds(&self) -> usize {
        self.holds.len()
    }

    /// Lets go of what is over by our own clock, whatever becomes of those who asked for it: their requests.
    pub fn expire(&mut self, now: i64) -> Vec<String> {
        let over: Vec<String> =
            self.holds.iter().filter(|(_, hold)| hold.until <= now).map(|(id, _)| id.clone()).collect();
        over.iter().for_each(|id| drop(self.holds.remove(id)));
        over
    }

    /// Does what a message asks for, or says why not.
    pub fn take(&mut self, order: &Order, now: i64) -> Decision {
        let held = self.holds.contains_key(&order.request_id);
        match order.action.0.as_str() {
            // A lift is never refused: what is not held is not held afterwards either.
            Action::LIFT => {
                self.holds.remove(&order.request_id);
                Decision::yes(Stage::Lifted)
            }
            Action::CANCEL if held => Decision::no("TECHNICAL"),
            Action::CANCEL => Decision::yes(Stage::Executed),
            _ if order.expires_at <= now => Decision::no("EXPIRED_ON_ARRIVAL"),
            Action::EXTEND => match self.holds.get_mut(&order.request_id) {
                None => Decision::no("TECHNICAL"),
                Some(hold) => {
                    hold.until = order.expires_at;
                    Decision { valid_until: Some(hold.until), ..Decision::yes(Stage::Executed) }
                }
            },
            _ => self.hold(order),
        }
    }

    fn hold(&mut self, order: &Order) -> Decision {
        if self.holds.iter().any(|(id, hold)| *id != order.request_id && hold.target == order.target) {
            return Decision::no("ALREADY_BLOCKED");
        }
        let amount = match self.amount(order) {
            Ok(amount) => amount,
            Err(reason) => return Decision::no(reason),
        };
        let (stage, reason) = match &amount {
            Some((_, true)) => (Stage::Partial, Some("NO_FUNDS")),
            _ => (Stage::Executed, None),
        };
        let until = order.expires_at;
        self.holds.insert(order.request_id.clone(), Hold { target: order.target.clone(), until });
        Decision { stage, reason, blocked_amount: amount.map(|(text, _)| text), valid_until: Some(until) }
    }

    /// What can be held of the amount, and whether that is less; `None` for a measure without money.
    fn amount(&self, order: &Order) -> Result<Option<(String, bool)>, &'static str> {
        let (Some(asked), Some(currency)) = (&order.amount, &order.currency) else { return Ok(None) };
        let digits = money::minor_digits(currency).ok_or("TECHNICAL")?;
        let minor = |text: &str| money::parse_minor(text, digits).map_err(|_| "TECHNICAL");
        let asked = minor(asked)?;
        let there = match &self.balances {
            None => asked,
            Some(balances) => minor(balances.get(order.target.token()).ok_or("ACCOUNT_NOT_FOUND")?)?,
        };
        if there <= 0 {
            return Err("NO_FUNDS");
        }
        Ok(Some((money::format_minor(asked.min(there), digits), there < asked)))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
