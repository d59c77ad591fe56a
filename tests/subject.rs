//! `trace` and `profile`: what they say is what statements say.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use desk::{apply, desk, me, payments, runtime};
use foreshock::serve::query::Desk;
use foreshock::serve::store::Store;
use std::sync::Arc;

fn filled() -> Arc<Desk> {
    let store = Arc::new(Store::new(1_000_000));
    payments().iter().for_each(|lines| apply(&store, lines));
    desk(&store)
}

fn ask(desk: &Arc<Desk>, statement: &str) -> Result<RecordBatch, String> {
    let answer = runtime().block_on(desk.answer(statement, me())).map_err(|r| format!("{} {}", r.state, r.message))?;
    Ok(arrow::compute::concat_batches(&answer.schema, &answer.batches).unwrap())
}

fn numbers(rows: &RecordBatch, column: usize) -> Vec<i64> {
    rows.column(column).as_primitive::<Int64Type>().values().to_vec()
}

fn first_text(desk: &Arc<Desk>, statement: &str) -> String {
    ask(desk, statement).unwrap().column(0).as_string::<i32>().value(0).to_owned()
}

/// An account that receives and pays on.
const PASSES_ON: &str = "SELECT a.payer_account FROM transactions a JOIN transactions b ON b.payer_account = a.payee_account \
     WHERE b.event_time > a.event_time AND a.payer_account <> a.payee_account GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1";

#[test]
fn the_first_hop_is_all_that_the_account_pays_and_no_hop_is_more_than_the_one_before() {
    let desk = filled();
    let account = first_text(&desk, PASSES_ON);
    let paid = ask(
        &desk,
        &format!(
            "SELECT sum(amount) FROM transactions WHERE payer_account = '{account}' AND status IS DISTINCT FROM 'RJCT'"
        ),
    );
    let by_hop = ask(
        &desk,
        &format!(
            "SELECT hop, CAST(sum(amount) AS BIGINT) FROM trace('{account}', '2026-01-01T00:00:00Z', 5) GROUP BY 1 ORDER BY 1"
        ),
    );
    let (paid, by_hop) = (paid.unwrap(), by_hop.unwrap());
    let sums = numbers(&by_hop, 1);
    assert_eq!(sums[0], numbers(&paid, 0)[0]);
    assert!(sums.len() > 1 && sums.windows(2).all(|pair| pair[1] <= pair[0]), "{sums:?}");
    let parts = format!(
        "SELECT count(*) FROM trace('{account}', '2026-01-01T00:00:00Z', 5) WHERE amount > payment_amount OR amount < 1"
    );
    assert_eq!(numbers(&ask(&desk, &parts).unwrap(), 0), [0]);
    let later = format!("SELECT count(*) FROM trace('{account}', TIMESTAMP '2027-01-01T00:00:00Z')");
    assert_eq!(numbers(&ask(&desk, &later).unwrap(), 0), [0]);
}

#[test]
fn a_profile_counts_as_statements_do() {
    let desk = filled();
    let account = first_text(&desk, PASSES_ON);
    let told = |section: &str| {
        let statement = format!(
            "SELECT CAST(sum(events) AS BIGINT), CAST(sum(amount) AS BIGINT) FROM profile('{account}') WHERE section = '{section}'"
        );
        let rows = ask(&desk, &statement).unwrap();
        (numbers(&rows, 0)[0], numbers(&rows, 1)[0])
    };
    let counted = |column: &str| {
        let rows = ask(&desk, &format!("SELECT count(*), sum(amount) FROM transactions WHERE {column} = '{account}' AND status IS DISTINCT FROM 'RJCT'"))
            .unwrap();
        (numbers(&rows, 0)[0], numbers(&rows, 1)[0])
    };
    assert_eq!(told("pays"), counted("payer_account"));
    assert_eq!(told("receives"), counted("payee_account"));
    let nobody = ask(&desk, "SELECT * FROM profile('nobody')").unwrap();
    assert_eq!(nobody.num_rows(), 0);
}

#[test]
fn what_is_asked_wrongly_is_told_how_to_be_asked() {
    let desk = filled();
    for (function, word) in [
        ("trace(1, 2)", "no text"),
        ("trace('a', 'yesterday')", "no time"),
        ("trace('a', '2026-01-01T00:00:00Z', 6)", "1 to 5"),
        ("profile()", "one argument"),
        ("profile('a', 'b')", "one argument"),
    ] {
        let error = ask(&desk, &format!("SELECT * FROM {function}")).unwrap_err();
        assert!(error.contains(word) && error.contains("write "), "{function}: {error}");
    }
}
