//! State stays bounded: over days, and against keys made up to fill it. Small in the ordinary run; the figures of
//! `docs/benchmarks.md` come from `--release` with `FORESHOCK_DAY_EVENTS`, `FORESHOCK_HOSTILE`, `FORESHOCK_KEYS` set.
#![allow(clippy::unwrap_used)]

use foreshock::offline::net::Net;
use foreshock::offline::standing::Standing;
use foreshock::ops::config::Config;
use foreshock::ops::pool::Pool;
use foreshock::rules::files::{Choice, load};
use foreshock::state::folder::Folder;
use foreshock::state::fork::{Copy, End};
use foreshock::state::snapshot::{Snapshot, Store, keep};
use foreshock_compiler::{Pack, feed_schema};
use foreshock_core::time::{DAY_US, SECOND_US, format_rfc3339};
use foreshock_core::{Feed, Presence};
use foreshock_engine::{Engine, FeedBatch, Limits, Verdict};
use foreshock_feeds::{Counts, Event, Record, decode, to_record_batch};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const START_US: i64 = 1_772_416_800_000_000;
const BATCH: usize = 2_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// The shipped rules whose frames are a day at most and which never need more than that.
fn pack() -> Pack {
    let config = Config::default();
    let choice = Choice { ids: Vec::new(), no_drafts: false };
    let all = load(&config.rules.dir, &choice, &config.settings()).unwrap().unwrap();
    let day = |rule: &&foreshock_compiler::Rule| rule.longest_frame_us <= DAY_US;
    let ids: Vec<String> = all.rules.iter().filter(day).map(|r| r.header.id.clone()).collect();
    assert!(ids.len() > 5, "{ids:?}");
    load(&config.rules.dir, &Choice { ids, no_drafts: false }, &config.settings()).unwrap().unwrap()
}

fn payment(id: u64, time: i64, payer: &str, payee: &str, amount: u64) -> Event {
    let json = format!(
        r#"{{"txId":"{id}","reporter":"b","creDtTm":"{}","kind":"TRANSFER","amount":"{amount}.00","currency":"CNY",
           "deviceToken":"d{payer}","debtor":{{"accountToken":"{payer}","district":"110000"}},"creditor":{{"accountToken":"{payee}"}}}}"#,
        format_rfc3339(time)
    );
    decode(&Record { bytes: json.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap()
}

fn batch(events: &[Event]) -> FeedBatch {
    let feed = Feed::Transactions;
    FeedBatch { feed, partition: 0, batch: to_record_batch(feed, feed_schema(feed), events), actions: Vec::new() }
}

fn engine(pack: &Pack, limits: Limits) -> Engine {
    Engine::bounded(pack.plan.clone(), 1, &[Presence::Expected], |_| 120 * SECOND_US, limits)
}

/// Resident memory in KiB, where the system tells.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn what_the_engine_holds_does_not_grow_from_the_third_day_to_the_tenth() {
    let events_per_day = number("FORESHOCK_DAY_EVENTS", 20_000);
    // Other tests of this file use the memory of the same process.
    let is_alone = std::env::args().any(|a| a.starts_with("what_the_engine_holds"));
    let pack = pack();
    let mut engine = engine(&pack, Limits::NONE);
    let mut third = None;
    for day in 0..10 {
        let step = DAY_US / i64::try_from(events_per_day).unwrap();
        let numbers: Vec<u64> = (0..events_per_day).collect();
        for part in numbers.chunks(BATCH) {
            let event = |n: &u64| {
                let time = START_US + day * DAY_US + i64::try_from(*n).unwrap() * step;
                // Accounts of a city that changes: each day a tenth of them is new.
                let account =
                    |k: u64| format!("a{}", k % (events_per_day / 4) + day.unsigned_abs() * events_per_day / 40);
                let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let id = day.unsigned_abs() * events_per_day + n;
                payment(id, time, &account(spread >> 20), &account(spread >> 40), 100 + spread % 900)
            };
            let events: Vec<Event> = part.iter().map(event).collect();
            engine.step(&[batch(&events)], &Pool { threads: 1 });
        }
        let (sizes, (entries, bytes)) = (engine.sizes(), engine.weigh_windows());
        println!(
            "day {}: {sizes:?}, {entries} entries in {bytes} bytes, {} MiB resident",
            day + 1,
            resident_kib() >> 10
        );
        // The windows' bytes still settle a little: a log keeps some of the room it once had.
        let now = [sizes.young_rows as u64, sizes.keys as u64, sizes.event_ids as u64, sizes.texts as u64, entries]
            .map(|n| (n, 105))
            .into_iter()
            .chain([(bytes as u64, 110), (resident_kib(), if is_alone { 105 } else { u64::MAX })])
            .collect::<Vec<_>>();
        if day == 2 {
            third = Some(now.clone());
        }
        for ((now, percent), (third, _)) in now.iter().zip(third.iter().flatten()) {
            assert!(now * 100 <= third.saturating_mul(*percent), "day {}: {now} where it was {third}", day + 1);
        }
    }
}

