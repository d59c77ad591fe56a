//! Random events and rules for tests, by seed.
#![allow(dead_code, clippy::unwrap_used)]

use foreshock_core::Feed;
use foreshock_core::time::{SECOND_US, format_rfc3339};
use foreshock_feeds::{Counts, Event, Record, decode};

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same run on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to and without `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

pub const START_US: i64 = 1_772_416_800_000_000;

/// What reaches the engine.
#[derive(Clone)]
pub enum Arrival {
    /// A record with its source partition.
    Record(usize, String),
    /// This partition counts as silent.
    Silent(usize),
}

/// Partitions 0 and 1 are of transactions, this one of complaints.
pub const COMPLAINTS: usize = 2;
pub const PARTITIONS: usize = 3;

/// Each feed has a lateness of its own.
pub fn lateness_us(feed: Feed) -> i64 {
    if feed == Feed::Complaints { 4 * SECOND_US } else { 10 * SECOND_US }
}

pub fn decoded(json: &str) -> Event {
    decode(&Record { bytes: json.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap()
}

/// A field that is there in two of three cases.
fn optional(name: &str, value: &str, random: &mut Random) -> String {
    if random.one_in(3) { String::new() } else { format!(r#""{name}":{value},"#) }
}

fn transaction(id: &str, reporter: &str, time: i64, more: &str, keys: u64, random: &mut Random) -> String {
    let (payer, payee) = (random.below(keys), random.below(keys));
    let balance = random.below(4);
    let balance = optional("balanceBefore", &format!(r#""{balance}.00""#), random);
    let device = random.below(3);
    let device = optional("deviceToken", &format!(r#""d{device}""#), random);
    let is_new = random.one_in(2).to_string();
    let new = optional("firstTimePayee", &is_new, random);
    let kind = random.pick(&["TRANSFER", "TRANSFER", "CARD_PURCHASE", "FEE"]);
    let (time, amount) = (format_rfc3339(time), 1 + random.below(5));
    format!(
        r#"{{"txId":"{id}","reporter":"{reporter}","creDtTm":"{time}","kind":"{kind}","amount":"{amount}.00",{more}
           "currency":"CNY",{device}{new}"debtor":{{{balance}"accountToken":"a{payer}"}},"creditor":{{"accountToken":"a{payee}"}}}}"#
    )
}

fn complaint(id: &str, reporter: &str, time: i64, more: &str, keys: u64, random: &mut Random) -> String {
    let (victim, loss, time) = (random.below(keys), 1 + random.below(5), format_rfc3339(time));
    let loss = optional("lossAmount", &format!(r#""{loss}.00""#), random);
    let channel = random.pick(&["CALL_110", "APP"]);
    format!(
        r#"{{"complaintId":"{id}","reporter":"{reporter}","receivedAt":"{time}","channel":"{channel}","fraudType":"OTHER",{more}{loss}
           "currency":"CNY","victim":{{"personToken":"a{victim}"}}}}"#
    )
}

fn report(partition: usize, id: &str, reporter: &str, time: i64, more: &str, keys: u64, random: &mut Random) -> String {
    let make = if partition == COMPLAINTS { complaint } else { transaction };
    make(id, reporter, time, more, keys, random)
}

/// Few keys, repeated values, NULLs, ties and times just inside and outside of frames; ids unrelated to arrival; doubles,
/// corrections, payments that two banks report; a feed that lags, and partitions that count as silent and come back.
pub fn arrivals(random: &mut Random) -> Vec<Arrival> {
    arrivals_from(START_US, random)
}

/// The same at another time.
pub fn arrivals_from(start_us: i64, random: &mut Random) -> Vec<Arrival> {
    let count = 4 + random.below(37);
    let keys = 1 + random.below(3);
    let partitions = 1 + random.below(2) as usize;
    let lag = if random.one_in(3) { 15 * SECOND_US } else { 0 };
    let mut all: Vec<(i64, Arrival)> = Vec::new();
    for _ in 0..count {
        let partition = if random.one_in(4) { COMPLAINTS } else { random.below(partitions as u64) as usize };
        let time = start_us + random.below(40) as i64 * SECOND_US + [0, 0, 0, 1, -1][random.below(5) as usize];
        let lateness = lateness_us(if partition == COMPLAINTS { Feed::Complaints } else { Feed::Transactions });
        let delay = random.below((lateness + lateness / 8) as u64) as i64;
        let mut arrives = time + if random.one_in(4) { delay } else { 0 };
        arrives += if partition == COMPLAINTS { lag } else { 0 };
        let id = format!("{:x}", random.next());
        let payment = if partition != COMPLAINTS && random.one_in(4) {
            let number = partition as u64 * 2 + random.below(2);
            format!(r#""uetr":"00000000-0000-4000-8000-00000000000{number}","#)
        } else {
            String::new()
        };
        let fact = report(partition, &id, "r", time, &payment, keys, random);
        let mut push = |arrives: i64, json: String| all.push((arrives, Arrival::Record(partition, json)));
        push(arrives, fact.clone());
        if random.one_in(10) {
            push(arrives + random.below(5) as i64 * SECOND_US, fact.clone());
        }
        if random.one_in(8) && !payment.is_empty() {
            let later = time + random.below(3) as i64 * SECOND_US;
            // The other bank's report says the same; one that says something else is another event.
            let says_so = !random.one_in(3);
            let second = fact.replace(&format!(r#""{id}","reporter":"r""#), &format!(r#""s{id}","reporter":"s""#));
            let second = second.replace(&format_rfc3339(time), &format_rfc3339(later));
            let other = report(partition, &format!("s{id}"), "s", later, &payment, keys, random);
            push(arrives + SECOND_US, if says_so { second } else { other });
        }
        // Corrections come soon or at the edge of what is in time, some before their fact.
        for _ in 0..[0, 0, 0, 1, 2, 3][random.below(6) as usize] {
            let action = random.pick(&["UPDT", "UPDT", "UPDT", "CLSE", "DUPL", "REOP"]);
            let more = format!(r#""reportAction":"{action}",{payment}"#);
            let correction = report(partition, &id, "r", time, &more, keys, random);
            push(arrives + random.below(12) as i64 * SECOND_US - SECOND_US, correction);
        }
    }
    for _ in 0..random.below(3) {
        let at = start_us + random.below(45) as i64 * SECOND_US;
        all.push((at, Arrival::Silent(random.below(PARTITIONS as u64) as usize)));
    }
    all.sort_by_key(|(arrives, _)| *arrives);
    all.into_iter().map(|(_, a)| a).collect()
}

/// The views that random rules may read instead of `transactions`.
pub const VIEWS: [&str; 2] = [
    "CREATE VIEW sides AS
     SELECT event_id || '#out' AS event_id, event_id AS source_event_id, event_time, payer_account, payee_account, amount,
            payer_balance_before, device, kind, first_time_payee, currency FROM transactions
     UNION ALL
     SELECT event_id || '#in' AS event_id, event_id AS source_event_id, event_time, payee_account AS payer_account,
            payer_account AS payee_account, amount, payee_balance_before AS payer_balance_before,
            CAST(NULL AS TEXT) AS device, kind, CAST(NULL AS BOOLEAN) AS first_time_payee, currency FROM transactions",
    "CREATE VIEW mixed AS
     SELECT event_id, event_id AS source_event_id, event_time, payer_account, payee_account, amount, payer_balance_before, device,
            kind, first_time_payee, currency FROM transactions
     UNION ALL
     SELECT event_id, event_id AS source_event_id, event_time, victim_person AS payer_account, fraud_type AS payee_account,
            loss_amount AS amount, CAST(NULL AS BIGINT) AS payer_balance_before, CAST(NULL AS TEXT) AS device, channel AS kind,
            still_in_contact AS first_time_payee, currency FROM complaints WHERE victim_person IS NOT NULL",
];

const PASSED: &str = "event_id, event_time, payer_account, payee_account, amount, payer_balance_before, device, kind, \
    first_time_payee, currency";

/// A rule of random keys, frames, aggregates, filters and levels, with a header.
pub fn rule(random: &mut Random) -> String {
    let mut source = (*random.pick(&["transactions", "transactions", "sides", "mixed", "mixed"])).to_owned();
    let mut results: Vec<(String, bool)> = Vec::new();
    let levels = 1 + random.below(3);
    for level in 0..levels {
        let mut filters = vec!["currency = 'CNY'".to_owned()];
        if level == 0 && random.one_in(3) {
            filters.push(random.pick(&["kind <> 'FEE'", "amount >= 200", "device IS NOT NULL"]).to_string());
        }
        if level > 0 && random.one_in(2) {
            let (name, _) = random.pick(&results).clone();
            let test = ["IS NOT NULL", "IS NULL"][usize::from(random.one_in(4))];
            let number = results.iter().find(|(n, is_number)| *is_number && *n == name);
            filters.push(match number {
                Some(_) if random.one_in(2) => format!("{name} >= {}", random.below(3)),
                Some(_) if random.one_in(2) => format!("({name} IS NULL OR amount >= {name})"),
                _ => format!("{name} {test}"),
            });
        }
        let mut windows = Vec::new();
        let count = 1 + random.below(3);
        let inner: Vec<(String, bool)> = results.clone();
        for i in 0..count {
            let (text, is_number) = window(random, &inner);
            let name = format!("w{level}_{i}");
            windows.push(format!("{text} AS {name}"));
            results.push((name, is_number));
        }
        let carried: Vec<String> = inner.iter().map(|(n, _)| n.clone()).collect();
        let carried = if carried.is_empty() { String::new() } else { format!(", {}", carried.join(", ")) };
        let named = name_windows(&mut windows, random);
        source = format!(
            "(SELECT {PASSED}{carried},\n  {}\n FROM {source} WHERE {}{named}) AS l{level}",
            windows.join(",\n  "),
            filters.join(" AND ")
        );
    }
    let names: Vec<String> = results.iter().map(|(n, _)| n.clone()).collect();
    let last = match results.iter().rev().find(|(_, is_number)| *is_number) {
        Some((name, _)) if random.one_in(2) => format!("{name} >= {}", random.below(4)),
        Some((name, _)) if random.one_in(2) => format!("({name} IS NULL OR amount > {name})"),
        _ => "amount > 0".to_owned(),
    };
    let emit = if random.one_in(6) { "emit: final\n" } else { "" };
    format!(
        "/*---\nid: R\ntitle: {{ zh: 随机, en: random }}\ncategory: flow\nseverity: low\naction: detect\nsubject: payer_account\n\
         fraud_type: OTHER\nlegal_basis: [regulation-30]\nowner: test\nstatus: draft\n{emit}---*/\n\
         SELECT event_id, event_time, payer_account AS subject, {}\nFROM {source}\nWHERE currency = 'CNY' AND {last}\n",
        names.join(", ")
    )
}

/// Spells some windows as analysts do: by a name, by a name that adds to another, by adding to one where they are used. The
/// WINDOW clause.
fn name_windows(windows: &mut [String], random: &mut Random) -> String {
    let mut clause = Vec::new();
    // A space after the keys: `rule_that_spreads` looks for it.
    for (number, text) in windows.iter_mut().enumerate() {
        let Some(at) = text.find("OVER (PARTITION BY ").filter(|_| random.one_in(3)) else { continue };
        let end = text.rfind(" AS w").unwrap();
        let end = text[..end].trim_end_matches(" AS BIGINT)").rfind(')').unwrap();
        let spec = text[at + "OVER (".len()..end].to_owned();
        let (keys, rest) = spec.split_at(spec.find(" ORDER BY ").unwrap());
        let (base, name) = (format!("b{number}"), format!("n{number}"));
        let spelled = match random.below(3) {
            0 => {
                clause.push(format!("{name} AS ({spec})"));
                format!("OVER {name}")
            }
            1 => {
                clause.push(format!("{base} AS ({keys} ), {name} AS ({base}{rest})"));
                format!("OVER {name}")
            }
            _ => {
                clause.push(format!("{base} AS ({keys} )"));
                format!("OVER ({base}{rest})")
            }
        };
        text.replace_range(at..=end, &spelled);
    }
    if clause.is_empty() { String::new() } else { format!(" WINDOW {}", clause.join(", ")) }
}

/// The same, with windows that are all partitioned by the subject.
pub fn rule_that_spreads(random: &mut Random) -> String {
    let text = rule(random).replace("PARTITION BY payee_account ", "PARTITION BY payer_account ");
    let text = text.replace("BY coalesce(device, kind) ", "BY coalesce(device, kind), payer_account ");
    if !random.one_in(3) {
        return text;
    }
    // A computed subject does as well.
    let by_device = text.replace("payer_account AS subject", "coalesce(device, kind) AS subject");
    let by_device = by_device.replace("BY payer_account ", "BY coalesce(device, kind) ");
    by_device.replace("BY payer_account, payee_account ", "BY payee_account, coalesce(device, kind) ")
}

/// A window call, and whether its result is a BIGINT.
fn window(random: &mut Random, inner: &[(String, bool)]) -> (String, bool) {
    let numbers: Vec<&str> = inner.iter().filter(|(_, is_number)| *is_number).map(|(n, _)| n.as_str()).collect();
    let number = if !numbers.is_empty() && random.one_in(2) {
        (*random.pick(&numbers)).to_owned()
    } else {
        random.pick(&["amount", "payer_balance_before", "CASE WHEN first_time_payee THEN amount END"]).to_string()
    };
    let key =
        random.pick(&["payer_account", "payee_account", "payer_account, payee_account", "coalesce(device, kind)"]);
    let filter = random.pick(&["", "", " FILTER (WHERE first_time_payee)", " FILTER (WHERE kind = 'TRANSFER')"]);
    let is_positional = random.one_in(6);
    if is_positional {
        let over = format!("(PARTITION BY {key} ORDER BY event_time, event_id)");
        let text = match random.below(3) {
            0 => format!("lag({number}) OVER {over}"),
            1 => format!("lag({number}, 2) OVER {over}"),
            _ => format!("CAST(row_number() OVER {over} AS BIGINT)"),
        };
        return (text, true);
    }
    let (frame, order) = frame(random);
    let in_rows = frame.starts_with("ROWS");
    let aggregates: [(&str, bool); 18] = [
        ("count(*)", true),
        ("count(X)", true),
        ("count(DISTINCT X)", true),
        ("count(DISTINCT device)", true),
        ("sum(X)", true),
        ("min(X)", true),
        ("max(X)", true),
        ("avg(X)", false),
        ("stddev(X)", false),
        ("var_pop(X)", false),
        ("median(X)", false),
        ("earliest(X, event_time, event_id)", true),
        ("latest(X, event_time, event_id)", true),
        ("max(event_time)", false),
        ("min(event_time)", false),
        ("max(device)", false),
        ("min(device)", false),
        ("max(first_time_payee)", false),
    ];
    let (call, is_number) = if in_rows && random.one_in(3) {
        (*random.pick(&["first_value(X)", "last_value(X)"]), true)
    } else {
        *random.pick(&aggregates)
    };
    let filter = if call.contains("_value") { "" } else { filter };
    (format!("{}{filter} OVER (PARTITION BY {key} ORDER BY {order} {frame})", call.replace('X', &number)), is_number)
}

fn frame(random: &mut Random) -> (String, &'static str) {
    if random.one_in(5) {
        let start = 1 + random.below(4);
        let end = random.below(start + 1);
        let start = if random.one_in(5) { "UNBOUNDED".to_owned() } else { start.to_string() };
        let end = if end == 0 { "CURRENT ROW".to_owned() } else { format!("{end} PRECEDING") };
        return (format!("ROWS BETWEEN {start} PRECEDING AND {end}"), "event_time, event_id");
    }
    let width = 3 + random.below(12);
    let end = match random.below(4) {
        0 => "INTERVAL '1 microsecond' PRECEDING".to_owned(),
        1 => format!("INTERVAL '{} seconds' PRECEDING", 1 + random.below(width - 1)),
        _ => "CURRENT ROW".to_owned(),
    };
    let start = if random.one_in(6) { "UNBOUNDED".to_owned() } else { format!("INTERVAL '{width} seconds'") };
    (format!("RANGE BETWEEN {start} PRECEDING AND {end}"), "event_time")
}
