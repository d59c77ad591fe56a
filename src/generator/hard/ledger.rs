//! Payments in the order of their times: balances are kept, each becomes a line, and what a story cost is known.

use crate::Line;
use crate::city::HOUR_US;
use crate::hard::HardGenerated;
use crate::hard::world::{Account, Role, Sum, Tx, World};
use crate::json::Object;
use foreshock_core::time::DAY_US;
use foreshock_core::{Feed, ids};
use std::collections::BTreeSet;

impl World {
    /// A transfer by app.
    pub fn transfer(&mut self, payer: usize, payee: usize, sum: Sum, time: i64) -> Tx {
        Tx {
            time,
            kind: "TRANSFER",
            channel: "MOBILE_APP",
            payer,
            payee,
            sum,
            is_refused: false,
            device: None,
            screen: false,
            card: None,
            terminal: None,
            case: None,
            id: self.token("T"),
        }
    }

    /// The same as a part of a story.
    pub fn pay_in(&mut self, case: usize, role: Role, payer: usize, payee: usize, sum: Sum, time: i64) {
        let tx = self.transfer(payer, payee, sum, time);
        self.txs.push(Tx { case: Some((case, role)), ..tx });
    }

    /// Hands everything out, sorted.
    pub fn finish(mut self) -> HardGenerated {
        let end = self.day_us(self.days);
        let mut txs = std::mem::take(&mut self.txs);
        txs.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let mut paid_before = BTreeSet::new();
        for tx in txs.iter().filter(|tx| tx.time < end) {
            self.settle(tx, &mut paid_before);
        }
        self.lines.retain(|line| line.time_us < end);
        self.lines.sort_unstable();
        self.truth.retain(|truth| !truth.event_ids.is_empty() && truth.last_us < end);
        HardGenerated { lines: self.lines, truth: self.truth }
    }

    fn settle(&mut self, tx: &Tx, paid_before: &mut BTreeSet<(usize, usize)>) {
        let (payer, payee) = (&self.accounts[tx.payer], &self.accounts[tx.payee]);
        let has = payer.balance;
        let amount = match tx.sum {
            Sum::Minor(minor) => minor,
            Sum::Share(permille) => has * permille / 1_000,
        };
        let is_bounded = payer.kind == "PERSONAL" && !tx.is_refused;
        if amount <= 0 || (is_bounded && amount > has) {
            return; // nobody pays what he has not
        }
        let is_new = !paid_before.contains(&(tx.payer, tx.payee));
        let json = payment(tx, amount, payer, payee, is_new);
        let event = (ids::event_id(Feed::Transactions.prefix(), payer.bank.name, &tx.id), tx.time);
        self.lines.push(Line { time_us: tx.time, json, feed: Feed::Transactions });
        if let Some((case, role)) = tx.case {
            let truth = &mut self.truth[case];
            truth.event(event);
            match role {
                Role::Loss => truth.amount = Some(truth.amount.unwrap_or(0) + amount),
                Role::Exit => truth.stop_before_us = Some(truth.stop_before_us.unwrap_or(i64::MAX).min(tx.time)),
                Role::Other => {}
            }
        }
        if !tx.is_refused {
            paid_before.insert((tx.payer, tx.payee));
            self.accounts[tx.payer].balance -= amount;
            self.accounts[tx.payee].balance += amount;
        }
    }
}

fn payment(tx: &Tx, amount: i64, payer: &Account, payee: &Account, is_new: bool) -> String {
    let mut json = Object::new();
    json.text("txId", &tx.id);
    json.text("reporter", payer.bank.name);
    json.time("creDtTm", tx.time);
    json.text("kind", tx.kind);
    json.text("status", if tx.is_refused { "RJCT" } else { "ACSC" });
    json.money("amount", amount);
    json.text("currency", "CNY");
    json.object("debtor", side(payer, tx.time));
    json.object("creditor", side(payee, tx.time));
    json.text("channel", tx.channel);
    if tx.channel == "MOBILE_APP" {
        json.text_if("deviceToken", tx.device.as_deref().or(payer.device.as_deref()));
    }
    if let Some((card, issuer)) = &tx.card {
        json.text("cardToken", card);
        json.text("cardIssuerId", issuer);
    }
    json.text_if("terminalId", tx.terminal.as_deref());
    if payee.kind == "MERCHANT" {
        json.text("merchantId", &payee.token);
    }
    if tx.kind == "TRANSFER" && payer.bank.knows_new_payees {
        json.plain("firstTimePayee", is_new);
    }
    if payer.bank.sees_screens && tx.channel == "MOBILE_APP" {
        json.plain("screenShareActive", tx.screen);
    }
    json.done()
}

fn side(account: &Account, time: i64) -> Object {
    let mut json = Object::new();
    json.text("accountToken", &account.token);
    json.text_if("personToken", account.person.as_deref());
    json.text_if("phoneToken", account.phone.as_deref());
    json.text("institution", account.bank.name);
    json.text("accountType", account.kind);
    json.text("district", account.district);
    json.text_if("ageBand", account.age_band);
    if account.kind == "PERSONAL" && account.bank.sends_balances {
        json.money("balanceBefore", account.balance.max(0));
        json.plain("accountAgeDays", ((time - account.opened_us) / DAY_US).max(0));
    }
    json
}

/// The night of a day.
pub(super) fn is_night(time: i64, day_us: i64) -> bool {
    let hour = (time - day_us) / HOUR_US;
    !(4..20).contains(&hour)
}
