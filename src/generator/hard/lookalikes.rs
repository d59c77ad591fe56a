//! Honest things that look like fraud, from the same ranges: each is told, so that it can be counted which are hit.

use crate::city::{HOUR_US, YUAN};
use crate::hard::life::send;
use crate::hard::world::{Role, Sum, Tx, World};
use foreshock_core::time::SECOND_US;

/// Tells a case that begins on a day.
type Story = fn(&mut World, i64);

/// One day of the city; the numbers are thousandths of a case a day and 2,000 customers.
pub(super) fn day(world: &mut World, day: i64) {
    let all: [(i64, Story); 14] = [
        (500, deposit),
        (60, house),
        (150, charity),
        (200, wedding),
        (200, new_shop),
        (150, group_buyer),
        (120, car_for_cash),
        (250, trader),
        (300, test_payment),
        (150, lost_phone),
        (120, support),
        (700, call_centre),
        (250, courier),
        (150, notice),
    ];
    for (permille, story) in all {
        for _ in 0..world.times_in_city(permille) {
            story(world, day);
        }
    }
}

fn person_account(world: &mut World) -> (usize, usize) {
    let person = world.someone();
    (person, world.persons[person].account)
}

/// A flat was found: a long call with the landlord, then the deposit to an account never paid before.
fn deposit(world: &mut World, day: i64) {
    let case = world.tell("rent_deposit", false);
    let ((person, account), landlord) = (person_account(world), world.someone());
    let (time, seconds) = (world.at(day), world.log(60, 5));
    let [_, event] = {
        let (from, to) = (world.persons[landlord].phone, world.persons[person].phone);
        world.call(from, to, "NONE", time, seconds)
    };
    world.truth[case].event(event);
    let at = time + seconds * SECOND_US + world.minutes(2, 7);
    let payee = world.persons[landlord].account;
    let sum = Sum::Minor(world.log_yuan(2_000, 4));
    world.pay_in(case, Role::Other, account, payee, sum, at);
    world.named(case, payee);
}

/// Nearly all one has, for a house: to the seller, a person or a company.
fn house(world: &mut World, day: i64) {
    let case = world.tell("house_purchase", false);
    let ((_, account), time) = (person_account(world), world.at(day));
    let kind = if world.rng.chance(500) { "PERSONAL" } else { "BUSINESS" };
    let payee = world.open(kind, 2_000, world.accounts[account].balance);
    let share = Sum::Share(world.rng.between(500, 990));
    world.pay_in(case, Role::Other, account, payee, share, time);
    world.named(case, payee);
}

/// Many pay one account in a day.
fn collection(world: &mut World, name: &'static str, payee: usize, count: i64, from: i64, low: i64) {
    let case = world.tell(name, false);
    for _ in 0..count {
        let (_, payer) = person_account(world);
        let (at, sum) = (from + world.minutes(1, 10), world.log_yuan(low, 5));
        world.pay_in(case, Role::Other, payer, payee, Sum::Minor(sum), at);
    }
    world.named(case, payee);
}

fn charity(world: &mut World, day: i64) {
    let (payee, count, from) = (world.open("PERSONAL", 900, 0), world.log(6, 4), world.at(day));
    collection(world, "charity", payee, count, from, 20);
}

fn wedding(world: &mut World, day: i64) {
    let ((_, payee), count, from) = (person_account(world), world.log(6, 3), world.at(day));
    collection(world, "wedding_gifts", payee, count, from, 200);
}

/// A shop that takes its first weeks' money on the owner's own account.
fn new_shop(world: &mut World, day: i64) {
    let (payee, count, from) = (world.open("PERSONAL", 20, 0), world.log(5, 4), world.at(day));
    collection(world, "new_shop", payee, count, from, 15);
}

/// Neighbours pay one of them, who pays the suppliers.
fn group_buyer(world: &mut World, day: i64) {
    let case = world.tell("group_buyer", false);
    let ((_, leader), from) = (person_account(world), world.at(day));
    for _ in 0..world.log(4, 4) {
        let (_, payer) = person_account(world);
        let (at, sum) = (from + world.minutes(1, 8), world.log_yuan(40, 4));
        world.pay_in(case, Role::Other, payer, leader, Sum::Minor(sum), at);
    }
    for _ in 0..world.rng.between(2, 6) {
        let (_, supplier) = person_account(world);
        let (at, sum) = (from + 6 * HOUR_US + world.minutes(1, 8), world.log_yuan(200, 4));
        world.pay_in(case, Role::Other, leader, supplier, Sum::Minor(sum), at);
    }
    world.named(case, leader);
}

/// Savings moved to the account where they are drawn, for a car.
fn car_for_cash(world: &mut World, day: i64) {
    let person = world.someone();
    let Some(second) = world.persons[person].second else { return };
    let case = world.tell("car_for_cash", false);
    let (account, time) = (world.persons[person].account, world.at(day));
    let (moved, drawn) = (Sum::Share(world.rng.between(600, 990)), Sum::Share(world.rng.between(400, 950)));
    world.pay_in(case, Role::Other, account, second, moved, time);
    let at = time + world.minutes(5, 7);
    let tx = world.transfer(second, world.cash, drawn, at);
    world.txs.push(Tx { kind: "CASH_WITHDRAWAL", channel: "COUNTER", case: Some((case, Role::Other)), ..tx });
    world.named(case, second);
}

