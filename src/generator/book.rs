//! Everything that happened, as it is written down: payments kept open until balances are known, calls, messages and
//! subscriber changes as finished lines, and the truth. `settle` runs the day's balances in order of time.

use crate::city::{Handset, Party, PartyId, World};
use crate::json::Object;
use crate::{Generated, Line, Truth, day_start_us};
use foreshock_core::time::SECOND_US;
use foreshock_core::{Feed, ids};
use std::collections::BTreeSet;

/// How much is paid.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// Minor units.
    Minor(i64),
    /// Thousandths of the payer's balance at that time.
    Share(i64),
}

/// A payment.
#[derive(Debug, Clone)]
pub(crate) struct Tx {
    pub(crate) time: i64,
    pub(crate) kind: &'static str,
    pub(crate) amount: Amount,
    pub(crate) payer: PartyId,
    pub(crate) payee: PartyId,
    pub(crate) channel: &'static str,
    pub(crate) is_refused: bool,
    /// Dropped when the payer cannot pay it any more; a scenario's payments never are.
    pub(crate) is_ordinary: bool,
    pub(crate) in_call: Option<bool>,
    /// Another device than the payer's own.
    pub(crate) device: Option<String>,
    /// Given by `World::pay`.
    pub(crate) id: String,
}

impl Tx {
    /// A transfer by app.
    pub(crate) fn transfer(payer: PartyId, payee: PartyId, amount: Amount, time: i64) -> Self {
        let (kind, channel, id) = ("TRANSFER", "MOBILE_APP", String::new());
        let (is_refused, is_ordinary, in_call, device) = (false, false, None, None);
        Tx { time, kind, amount, payer, payee, channel, is_refused, is_ordinary, in_call, device, id }
    }
}

/// A call as the carrier of one side reports it.
pub(crate) struct Call<'a> {
    pub(crate) served: &'a Handset,
    pub(crate) way: &'static str,
    pub(crate) peer: &'a str,
    pub(crate) grade: &'static str,
    pub(crate) start: i64,
    pub(crate) seconds: i64,
}

/// A message as the carrier of one side reports it.
pub(crate) struct Sms<'a> {
    pub(crate) served: &'a Handset,
    pub(crate) way: &'static str,
    pub(crate) peer: &'a str,
    pub(crate) class: &'static str,
    pub(crate) template: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) time: i64,
}

/// A scenario being told; becomes a [`Truth`].
pub(crate) struct Case {
    truth: Truth,
}

impl Case {
    pub(crate) fn fraud(scenario: &'static str, nth: u32, rules: &[&'static str]) -> Self {
        let mut case = Case::honest(scenario, nth);
        (case.truth.fraud, case.truth.rules) = (true, rules.to_vec());
        case
    }

    pub(crate) fn honest(scenario: &'static str, nth: u32) -> Self {
        Case { truth: Truth::new(scenario, false, format!("{scenario}-{}", nth + 1)) }
    }

    pub(crate) fn subject(&mut self, subject: impl Into<String>) {
        self.truth.subject(subject.into());
    }

    pub(crate) fn event(&mut self, told: (String, i64)) {
        self.truth.event(told);
    }
}

/// What was written down so far.
pub(crate) struct Book {
    txs: Vec<Tx>,
    lines: Vec<Line>,
    truth: Vec<Truth>,
    records: u32,
    salt: u32,
}

impl Book {
    pub(crate) fn new(seed: u64) -> Self {
        let salt = u32::try_from((seed ^ (seed >> 32)) & 0xFFFF_FFFF).unwrap_or(0);
        Book { txs: Vec::new(), lines: Vec::new(), truth: Vec::new(), records: 0, salt }
    }

    /// One to one, so that scrambled counters stay unique and tell nothing about their order.
    pub(crate) fn scramble(&self, counter: u32) -> u32 {
        let mut x = counter ^ self.salt;
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^ (x >> 16)
    }

    fn record_id(&mut self, letter: char) -> String {
        self.records += 1;
        format!("{letter}{:08x}", self.scramble(self.records))
    }
}

