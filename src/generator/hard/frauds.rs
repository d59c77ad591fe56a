//! Frauds: their strength is drawn from ranges that begin where nobody would see them.

use crate::Line;
use crate::city::{HOUR_US, YUAN};
use crate::hard::ledger::is_night;
use crate::hard::world::{Role, Sum, Tx, World};
use crate::json::Object;
use foreshock_core::Feed;
use foreshock_core::time::{DAY_US, SECOND_US};

/// One day of the city; each kind comes 45 times in 1,000 days and 2,000 customers: in all about one payment of a thousand.
pub(super) fn day(world: &mut World, day: i64) {
    let all: [fn(&mut World, i64); 15] = [
        scam_call,
        sim_swap,
        forwarding,
        take_over,
        remote_access,
        collection,
        layering,
        dispersal,
        scatter_gather,
        structuring,
        stolen_card,
        gambling,
        probe,
        smishing,
        sim_box,
    ];
    for story in all {
        for _ in 0..world.times_in_city(45) {
            story(world, day);
        }
    }
}

/// Somebody with money.
fn victim(world: &mut World) -> usize {
    let tries: [usize; 6] = std::array::from_fn(|_| world.someone());
    let richest = tries.into_iter().max_by_key(|person| world.accounts[world.persons[*person].account].balance);
    richest.unwrap_or(0)
}

/// An account in the hands of a gang: new, warmed up with small payments, or rented from somebody who goes on using it.
fn mule(world: &mut World, time: i64) -> usize {
    match world.rng.between(0, 9) {
        0..5 => world.open("PERSONAL", 60, 0),
        5..8 => {
            let account = world.open("PERSONAL", 400, 300 * YUAN);
            for _ in 0..world.rng.between(2, 8) {
                let other = world.someone();
                let (payer, sum) = (world.persons[other].account, world.log_yuan(10, 4));
                let at = time - world.rng.between(1, 25) * DAY_US;
                let tx = world.transfer(payer, account, Sum::Minor(sum), at);
                world.txs.push(tx);
            }
            account
        }
        _ => {
            let other = world.someone();
            world.persons[other].account
        }
    }
}

/// What the payee of a victim does: moves it on in parts, later or at once, as transfer or cash.
fn pass_on(world: &mut World, case: usize, from: usize, since: i64, depth: i64) {
    let mut at = since + world.minutes(1, 9);
    for _ in 0..world.rng.between(1, 3) {
        let share = Sum::Share(world.rng.between(350, 985));
        if world.rng.chance(450) {
            let terminal = format!("atm-{}", world.rng.below(60));
            let tx = world.transfer(from, world.cash, share, at);
            let case = Some((case, Role::Exit));
            world.txs.push(Tx { kind: "CASH_WITHDRAWAL", channel: "ATM", terminal: Some(terminal), case, ..tx });
        } else {
            let next = mule(world, at);
            world.pay_in(case, Role::Exit, from, next, share, at);
            world.named(case, next);
            if depth > 0 {
                pass_on(world, case, next, at, depth - 1);
            }
        }
        at += world.minutes(1, 6);
    }
}

/// The victim pays in parts; the money moves on; three of five complain, some days later.
fn rob(world: &mut World, case: usize, person: usize, time: i64, (screen, device): (bool, Option<String>)) -> i64 {
    let (account, payee, mut at) = (world.persons[person].account, mule(world, time), time);
    let parts = world.rng.pick(&[1, 1, 1, 2, 3, 4]);
    for _ in 0..parts {
        let share = Sum::Share(world.rng.between(120, 990) * 2 / (1 + parts));
        let tx = world.transfer(account, payee, share, at);
        world.txs.push(Tx { screen, device: device.clone(), case: Some((case, Role::Loss)), ..tx });
        at += world.minutes(1, 6);
    }
    world.named(case, payee);
    let depth = world.rng.between(0, 2);
    pass_on(world, case, payee, at, depth);
    if world.rng.chance(600) {
        let when = at + world.log(2, 6) * HOUR_US;
        complain(world, person, when);
    }
    at
}

fn complain(world: &mut World, person: usize, time: i64) {
    let account = &world.accounts[world.persons[person].account];
    let (token, district, age) = (account.person.clone(), account.district, account.age_band);
    let mut json = Object::new();
    json.text("complaintId", &world.token("C"));
    json.text("reporter", "police-96110");
    json.time("receivedAt", time);
    json.text("channel", "CALL_96110");
    json.text("fraudType", "OTHER");
    json.text("contactChannel", "OTHER");
    json.text("lossAmount", "ATTEMPT");
    json.text("currency", "CNY");
    let mut victim = Object::new();
    victim.text_if("personToken", token.as_deref());
    victim.text_if("ageBand", age);
    victim.text("district", district);
    json.object("victim", victim);
    json.text("status", "NEW");
    world.lines.push(Line { time_us: time, json: json.done(), feed: Feed::Complaints });
}

