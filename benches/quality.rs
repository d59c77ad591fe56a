//! How good the shipped rules are, on labelled data of others and on ten hard cities: `cargo test --bench quality -- docs/quality` writes the
//! page `figures.md` and its pictures into that folder (no time is measured, so the dev profile does). Without a word it does nothing, so that
//! `cargo test --benches` stays short. Rules run live; that the batch says the same is what `tests/labelled.rs` holds.
#![allow(clippy::unwrap_used)] // a broken run may panic

#[path = "../tests/support/process.rs"]
mod process;

use foreshock_core::time::parse_rfc3339;
use process::{foreshock, shared_data, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Data of others: its folder, its labels, its currency, and where its first days end.
const SETS: [(&str, &str, &str, Option<&str>); 3] = [
    ("paysim", "incidents", "XTS", None),
    ("amlsim", "alerts", "USD", Some("2025-01-31T00:00:00Z")),
    ("sparkov", "episodes", "USD", None),
];
/// Seeds that no rule was tried on.
const SEEDS: std::ops::RangeInclusive<u64> = 301..=310;
const DAYS: u64 = 60;
const WARM_UP: u64 = 30;
const FROM: &str = "2026-02-03T16:00:00Z"; // the thirtieth day of the city
const CUSTOMERS: u64 = 2_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let Some(folder) = words.first() else { return println!("say where to: `-- docs/quality`") };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder).unwrap();
    let mut page = String::from(
        "# Figures\n\nMade by `cargo test --bench quality -- docs/quality`. What they mean: `../detection-quality.md`. \
         *Acts*: a live rule that asks for a measure or warns; *in time*: such a rule spoke before the money left; *decoys*: honest cases that were made to look \
         alike, neither right nor wrong.\n",
    );
    for set in SETS {
        of_others(&mut page, set, folder);
    }
    cities(&mut page);
    std::fs::write(folder.join("figures.md"), page).unwrap();
}

