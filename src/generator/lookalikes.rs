//! Honest things that look like fraud: what a rule has to stay silent on, or is forgiven for naming.

use crate::background::salary;
use crate::book::{Amount, Call, Case, Sms, Tx};
use crate::city::{DISTRICTS, MINUTE_US, World};
use crate::day_start_us;
use crate::telecom::numbers_of;
use foreshock_core::time::{DAY_US, SECOND_US};

const AGENTS: usize = 6;
const CALLS_OF_AGENT: usize = 60;
const NOTICE_NUMBERS: usize = 300;

/// Adds this family once for the `nth` unit of scale.
pub(crate) fn add(world: &mut World, nth: u32) {
    payday(world, nth);
    charity(world, nth);
    new_shop(world, nth);
    house_purchase(world, nth);
    family_phone(world, nth);
    call_centre(world, nth);
    public_notice(world, nth);
    for i in 0..3 {
        landlord_deposit(world, nth * 3 + i);
        family_transfer(world, nth * 3 + i);
    }
}

/// One employer pays its staff within the hour.
fn payday(world: &mut World, nth: u32) {
    let mut case = Case::honest("payday", nth);
    let turn = usize::try_from(nth).unwrap_or(0);
    let employer = world.employers.iter().copied().cycle().nth(turn).expect("a city has employers");
    let staff = world.persons.iter().filter(|p| p.employer == employer);
    let staff: Vec<_> = staff.map(|p| p.party).collect();
    let start = world.at(9, 10);
    for party in staff {
        let (wage, time) = (world.yuan(4_000, 16_000), start + world.minutes(0, 30));
        let event = salary(world, employer, party, wage, time);
        case.event(event);
    }
    case.subject(world.account(employer));
    world.tell(case);
}

/// Many strangers give small sums to one account.
fn charity(world: &mut World, nth: u32) {
    let mut case = Case::honest("charity", nth);
    let appeal = world.open_account("BUSINESS", Some(1_500), None);
    earlier_customers(world, appeal);
    many_pay(world, &mut case, appeal, [40, 10, 300]);
    case.subject(world.account(appeal));
    world.tell(case);
}

/// A shop that opened last week takes transfers by its code.
fn new_shop(world: &mut World, nth: u32) {
    let mut case = Case::honest("new_shop", nth);
    let shop = world.open_shop(Some(6));
    many_pay(world, &mut case, shop, [30, 8, 120]);
    case.subject(world.account(shop));
    world.tell(case);
}

/// Payments in the weeks before, so that an honest old account does not seem to wake.
fn earlier_customers(world: &mut World, payee: usize) {
    for back in [5, 19, 44] {
        let somebody = world.take_person();
        let (account, sum) = (world.person(somebody).party, world.yuan(50, 900));
        let time = day_start_us() - back * DAY_US + world.waking_us();
        world.pay(Tx::transfer(account, payee, Amount::Minor(sum), time));
    }
}

fn many_pay(world: &mut World, case: &mut Case, payee: usize, [payers, low, high]: [i64; 3]) {
    let start = world.at(9, 16);
    for _ in 0..payers {
        let giver = world.take_person();
        let (account, sum) = (world.person(giver).party, world.yuan(low, high));
        let time = start + world.minutes(0, 240);
        let event = world.pay(Tx::transfer(account, payee, Amount::Minor(sum), time));
        case.event(event);
    }
}

/// A buyer's whole savings go to a developer, at the counter.
fn house_purchase(world: &mut World, nth: u32) {
    let mut case = Case::honest("house_purchase", nth);
    let buyer = world.take_person();
    let (account, time) = (world.person(buyer).party, world.at(10, 16));
    let developer = world.open_account("BUSINESS", Some(3_000), None);
    earlier_customers(world, developer);
    let transfer = Tx::transfer(account, developer, Amount::Share(930), time);
    let event = world.pay(Tx { channel: "COUNTER", ..transfer });
    case.event(event);
    case.subject(world.account(account));
    world.tell(case);
}

