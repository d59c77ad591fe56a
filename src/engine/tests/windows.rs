//! The windows against a walk over all facts: late, equal, corrected, repeated.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_core::ReportAction;
use foreshock_engine::accumulator::{median, statistic};
use foreshock_engine::{Frame, Function, Inline};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Case, Report, Run, SECOND, batches, run};

/// A fact that counts.
struct Row<'a> {
    id: &'a str,
    time: i64,
    payee: &'a str,
    amount: i64,
}

/// What stands, by a walk over all facts that count: the same lines as [`Run::lines`], in the order of the facts.
fn expected(case: &Case, run: &Run) -> Vec<String> {
    let row = |fact: &'_ (String, i64)| {
        let (payee, amount) = &run.said[fact];
        (fact.clone(), payee.clone(), *amount)
    };
    let mut facts: Vec<_> = run.facts.iter().map(row).collect();
    facts.sort_by_key(|((id, time), ..)| (*time, id.clone()));
    let rows: Vec<Row<'_>> =
        facts.iter().map(|((id, time), payee, amount)| Row { id, time: *time, payee, amount: *amount }).collect();
    let mut lines = Vec::new();
    for row in &rows {
        let key: Vec<&Row<'_>> = rows.iter().filter(|r| r.payee == row.payee).collect();
        let own = key.iter().position(|other| (other.id, other.time) == (row.id, row.time)).unwrap();
        let values: Vec<String> = case
            .windows
            .iter()
            .map(|(function, frame)| {
                let amounts: Vec<i64> = match frame {
                    Frame::Range { preceding, end } => {
                        let from = preceding.map_or(i64::MIN, |w| row.time - w);
                        let inside = key.iter().filter(|r| (from..=row.time - end).contains(&r.time));
                        inside.map(|r| r.amount).collect()
                    }
                    Frame::Rows { preceding, end } => {
                        let from = preceding.map_or(0, |n| own.saturating_sub(n as usize));
                        let until = (own + 1).saturating_sub(*end as usize);
                        key[from.min(until)..until].iter().map(|r| r.amount).collect()
                    }
                };
                answer(*function, amounts)
            })
            .collect();
        if values[0].parse::<i64>().unwrap() >= case.at_least {
            lines.push(format!("{} {} {} {}", row.id, row.time, row.payee, values.join(" ")));
        }
    }
    lines.sort_unstable();
    lines
}

fn answer(function: Function, mut amounts: Vec<i64>) -> String {
    let text = |value: Option<i64>| value.map_or("null".to_owned(), |v| v.to_string());
    let double = |value: Option<f64>| value.map_or("null".to_owned(), |v| v.to_string());
    let sum = || amounts.iter().map(|a| i128::from(*a)).sum::<i128>();
    match function {
        Function::Count => amounts.len().to_string(),
        Function::Sum => text((!amounts.is_empty()).then(|| sum().try_into().ok()).flatten()),
        Function::Min => text(amounts.iter().min().copied()),
        Function::Max => text(amounts.iter().max().copied()),
        Function::Earliest => text(amounts.first().copied()),
        Function::Latest => text(amounts.last().copied()),
        Function::Avg => double(statistic(function, amounts.len() as i128, sum(), 0)),
        Function::Median => {
            amounts.sort_unstable();
            double(median(&amounts))
        }
        Function::CountDistinct => {
            amounts.sort_unstable();
            amounts.dedup();
            amounts.len().to_string()
        }
        _ => unreachable!("not among the cases"),
    }
}

fn windows() -> impl Strategy<Value = Vec<(Function, Frame)>> {
    let functions = prop::sample::select(vec![
        Function::Sum,
        Function::Min,
        Function::Max,
        Function::Avg,
        Function::Median,
        Function::CountDistinct,
        Function::Earliest,
        Function::Latest,
    ]);
    let frame = |width: Option<i64>, end: i64, rows: bool| {
        if rows {
            return Frame::Rows { preceding: width.map(|w| w as u64 % 4 + 1), end: end as u64 % 2 };
        }
        let end = [0, 1, SECOND][end as usize];
        Frame::Range { preceding: width.map(|w| w * SECOND), end }
    };
    let others = prop::collection::vec(
        (functions, prop::option::weighted(0.8, 1_i64..90), 0_i64..3, prop::bool::weighted(0.15)),
        0..3,
    );
    (1_i64..90, others).prop_map(move |(width, others)| {
        let count = (Function::Count, Frame::Range { preceding: Some(width * SECOND), end: 0 });
        let other = |(f, w, e, rows): (Function, Option<i64>, i64, bool)| (f, frame(w, e, rows));
        std::iter::once(count).chain(others.into_iter().map(other)).collect()
    })
}

