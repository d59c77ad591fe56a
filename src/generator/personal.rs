//! Frauds that stand out against a person's own past: sudden spending, a dormant account, a probe, a shared device.

use crate::background::buy;
use crate::book::{Amount, Case, Tx};
use crate::city::{HOUR_US, World, YUAN};
use crate::day_start_us;
use foreshock_core::time::DAY_US;

/// Adds this family once for the `nth` unit of scale.
pub(crate) fn add(world: &mut World, nth: u32) {
    for i in 0..3 {
        velocity(world, nth * 3 + i);
        dormant(world, nth * 3 + i);
        probe(world, nth * 3 + i);
        shared_device(world, nth * 3 + i);
    }
}

/// A month of small purchases, then seven large ones in an evening.
fn velocity(world: &mut World, nth: u32) {
    let mut case = Case::fraud("velocity", nth, &["M11"]);
    let victim = world.take_person();
    let person = world.person(victim).clone();
    for back in (2..=28).step_by(2) {
        let (shop, sum) = (world.rng.pick(&person.shops), world.yuan(20, 120));
        let time = day_start_us() - back * DAY_US + world.waking_us();
        world.pay(buy(person.party, shop, sum, time));
    }
    let start = world.at(17, 20);
    for _ in 0..7 {
        let shop = world.open_shop(Some(700));
        let (sum, time) = (world.yuan(2_800, 5_000), start + world.minutes(0, 120));
        let event = world.pay(Tx { is_ordinary: false, ..buy(person.party, shop, sum, time) });
        case.event(event);
    }
    case.subject(world.account(person.party));
    world.tell(case);
}

/// An old account without a movement takes in four payments.
fn dormant(world: &mut World, nth: u32) {
    let mut case = Case::fraud("dormant", nth, &["M12"]);
    let (age, opening) = (world.rng.between(400, 2_500), world.yuan(1, 60));
    let sleeper = world.open_account("PERSONAL", Some(age), Some(opening));
    world.name_holder(sleeper);
    let start = world.at(8, 14);
    for hour in 0..4 {
        let victim = world.take_person();
        let (account, sum) = (world.person(victim).party, world.yuan(2_000, 4_000));
        let time = start + hour * 2 * HOUR_US + world.minutes(0, 100);
        let event = world.pay(Tx::transfer(account, sleeper, Amount::Minor(sum), time));
        case.event(event);
        case.subject(world.account(account));
    }
    case.subject(world.account(sleeper));
    world.tell(case);
}

/// A few yuan to see whether it works, then thousands.
fn probe(world: &mut World, nth: u32) {
    let mut case = Case::fraud("probe", nth, &["M14"]);
    let victim = world.take_person();
    let (account, mule) = (world.person(victim).party, world.open_mule());
    let (time, device) = (world.at(9, 20), world.token("dev"));
    let hit_at = time + world.minutes(10, 80);
    for (sum, time) in [(world.yuan(1, 20), time), (world.yuan(4_000, 12_000), hit_at)] {
        let transfer = Tx::transfer(account, mule, Amount::Minor(sum), time);
        let event = world.pay(Tx { device: Some(device.clone()), ..transfer });
        case.event(event);
    }
    case.subject(world.account(account));
    case.subject(world.account(mule));
    world.tell(case);
}

/// One phone moves the money of five persons.
fn shared_device(world: &mut World, nth: u32) {
    let mut case = Case::fraud("shared_device", nth, &["I02"]);
    let (device, start) = (world.token("dev"), world.at(9, 15));
    let mules = [world.open_mule(), world.open_mule()];
    for turn in 0..5 {
        let victim = world.take_person();
        let (account, mule) = (world.person(victim).party, world.rng.pick(&mules));
        let (sum, time) = (world.rng.between(500 * YUAN, 3_000 * YUAN), start + turn * HOUR_US + world.minutes(0, 50));
        let transfer = Tx::transfer(account, mule, Amount::Minor(sum), time);
        let event = world.pay(Tx { device: Some(device.clone()), ..transfer });
        case.event(event);
        case.subject(world.account(account));
    }
    case.subject(device);
    mules.into_iter().for_each(|mule| case.subject(world.account(mule)));
    world.tell(case);
}
