//! The history: other engines read it, its upkeep takes nothing that must stay, two that keep it at once keep each row once.
#![allow(clippy::unwrap_used)]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use desk::{apply, desk, me, payments, runtime};
use foreshock::history::Library;
use foreshock::history::upkeep::{Hold, Keeping, all, erase};
use foreshock::serve::archive::{Archive, Archived, kinds};
use foreshock::serve::store::Store;
use process::{foreshock, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i32 = 20_514; // 2026-03-02, the generated day

fn opened(place: &str) -> (Archive, Arc<Store>) {
    let (archive, state, _) = Archive::open(place, HOUR, Keeping::default()).unwrap();
    let store = Arc::new(Store::new(1_000_000));
    store.begin(state);
    (archive, store)
}

/// A folder with so many batches of payments, one commit for each.
fn kept(batches: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, store) = opened(folder.path().to_str().unwrap());
    for lines in payments().iter().take(batches) {
        apply(&store, lines);
        archive.keep(&store, &Archived::default()).unwrap();
    }
    folder
}

/// The one number that a statement gives.
fn number(store: &Arc<Store>, statement: &str) -> i64 {
    let answer = runtime().block_on(desk(store).answer(statement, me())).unwrap();
    let batch = answer.batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

fn library(folder: &Path, work: impl AsyncFnOnce(&mut Library)) {
    runtime().block_on(async {
        let mut library = Library::read(folder.to_str().unwrap(), kinds()).await.unwrap();
        work(&mut library).await;
    });
}

#[test]
fn the_python_package_and_duckdb_read_the_same_counts_and_sums() {
    let folder = kept(4);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/history.py");
    let done = Command::new("python3").arg(script).arg(folder.path()).output();
    let has = done.as_ref().is_ok_and(|done| !text(&done.stderr).contains("ModuleNotFoundError"));
    if !has {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "Python with deltalake, pyarrow and duckdb is required in CI"
        );
        println!("SKIPPED: no Python with deltalake, pyarrow and duckdb");
        return;
    }
    let done = done.unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let (_, store) = opened(folder.path().to_str().unwrap());
    let mut rows = 0;
    for line in text(&done.stdout).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = line[0].as_str().unwrap();
        assert_eq!(line[1], line[2], "{name}: the package and DuckDB");
        let Some(kind) = kinds().into_iter().find(|kind| kind.name == name) else { panic!("{name} is not ours") };
        if name == "transactions" {
            let of = |what: &str| number(&store, &format!("SELECT {what} FROM transactions"));
            assert_eq!(line[1], serde_json::json!([of("count(*)"), of("sum(amount)"), of("max(seq)")]));
            rows += of("count(*)");
        }
        assert!(kind.schema.column_with_name("seq").is_some());
    }
    assert!(rows > 1_000, "{rows}");
}

