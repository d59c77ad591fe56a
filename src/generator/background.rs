//! The ordinary life of the city: a thin history of a hundred days, in which every regular payee and contact appears,
//! and the full day. Amounts stay small against balances, so that few rules have anything to say.

use crate::book::{Amount, Call, Sms, Tx};
use crate::city::{HOUR_US, PartyId, World};
use crate::day_start_us;
use foreshock_core::time::DAY_US;

const HISTORY_DAYS: i64 = 100;

/// Writes the hundred days before.
pub(crate) fn history(world: &mut World) {
    for idx in 0..world.persons.len() {
        let person = world.person(idx).clone();
        for month in 0..3 {
            // More than 31 days apart: a payday in the history is no spike against the last one.
            let payday = day_start_us() - (28 + 32 * month) * DAY_US + world.rng.between(9 * HOUR_US, 10 * HOUR_US);
            let wage = world.yuan(4_000, 16_000);
            salary(world, person.employer, person.party, wage, payday);
            let time = days_back(world, 1 + 30 * month, 30 + 30 * month);
            let bill = world.yuan(40, 400);
            let shop = world.rng.pick(&person.shops);
            world.pay(Tx { kind: "CARD_PURCHASE", channel: "API", ..buy(person.party, shop, bill, time) });
            if let Some(landlord) = person.landlord {
                let (rent, time) = (world.yuan(2_000, 4_500), days_back(world, 3 + 30 * month, 30 + 30 * month));
                world.pay(Tx::transfer(person.party, landlord, Amount::Minor(rent), time));
            }
        }
        for friend in person.friends {
            let (sum, time) = (world.yuan(10, 400), days_back(world, 1, 88));
            let friend_party = world.person(friend).party;
            world.pay(Tx::transfer(person.party, friend_party, Amount::Minor(sum), time));
            contact(world, idx, friend);
        }
        for shop in person.shops {
            let (sum, time) = (world.yuan(5, 300), days_back(world, 1, 88));
            world.pay(buy(person.party, shop, sum, time));
        }
        for _ in 0..3 {
            let friend = world.rng.pick(&person.friends);
            contact(world, idx, friend);
        }
    }
}

fn days_back(world: &mut World, low: i64, high: i64) -> i64 {
    let back = world.rng.between(low, high.min(HISTORY_DAYS));
    day_start_us() - back * DAY_US + world.waking_us()
}

fn contact(world: &mut World, idx: usize, friend: usize) {
    let (served, peer) = (world.person(idx).handset.clone(), world.person(friend).handset.number.clone());
    let (start, seconds) = (days_back(world, 1, 95), world.rng.between(20, 900));
    world.call(&Call { served: &served, way: "MO_CALL", peer: &peer, grade: "KNOWN", start, seconds });
}

/// A salary paid by an employer's own system.
pub(crate) fn salary(world: &mut World, employer: PartyId, staff: PartyId, wage: i64, time: i64) -> (String, i64) {
    world.pay(Tx { channel: "API", ..Tx::transfer(employer, staff, Amount::Minor(wage), time) })
}

/// A purchase by card or code at a shop.
pub(crate) fn buy(payer: PartyId, shop: PartyId, amount: i64, time: i64) -> Tx {
    let transfer = Tx::transfer(payer, shop, Amount::Minor(amount), time);
    Tx { kind: "CARD_PURCHASE", channel: "POS", is_ordinary: true, ..transfer }
}

/// Writes the ordinary part of the day.
pub(crate) fn day(world: &mut World) {
    for idx in 0..world.persons.len() {
        for _ in 0..world.rng.between(2, 6) {
            purchase(world, idx);
        }
        for _ in 0..world.rng.between(0, 3) {
            transfer(world, idx);
        }
        for _ in 0..world.rng.between(3, 8) {
            call(world, idx);
        }
        for _ in 0..world.rng.between(2, 6) {
            message(world, idx);
        }
        if world.rng.chance(120) {
            cash(world, idx);
        }
        rent(world, idx);
    }
}