/// A stranger talks, for minutes or hours; the money goes while he talks or some time after.
fn scam_call(world: &mut World, day: i64) {
    let case = world.tell("scam_call", true);
    let (person, time) = (victim(world), world.at(day));
    let phone = world.persons[person].phone;
    let (mut at, mut grade) = (time, "NONE");
    for _ in 0..world.rng.between(1, 3) {
        let (scammer, seconds) = (world.open_phone(90), world.log(60, 6));
        grade = if world.rng.chance(250) { "MEDIUM" } else { grade };
        let [_, event] = world.call(scammer, phone, grade, at, seconds);
        world.truth[case].event(event);
        at += seconds * SECOND_US + world.minutes(1, 3);
    }
    // One in three pays while the line is still open: the record of the call comes after.
    let at = if world.rng.chance(330) { at - world.minutes(2, 3) } else { at + world.minutes(1, 7) };
    rob(world, case, person, at, (false, None));
}

fn swapped(world: &mut World, day: i64, name: &'static str, what: &str) {
    let case = world.tell(name, true);
    let (person, time) = (victim(world), world.at(day));
    let event = world.change(world.persons[person].phone, what, time);
    world.truth[case].event(event);
    let (at, device) = (time + world.minutes(5, 10), world.token("dev-"));
    rob(world, case, person, at, (false, Some(device)));
}

fn sim_swap(world: &mut World, day: i64) {
    swapped(world, day, "sim_swap", "SIM_SWAP");
}

fn forwarding(world: &mut World, day: i64) {
    swapped(world, day, "forwarding", "FORWARDING");
}

/// Somebody else has the password; the phone tells nothing.
fn take_over(world: &mut World, day: i64) {
    let case = world.tell("take_over", true);
    let (person, time, device) = (victim(world), world.at(day), world.token("dev-"));
    rob(world, case, person, time, (false, Some(device)));
}

fn remote_access(world: &mut World, day: i64) {
    let case = world.tell("remote_access", true);
    let (person, time) = (victim(world), world.at(day));
    rob(world, case, person, time, (true, None));
}

/// A false shop or investment: several pay one account over hours or days.
fn collection(world: &mut World, day: i64) {
    let case = world.tell("collection", true);
    let from = world.at(day);
    let (payee, mut last) = (mule(world, from), from);
    for _ in 0..world.log(3, 3) {
        let (person, at) = (world.someone(), from + world.minutes(3, 10));
        let (account, sum) = (world.persons[person].account, world.log_yuan(200, 6));
        world.pay_in(case, Role::Loss, account, payee, Sum::Minor(sum), at);
        last = last.max(at);
    }
    world.named(case, payee);
    let depth = world.rng.between(0, 1);
    pass_on(world, case, payee, last, depth);
}

/// Stolen money runs through a chain.
fn layering(world: &mut World, day: i64) {
    let case = world.tell("layering", true);
    let (person, mut at) = (victim(world), world.at(day));
    let mut holder = mule(world, at);
    let (account, share) = (world.persons[person].account, Sum::Share(world.rng.between(200, 950)));
    world.pay_in(case, Role::Loss, account, holder, share, at);
    world.named(case, holder);
    for _ in 0..world.rng.between(2, 6) {
        at += world.minutes(2, 8);
        let (next, share) = (mule(world, at), Sum::Share(world.rng.between(600, 985)));
        world.pay_in(case, Role::Exit, holder, next, share, at);
        world.named(case, next);
        holder = next;
    }
}

/// One account full of stolen money pays many.
fn dispersal(world: &mut World, day: i64) {
    let case = world.tell("dispersal", true);
    let (from, filled) = (world.at(day), world.log_yuan(20_000, 4));
    let source = world.open("PERSONAL", 400, filled);
    let count = world.log(4, 3);
    for _ in 0..count {
        let (at, payee) = (from + world.minutes(1, 9), mule(world, from));
        let sum = filled / count * world.rng.between(40, 98) / 100;
        world.pay_in(case, Role::Exit, source, payee, Sum::Minor(sum), at);
        world.named(case, payee);
    }
    world.named(case, source);
}

/// One source, several middles, one sink.
fn scatter_gather(world: &mut World, day: i64) {
    let case = world.tell("scatter_gather", true);
    let (from, filled) = (world.at(day), world.log_yuan(20_000, 4));
    let (source, sink) = (world.open("PERSONAL", 400, filled), mule(world, from));
    let count = world.log(3, 2);
    for _ in 0..count {
        let (middle, at) = (mule(world, from), from + world.minutes(1, 9));
        let sum = filled / count * world.rng.between(60, 98) / 100;
        world.pay_in(case, Role::Other, source, middle, Sum::Minor(sum), at);
        let (at, sum) = (at + world.minutes(3, 10), sum * world.rng.between(60, 99) / 100);
        world.pay_in(case, Role::Other, middle, sink, Sum::Minor(sum), at);
        world.named(case, middle);
    }
    world.named(case, source);
    world.named(case, sink);
}

