//! The windows against a walk over all facts: late, equal, corrected, repeated.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_core::ReportAction;
use foreshock_engine::accumulator::{median, statistic};
use foreshock_engine::{Frame, Function, Inline};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Case, Report, Run, SECOND, batches, run};

/// A row of a walk: what it is put in order by, its key, its value.
struct Row<'a> {
    id: &'a str,
    time: i64,
    key: &'a str,
    value: i64,
}

/// What stands, by a walk over all facts that count: the same lines as [`Run::lines`], sorted.
fn expected(case: &Case, run: &Run) -> Vec<String> {
    let mut facts: Vec<&(String, i64)> = run.facts.iter().collect();
    facts.sort_by_key(|(id, time)| (*time, id.clone()));
    let row = |fact: &&'_ (String, i64)| (fact.0.clone(), fact.1, run.said[*fact].clone());
    let facts: Vec<(String, i64, (String, String, i64))> = facts.iter().map(row).collect();
    let rows: Vec<Row<'_>> =
        facts.iter().map(|(id, time, said)| Row { id, time: *time, key: &said.0, value: said.2 }).collect();
    let mut answers: Vec<Vec<String>> = rows
        .iter()
        .map(|row| case.windows.iter().map(|window| answer(window.0, inside(&rows, row, window.1))).collect())
        .collect();
    let count = |at: usize| answers[at][0].parse::<i64>().unwrap();
    let passing: Vec<usize> = (0..rows.len()).filter(|at| count(*at) >= case.at_least).collect();
    let above = |at: &usize| {
        let (id, time, said) = &facts[*at];
        Row { id, time: *time, key: &said.1, value: count(*at) }
    };
    let above: Vec<Row<'_>> = passing.iter().map(above).collect();
    let of_above = |row| case.above.map(|window| answer(window.0, inside(&above, row, window.1)));
    let of_above: Vec<Option<String>> = above.iter().map(of_above).collect();
    let mut lines = Vec::new();
    for (at, of_above) in passing.iter().zip(of_above) {
        answers[*at].extend(of_above);
        lines.push(format!("{} {} {} {}", rows[*at].id, rows[*at].time, rows[*at].key, answers[*at].join(" ")));
    }
    lines.sort_unstable();
    lines
}

/// The values in a row's frame, in order.
fn inside(rows: &[Row<'_>], row: &Row<'_>, frame: Frame) -> Vec<i64> {
    let key: Vec<&Row<'_>> = rows.iter().filter(|r| r.key == row.key).collect();
    match frame {
        Frame::Range { preceding, end } => {
            let from = preceding.map_or(i64::MIN, |w| row.time - w);
            key.iter().filter(|r| (from..=row.time - end).contains(&r.time)).map(|r| r.value).collect()
        }
        Frame::Rows { preceding, end } => {
            let own = key.iter().position(|other| (other.id, other.time) == (row.id, row.time)).unwrap();
            let from = preceding.map_or(0, |n| own.saturating_sub(n as usize));
            let until = (own + 1).saturating_sub(end as usize);
            key[from.min(until)..until].iter().map(|r| r.value).collect()
        }
    }
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
            let (payer, payee) = (["A", "B"][usize::from(payee % 2)], ["X", "X", "Y"][usize::from(payee)]);
            let late = if kind < 6 { 0 } else { back };
            let new = Report { payer, payee, amount, ..Report::new(format!("{:x}", id * 2_654_435 % 97), now - late) };
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
        windows in windows(), above in windows(), reports in reports(), size in 2_usize..30, at_least in 0_i64..3
    ) {
        // Half of the cases have a second level.
        let above = above.get(1).copied();
        let case = Case { windows, at_least, amount_at_least: None, above };
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
    let case = Case { windows, at_least: 0, amount_at_least: None, above: None };
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