#[test]
fn the_commands_show_a_history_and_answer_over_it() {
    let folder = kept(2);
    let place = folder.path().to_str().unwrap();
    let (_, store) = opened(place);
    let rows = number(&store, "SELECT count(*) FROM transactions");
    let shown = foreshock(&["history", "show", "--dir", place]);
    assert!(text(&shown.stdout).contains(&format!("{rows} rows")), "{}", text(&shown.stdout));
    let asked = foreshock(&["sql", "--history", place, "--output", "csv", "SELECT count(*) AS n FROM transactions"]);
    assert_eq!(text(&asked.stdout), format!("n\n{rows}\n"), "{}", text(&asked.stderr));
    let refused = foreshock(&["sql", "--history", place, "DROP TABLE transactions"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    let none = foreshock(&["history", "show", "--dir", "/nowhere/at/all"]);
    assert_eq!(none.status.code(), Some(3), "{}", text(&none.stderr));
    let tested = foreshock(&["backtest", "--history", place, "--rule", "M01"]);
    assert!(text(&tested.stdout).contains(&format!("{rows} events in all")), "{}", text(&tested.stdout));
}

#[test]
fn at_a_terminal_one_statement_follows_another_and_names_are_completed() {
    let (folder, home) = (kept(2), tempfile::tempdir().unwrap());
    let (_, store) = opened(folder.path().to_str().unwrap());
    let rows = number(&store, "SELECT count(*) FROM transactions");
    let steps = [
        ("", "foreshock=> "),
        ("\\\\d transactions\r", "payer_account"),
        ("SELECT count(*) AS n\r", "foreshock-> "),
        ("FROM transac\t;\r", "1 rows"),
        ("SELECT nosuch FROM rules;\r", "42703"),
        ("\\\\q\r", ""),
    ];
    let steps: String = steps
        .iter()
        .map(|(typed, then)| format!("{}\n", serde_json::json!([typed.replace("\\\\", "\\"), then])))
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/repl.py");
    let child = Command::new("python3")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_foreshock"))
        .args(["sql", "--history", folder.path().to_str().unwrap()])
        .env("XDG_STATE_HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), steps.as_bytes()).unwrap();
    let said = text(&child.wait_with_output().unwrap().stdout);
    assert!(said.contains(&format!("| {rows} ")) && said.contains("42703"), "{said}");
    let typed = home.path().join("foreshock/sql_history");
    assert!(std::fs::read_to_string(&typed).unwrap().contains("FROM transactions"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&typed).unwrap().permissions().mode() & 0o077, 0, "others can read what was typed");
}

#[test]
fn after_their_days_rows_name_nobody_but_those_that_are_held() {
    let folder = kept(3);
    let place = folder.path().to_str().unwrap();
    let rows = |statement: &str| number(&opened(place).1, statement);
    let sum = "SELECT sum(amount) FROM transactions";
    let (count, before) = (rows("SELECT count(*) FROM transactions"), rows(sum));
    let answer = runtime().block_on(
        desk(&opened(place).1)
            .answer("SELECT payee_account FROM transactions WHERE payee_account IS NOT NULL LIMIT 1", me()),
    );
    let token = answer.unwrap().batches[0].column(0).as_string::<i32>().value(0).to_owned();
    let of = format!("SELECT count(*) FROM transactions WHERE payee_account = '{token}' OR payer_account = '{token}'");
    let held = rows(&of);
    let holds = folder.path().with_extension("holds.toml");
    std::fs::write(&holds, format!("[[hold]]\ncase = \"A1\"\nsubject = \"{token}\"\n")).unwrap();
    let names_days = BTreeMap::from([("transactions".into(), 90), ("detections".into(), 90)]);
    let keeping = Keeping { names_days, file_hours: 1, holds: holds.clone(), ..Keeping::default() };
    library(folder.path(), async |library| {
        let early = all(library, &keeping, DAY + 90).await.unwrap();
        let unnamed: usize = early.iter().map(|(_, done)| done.unnamed).sum();
        assert!((unnamed as i64) < count - held, "the last day is not old yet: {early:?}");
        all(library, &keeping, DAY + 400).await.unwrap();
        let third = all(library, &keeping, DAY + 400).await.unwrap();
        assert_eq!(third, [], "nothing is written where nothing is to be done");
    });
    let named = "SELECT count(*) FROM transactions WHERE payer_account IS NOT NULL OR payee_account IS NOT NULL OR \
                 payer_person IS NOT NULL OR payer_phone IS NOT NULL OR device IS NOT NULL";
    assert_eq!((rows(named), rows(&of)), (held, held));
    assert_eq!((rows("SELECT count(*) FROM transactions"), rows(sum)), (count, before));
    let unknown = Keeping { names_days: BTreeMap::from([("transaction".into(), 90)]), ..keeping.clone() };
    library(folder.path(), async |library| {
        let error = format!("{:#}", all(library, &unknown, DAY).await.unwrap_err());
        assert!(error.contains("history.names_days: no table `transaction`"), "{error}");
    });
    std::fs::write(&holds, "[[hold]]\ncase = \"A1\"\ntable = \"transaction\"\n").unwrap();
    library(folder.path(), async |library| {
        let error = format!("{:#}", all(library, &keeping, DAY).await.unwrap_err());
        assert!(error.contains("case A1") && error.contains("no table `transaction`"), "{error}");
    });
    std::fs::remove_file(holds).unwrap();
}

#[test]
fn two_that_tend_and_one_that_writes_at_once_lose_no_row() {
    let folder = kept(3);
    let place = folder.path().to_str().unwrap();
    let batches = payments();
    std::thread::scope(|scope| {
        let tends: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut archive, _) = opened(place);
                    archive.tend().unwrap();
                })
            })
            .collect();
        let (mut archive, store) = opened(place);
        for line in batches[3].chunks(batches[3].len() / 5 + 1) {
            apply(&store, line);
            archive.keep(&store, &Archived::default()).unwrap();
        }
        tends.into_iter().for_each(|thread| thread.join().unwrap());
        archive.tend().unwrap();
    });
    let count = number(&opened(place).1, "SELECT count(*) FROM transactions");
    assert_eq!(count, batches.iter().map(Vec::len).sum::<usize>() as i64);
}

