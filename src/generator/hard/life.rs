//! What honest people do with their money, day by day.

use crate::city::YUAN;
use crate::hard::world::{Sum, Tx, World};

const ISSUERS: [&str; 4] = ["622848", "621700", "622202", "621661"];

/// One day of everybody.
pub(super) fn day(world: &mut World, day: i64) {
    for person in 0..world.persons.len() {
        let count = world.persons[person].habit * world.pace(day) / 10;
        for _ in 0..world.times(count) {
            payment(world, person, day);
        }
        month(world, person, day);
    }
}

fn payment(world: &mut World, person: usize, day: i64) {
    let (time, account) = (world.at(day), own(world, person));
    match world.rng.between(0, 999) {
        0..700 => {
            let shops = &world.persons[person].shops;
            let near = shops[world.rng.index(shops.len())];
            let shop = if world.rng.chance(800) { near } else { world.shops[world.rng.index(world.shops.len())] };
            let doublings = if world.rng.chance(980) { 7 } else { 11 };
            let (sum, is_refused) = (world.log_yuan(6, doublings), world.rng.chance(25));
            buy(world, account, shop, sum, time, is_refused);
        }
        700..900 => {
            let friends = &world.persons[person].friends;
            let friend = world.persons[friends[world.rng.index(friends.len())]].account;
            let sum = world.log_yuan(15, 8);
            send(world, account, friend, sum, time);
        }
        900..940 => cash(world, account, time),
        940..965 => {
            if let Some(second) = world.persons[person].second {
                let share = Sum::Share(world.rng.between(50, 970));
                let (from, to) = if world.rng.chance(500) { (account, second) } else { (second, account) };
                let tx = world.transfer(from, to, share, time);
                world.txs.push(tx);
            }
        }
        _ => {
            // Second-hand things, a craftsman, a stranger's share of a bill.
            let other = world.someone();
            let (payee, sum) = (world.persons[other].account, world.log_yuan(40, 8));
            send(world, account, payee, sum, time);
        }
    }
}

/// Wages, rent, bills.
fn month(world: &mut World, person: usize, day: i64) {
    let (date, of) = (World::month_day(day), &world.persons[person]);
    let (account, employer, wage, landlord) = (of.account, of.employer, of.wage, of.landlord);
    if date == of.pay_day {
        let time = world.at(day);
        send(world, employer, account, wage, time);
    }
    if date == 1 + i64::try_from(person % 5).unwrap_or(0)
        && let Some(landlord) = landlord
    {
        let time = world.at(day);
        send(world, account, landlord, wage * 3 / 10 / 100 * 100, time);
    }
    if date == 20 {
        let (shop, time) = (world.shops[person % 7 % world.shops.len()], world.at(day));
        let sum = world.log_yuan(60, 3);
        send(world, account, shop, sum, time);
    }
}

fn own(world: &mut World, person: usize) -> usize {
    let of = &world.persons[person];
    let (account, second) = (of.account, of.second);
    second.filter(|_| world.rng.chance(250)).unwrap_or(account)
}

/// A transfer.
pub(super) fn send(world: &mut World, payer: usize, payee: usize, minor: i64, time: i64) {
    if payer != payee {
        let tx = world.transfer(payer, payee, Sum::Minor(minor), time);
        world.txs.push(tx);
    }
}

/// A purchase by card.
pub(super) fn buy(world: &mut World, payer: usize, shop: usize, minor: i64, time: i64, is_refused: bool) {
    let tx = world.transfer(payer, shop, Sum::Minor(minor), time);
    let card = (format!("card-{}", world.accounts[payer].token), ISSUERS[payer % ISSUERS.len()]);
    world.txs.push(Tx { kind: "CARD_PURCHASE", channel: "POS", card: Some(card), is_refused, ..tx });
}

/// Cash from a machine.
fn cash(world: &mut World, account: usize, time: i64) {
    let sum = world.log(1, 6) * 100 * YUAN;
    let terminal = format!("atm-{}", world.rng.below(60));
    let tx = world.transfer(account, world.cash, Sum::Minor(sum), time);
    world.txs.push(Tx { kind: "CASH_WITHDRAWAL", channel: "ATM", terminal: Some(terminal), ..tx });
}
