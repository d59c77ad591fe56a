//! A report as text.

use crate::offline::quality::judge::{OfKind, Report, RuleFacts, share};
use std::collections::BTreeMap;

/// A table: the names of its columns, its rows.
pub type Table = (Vec<&'static str>, Vec<Vec<String>>);

/// By kind, frauds before what is honest.
pub fn kinds(report: &Report) -> Table {
    let names = vec![
        "kind",
        "told",
        "found",
        "acted_on",
        "in_time",
        "median",
        "nine_of_ten",
        "median_acted",
        "money_there",
        "rules",
    ];
    let fraud = report.frauds.iter().map(|(name, kind)| row(name.clone(), kind));
    let honest = report.honest.iter().map(|(name, kind)| row(format!("(honest) {name}"), kind));
    (names, fraud.chain(honest).collect())
}

fn row(name: String, kind: &OfKind) -> Vec<String> {
    let of = |(part, whole): (usize, usize)| format!("{part} ({})", percent(share(part, whole)));
    let in_time = kind.in_time.map_or("-".to_owned(), |(all, in_time)| of((in_time, all)));
    let money = kind.money.and_then(|(all, there)| (all > 0).then(|| there * 100 / all));
    vec![
        name,
        kind.cases.to_string(),
        of((kind.found, kind.cases)),
        of((kind.acted, kind.cases)),
        in_time,
        after(&kind.delays_s, 50),
        after(&kind.delays_s, 90),
        after(&kind.acting_delays_s, 50),
        money.map_or("-".to_owned(), |share| format!("{share} %")),
        kind.rules.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
    ]
}

/// By rule: those that act before the others.
pub fn rules(report: &Report, facts: &BTreeMap<String, RuleFacts>) -> Table {
    let names = vec!["rule", "status", "said", "right", "decoys", "wrong", "precision", "frauds"];
    let status = |rule: &str| facts.get(rule).map_or("", |facts| if facts.acts { "acts" } else { &facts.status });
    let mut all: Vec<_> = report.rules.iter().collect();
    all.sort_by_key(|(rule, _)| (status(rule) != "acts", (*rule).clone()));
    let row = |(rule, of): (&String, &crate::offline::quality::judge::OfRule)| {
        vec![
            rule.clone(),
            status(rule).to_owned(),
            of.said.to_string(),
            of.right.to_string(),
            of.decoys.to_string(),
            of.wrong().to_string(),
            percent(of.precision()),
            of.cases.to_string(),
        ]
    };
    (names, all.into_iter().map(row).collect())
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{share:.1} %"))
}

/// The time after which so many of a hundred were found, of those that were.
fn after(delays_s: &[i64], of_hundred: usize) -> String {
    let at = (delays_s.len() * of_hundred / 100).min(delays_s.len().saturating_sub(1));
    delays_s.get(at).map_or("-".to_owned(), |seconds| match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    })
}