#[test]
fn what_is_no_table_of_ours_is_not_written_to() {
    let folder = kept(1);
    let place = folder.path().to_str().unwrap();
    // Another table under the name of one of ours.
    std::fs::remove_dir_all(folder.path().join("transactions")).unwrap();
    std::fs::rename(folder.path().join("rejected"), folder.path().join("transactions")).unwrap();
    let error = Archive::open(place, HOUR, Keeping::default()).err().map(|error| format!("{error:#}")).unwrap();
    assert!(error.contains("transactions") && error.contains("not a table that this version knows"), "{error}");
}

#[test]
fn two_that_keep_one_history_keep_each_row_once_and_show_nothing_early() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let ((mut first, quick), (mut second, slow)) = (opened(place), opened(place));
    let batches = payments();
    apply(&quick, &batches[0]);
    apply(&slow, &batches[0]);
    apply(&quick, &batches[1]);
    first.keep(&quick, &Archived::default()).unwrap();
    second.keep(&slow, &Archived::default()).unwrap();
    let count = |store: &Arc<Store>| number(store, "SELECT count(*) FROM transactions");
    let expected = |batches: &[Vec<String>]| batches.iter().map(Vec::len).sum::<usize>() as i64;
    assert_eq!((count(&quick), count(&slow)), (expected(&batches[..2]), expected(&batches[..1])));
    for lines in &batches[1..3] {
        apply(&slow, lines);
    }
    second.keep(&slow, &Archived::default()).unwrap();
    apply(&quick, &batches[2]);
    first.keep(&quick, &Archived::default()).unwrap();
    let (_, anew) = opened(place);
    let all = expected(&batches[..3]);
    assert_eq!((count(&quick), count(&slow), count(&anew)), (all, all, all));
}

#[test]
fn a_history_that_is_compacted_at_every_start_keeps_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let (place, mut expected) = (folder.path().to_str().unwrap(), 0);
    let lines: Vec<String> = payments().concat();
    for (start, lines) in lines.chunks(60).take(12).enumerate() {
        let (mut archive, store) = opened(place);
        for lines in lines.chunks(20) {
            apply(&store, lines);
            expected += lines.len() as i64;
            archive.keep(&store, &Archived::default()).unwrap();
        }
        archive.tend().unwrap();
        for (name, store) in [("this one", store), ("begun anew", opened(place).1)] {
            let found = number(&store, "SELECT count(*) FROM transactions");
            assert_eq!(found, expected, "start {start}, {name}");
        }
    }
}

#[test]
fn changes_go_on_over_a_start_without_a_gap_or_a_repetition() {
    let folder = kept(3);
    let (_, store) = opened(folder.path().to_str().unwrap());
    apply(&store, &payments()[3]);
    let (desk, mut seen, mut since) = (desk(&store), Vec::new(), -1);
    loop {
        let statement = format!("SELECT seq FROM changes('transactions', {since}) ORDER BY seq LIMIT 700");
        let answer = runtime().block_on(desk.answer(&statement, me())).unwrap();
        let seqs: Vec<i64> =
            answer.batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        let Some(last) = seqs.last() else { break };
        since = *last;
        seen.extend(seqs);
    }
    let distinct: BTreeSet<i64> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (seen.len(), payments().iter().map(Vec::len).sum()));
}

