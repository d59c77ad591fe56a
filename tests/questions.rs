//! Every question that the program brings along is answered over the shipped tables, for whoever may see everything and for
//! whoever may not.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;

use desk::{apply, desk, me, payments, runtime};
use foreshock::rights::grant::{Grant, Person};
use foreshock::serve::questions::{Kind, Question};
use foreshock::serve::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn every_question_has_titles_and_is_answered_with_named_columns() {
    let store = Arc::new(Store::new(1_000_000));
    payments().iter().for_each(|lines| apply(&store, lines));
    let (desk, runtime) = (desk(&store), runtime());
    let grant = Grant { personal: false, purposes: ["FRAUD".to_owned()].into(), ..Grant::everything() };
    let mut analyst =
        Person { name: "li".into(), role: "analyst".into(), grant: Arc::new(grant), purpose: None, until: None };
    analyst.name_purpose("FRAUD", "A-7").unwrap();
    let questions = Question::all().unwrap();
    assert_eq!(questions.len(), 20);
    let mut with_rows = 0;
    for question in &questions {
        assert!(!question.zh.is_ascii() && question.en.is_ascii(), "{}", question.name);
        let needed = |kind| if kind == Kind::Text { "acct-1" } else { "1" };
        let needs = question.parameters.iter().filter(|p| p.default.is_none());
        let values: BTreeMap<String, String> = needs.map(|p| (p.name.clone(), needed(p.kind).to_owned())).collect();
        let text = question.with(&values).unwrap();
        for person in [me(), analyst.clone()] {
            let answer =
                runtime.block_on(desk.answer(&text, person)).map_err(|e| format!("{}: {e}", question.name)).unwrap();
            with_rows += usize::from(answer.batches.iter().any(|batch| batch.num_rows() > 0));
            for field in answer.schema.fields() {
                assert!(
                    field.name().chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                    "{}: {}",
                    question.name,
                    field.name()
                );
            }
        }
    }
    assert!(with_rows >= 4, "{with_rows}");
}

#[test]
fn the_accounts_that_many_pay_are_those_of_a_plain_recount() {
    let store = Arc::new(Store::new(1_000_000));
    let lines: Vec<Vec<String>> = payments();
    lines.iter().for_each(|lines| apply(&store, lines));
    let mut payers: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for line in lines.iter().flatten() {
        let body: serde_json::Value = serde_json::from_str(line).unwrap();
        if body["status"] == "RJCT" {
            continue;
        }
        let of = |side: &str| body[side]["accountToken"].as_str().unwrap_or_default().to_owned();
        payers.entry(of("creditor")).or_default().insert(of("debtor"));
    }
    let questions = Question::all().unwrap();
    let fan_in = questions.iter().find(|question| question.name == "fan-in").unwrap();
    let text = fan_in.with(&BTreeMap::from([("payers".into(), "3".into()), ("hours".into(), "1000".into())])).unwrap();
    let answer = runtime().block_on(desk(&store).answer(&text, me())).unwrap();
    let mut expected: Vec<usize> =
        payers.values().map(std::collections::BTreeSet::len).filter(|count| *count >= 3).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    expected.truncate(100);
    let found: Vec<usize> = answer
        .batches
        .iter()
        .flat_map(|batch| {
            let counts = batch.column_by_name("payers").unwrap();
            let counts = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(counts);
            counts.values().iter().map(|count| *count as usize).collect::<Vec<_>>()
        })
        .collect();
    assert!(!found.is_empty() && found == expected, "{found:?} {expected:?}");
}