#[test]
fn keys_made_up_to_fill_the_memory_are_shed_and_counted_and_those_in_use_stay_exact() {
    let hostile = number("FORESHOCK_HOSTILE", 60_000);
    let keys_max = usize::try_from(hostile / 20).unwrap();
    let pack = pack();
    let mut engine = engine(&pack, Limits { keys_max, ..Limits::NONE });
    let (mut net, mut marked, mut standing) = (Net::default(), BTreeSet::new(), Standing::default());
    let (mut shed, mut id, mut time) = (0, 0, START_US);
    let before = resident_kib();
    let honest = |k: u64| format!("honest{}", k % 100);
    let mut left = hostile;
    while left > 0 {
        let mut events = Vec::with_capacity(BATCH);
        for n in 0..(BATCH as u64).min(left) {
            (id, time) = (id + 1, time + 10_000);
            // First the honest ones; later one payment in ten is theirs.
            let is_honest = id < 2_000 || n % 10 == 9;
            events.push(if is_honest {
                payment(id, time, &honest(id * 7), &honest(id * 11 + 1), 40_000 + id % 10_000)
            } else {
                left -= 1;
                payment(id, time, &format!("x{id}"), &format!("y{id}"), 1)
            });
        }
        let output = engine.step(&[batch(&events)], &Pool { threads: 1 });
        shed += output.facts.shed;
        if hostile <= 100_000 {
            standing.take(&output);
        }
        output.verdicts.iter().for_each(|verdict| take(&pack, verdict, &mut net, &mut marked));
    }
    let (sizes, (entries, bytes)) = (engine.sizes(), engine.weigh_windows());
    let groups: usize = pack.plan.streams.iter().map(|s| s.groups.len()).sum();
    println!("{hostile} made-up keys, {keys_max} allowed in each of {groups} groups: {sizes:?}, {shed} rows shed");
    println!("{entries} entries in {bytes} bytes, {} MiB resident, {} before", resident_kib() >> 10, before >> 10);
    assert!(shed > 0);
    assert!(sizes.keys <= keys_max * groups, "{} keys", sizes.keys);
    let honest_found = net.rows.values().filter(|(d, _)| d.subject.starts_with("honest")).count();
    println!("{} detections, {} of honest accounts, {} marked", net.rows.len(), honest_found, marked.len());
    // Else the batch would take too long.
    if hostile <= 100_000 {
        check_unmarked(&pack, &net, &marked, standing);
    }
}

/// What is not marked is what the batch finds, but for rules of several levels.
fn check_unmarked(pack: &Pack, net: &Net, marked: &BTreeSet<String>, standing: Standing) {
    let expected = Net::of_batch(pack, &standing.facts()).unwrap();
    let levels = |rule: &str| -> usize {
        let stream = pack.plan.streams.iter().find(|s| s.rules.iter().any(|r| r.id == rule)).unwrap();
        stream.groups.iter().map(|g| g.level).max().unwrap_or(0)
    };
    for ((_, rule, event), (detection, _)) in &net.rows {
        if levels(rule) == 0 && !marked.contains(event) {
            let key = (detection.event_time, rule.clone(), event.clone());
            assert_eq!(expected.rows.get(&key).map(|(d, _)| d), Some(detection), "not marked and not exact");
        }
    }
}

