//! Frauds in the telephone network: SIM boxes, short-call fan-out, waves of one message.

use crate::book::{Call, Case, Sms};
use crate::city::{DISTRICTS, HOUR_US, Handset, World};

const SIMS: usize = 4;
const CALLS_OF_SIM: usize = 64;
const SHORT_CALLS: usize = 70;
const WAVE_NUMBERS: usize = 240;

/// Adds this family once for the `nth` unit of scale.
pub(crate) fn add(world: &mut World, nth: u32) {
    for i in 0..2 {
        sim_box(world, nth * 2 + i);
        sms_wave(world, nth * 2 + i);
    }
    for i in 0..3 {
        short_calls(world, nth * 3 + i);
    }
}

/// Four SIMs in one device call from one cell, each 64 strangers in six hours.
fn sim_box(world: &mut World, nth: u32) {
    let mut case = Case::fraud("sim_box", nth, &["T01"]);
    let district = world.rng.pick(&DISTRICTS);
    let (device, start) = (world.new_handset(district), world.at(8, 15));
    for _ in 0..SIMS {
        let sim = world.new_handset(district);
        let sim = Handset { number: sim.number, imsi: sim.imsi, ..device.clone() };
        for _ in 0..CALLS_OF_SIM {
            let (peer, seconds) = (world.token("num"), world.rng.between(25, 240));
            let start = start + world.rng.between(0, 6 * HOUR_US);
            let call = Call { served: &sim, way: "MO_CALL", peer: &peer, grade: "NONE", start, seconds };
            let event = world.call(&call);
            case.event(event);
        }
        case.subject(sim.number);
    }
    world.tell(case);
}

/// Seventy calls of a few seconds in fifty minutes.
fn short_calls(world: &mut World, nth: u32) {
    let mut case = Case::fraud("short_calls", nth, &["T02"]);
    let district = world.rng.pick(&DISTRICTS);
    let (caller, first) = (world.new_handset(district), world.at(9, 20));
    for _ in 0..SHORT_CALLS {
        let (peer, seconds) = (world.token("num"), world.rng.between(0, 18));
        let start = first + world.minutes(0, 50);
        let call = Call { served: &caller, way: "MO_CALL", peer: &peer, grade: "NONE", start, seconds };
        let event = world.call(&call);
        case.event(event);
    }
    case.subject(caller.number);
    world.tell(case);
}

/// One message reaches 240 numbers in each of two districts within nine minutes.
fn sms_wave(world: &mut World, nth: u32) {
    let mut case = Case::fraud("sms_wave", nth, &["T09"]);
    let at = world.rng.index(DISTRICTS.len());
    let (start, sender) = (world.at(9, 21), world.token("num"));
    let (template, url) = (world.token("tpl"), world.token("url"));
    for step in 0..2 {
        let district = DISTRICTS.iter().copied().cycle().nth(at + step).unwrap_or_default();
        for served in numbers_of(world, district, WAVE_NUMBERS) {
            let time = start + world.minutes(0, 9);
            let (template, url) = (Some(template.as_str()), Some(url.as_str()));
            let sms = Sms { served: &served, way: "MT_SMS", peer: &sender, class: "P2P", template, url, time };
            let event = world.sms(&sms);
            case.event(event);
        }
        case.subject(format!("{district}:{template}"));
        case.subject(district);
    }
    case.subject(sender);
    world.tell(case);
}

/// So many different numbers of a district: its residents first, then numbers without an account here.
pub(crate) fn numbers_of(world: &mut World, district: &'static str, count: usize) -> Vec<Handset> {
    let residents = world.persons.iter().filter(|p| p.handset.district == district).take(count);
    let mut numbers: Vec<_> = residents.map(|p| p.handset.clone()).collect();
    while numbers.len() < count {
        let handset = world.new_handset(district);
        numbers.push(handset);
    }
    numbers
}