/// Three of one family pay from one phone: below the threshold for a shared device.
fn family_phone(world: &mut World, nth: u32) {
    let mut case = Case::honest("family_phone", nth);
    let first = world.take_person();
    let [second, third, other] = world.person(first).friends;
    let device = world.party(world.person(first).party).device.clone();
    let payee = world.person(other).party;
    for member in [first, second, third] {
        let account = world.person(member).party;
        let (sum, time) = (world.yuan(20, 200), world.at(18, 22));
        let transfer = Tx::transfer(account, payee, Amount::Minor(sum), time);
        let event = world.pay(Tx { device: device.clone(), ..transfer });
        case.event(event);
    }
    device.into_iter().for_each(|token| case.subject(token));
    world.tell(case);
}

/// Six agents call sixty customers each: one SIM per phone, and people talk.
fn call_centre(world: &mut World, nth: u32) {
    let mut case = Case::honest("call_centre", nth);
    let district = world.rng.pick(&DISTRICTS);
    for _ in 0..AGENTS {
        let agent = world.new_handset(district);
        let first = world.at(9, 10);
        for turn in 0..CALLS_OF_AGENT {
            let (customer, seconds) = (world.token("num"), world.rng.between(70, 400));
            let start = first + i64::try_from(turn).unwrap_or(0) * 8 * MINUTE_US;
            let call = Call { served: &agent, way: "MO_CALL", peer: &customer, grade: "NONE", start, seconds };
            let event = world.call(&call);
            case.event(event);
        }
        case.subject(agent.number);
    }
    world.tell(case);
}

/// A notice of the city goes out to two districts over six hours.
fn public_notice(world: &mut World, nth: u32) {
    let mut case = Case::honest("public_notice", nth);
    let (template, start) = (world.token("tpl"), world.at(8, 14));
    for district in ["440304", "440306"] {
        for served in numbers_of(world, district, NOTICE_NUMBERS) {
            let time = start + world.minutes(0, 360);
            let template = Some(template.as_str());
            let sms = Sms { served: &served, way: "MT_SMS", peer: "12345", class: "A2P", template, url: None, time };
            let event = world.sms(&sms);
            case.event(event);
        }
        case.subject(district);
    }
    world.tell(case);
}

/// A flat is agreed on the phone with a stranger and the deposit paid: the rule for scam calls cannot tell.
fn landlord_deposit(world: &mut World, nth: u32) {
    let case = Case::honest("landlord_deposit", nth);
    let landlord = world.open_account("PERSONAL", Some(1_200), None);
    earlier_customers(world, landlord);
    let peer = world.token("num");
    talk_and_pay(world, case, landlord, &peer, "NONE");
}

/// A parent talks to a child, then pays into the child's new account.
fn family_transfer(world: &mut World, nth: u32) {
    let case = Case::honest("family_transfer", nth);
    let child = world.open_account("PERSONAL", Some(40), None);
    let peer = world.token("num");
    talk_and_pay(world, case, child, &peer, "KNOWN");
}

fn talk_and_pay(world: &mut World, mut case: Case, payee: usize, peer: &str, grade: &'static str) {
    let payer = world.take_person();
    let person = world.person(payer).clone();
    let seconds = world.rng.between(360, 1_200);
    let start = world.free_at(payer, [9, 20], seconds);
    let call = Call { served: &person.handset, way: "MO_CALL", peer, grade, start, seconds };
    world.call_pair(&call).into_iter().for_each(|event| case.event(event));
    let (sum, paid_at) = (world.yuan(6_000, 9_000), start + seconds * SECOND_US + world.minutes(2, 20));
    let event = world.pay(Tx::transfer(person.party, payee, Amount::Minor(sum), paid_at));
    case.event(event);
    for subject in [world.account(person.party), person.handset.number, world.account(payee)] {
        case.subject(subject);
    }
    world.tell(case);
}
