//! How the cost of an event grows with what a site may choose and with what befalls it: `cargo bench --bench curves -- all`, or the name
//! of one curve. Time inside `Engine::step` alone, one thread if nothing else is said, the best of three runs over the same events in
//! memory. Prints docs/cost.md's tables; `-- all docs` also draws its pictures into that folder.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // a broken bench may panic; times are for people

use foreshock::offline::files::Files;
use foreshock::ops::pool::Pool;
use foreshock_compiler::{Pack, RuleFile, Settings, compile};
use foreshock_core::Presence;
use foreshock_engine::{Engine, FeedBatch};
use foreshock_feeds::{Counts, Record, decode};
use foreshock_generator::{Few1, few1};
use plotters::prelude::*;
use std::path::Path;
use std::time::Instant;

const RUNS: usize = 3;
const HOUR_S: u32 = 60 * 60;
const BATCH: usize = 8_192;
/// What the curves have in common, where they do not change it.
const BASE: Few1 = Few1 {
    seed: 1,
    events: 1_000_000,
    accounts: 300_000,
    zipf_permille: 1_000,
    late_permille: 0,
    hot_permille: 0,
    span_s: 20 * 60,
};

/// One point: what is on the axis, and what the engine is given.
struct Point {
    at: String,
    few1: Few1,
    rules: Vec<RuleFile>,
    batch: usize,
    shards: usize,
    threads: usize,
}

struct Curve {
    name: &'static str,
    axis: &'static str,
    points: Vec<Point>,
}

struct Measured {
    at: String,
    ns: f64,
    entries: usize,
    keys: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(wanted) = words.first() else { return println!("say `all [FOLDER]` or the name of a curve") };
    for curve in curves().into_iter().filter(|curve| wanted == "all" || wanted == curve.name) {
        let measured: Vec<Measured> = curve.points.iter().map(measure).collect();
        print(&curve, &measured);
        if let Some(folder) = words.get(1) {
            draw(&Path::new(folder).join(format!("cost-{}.svg", curve.name)), &curve, &measured).unwrap();
        }
    }
}

fn curves() -> Vec<Curve> {
    let with =
        |at: String, few1: Few1, rules: Vec<RuleFile>| Point { at, few1, rules, batch: BATCH, shards: 1, threads: 1 };
    let one = || vec![rule(0, "payer_account", "10 minutes")];
    let windows = |span_s: u32, lengths: &[&str]| {
        let few1 = Few1 { span_s, ..BASE };
        lengths.iter().map(|length| with((*length).to_owned(), few1, vec![rule(0, "payer_account", length)])).collect()
    };
    let sizes = [1, 10, 50, 100, 200];
    let changed = |few1: Few1, at: &str| with(at.to_owned(), few1, one());
    vec![
        Curve {
            name: "window",
            axis: "length of the window; a million events in 25 hours",
            points: windows(25 * HOUR_S, &["1 minute", "10 minutes", "1 hour", "6 hours", "24 hours"]),
        },
        Curve {
            name: "window-long",
            axis: "length of the window; a million events in 100 days",
            points: windows(100 * 24 * HOUR_S, &["1 minute", "24 hours", "7 days", "30 days", "90 days"]),
        },
        Curve {
            name: "rules-shared",
            axis: "rules that differ in their bounds only",
            points: sizes
                .map(|count| {
                    let rules = (0..count).map(|number| rule(number, "payer_account", "10 minutes")).collect();
                    with(count.to_string(), Few1 { events: 200_000, ..BASE }, rules)
                })
                .into(),
        },
        Curve {
            name: "rules-own",
            axis: "rules over four keys and up to fifty lengths",
            points: sizes
                .map(|count| {
                    with(count.to_string(), Few1 { events: 200_000, ..BASE }, (0..count).map(of_its_own).collect())
                })
                .into(),
        },
        Curve {
            name: "keys",
            axis: "accounts, drawn evenly",
            points: [10_000, 100_000, 1_000_000, 10_000_000]
                .map(|accounts| changed(Few1 { accounts, zipf_permille: 0, ..BASE }, &accounts.to_string()))
                .into(),
        },
        Curve {
            name: "skew",
            axis: "exponent of Zipf; last: 1.2, and one account with 30 %",
            points: [(0, 0), (500, 0), (1_000, 0), (1_200, 0), (1_200, 300)]
                .map(|(zipf_permille, hot_permille)| {
                    let at = format!(
                        "{:.1}{}",
                        f64::from(zipf_permille) / 1_000.0,
                        if hot_permille > 0 { " hot" } else { "" }
                    );
                    changed(Few1 { zipf_permille, hot_permille, ..BASE }, &at)
                })
                .into(),
        },
        Curve {
            name: "late",
            axis: "of a thousand events so many up to 30 s late",
            points: [0, 10, 50, 200]
                .map(|late_permille| changed(Few1 { late_permille, ..BASE }, &late_permille.to_string()))
                .into(),
        },
        Curve {
            name: "ranges",
            axis: "key ranges, and threads",
            points: [(1, 1), (2, 1), (2, 2), (4, 2), (8, 2)]
                .map(|(shards, threads)| Point { shards, threads, ..changed(BASE, &format!("{shards} on {threads}")) })
                .into(),
        },
        Curve {
            name: "batch",
            axis: "events in a batch",
            points: [1, 8, 64, 512, 8_192, 65_536]
                .map(|batch| Point { batch, ..changed(Few1 { events: 200_000, ..BASE }, &batch.to_string()) })
                .into(),
        },
    ]
}