/// The week's takings, which happen to be near a limit.
fn trader(world: &mut World, day: i64) {
    let case = world.tell("traders_takings", false);
    let ((_, account), from) = (person_account(world), world.at(day));
    for _ in 0..world.rng.between(1, 3) {
        let (at, sum) = (from + world.minutes(1, 9), world.rng.between(20_000, 52_000) * YUAN);
        let tx = world.transfer(world.cash, account, Sum::Minor(sum), at);
        world.txs.push(Tx { kind: "CASH_DEPOSIT", channel: "COUNTER", case: Some((case, Role::Other)), ..tx });
    }
    world.named(case, account);
}

/// One yuan first, as the bank advises, then what is owed.
fn test_payment(world: &mut World, day: i64) {
    let case = world.tell("test_payment", false);
    let ((_, account), (_, payee), time) = (person_account(world), person_account(world), world.at(day));
    let (probe, sum) = (world.log_yuan(1, 6), world.log_yuan(300, 7));
    world.pay_in(case, Role::Other, account, payee, Sum::Minor(probe), time);
    let at = time + world.minutes(1, 8);
    world.pay_in(case, Role::Other, account, payee, Sum::Minor(sum), at);
    world.named(case, account);
}

/// A new SIM after a lost phone, then life goes on: rent, a friend, somebody new.
fn lost_phone(world: &mut World, day: i64) {
    let case = world.tell("lost_phone", false);
    let ((person, account), time) = (person_account(world), world.at(day));
    let what = world.rng.pick(&["SIM_SWAP", "SIM_SWAP", "FORWARDING"]);
    let event = world.change(world.persons[person].phone, what, time);
    world.truth[case].event(event);
    for _ in 0..world.rng.between(1, 3) {
        let (_, stranger) = person_account(world);
        let payee = world.persons[person].landlord.filter(|_| world.rng.chance(500)).unwrap_or(stranger);
        let (at, sum) = (time + world.minutes(30, 7), world.log_yuan(300, 5));
        world.pay_in(case, Role::Other, account, payee, Sum::Minor(sum), at);
        world.named(case, payee);
    }
}

/// The bank's own support looks at the screen; the day after somebody new is paid.
fn support(world: &mut World, day: i64) {
    let case = world.tell("support", false);
    let ((_, account), (_, payee), time) = (person_account(world), person_account(world), world.at(day));
    let shop = world.shops[world.rng.index(world.shops.len())];
    let tx = world.transfer(account, shop, Sum::Minor(50 * YUAN), time);
    world.txs.push(Tx { screen: true, case: Some((case, Role::Other)), ..tx });
    let (at, sum) = (time + world.minutes(5, 9), world.log_yuan(500, 5));
    world.pay_in(case, Role::Other, account, payee, Sum::Minor(sum), at);
    world.named(case, payee);
}

fn calls(world: &mut World, name: &'static str, phone: usize, day: i64, count: i64, (low_s, doublings): (i64, i64)) {
    let case = world.tell(name, false);
    for _ in 0..count {
        let (other, time) = (world.someone(), world.day_us(day) + 9 * HOUR_US + world.rng.between(0, 9 * HOUR_US));
        let seconds = world.log(low_s, doublings);
        let [event, _] = world.call(phone, world.persons[other].phone, "NONE", time, seconds);
        world.truth[case].event(event);
    }
    let number = world.phones[phone].number.clone();
    world.truth[case].subject(number);
}

fn call_centre(world: &mut World, day: i64) {
    let phone = world.open_phone(2_000);
    let count = world.log(40, 3);
    calls(world, "call_centre", phone, day, count, (8, 5));
}

/// The first week of a courier.
fn courier(world: &mut World, day: i64) {
    let phone = world.open_phone(12);
    world.phones[phone].since_us += day * foreshock_core::time::DAY_US;
    let count = world.log(20, 3);
    calls(world, "courier", phone, day, count, (5, 4));
}

/// A notice of the city, of a school, of a parcel service, to a whole district.
fn notice(world: &mut World, day: i64) {
    let case = world.tell("notice", false);
    let from = world.at(day);
    let template = world.token("tpl-");
    let (sender, class) = world.rng.pick(&[("12345", "A2P"), ("10690004", "A2P"), ("10690005", "UNKNOWN")]);
    let district = world.phones[0].district;
    for _ in 0..world.log(60, 4) {
        let other = world.someone();
        let phone = world.persons[other].phone;
        if world.phones[phone].district == district || world.rng.chance(300) {
            let time = from + world.rng.between(0, 12 * 60 * SECOND_US);
            let event = world.sms(phone, sender, class, &template, time);
            world.truth[case].event(event);
        }
    }
    world.truth[case].subject(format!("{district}:{template}"));
    let (person, payee) = (world.someone(), world.someone());
    let accounts = (world.persons[person].account, world.persons[payee].account);
    send(world, accounts.0, accounts.1, 20 * YUAN, from);
}
