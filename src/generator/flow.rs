//! Frauds in the movement of money: mule chains, dispersal, emptied accounts, cash-out, structuring.

use crate::book::{Amount, Case, Tx};
use crate::city::{HOUR_US, PartyId, World, YUAN};

/// Adds this family once for the `nth` unit of scale.
pub(crate) fn add(world: &mut World, nth: u32) {
    for i in 0..3 {
        mule_chain(world, nth * 3 + i);
        takeover(world, nth * 3 + i);
        drain(world, nth * 3 + i);
        structuring(world, nth * 3 + i);
    }
    for i in 0..2 {
        dispersal(world, nth * 2 + i);
    }
}

/// Victims pay a mule within 20 minutes; nearly all of it moves on, twice.
fn mule_chain(world: &mut World, nth: u32) {
    let mut case = Case::fraud("mule_chain", nth, &["M01", "M03"]);
    let mules = [world.open_mule(), world.open_mule(), world.open_mule()];
    let [first, second, third] = mules;
    let start = world.at(9, 20);
    for _ in 0..6 {
        let victim = world.take_person();
        let (account, sum) = (world.person(victim).party, world.yuan(5_000, 14_000));
        let time = start + world.minutes(0, 18);
        let event = world.pay(Tx::transfer(account, first, Amount::Minor(sum), time));
        case.event(event);
        case.subject(world.account(account));
    }
    let on_at = start + world.minutes(20, 26);
    let event = world.pay(Tx::transfer(first, second, Amount::Share(985), on_at));
    case.event(event);
    let on_at = on_at + world.minutes(3, 14);
    let event = world.pay(Tx::transfer(second, third, Amount::Share(990), on_at));
    case.event(event);
    mules.into_iter().for_each(|mule| case.subject(world.account(mule)));
    world.tell(case);
}

/// One account pays ten strangers and is nearly empty afterwards.
fn dispersal(world: &mut World, nth: u32) {
    let mut case = Case::fraud("dispersal", nth, &["M02"]);
    let source = world.open_mule();
    let opening = world.yuan(120_000, 260_000);
    world.party_mut(source).opening = Some(opening);
    let start = world.at(10, 21);
    for _ in 0..10 {
        let payee = world.open_mule();
        let sum = opening * world.rng.between(86, 94) / 1_000;
        let time = start + world.minutes(0, 45);
        let event = world.pay(Tx::transfer(source, payee, Amount::Minor(sum), time));
        case.event(event);
        case.subject(world.account(payee));
    }
    case.subject(world.account(source));
    world.tell(case);
}

/// An account is emptied; the payee takes the money out in cash within the hour.
fn takeover(world: &mut World, nth: u32) {
    let mut case = Case::fraud("takeover", nth, &["TAKEOVER", "M04"]);
    let victim = world.take_person();
    let (account, mule) = (world.person(victim).party, world.open_mule());
    let (time, device) = (world.at(9, 21), world.token("dev"));
    let transfer = Tx::transfer(account, mule, Amount::Share(world.rng.between(970, 998)), time);
    let event = world.pay(Tx { device: Some(device), ..transfer });
    case.event(event);
    let (cash, at_first) = (world.cash_of(mule), time + world.minutes(6, 25));
    let at_last = at_first + world.minutes(2, 20);
    for (share, time) in [(550, at_first), (990, at_last)] {
        let out = Tx::transfer(mule, cash, Amount::Share(share), time);
        let event = world.pay(Tx { kind: "CASH_WITHDRAWAL", channel: "ATM", ..out });
        case.event(event);
    }
    case.subject(world.account(account));
    case.subject(world.account(mule));
    world.tell(case);
}

/// One payment of nearly everything to a stranger.
fn drain(world: &mut World, nth: u32) {
    let mut case = Case::fraud("drain", nth, &["M04"]);
    let victim = world.take_person();
    let (account, mule) = (world.person(victim).party, world.open_mule());
    let (time, share) = (world.at(8, 22), world.rng.between(920, 945));
    let event = world.pay(Tx::transfer(account, mule, Amount::Share(share), time));
    case.event(event);
    case.subject(world.account(account));
    case.subject(world.account(mule));
    world.tell(case);
}

/// Four payments just under 50,000 yuan by one person from two accounts.
fn structuring(world: &mut World, nth: u32) {
    let mut case = Case::fraud("structuring", nth, &["M05"]);
    let accounts = [rich_account(world), rich_account(world)];
    let [own, other] = accounts;
    let person = world.party(own).person.clone();
    world.party_mut(other).person.clone_from(&person);
    let start = world.at(8, 11);
    for hour in 0..4 {
        let (payer, payee) = (world.rng.pick(&accounts), world.open_mule());
        let (sum, time) = (world.yuan(44_000, 49_900), start + hour * 2 * HOUR_US + world.minutes(0, 90));
        let event = world.pay(Tx::transfer(payer, payee, Amount::Minor(sum), time));
        case.event(event);
        case.subject(world.account(payee));
    }
    accounts.into_iter().for_each(|account| case.subject(world.account(account)));
    person.into_iter().for_each(|token| case.subject(token));
    world.tell(case);
}

fn rich_account(world: &mut World) -> PartyId {
    let (age, opening) = (world.rng.between(300, 2_000), world.rng.between(500_000 * YUAN, 900_000 * YUAN));
    let id = world.open_account("PERSONAL", Some(age), Some(opening));
    world.name_holder(id);
    id
}