/// Workload FEW-1 with another bound, over another key and length.
fn rule(number: usize, key: &str, length: &str) -> RuleFile {
    let text = include_str!("few1/rules/FEW1.sql")
        .replace("id: FEW1", &format!("id: F{number}"))
        .replace("event_time, payer_account,", "event_time, payer_account, payee_account, payer_account_type, channel,")
        .replace("PARTITION BY payer_account", &format!("PARTITION BY {key}"))
        .replace("10 minutes' PRECEDING", &format!("{length}' PRECEDING"))
        .replace("payments >= 50", &format!("payments >= {}", 50 + number));
    RuleFile { path: format!("F{number}.sql"), text }
}

/// As a site's rules are: they share keys, and each other one a window.
fn of_its_own(number: usize) -> RuleFile {
    const KEYS: [&str; 4] = ["payer_account", "payee_account", "payer_account_type", "channel"];
    rule(number, KEYS[number % 4], &format!("{} minutes", 1 + number / 4))
}

fn batches(point: &Point) -> Vec<Vec<FeedBatch>> {
    let mut lines = few1(point.few1);
    let lists = std::iter::from_fn(|| {
        let decoded = |line: foreshock_generator::Line| {
            decode(&Record { bytes: line.json.as_bytes(), ..Record::default() }, &mut Counts::default()).unwrap()
        };
        let events: Vec<_> = lines.by_ref().take(point.few1.events).map(decoded).collect();
        (!events.is_empty()).then_some(events)
    });
    let files = Files::of_events(lists, point.batch).unwrap();
    files.batches().unwrap().collect::<Result<_, _>>().unwrap()
}

fn measure(point: &Point) -> Measured {
    let batches = batches(point);
    let pack: Pack = compile(&point.rules, &[], &Settings::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let pool = Pool { threads: point.threads };
    let run = || {
        let mut engine = Engine::new(pack.plan.clone(), point.shards, &[Presence::Expected], |_| 120_000_000);
        let start = Instant::now();
        batches.iter().for_each(|batch| drop(engine.step(batch, &pool)));
        let sizes = engine.sizes();
        (start.elapsed().as_nanos() as f64 / point.few1.events as f64, sizes)
    };
    let (ns, sizes) = (0..RUNS).map(|_| run()).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    Measured { at: point.at.clone(), ns, entries: sizes.entries, keys: sizes.keys }
}

fn print(curve: &Curve, measured: &[Measured]) {
    println!(
        "\n## {}\n\n| {} | ns an event | of the first | entries at the end | keys |\n|---|---:|---:|---:|---:|",
        curve.name, curve.axis
    );
    for Measured { at, ns, entries, keys } in measured {
        println!("| {at} | {ns:.0} | {:.2} | {entries} | {keys} |", ns / measured[0].ns);
    }
}

/// Points at even distances: an axis of steps, not of a measure.
fn draw(path: &Path, curve: &Curve, measured: &[Measured]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (640, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let top = measured.iter().map(|of| of.ns).fold(0.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&root)
        .caption(curve.axis, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0..measured.len() - 1, 0.0..top)?;
    let label = |at: &usize| measured.get(*at).map_or(String::new(), |of| of.at.clone());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(measured.len())
        .x_label_formatter(&label)
        .y_desc("ns an event")
        .draw()?;
    let points = || measured.iter().enumerate().map(|(place, of)| (place, of.ns));
    chart.draw_series(LineSeries::new(points(), &BLUE))?;
    chart.draw_series(points().map(|point| Circle::new(point, 3, BLUE.filled())))?;
    root.present()?;
    Ok(())
}