fn now(world: &mut World) -> i64 {
    day_start_us() + world.waking_us()
}

fn purchase(world: &mut World, idx: usize) {
    let (payer, shops) = (world.person(idx).party, world.person(idx).shops);
    let shop = world.rng.pick(&shops);
    let cap = if world.rng.chance(30) { 1_200 } else { 150 };
    let (sum, time) = (world.yuan(3, cap), now(world));
    let is_refused = world.rng.chance(12);
    world.pay(Tx { is_refused, ..buy(payer, shop, sum, time) });
}

fn transfer(world: &mut World, idx: usize) {
    let person = world.person(idx).clone();
    let is_new = world.rng.chance(40);
    let others = world.persons.len();
    let other = if is_new { world.rng.index(others) } else { world.rng.pick(&person.friends) };
    if other == idx {
        return;
    }
    // A used car, a wedding: now and then an honest first payment is large.
    let cap = if is_new && world.rng.chance(80) { 9_000 } else { 600 };
    let (sum, time) = (world.yuan(10, cap), now(world));
    let payee = world.person(other).party;
    world.pay(Tx { is_ordinary: true, ..Tx::transfer(person.party, payee, Amount::Minor(sum), time) });
}

fn call(world: &mut World, idx: usize) {
    let person = world.person(idx).clone();
    let is_known = world.rng.chance(820);
    let friend = world.rng.pick(&person.friends);
    let peer = if is_known { world.person(friend).handset.number.clone() } else { world.token("num") };
    let grade = if is_known { "KNOWN" } else { "NONE" };
    let way = if world.rng.chance(500) { "MO_CALL" } else { "MT_CALL" };
    // One call in nine is not answered.
    let seconds = if world.rng.chance(110) { 0 } else { world.rng.between(8, if is_known { 900 } else { 240 }) };
    let start = now(world);
    world.talk(idx, start, seconds);
    let call = Call { served: &person.handset, way, peer: &peer, grade, start, seconds };
    if world.rng.chance(400) {
        world.call_pair(&call);
    } else {
        world.call(&call);
    }
}

fn message(world: &mut World, idx: usize) {
    let person = world.person(idx).clone();
    let time = now(world);
    let sms = Sms { served: &person.handset, way: "MT_SMS", peer: "", class: "P2P", template: None, url: None, time };
    let service = format!("svc-{:02}", world.rng.below(30));
    match world.rng.below(10) {
        0..=1 => world.sms(&Sms { peer: &service, class: "OTP", ..sms }),
        2..=4 => {
            let template = format!("tpl-{service}-{}", world.rng.below(6));
            world.sms(&Sms { peer: &service, class: "A2P", template: Some(&template), ..sms })
        }
        at => {
            let friend = world.rng.pick(&person.friends);
            let peer = world.person(friend).handset.number.clone();
            world.sms(&Sms { peer: &peer, way: if at < 7 { "MO_SMS" } else { "MT_SMS" }, ..sms })
        }
    };
}

fn cash(world: &mut World, idx: usize) {
    let own = world.person(idx).party;
    let (bank, sum, time) = (world.cash_of(own), 100 * world.yuan(1, 20), now(world));
    let tx = Tx { channel: "ATM", is_ordinary: true, ..Tx::transfer(own, bank, Amount::Minor(sum), time) };
    let tx = if world.rng.chance(250) {
        Tx { kind: "CASH_DEPOSIT", payer: bank, payee: own, ..tx }
    } else {
        Tx { kind: "CASH_WITHDRAWAL", ..tx }
    };
    world.pay(tx);
}

fn rent(world: &mut World, idx: usize) {
    let person = world.person(idx).clone();
    let Some(landlord) = person.landlord else { return };
    if world.rng.chance(60) {
        let (sum, time) = (world.yuan(2_000, 4_500), now(world));
        world.pay(Tx { is_ordinary: true, ..Tx::transfer(person.party, landlord, Amount::Minor(sum), time) });
    }
}