/// Cash near a limit, on one day or on some, at one bank or at two.
fn structuring(world: &mut World, day: i64) {
    let case = world.tell("structuring", true);
    let (person, from) = (world.someone(), world.at(day));
    let account = world.persons[person].account;
    let other = world.persons[person].second.unwrap_or(account);
    for _ in 0..world.rng.between(2, 5) {
        let (holder, at) = (world.rng.pick(&[account, other]), from + world.minutes(5, 10));
        let sum = world.rng.between(36_000, 49_900) * YUAN;
        let tx = world.transfer(world.cash, holder, Sum::Minor(sum), at);
        world.txs.push(Tx { kind: "CASH_DEPOSIT", channel: "COUNTER", case: Some((case, Role::Other)), ..tx });
        world.named(case, holder);
    }
}

/// A card in other hands: tried small, then used.
fn stolen_card(world: &mut World, day: i64) {
    let case = world.tell("stolen_card", true);
    let (person, mut at) = (victim(world), world.at(day));
    let account = world.persons[person].account;
    let card = (format!("card-{}", world.accounts[account].token), "622848");
    for _ in 0..world.rng.between(1, 8) {
        let (shop, sum) = (world.shops[world.rng.index(world.shops.len())], world.log_yuan(30, 8));
        let tx = world.transfer(account, shop, Sum::Minor(sum), at);
        let is_refused = world.rng.chance(250);
        let case = Some((case, Role::Loss));
        world.txs.push(Tx { kind: "CARD_PURCHASE", channel: "POS", card: Some(card.clone()), is_refused, case, ..tx });
        at += world.minutes(3, 9);
    }
    world.named(case, account);
}

/// Gamblers pay an account, more by night than by day, more round sums than odd ones.
fn gambling(world: &mut World, day: i64) {
    let case = world.tell("gambling", true);
    let payee = mule(world, world.day_us(day));
    for _ in 0..world.log(10, 3) {
        let (person, at) =
            (world.someone(), world.day_us(day) + world.rng.between(10, 27) * HOUR_US + world.minutes(1, 5));
        let is_kept = is_night(at, world.day_us(day)) || world.rng.chance(500);
        let sum = if world.rng.chance(650) { world.log(1, 4) * 100 * YUAN } else { world.log_yuan(30, 6) };
        if is_kept {
            let account = world.persons[person].account;
            world.pay_in(case, Role::Loss, account, payee, Sum::Minor(sum), at);
        }
    }
    world.named(case, payee);
}

/// A small try, then the rest.
fn probe(world: &mut World, day: i64) {
    let case = world.tell("probe", true);
    let (person, time) = (victim(world), world.at(day));
    let (account, payee, sum) = (world.persons[person].account, mule(world, time), world.log_yuan(10, 6));
    world.pay_in(case, Role::Loss, account, payee, Sum::Minor(sum), time);
    let (at, share) = (time + world.minutes(2, 8), Sum::Share(world.rng.between(200, 950)));
    world.pay_in(case, Role::Loss, account, payee, share, at);
    world.named(case, account);
    world.named(case, payee);
    pass_on(world, case, payee, at, 0);
}

/// Messages of one template with a link, from plain numbers, to a district.
fn smishing(world: &mut World, day: i64) {
    let case = world.tell("smishing", true);
    let (from, template) = (world.at(day), world.token("tpl-"));
    let district = world.phones[0].district;
    let senders: Vec<String> = (0..world.rng.between(1, 12)).map(|_| world.token("num-")).collect();
    for _ in 0..world.log(60, 4) {
        let other = world.someone();
        let phone = world.persons[other].phone;
        if world.phones[phone].district == district || world.rng.chance(200) {
            let (time, sender) = (from + world.rng.between(0, 25 * 60 * SECOND_US), world.rng.index(senders.len()));
            let event = world.sms(phone, &senders[sender], "P2P", &template, time);
            world.truth[case].event(event);
        }
    }
    world.truth[case].subject(format!("{district}:{template}"));
}

/// SIMs in a box call strangers.
fn sim_box(world: &mut World, day: i64) {
    let case = world.tell("sim_box", true);
    let imei = world.token("imei-");
    for _ in 0..world.rng.between(1, 6) {
        let phone = world.open_phone(40);
        world.phones[phone].imei.clone_from(&imei);
        for _ in 0..world.log(15, 3) {
            let (other, time) = (world.someone(), world.day_us(day) + 8 * HOUR_US + world.rng.between(0, 12 * HOUR_US));
            let seconds = world.log(4, 6);
            let [event, _] = world.call(phone, world.persons[other].phone, "NONE", time, seconds);
            world.truth[case].event(event);
        }
        let number = world.phones[phone].number.clone();
        world.truth[case].subject(number);
    }
}
