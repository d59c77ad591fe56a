//! Detections against cases. Values in, values out.

use crate::offline::quality::{By, Case, Row};
use foreshock_core::time::{DAY_US, SECOND_US};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a rule.
#[derive(Debug, Clone, Serialize)]
pub struct RuleFacts {
    /// `live`, `shadow`, `draft`.
    pub status: String,
    /// It is live and asks for a measure or a warning: something happens by it.
    pub acts: bool,
}

/// What one rule said.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct OfRule {
    /// Detections (by account: subjects and days).
    pub said: usize,
    /// In a fraud.
    pub right: usize,
    /// In something honest that was made to look like one; neither right nor wrong.
    pub decoys: usize,
    /// Frauds in which it spoke.
    pub cases: usize,
}

impl OfRule {
    /// In nothing that has a label.
    pub fn wrong(&self) -> usize {
        self.said - self.right - self.decoys
    }

    /// Right ones of a hundred, decoys apart; `None` when it said nothing.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.said - self.decoys)
    }
}

/// How cases of one kind fared.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct OfKind {
    /// How many there are.
    pub cases: usize,
    /// In how many a rule spoke.
    pub found: usize,
    /// In how many a rule spoke that acts.
    pub acted: usize,
    /// Of those for which it is known until when something can be stopped: how many there are, and in how many a rule that acts spoke before.
    pub in_time: Option<(usize, usize)>,
    /// Seconds from the beginning to the first word, in order.
    pub delays_s: Vec<i64>,
    /// The same to the first word of a rule that acts.
    pub acting_delays_s: Vec<i64>,
    /// Minor units lost, and of these what the first rule that acts said is still there: of cases whose amount is known.
    pub money: Option<(i64, i64)>,
    /// Rules that spoke.
    pub rules: BTreeSet<String>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// By rule.
    pub rules: BTreeMap<String, OfRule>,
    /// Frauds by kind.
    pub frauds: BTreeMap<String, OfKind>,
    /// What is honest by kind.
    pub honest: BTreeMap<String, OfKind>,
}

/// `part` of `whole` in a hundred.
#[allow(clippy::cast_precision_loss)] // shares are for people
pub fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// Compares. Detections before `from_us` do not count, nor do cases that end before it.
pub fn judge(by: By, cases: &[Case], rows: &[Row], rules: &BTreeMap<String, RuleFacts>, from_us: i64) -> Report {
    let cases: Vec<&Case> = cases.iter().filter(|case| case.span.is_none_or(|(_, to)| to >= from_us)).collect();
    let rows: Vec<&Row> = rows.iter().filter(|row| row.at_us() >= from_us).collect();
    let places = places(by, &cases);
    let mut report = Report::default();
    let mut hits: Vec<Vec<&Row>> = vec![Vec::new(); cases.len()];
    let mut counted = BTreeSet::new();
    for row in rows {
        let key = match by {
            By::Event => row.source(),
            By::Account => row.subject.as_str(),
        };
        let covers = |at: &&usize| by == By::Event || covers(cases[**at], row.at_us());
        let mine: Vec<usize> = places.get(key).into_iter().flatten().filter(covers).copied().collect();
        mine.iter().for_each(|at| hits[*at].push(row));
        if by == By::Account && !counted.insert((&row.rule_id, &row.subject, row.at_us().div_euclid(DAY_US))) {
            continue;
        }
        let of_rule = report.rules.entry(row.rule_id.clone()).or_default();
        of_rule.said += 1;
        if mine.iter().any(|at| cases[*at].is_fraud) {
            of_rule.right += 1;
        } else if !mine.is_empty() {
            of_rule.decoys += 1;
        }
    }
    for (case, hits) in cases.iter().zip(&hits) {
        let kinds = if case.is_fraud { &mut report.frauds } else { &mut report.honest };
        add(kinds.entry(case.kind.clone()).or_default(), case, hits, rules);
        if case.is_fraud {
            let spoke: BTreeSet<&String> = hits.iter().map(|row| &row.rule_id).collect();
            for rule in spoke {
                report.rules.entry(rule.clone()).or_default().cases += 1;
            }
        }
    }
    for kind in report.frauds.values_mut().chain(report.honest.values_mut()) {
        kind.delays_s.sort_unstable();
        kind.acting_delays_s.sort_unstable();
    }
    report
}

/// Which cases an event or an account is in.
fn places<'a>(by: By, cases: &[&'a Case]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let names = if by == By::Event { &case.events } else { &case.accounts };
        names.iter().for_each(|name| places.entry(name).or_default().push(at));
    }
    places
}

fn covers(case: &Case, at_us: i64) -> bool {
    case.span.is_some_and(|(from, to)| (from..=to.saturating_add(case.slack_us)).contains(&at_us))
}

fn add(kind: &mut OfKind, case: &Case, hits: &[&Row], rules: &BTreeMap<String, RuleFacts>) {
    let acts = |row: &&&Row| rules.get(&row.rule_id).is_some_and(|rule| rule.acts);
    let first = hits.iter().min_by_key(|row| row.at_us());
    let acting = hits.iter().filter(acts).min_by_key(|row| row.at_us());
    kind.cases += 1;
    kind.found += usize::from(first.is_some());
    kind.acted += usize::from(acting.is_some());
    kind.rules.extend(hits.iter().map(|row| row.rule_id.clone()));
    if let Some(stop_before) = case.stop_before {
        let (all, in_time) = kind.in_time.get_or_insert_default();
        *all += 1;
        *in_time += usize::from(acting.is_some_and(|row| row.at_us() < stop_before));
    }
    if let Some(lost) = case.amount {
        let (all, there) = kind.money.get_or_insert_default();
        *all = all.saturating_add(lost);
        *there = there.saturating_add(acting.and_then(|row| row.amount()).map_or(0, |amount| amount.clamp(0, lost)));
    }
    if let Some((from, _)) = case.span {
        let delay = |row: &&&Row| (row.at_us() - from) / SECOND_US;
        kind.delays_s.extend(first.as_ref().map(delay));
        kind.acting_delays_s.extend(acting.as_ref().map(delay));
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
