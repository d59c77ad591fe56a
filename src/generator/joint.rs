//! Frauds seen only when bank and carrier are read together: scam calls, SIM swaps, and the flood of codes that hides
//! one.

use crate::book::{Amount, Call, Case, Sms, Tx};
use crate::city::{HOUR_US, PartyId, World};
use foreshock_core::time::SECOND_US;

/// Adds this family once for the `nth` unit of scale.
pub(crate) fn add(world: &mut World, nth: u32) {
    for i in 0..4 {
        scam_call(world, nth * 4 + i);
    }
    for i in 0..3 {
        sim_swap(world, nth * 3 + i);
        otp_flood(world, nth * 3 + i);
    }
}

/// A stranger talks for a while; the victim pays a new payee during the call (even instances) or soon after it.
fn scam_call(world: &mut World, nth: u32) {
    let mut case = Case::fraud("scam_call", nth, &["T05"]);
    let victim = world.take_person();
    let person = world.person(victim).clone();
    let (scammer, mule) = (world.token("num"), world.open_mule());
    let seconds = world.rng.between(900, 2_700);
    let start = world.free_at(victim, [9, 19], seconds);
    let grade = world.rng.pick(&["NONE", "MEDIUM", "HIGH"]);
    let call = Call { served: &person.handset, way: "MT_CALL", peer: &scammer, grade, start, seconds };
    let is_during = nth.is_multiple_of(2);
    let paid_at = if is_during {
        world.call_pair(&call).into_iter().for_each(|event| case.event(event));
        start + world.rng.between(seconds / 3, seconds - 60) * SECOND_US
    } else {
        let event = world.call(&call);
        case.event(event);
        start + seconds * SECOND_US + world.minutes(1, 24)
    };
    let loss = part_of_savings(world, person.party, [180, 400]);
    let transfer = Tx::transfer(person.party, mule, Amount::Minor(loss), paid_at);
    let event = world.pay(Tx { in_call: Some(is_during), ..transfer });
    case.event(event);
    let complained_at = paid_at + world.minutes(40, 200);
    world.complain(person.party, "IMP_CUSTOMER_SERVICE", loss, complained_at);
    for subject in [world.account(person.party), person.handset.number, scammer, world.account(mule)] {
        case.subject(subject);
    }
    world.tell(case);
}

/// The number moves to a SIM of the thief; within hours money leaves.
fn sim_swap(world: &mut World, nth: u32) {
    let mut case = Case::fraud("sim_swap", nth, &["T06"]);
    let victim = world.take_person();
    let person = world.person(victim).clone();
    let (swapped_at, mule) = (world.at(8, 15), world.open_mule());
    let thief = world.new_handset(person.handset.district);
    let (number, device) = (person.handset.number.clone(), world.token("dev"));
    let moved = crate::city::Handset { number: number.clone(), carrier: person.handset.carrier, ..thief };
    let event = world.change(&moved, "SIM_SWAP", swapped_at);
    case.event(event);
    for nth_payment in 0..2 {
        let loss = part_of_savings(world, person.party, [120, 200]);
        let paid_at = swapped_at + world.rng.between(nth_payment + 1, nth_payment + 2) * HOUR_US + world.minutes(0, 59);
        let transfer = Tx::transfer(person.party, mule, Amount::Minor(loss), paid_at);
        let event = world.pay(Tx { device: Some(device.clone()), ..transfer });
        case.event(event);
    }
    for subject in [world.account(person.party), number, world.account(mule), device] {
        case.subject(subject);
    }
    world.tell(case);
}

/// Codes of many services within minutes.
fn otp_flood(world: &mut World, nth: u32) {
    let mut case = Case::fraud("otp_flood", nth, &["T08"]);
    let victim = world.take_person();
    let handset = world.person(victim).handset.clone();
    let start = world.at(7, 22);
    for code in 0..world.rng.between(14, 22) {
        let (service, time) = (format!("svc-{:02}", (code * 7) % 30), start + world.minutes(0, 8));
        let sms =
            Sms { way: "MT_SMS", peer: &service, class: "OTP", template: None, url: None, time, served: &handset };
        let event = world.sms(&sms);
        case.event(event);
    }
    case.subject(handset.number);
    world.tell(case);
}

/// An amount between two thousandths of what was on the account in the morning.
pub(crate) fn part_of_savings(world: &mut World, account: PartyId, [low, high]: [i64; 2]) -> i64 {
    world.opening(account) * world.rng.between(low, high) / 1_000
}