impl World {
    /// Writes a payment down; returns its event id and time.
    pub(crate) fn pay(&mut self, mut tx: Tx) -> (String, i64) {
        tx.id = self.book.record_id('T');
        let told = (ids::event_id(Feed::Transactions.prefix(), self.party(tx.payer).bank, &tx.id), tx.time);
        self.book.txs.push(tx);
        told
    }

    /// A call reported once, when it is over.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> (String, i64) {
        self.call_record(call, "COMPLETE", call.start + call.seconds * SECOND_US)
    }

    /// A call reported twice: when it starts and when it ends.
    pub(crate) fn call_pair(&mut self, call: &Call<'_>) -> [(String, i64); 2] {
        let end = call.start + call.seconds * SECOND_US;
        [self.call_record(call, "START", call.start), self.call_record(call, "END", end)]
    }

    fn call_record(&mut self, call: &Call<'_>, phase: &str, time: i64) -> (String, i64) {
        let mut json = Object::new();
        let (caller, callee) = if call.way == "MO_CALL" {
            (call.served.number.as_str(), call.peer)
        } else {
            (call.peer, call.served.number.as_str())
        };
        let id = self.open_record(&mut json, call.served, call.way, time);
        json.text("phase", phase);
        json.text("callingNumber", caller);
        json.text("calledNumber", callee);
        json.text("peerGrade", call.grade);
        json.time("seizureTime", call.start);
        if phase != "START" {
            json.plain("callDuration", call.seconds);
        }
        self.close_record(json, call.served, &id, time)
    }

    /// A message.
    pub(crate) fn sms(&mut self, sms: &Sms<'_>) -> (String, i64) {
        let mut json = Object::new();
        let (caller, callee) = if sms.way == "MO_SMS" {
            (sms.served.number.as_str(), sms.peer)
        } else {
            (sms.peer, sms.served.number.as_str())
        };
        let id = self.open_record(&mut json, sms.served, sms.way, sms.time);
        json.text("callingNumber", caller);
        json.text("calledNumber", callee);
        json.text("smsClass", sms.class);
        json.text_if("templateHash", sms.template);
        json.text_if("urlHash", sms.url);
        self.close_record(json, sms.served, &id, sms.time)
    }

    /// A change of a subscription, such as `SIM_SWAP`.
    pub(crate) fn change(&mut self, served: &Handset, change: &str, time: i64) -> (String, i64) {
        let mut json = Object::new();
        let id = self.open_record(&mut json, served, "SUBSCRIBER_EVENT", time);
        json.text("change", change);
        self.close_record(json, served, &id, time)
    }

    fn open_record(&mut self, json: &mut Object, served: &Handset, record_type: &str, time: i64) -> String {
        let id = self.book.record_id('R');
        json.text("recordId", &id);
        json.text("reporter", served.carrier);
        json.time("eventTime", time);
        json.text("recordType", record_type);
        json.text("servedMSISDN", &served.number);
        json.text("servedIMSI", &served.imsi);
        json.text("servedIMEI", &served.imei);
        id
    }

    fn close_record(&mut self, mut json: Object, served: &Handset, id: &str, time: i64) -> (String, i64) {
        json.text("location", &served.cell);
        json.text("district", served.district);
        json.text("originCountry", "CN");
        self.book.lines.push(Line { time_us: time, json: json.done(), feed: Feed::Telecom });
        (ids::event_id(Feed::Telecom.prefix(), served.carrier, id), time)
    }

    /// A victim's complaint at the police's hotline.
    pub(crate) fn complain(&mut self, victim: PartyId, fraud_type: &str, loss: i64, time: i64) {
        let id = self.book.record_id('C');
        let party = self.party(victim);
        let mut json = Object::new();
        json.text("complaintId", &id);
        json.text("reporter", "police-96110");
        json.time("receivedAt", time);
        json.text("channel", "CALL_96110");
        json.text("fraudType", fraud_type);
        json.text("contactChannel", "VOICE_CALL");
        json.money("lossAmount", loss);
        json.text("currency", "CNY");
        let mut person = Object::new();
        person.text_if("personToken", party.person.as_deref());
        person.text_if("ageBand", party.age_band);
        person.text("district", party.district);
        json.object("victim", person);
        json.text("status", "NEW");
        self.book.lines.push(Line { time_us: time, json: json.done(), feed: Feed::Complaints });
    }

    /// Ends a scenario.
    pub(crate) fn tell(&mut self, case: Case) {
        self.book.truth.push(case.truth);
    }

    /// Settles the balances and hands everything out, sorted.
    pub(crate) fn finish(mut self) -> Generated {
        self.settle();
        let mut day = std::mem::take(&mut self.book.lines);
        day.sort_unstable();
        let cut = day.partition_point(|line| line.time_us < day_start_us());
        let rest = day.split_off(cut);
        Generated { history: day, day: rest, truth: self.book.truth }
    }

    fn settle(&mut self) {
        let mut txs = std::mem::take(&mut self.book.txs);
        txs.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let mut balances: Vec<Option<i64>> = self.parties.iter().map(|p| p.opening).collect();
        let mut paid_before = BTreeSet::new();
        for tx in txs {
            let is_today = tx.time >= day_start_us();
            let balance = balances.get(tx.payer).copied().flatten().filter(|_| is_today);
            let amount = match tx.amount {
                Amount::Minor(minor) => minor,
                Amount::Share(permille) => (balance.unwrap_or(0) * permille / 1_000).max(1),
            };
            if tx.is_ordinary && balance.is_some_and(|b| b < amount) {
                continue;
            }
            let is_first = !tx.is_refused && paid_before.insert((tx.payer, tx.payee));
            let payee_balance = balances.get(tx.payee).copied().flatten().filter(|_| is_today);
            let json = self.payment(&tx, amount, [balance, payee_balance], is_today.then_some(is_first));
            self.book.lines.push(Line { time_us: tx.time, json, feed: Feed::Transactions });
            if is_today && !tx.is_refused {
                move_money(&mut balances, tx.payer, -amount);
                move_money(&mut balances, tx.payee, amount);
            }
        }
    }

    fn payment(&self, tx: &Tx, amount: i64, balances: [Option<i64>; 2], is_first: Option<bool>) -> String {
        let (payer, payee) = (self.party(tx.payer), self.party(tx.payee));
        let [payer_balance, payee_balance] = balances;
        let mut json = Object::new();
        json.text("txId", &tx.id);
        json.text("reporter", payer.bank);
        json.time("creDtTm", tx.time);
        json.text("kind", tx.kind);
        json.text("status", if tx.is_refused { "RJCT" } else { "ACSC" });
        json.money("amount", amount);
        json.text("currency", "CNY");
        json.object("debtor", side(payer, payer_balance, tx.time));
        json.object("creditor", side(payee, payee_balance, tx.time));
        json.text("channel", tx.channel);
        if tx.channel == "MOBILE_APP" {
            json.text_if("deviceToken", tx.device.as_deref().or(payer.device.as_deref()));
        }
        if payee.kind == "MERCHANT" {
            json.text("merchantId", &payee.account);
            json.text_if("mcc", payee.mcc);
        }
        if let (Some(is_first), "TRANSFER") = (is_first, tx.kind) {
            json.plain("firstTimePayee", is_first);
        }
        if let Some(in_call) = tx.in_call {
            json.plain("callInProgress", in_call);
        }
        json.done()
    }
}

fn move_money(balances: &mut [Option<i64>], party: PartyId, amount: i64) {
    if let Some(Some(balance)) = balances.get_mut(party) {
        *balance += amount;
    }
}

fn side(party: &Party, balance: Option<i64>, time: i64) -> Object {
    let mut json = Object::new();
    json.text("accountToken", &party.account);
    json.text_if("personToken", party.person.as_deref());
    json.text_if("phoneToken", party.phone.as_deref());
    json.text("institution", party.bank);
    json.text("accountType", party.kind);
    json.text("district", party.district);
    json.text_if("ageBand", party.age_band);
    if let Some(balance) = balance {
        json.money("balanceBefore", balance);
    }
    // Where the history begins every old account would seem to wake, so ages are only told on the day.
    if let Some(age) = party.age_days.filter(|_| time >= day_start_us()) {
        json.plain("accountAgeDays", age);
    }
    json
}