/// Ids unrelated to arrival, many equal times, late ones, corrections.
fn reports() -> impl Strategy<Value = Vec<Report>> {
    let report = (0_u32..40, 0_i64..5, 0_i64..50, 0_u8..10, 0_i64..5, 0_u8..3);
    prop::collection::vec(report, 1..70).prop_map(|reports| {
        let (mut now, mut said): (i64, BTreeMap<u32, Report>) = (0, BTreeMap::new());
        let mut all = Vec::new();
        for (id, jump, back, kind, amount, payee) in reports {
            now += jump.saturating_sub(2) * 7;
            let payee = ["X", "X", "Y"][usize::from(payee)];
            let late = if kind < 6 { 0 } else { back };
            let new = Report { payee, amount, ..Report::new(format!("{:x}", id * 2_654_435 % 97), now - late) };
            let report = match said.get(&id) {
                None => new,
                Some(fact) if kind % 2 == 0 => Report { action: ReportAction::Update, time: fact.time, ..new },
                Some(fact) => Report { action: ReportAction::Withdraw, ..fact.clone() },
            };
            said.entry(id).or_insert_with(|| report.clone());
            all.push(report);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn windows_are_those_of_a_walk_over_all_facts_in_every_cut(
        windows in windows(), reports in reports(), size in 2_usize..30, at_least in 0_i64..3
    ) {
        let case = Case { windows, at_least, amount_at_least: None };
        for (size, shards) in [(1, 1), (size, 2), (usize::MAX, 1)] {
            let run = run(&case, &reports, size, shards);
            let mut lines = run.lines();
            lines.sort_unstable();
            prop_assert_eq!(lines, expected(&case, &run), "batches of {}", size);
        }
    }
}

#[test]
fn rows_of_one_time_go_into_their_places_whatever_their_ids() {
    let frame = Frame::Rows { preceding: Some(1), end: 0 };
    let case = Case { windows: vec![(Function::Count, frame), (Function::Sum, frame)], ..Case::counting(1, 0) };
    let of = |n: i64| Report { amount: n, ..Report::new(format!("{:03}", n * 37 % 200), 1) };
    let reports: Vec<Report> = (0..200).map(of).collect();
    for size in [1, 7, 200] {
        let run = run(&case, &reports, size, 1);
        let mut lines = run.lines();
        lines.sort_unstable();
        assert_eq!(lines, expected(&case, &run), "batches of {size}");
    }
}

#[test]
fn corrections_long_after_and_to_and_fro_leave_the_last_version() {
    let case = Case::counting(50, 2);
    let first = |n: i64| Report::new(format!("{n}"), n % 50);
    let mut reports: Vec<Report> = (0..300).map(first).collect();
    for n in (0..300).rev() {
        let action = [ReportAction::Withdraw, ReportAction::Update, ReportAction::Update][n as usize % 3];
        let payee = ["X", "Y"][n as usize % 2];
        reports.push(Report { action, payee, ..first(n) });
        reports.extend((n % 5 == 0).then(|| Report { action: ReportAction::Update, ..first(n) }));
    }
    for size in [1, 64, 1_000] {
        let mut engine = case.engine(2, 1);
        let mut found = Run::default();
        for (number, chunk) in reports.chunks(size).enumerate() {
            found.take(engine.step(&batches(chunk), &Inline));
            if number % 3 == 1 {
                let saved = engine.save();
                engine = case.engine(1, 1);
                engine.load(&saved).unwrap();
            }
        }
        found.take(engine.finish());
        let mut lines = found.lines();
        lines.sort_unstable();
        assert_eq!(lines, expected(&case, &found), "batches of {size}");
    }
}

#[test]
fn no_event_time_is_beyond_the_engine() {
    let times = [i64::MAX, i64::MIN, 0, i64::MIN + 1, i64::MAX - 1, -1, i64::MIN + 90 * SECOND, i64::MAX - 90 * SECOND];
    let range = |preceding, end| Frame::Range { preceding, end };
    let rows = Frame::Rows { preceding: Some(1), end: 1 };
    let windows = vec![
        (Function::Count, range(Some(60 * SECOND), 0)),
        (Function::Sum, range(None, 1)),
        (Function::Max, range(Some(i64::MAX), SECOND)),
        (Function::Latest, range(Some(SECOND), 0)),
        (Function::Median, rows),
    ];
    let case = Case { windows, at_least: 0, amount_at_least: None };
    for first in 0..times.len() {
        let at = |n: usize| times[(first + n * 3) % times.len()];
        let action = |n: usize| [ReportAction::New, ReportAction::New, ReportAction::Update][n % 3];
        let report = |n: usize| Report {
            time: at(n),
            amount: [i64::MAX, i64::MIN, 1][n % 3],
            uetr: Some("3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
            action: action(n),
            partition: n % 2,
            ..Report::new(format!("{}", n % 5), 0)
        };
        let reports: Vec<Report> = (0..24).map(report).collect();
        for size in [1, 3, 24] {
            let mut engine = case.engine(1, 2);
            let mut steps = 0;
            for chunk in reports.chunks(size) {
                let output = engine.step(&batches(chunk), &Inline);
                assert_eq!(output.fates.iter().map(Vec::len).sum::<usize>(), chunk.len());
                let saved = engine.save();
                engine = case.engine(1, 2);
                engine.load(&saved).unwrap();
                steps += output.facts.accepted;
            }
            assert!(steps > 0);
            engine.raise(0, i64::MAX);
            assert_eq!(engine.tick(&[1]), Some(i64::MAX));
            engine.ahead(i64::MAX, |_| true);
            engine.finish();
        }
    }
}