#[test]
fn small_files_are_put_together_and_old_rows_go_but_those_that_are_held() {
    let folder = kept(4);
    let place = folder.path().to_str().unwrap();
    let rows = |statement: &str| number(&opened(place).1, statement);
    let (count, sum) = (rows("SELECT count(*) FROM transactions"), rows("SELECT sum(amount) FROM transactions"));
    let payer = "SELECT count(*) FROM transactions WHERE payer_account = 'X'";
    let (_, store) = opened(place);
    let answer = runtime().block_on(desk(&store).answer(
        "SELECT payer_account FROM transactions WHERE payer_account IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
        me(),
    ));
    let token = answer.unwrap().batches[0].column(0).as_string::<i32>().value(0).to_owned();
    let of_payer = rows(&payer.replace('X', &token));
    library(folder.path(), async |library| {
        let before = library.book("transactions").unwrap().file_count().unwrap();
        let changed: BTreeMap<_, _> = all(library, &Keeping { file_hours: 1, ..Keeping::default() }, DAY + 10)
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert!(changed["transactions"].compacted > 1, "{changed:?}");
        assert!(library.book("transactions").unwrap().file_count().unwrap() < before);
    });
    assert_eq!((rows("SELECT count(*) FROM transactions"), rows("SELECT sum(amount) FROM transactions")), (count, sum));
    let holds = folder.path().with_extension("holds.toml");
    std::fs::write(&holds, format!("[[hold]]\ncase = \"A1\"\nsubject = \"{token}\"\n")).unwrap();
    let days = BTreeMap::from([("transactions".into(), 30)]);
    let keeping = Keeping { days, file_hours: 1, holds: holds.clone(), ..Keeping::default() };
    library(folder.path(), async |library| {
        // The day itself is not old yet, then it is.
        all(library, &keeping, DAY + 30).await.unwrap();
        assert!(library.book("transactions").unwrap().past().await.unwrap().rows > of_payer.cast_unsigned());
        all(library, &keeping, DAY + 400).await.unwrap();
    });
    let held = rows("SELECT count(*) FROM transactions");
    assert_eq!(rows(&payer.replace('X', &token)), of_payer);
    assert!(held >= of_payer && held < count, "{held} of {count}");
    std::fs::remove_file(holds).unwrap();
}

#[test]
fn a_person_is_erased_from_the_facts_and_the_rest_of_the_rows_stay() {
    let folder = kept(2);
    let place = folder.path().to_str().unwrap();
    let rows = |statement: &str| number(&opened(place).1, statement);
    let (_, store) = opened(place);
    let answer = runtime().block_on(
        desk(&store).answer("SELECT payee_account FROM transactions WHERE payee_account IS NOT NULL LIMIT 1", me()),
    );
    let token = answer.unwrap().batches[0].column(0).as_string::<i32>().value(0).to_owned();
    let (count, sum) = (rows("SELECT count(*) FROM transactions"), rows("SELECT sum(amount) FROM transactions"));
    let named =
        format!("SELECT count(*) FROM transactions WHERE payee_account = '{token}' OR payer_account = '{token}'");
    assert!(rows(&named) > 0);
    let hold = Hold { case: "A1".into(), table: None, from: None, to: None, subject: Some(token.clone()) };
    let tables = BTreeSet::from(["transactions"]);
    library(folder.path(), async |library| {
        let error = erase(library, &tables, std::slice::from_ref(&token), &[hold], "B2").await.unwrap_err();
        assert!(format!("{error}").contains("A1"), "{error}");
        let erased = erase(library, &tables, std::slice::from_ref(&token), &[], "B2").await.unwrap();
        assert!(erased["transactions"] > 0);
    });
    assert_eq!(rows(&named), 0);
    assert_eq!((rows("SELECT count(*) FROM transactions"), rows("SELECT sum(amount) FROM transactions")), (count, sum));
    // Not in any file either: the versions before are gone.
    let files = Command::new("grep").args(["-rlF", &token, place]).output().unwrap();
    assert_eq!(text(&files.stdout), "", "a file still names the token");
}