fn run(arguments: &[&str]) -> String {
    let done = foreshock(arguments);
    assert!(done.status.success(), "{arguments:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

fn of_others(page: &mut String, (set, labels, currency, from): (&str, &str, &str, Option<&str>), folder: &Path) {
    let Some(data) = shared_data() else { return };
    let work = tempfile::tempdir().unwrap();
    let place = |name: &str| work.path().join(name).display().to_string();
    let (events, out) = (place("events.parquet"), place("out.ndjson"));
    let input = data.join(set).join("transactions.csv.gz").display().to_string();
    run(&["import", "--mapping", &format!("mappings/{set}.toml"), &input, "--out", &events]);
    run(&["replay", &events, "--set", &format!("currency={currency}"), "--out", &out]);
    let labels = data.join(set).join(format!("{labels}.csv.gz")).display().to_string();
    let (mapping, svg) = (format!("mappings/{set}.labels.toml"), folder.join(set).display().to_string());
    let mut arguments = vec!["evaluate", &out, "--labels", &labels, "--mapping", &mapping];
    arguments.extend(from.iter().flat_map(|from| ["--from", from]));
    let with_svg: Vec<&str> = arguments.iter().copied().chain(["--svg", &svg]).collect();
    let table = run(&with_svg);
    let from = from.map_or(String::new(), |from| format!(", from {from} on"));
    let _ = write!(
        page,
        "\n## {set}{from}\n\n```\n{}```\n\n![found]({set}/found.svg)\n![delay]({set}/delay.svg)\n",
        trimmed(&table)
    );
}

/// Without blanks at the ends of lines.
fn trimmed(table: &str) -> String {
    table.lines().fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

/// What happened to one kind in each city.
#[derive(Default)]
struct Kind {
    told: u64,
    found: u64,
    acted: u64,
    in_time: (u64, u64),
    money: (u64, u64),
    by_seed: Vec<u64>,
    delays_s: Vec<i64>,
    rules: BTreeSet<String>,
}

fn cities(page: &mut String) {
    let (mut frauds, mut honest) = (BTreeMap::<String, Kind>::new(), BTreeMap::<String, Kind>::new());
    let mut rules: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    let mut alerts = BTreeMap::<&str, [u64; 2]>::new();
    let (mut payments, mut of_fraud) = (0, 0);
    for seed in SEEDS {
        let work = tempfile::tempdir().unwrap();
        let place = |name: &str| work.path().join(name).display().to_string();
        let (city, truth, out, dir) = (place("city.ndjson"), place("truth.ndjson"), place("out.ndjson"), place(""));
        let (seed, days, customers) = (seed.to_string(), DAYS.to_string(), CUSTOMERS.to_string());
        run(&["gen", "--seed", &seed, "--hard", &days, "--customers", &customers, "--out", &dir]);
        run(&["replay", &city, "--out", &out]);
        let report = run(&["evaluate", &out, "--truth", &truth, "--from", FROM, "--output", "json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        add(&mut frauds, &report["frauds"]);
        add(&mut honest, &report["honest"]);
        for (rule, of) in report["rules"].as_object().unwrap() {
            let counts = rules.entry(rule.clone()).or_default();
            for (count, name) in counts.iter_mut().zip(["said", "right", "decoys", "cases"]) {
                *count += of[name].as_u64().unwrap();
            }
        }
        let acts = run(&["rules", "list", "--output", "json"]);
        count_alerts(&mut alerts, &out, &truth, &serde_json::from_str(&acts).unwrap());
        let (all, fraud) = base_rate(&city, &truth);
        payments += all;
        of_fraud += fraud;
        println!("seed {seed}");
    }
    let rate = payments / of_fraud.max(1);
    let _ = write!(
        page,
        "\n## Ten hard cities\n\n`gen --hard {DAYS} --customers {CUSTOMERS}`, seeds {} to {}, after {WARM_UP} days. One payment in {rate} is fraud's.\n\n",
        SEEDS.start(),
        SEEDS.end()
    );
    let _ = writeln!(
        page,
        "| kind | told | found | of the seeds | acted on | in time | money there | median | rules |\n|---|---:|---:|---|---:|---:|---:|---:|---|"
    );
    frauds.iter_mut().for_each(|(name, kind)| row(page, name, kind));
    let _ = writeln!(page, "\n| honest | told | hit | by rules that act | rules |\n|---|---:|---:|---:|---|");
    for (name, kind) in &honest {
        let rules: Vec<&str> = kind.rules.iter().map(String::as_str).collect();
        let _ = writeln!(page, "| {name} | {} | {} | {} | {} |", kind.told, kind.found, kind.acted, rules.join(" "));
    }
    let _ =
        writeln!(page, "\n| rule | said | in fraud | decoys | precision | frauds |\n|---|---:|---:|---:|---:|---:|");
    for (rule, [said, right, decoys, cases]) in &rules {
        let _ =
            writeln!(page, "| {rule} | {said} | {right} | {decoys} | {} | {cases} |", percent(*right, said - decoys));
    }
    let days = (DAYS - WARM_UP) * 10 * CUSTOMERS;
    let stolen: u64 = frauds.values().map(|kind| kind.told).sum();
    let _ = write!(page, "\nPer 100,000 customers and day there are {} frauds.\n", stolen * 100_000 / days);
    for (what, [all, wrong]) in alerts {
        let per = |count: u64| count * 100_000 / days;
        let _ = writeln!(page, "Alerts of {what}: {}, of which {} are in no fraud.", per(all), per(wrong));
    }
}

fn row(page: &mut String, name: &str, kind: &mut Kind) {
    kind.delays_s.sort_unstable();
    let median = kind.delays_s.get(kind.delays_s.len() / 2).map_or("-".to_owned(), |s| format!("{} min", s / 60));
    let spread = (kind.by_seed.iter().min().unwrap_or(&0), kind.by_seed.iter().max().unwrap_or(&0));
    let rules: Vec<&str> = kind.rules.iter().map(String::as_str).collect();
    let _ = writeln!(
        page,
        "| {name} | {} | {} | {} to {} % | {} | {} | {} | {median} | {} |",
        kind.told,
        percent(kind.found, kind.told),
        spread.0,
        spread.1,
        percent(kind.acted, kind.told),
        percent(kind.in_time.1, kind.in_time.0),
        percent(kind.money.1, kind.money.0),
        rules.join(" ")
    );
}

fn percent(part: u64, whole: u64) -> String {
    (part * 100).checked_div(whole).map_or("-".to_owned(), |share| format!("{share} %"))
}

fn add(kinds: &mut BTreeMap<String, Kind>, report: &Value) {
    for (name, of) in report.as_object().unwrap() {
        let kind = kinds.entry(name.clone()).or_default();
        let number = |name: &str| of[name].as_u64().unwrap();
        let pair = |name: &str| (of[name][0].as_u64().unwrap_or(0), of[name][1].as_u64().unwrap_or(0));
        kind.told += number("cases");
        kind.found += number("found");
        kind.acted += number("acted");
        kind.in_time = (kind.in_time.0 + pair("in_time").0, kind.in_time.1 + pair("in_time").1);
        kind.money = (kind.money.0 + pair("money").0, kind.money.1 + pair("money").1);
        kind.by_seed.push(number("found") * 100 / number("cases").max(1));
        kind.delays_s.extend(of["delays_s"].as_array().unwrap().iter().filter_map(Value::as_i64));
        kind.rules.extend(of["rules"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned));
    }
}

/// An alert: what one rule says of one subject on a day.
fn count_alerts(alerts: &mut BTreeMap<&'static str, [u64; 2]>, out: &str, truth: &str, rules: &Value) {
    let stories = std::fs::read_to_string(truth).unwrap();
    let stories = stories.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_fraud: BTreeSet<String> = stories
        .filter(|story| story["fraud"] == true)
        .flat_map(|story| story["event_ids"].as_array().unwrap().clone())
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    let from = parse_rfc3339(FROM).unwrap();
    let acts: BTreeSet<&str> = rules
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["status"] == "live" && rule["action"] != "detect")
        .filter_map(|rule| rule["id"].as_str())
        .collect();
    let mut seen = BTreeSet::new();
    for line in std::fs::read_to_string(out).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| row[name].as_str().unwrap().to_owned();
        if parse_rfc3339(&word("event_time")).unwrap() < from
            || !seen.insert((word("rule_id"), word("subject"), word("event_time")[..10].to_owned()))
        {
            continue;
        }
        let kind = if acts.contains(word("rule_id").as_str()) { "rules that act" } else { "shadow rules" };
        let event = word("event_id");
        let is_fraud = of_fraud.contains(event.split('#').next().unwrap());
        let [all, wrong] = alerts.entry(kind).or_default();
        *all += 1;
        *wrong += u64::from(!is_fraud);
    }
}

/// All payments, and those of fraud.
fn base_rate(city: &str, truth: &str) -> (u64, u64) {
    let count = |text: String, is_it: fn(&str) -> bool| text.lines().filter(|line| is_it(line)).count();
    let all = count(std::fs::read_to_string(city).unwrap(), |line| line.starts_with("{\"txId\""));
    let stories = std::fs::read_to_string(truth).unwrap();
    let fraud: usize = stories
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|story| story["fraud"] == true)
        .map(|story| {
            story["event_ids"].as_array().unwrap().iter().filter(|id| id.as_str().unwrap().starts_with("tx:")).count()
        })
        .sum();
    (u64::try_from(all).unwrap(), u64::try_from(fraud).unwrap())
}