#[test]
fn events_sent_to_fill_the_memory_through_a_few_accounts_are_shed_and_their_accounts_marked() {
    let flood = number("FORESHOCK_FLOOD", 30_000);
    let entries_max = u32::try_from(flood / 5).unwrap();
    let pack = pack();
    let mut engine = engine(&pack, Limits { entries_max, ..Limits::NONE });
    let groups: usize = pack.plan.streams.iter().map(|s| s.groups.len()).sum();
    let (mut net, mut marked, mut standing) = (Net::default(), BTreeSet::new(), Standing::default());
    let honest = |k: u64| format!("honest{}", k % 100);
    // Honest payments before, among and, two days later, after those of ten accounts that pay each other.
    let event = |n: u64| {
        let time = |n: u64| START_US + i64::try_from(n).unwrap() * 10_000;
        match n {
            _ if n < flood + 2_000 && n >= 2_000 && n % 10 != 9 => {
                payment(n, time(n), &format!("x{}", n % 10), &format!("x{}", n * 7 % 10), 1)
            }
            _ if n < flood + 2_000 => payment(n, time(n), &honest(n * 7), &honest(n * 11 + 1), 40_000 + n % 10_000),
            _ => payment(n, time(n) + 2 * DAY_US, &honest(n * 7), &honest(n * 11 + 1), 40_000 + n % 10_000),
        }
    };
    let (mut shed, mut shed_later) = (0, 0);
    for from in (0..flood + 4_000).step_by(BATCH) {
        let events: Vec<Event> = (from..from + BATCH as u64).map(event).collect();
        let output = engine.step(&[batch(&events)], &Pool { threads: 1 });
        assert!(engine.sizes().entries <= entries_max as usize * groups, "{:?}", engine.sizes());
        *(if from > flood + 2_000 { &mut shed_later } else { &mut shed }) += output.facts.shed;
        if flood <= 100_000 {
            standing.take(&output);
        }
        output.verdicts.iter().for_each(|verdict| take(&pack, verdict, &mut net, &mut marked));
    }
    let before = |event: &str| {
        let own = event.split('#').next().unwrap();
        own.rsplit(':').next().unwrap().parse::<u64>().unwrap() < 2_000
    };
    println!(
        "{flood} events, {entries_max} entries allowed in each of {groups} groups: {:?}, {shed} rows shed, {shed_later} later; {} detections, {} marked",
        engine.sizes(),
        net.rows.len(),
        marked.len()
    );
    assert!(shed > 0 && shed_later == 0, "when the flood is past all count again");
    assert!(!marked.is_empty() && marked.iter().all(|event| !before(event)));
    if flood <= 100_000 {
        check_unmarked(&pack, &net, &marked, standing);
    }
}

/// Takes a verdict in, and whether it is marked.
fn take(pack: &Pack, verdict: &Verdict, net: &mut Net, marked: &mut BTreeSet<String>) {
    net.apply(pack, verdict);
    let event = &verdict.detection.event_id;
    if verdict.is_incomplete {
        marked.insert(event.clone())
    } else {
        marked.remove(event)
    };
}

#[test]
fn a_state_of_many_keys_is_written_by_a_copy_and_read_again_whole() {
    let keys = number("FORESHOCK_KEYS", 20_000);
    let pack = pack();
    let mut live = engine(&pack, Limits::NONE);
    let numbers: Vec<u64> = (0..).take(usize::try_from(keys).unwrap()).collect();
    let mut done = 0;
    for part in numbers.chunks(BATCH) {
        let event = |n: &u64| {
            let time = START_US + i64::try_from(*n).unwrap() * 10_000;
            payment(*n, time, &format!("p{n}"), &format!("q{}", n / 2), 100)
        };
        live.step(&[batch(&part.iter().map(event).collect::<Vec<_>>())], &Pool { threads: 1 });
        done += part.len();
        if live.sizes().keys as u64 >= keys {
            break;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Folder(folder.path().to_owned());
    let snapshot = || Snapshot {
        program: String::new(),
        meaning: Snapshot::MEANING,
        base: String::new(),
        rules: BTreeSet::new(),
        in_force: BTreeSet::new(),
        number: 1,
        owner: String::new(),
        waits_for: Vec::new(),
        partitions: Vec::new(),
        topics: BTreeMap::new(),
        state_hash: live.state_hash(),
        engine_format: foreshock_engine::SavedState::FORMAT,
        engine: live.save(),
        actions: Vec::new(),
    };
    let start = Instant::now();
    let copy = Copy::begin(|| keep(&store, 1, &mut snapshot().encode().as_slice()).is_ok()).unwrap();
    let stall = start.elapsed();
    while copy.end() == End::NotYet {
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let written = start.elapsed();
    let start = Instant::now();
    let bytes = store.read(1).unwrap();
    let saved = Snapshot::decode(&bytes).unwrap().unwrap();
    let mut loaded = engine(&pack, Limits::NONE);
    loaded.load(&saved.engine).unwrap();
    let read = start.elapsed();
    assert_eq!(loaded.state_hash(), saved.state_hash);
    println!(
        "{} keys in {done} events, {} MiB resident: snapshot of {} MiB written in {:.2} s, stall {} us; read in {:.2} s, with its hash {:.2} s",
        live.sizes().keys,
        resident_kib() >> 10,
        bytes.len() >> 20,
        written.as_secs_f32(),
        stall.as_micros(),
        read.as_secs_f32(),
        start.elapsed().as_secs_f32()
    );
}
