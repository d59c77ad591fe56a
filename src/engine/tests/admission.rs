//! Which reports count, whatever the cut of batches: ids and payments that come again.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_core::ReportAction;
use foreshock_engine::{Inline, SavedState};
use proptest::prelude::*;
use support::{Case, Report, Run, batches, run};

const UETR: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const OTHER_UETR: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3302";

fn facts(run: &Run) -> Vec<(&str, i64)> {
    run.facts.iter().map(|(id, time)| (id.as_str(), *time / support::SECOND)).collect()
}

#[test]
fn an_id_used_again_nine_minutes_after_the_horizon_is_a_duplicate_in_every_cut() {
    let ids = [("1", 0), ("9", 600), ("1", 601), ("2", 602)];
    let reports: Vec<Report> = ids.map(|(id, seconds)| Report::new(id, seconds)).into();
    for (size, shards) in [(1, 1), (2, 1), (3, 1), (4, 1), (4, 2)] {
        let run = run(&Case::counting(1, 1), &reports, size, shards);
        assert_eq!(facts(&run), [("1", 0), ("9", 600), ("2", 602)], "batches of {size}");
        assert_eq!(run.total(|o| o.facts.duplicates), 1);
        assert_eq!(run.net.len(), 3);
    }
}

#[test]
fn an_id_used_again_an_hour_later_is_an_event_in_every_cut_and_its_correction_is_its_own() {
    let mut reports: Vec<Report> =
        [("1", 0), ("9", 3_600), ("1", 3_601), ("2", 3_602), ("1", 3_601)].map(|(id, s)| Report::new(id, s)).into();
    reports[4].action = ReportAction::Withdraw;
    for size in 1..=5 {
        let run = run(&Case::counting(1, 1), &reports, size, 1);
        assert_eq!(facts(&run), [("1", 0), ("9", 3_600), ("2", 3_602)], "batches of {size}");
        assert_eq!(run.net.len(), 3, "the first one's detection stands");
    }
}

#[test]
fn twelve_transfers_of_one_bank_with_one_payment_id_are_twelve_events_and_clash() {
    let transfer = |n: i64| Report { uetr: Some(UETR), amount: 100 + n, ..Report::new(format!("t{n}"), n) };
    let mut reports: Vec<Report> = (0..12).map(transfer).collect();
    for size in [1, 5, 12] {
        let found = run(&Case::counting(3_600, 5), &reports, size, 1);
        assert_eq!((found.facts.len(), found.net.len()), (12, 8));
        assert_eq!(found.total(|o| o.facts.payment_clashes), 11);
        assert_eq!(found.total(|o| o.payment_clashes.len() as u64), 11);
        assert_eq!(found.total(|o| o.facts.confirmations), 0);
    }
    // The same amount each time makes no difference.
    reports.iter_mut().for_each(|report| report.amount = 100);
    assert_eq!(run(&Case::counting(3_600, 5), &reports, 4, 1).facts.len(), 12);
}

#[test]
fn the_nil_id_names_no_payment_and_so_nothing_clashes() {
    for uetr in ["00000000-0000-0000-0000-000000000000", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "E2E-17"] {
        let report = |n: i64, reporter| Report { uetr: Some(uetr), reporter, ..Report::new(format!("t{n}"), n) };
        let run = run(&Case::counting(60, 1), &[report(1, "one"), report(2, "two"), report(3, "three")], 2, 1);
        assert_eq!((run.facts.len(), run.total(|o| o.facts.payment_clashes)), (3, 0), "{uetr}");
    }
}

#[test]
fn another_banks_report_confirms_only_when_kind_amount_currency_and_both_accounts_agree() {
    let first = Report { uetr: Some(UETR), ..Report::new("a", 0) };
    let other = || Report { reporter: "two", id: "b".into(), time: first.time + 1, ..first.clone() };
    let cases = [
        ("the same", true, other()),
        ("the same in capitals", true, Report { uetr: Some("3F2504E0-4F89-41D3-9A0C-0305E82C3301"), ..other() }),
        ("the same bank", false, Report { reporter: "one", ..other() }),
        ("a refund", false, Report { kind: "REFUND", payer: "X", payee: "A", ..other() }),
        ("another kind", false, Report { kind: "REFUND", ..other() }),
        ("another amount", false, Report { amount: 101, ..other() }),
        ("another currency", false, Report { currency: "EUR", ..other() }),
        ("another payer", false, Report { payer: "B", ..other() }),
        ("another payee", false, Report { payee: "Y", ..other() }),
        ("accounts that run together", false, Report { payer: "AX", payee: "", ..other() }),
    ];
    for (what, confirms, report) in cases {
        let run = run(&Case::counting(60, 1), &[first.clone(), report], 1, 1);
        let counts = (run.facts.len(), run.total(|o| o.facts.confirmations), run.total(|o| o.facts.payment_clashes));
        assert_eq!(counts, if confirms { (1, 1, 0) } else { (2, 0, 1) }, "{what}");
    }
    let another = Report { uetr: Some(OTHER_UETR), ..other() };
    let run = run(&Case::counting(60, 1), &[first.clone(), another], 1, 1);
    assert_eq!((run.facts.len(), run.total(|o| o.facts.payment_clashes)), (2, 0), "another payment");
}

#[test]
fn of_three_banks_the_first_counts_and_when_it_withdraws_the_next_report_does() {
    let said =
        |id: &str, reporter, seconds, action| Report { uetr: Some(UETR), reporter, action, ..Report::new(id, seconds) };
    use ReportAction::{New, Withdraw};
    let reports = [
        said("a", "one", 0, New),
        said("b", "two", 1, New),
        said("c", "three", 2, New),
        said("a", "one", 0, Withdraw),
        said("d", "two", 3, New),
        said("e", "three", 4, New),
    ];
    for size in 1..=6 {
        let run = run(&Case::counting(60, 1), &reports, size, 1);
        assert_eq!(facts(&run), [("d", 3)], "batches of {size}");
        assert_eq!(run.total(|o| o.facts.confirmations), 3);
    }
}

/// The reports through an engine that is saved and loaded after each.
fn run_restored(case: &Case, reports: &[Report]) -> Run {
    let mut run = Run::default();
    let mut engine = case.engine(1, 1);
    for report in reports {
        run.take(engine.step(&batches(std::slice::from_ref(report)), &Inline));
        let saved = engine.save();
        engine = case.engine(1, 1);
        engine.load(&saved).unwrap();
    }
    run.take(engine.finish());
    run
}

/// In every cut, and restored after each report: ids of the facts that stand, reports that confirm, that clash.
fn expect(what: &str, reports: &[Report], stand: &[&str], confirmations: u64, clashes: u64) {
    let case = Case::counting(3_600, 1);
    let mut runs: Vec<Run> = (1..=reports.len()).map(|size| run(&case, reports, size, 1)).collect();
    runs.push(run_restored(&case, reports));
    for (number, run) in runs.iter().enumerate() {
        let ids: Vec<&str> = run.facts.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, stand, "{what}, run {number}");
        let counts = (run.total(|o| o.facts.confirmations), run.total(|o| o.facts.payment_clashes));
        assert_eq!(counts, (confirmations, clashes), "{what}, run {number}");
    }
}

/// Of one payment, the same facts: a bank's report.
fn said(id: impl Into<String>, reporter: &'static str, seconds: i64, action: ReportAction) -> Report {
    Report { uetr: Some(UETR), reporter, action, ..Report::new(id, seconds) }
}

#[test]
fn a_payment_counts_once_whatever_the_correction_of_its_first_report_leaves_out_or_says_anew() {
    use ReportAction::{New, Update, Withdraw};
    let (first, second) = (said("a", "one", 0, New), said("b", "two", 1, New));
    let corrected = |uetr, action| Report { uetr, action, ..first.clone() };
    let bare = Report { amount: 0, kind: "", currency: "", payer: "", payee: "", ..corrected(None, Withdraw) };
    for (what, correction, stand) in [
        ("withdrawn with nothing but id, reporter and time", bare, vec!["b"]),
        ("withdrawn with another payment's id", corrected(Some(OTHER_UETR), Withdraw), vec!["b"]),
        ("withdrawn with the payment's id", corrected(Some(UETR), Withdraw), vec!["b"]),
        ("updated to another payment", corrected(Some(OTHER_UETR), Update), vec!["a", "b"]),
        ("updated to no payment", corrected(None, Update), vec!["a", "b"]),
        ("updated to an id that names none", corrected(Some("E2E-17"), Update), vec!["a", "b"]),
    ] {
        expect(what, &[first.clone(), correction, second.clone()], &stand, 0, 0);
    }
}

#[test]
fn an_update_that_names_another_payment_is_confirmed_under_that_one() {
    use ReportAction::{New, Update, Withdraw};
    let other = |report: Report| Report { uetr: Some(OTHER_UETR), ..report };
    let mut reports = vec![
        said("a", "one", 0, New),
        other(said("a", "one", 0, Update)),
        other(said("b", "two", 1, New)),
        said("c", "two", 2, New),
    ];
    expect("moved", &reports, &["a", "c"], 1, 0);
    // And back, and to nothing: its last word is what others confirm.
    reports.insert(2, said("a", "one", 0, Update));
    expect("moved and back", &reports, &["a", "b"], 1, 0);
    reports.insert(3, Report { uetr: None, ..said("a", "one", 0, Withdraw) });
    expect("withdrawn", &reports, &["b", "c"], 0, 0);
}

#[test]
fn one_report_confirms_a_report_and_more_of_the_same_bank_are_events_of_their_own() {
    use ReportAction::New;
    let names = |bank: &str, from: i64, to: i64| (from..=to).map(|n| format!("{bank}{n}")).collect::<Vec<_>>();
    let of = |ids: &[String], reporter, seconds| -> Vec<Report> {
        ids.iter().map(|id| said(id.as_str(), reporter, seconds, New)).collect()
    };
    let stand = |ids: &[Vec<String>]| ids.concat();
    let (one, twelve) = (names("a", 1, 1), names("a", 1, 12));
    let second = names("b", 1, 12);
    for (what, first, stand, confirmations, clashes) in [
        ("one and twelve", &one, stand(&[one.clone(), names("b", 2, 12)]), 1, 11),
        ("twelve and twelve", &twelve, twelve.clone(), 12, 11),
    ] {
        let reports = [of(first, "one", 0), of(&second, "two", 1)].concat();
        let stand: Vec<&str> = stand.iter().map(String::as_str).collect();
        expect(what, &reports, &stand, confirmations, clashes);
    }
}

#[test]
fn each_bank_confirms_a_report_once_and_may_repeat_itself() {
    use ReportAction::New;
    let reports = [
        said("a", "one", 0, New),
        said("b", "two", 1, New),
        said("c", "three", 2, New),
        said("b", "two", 1, New),
        said("c2", "three", 3, New),
        said("b", "two", 1, New),
        said("b2", "two", 3, New),
        said("a2", "one", 4, New),
    ];
    // "b2" confirms "c2", which counts; and "a2" confirms "c2" too.
    expect("three banks", &reports, &["a", "c2"], 6, 1);
}

#[test]
fn a_confirming_report_that_is_withdrawn_or_counts_makes_room_for_another_one_of_its_bank() {
    use ReportAction::{New, Update, Withdraw};
    let mut reports = vec![
        said("a", "one", 0, New),
        said("b", "two", 1, New),
        Report { uetr: None, ..said("b", "two", 1, Withdraw) },
        said("b2", "two", 2, New),
    ];
    expect("withdrawn", &reports, &["a"], 2, 0);
    reports.push(said("b", "two", 1, Update));
    expect("and counts again, as the second one of its bank", &reports, &["a", "b"], 2, 0);
    reports[2] = Report { amount: 7, ..said("b", "two", 1, Update) };
    reports.truncate(4);
    expect("corrected to other facts", &reports, &["a", "b"], 2, 1);
    reports[2] = Report { uetr: None, ..said("b", "two", 1, Update) };
    expect("corrected to no payment", &reports, &["a", "b"], 2, 0);
    reports[2] = said("b", "two", 1, Update);
    expect("corrected in what a payment does not hang on", &reports, &["a", "b2"], 2, 1);
}

#[test]
fn a_confirmation_ends_with_what_it_confirms_and_outlives_its_corrections() {
    use ReportAction::{New, Update, Withdraw};
    let mut reports = vec![
        said("a", "one", 0, New),
        said("b", "two", 1, New),
        said("a", "one", 0, Update),
        said("b2", "two", 2, New),
    ];
    expect("the same is said again", &reports, &["a", "b2"], 1, 1);
    reports[2] = said("a", "one", 0, Withdraw);
    reports.push(said("b3", "two", 3, New));
    expect("it is withdrawn", &reports, &["b2", "b3"], 1, 1);
    let other = |report: Report| Report { amount: 7, ..report };
    reports[2] = other(said("a", "one", 0, Update));
    reports[3] = other(said("b2", "two", 2, New));
    reports.truncate(4);
    expect("it says something else", &reports, &["a"], 2, 0);
}

/// A state as format 1 had it: of payments their ids alone.
fn format_1(bounds: &[i64], horizon: i64, seen: &[u8], uetr: [u8; 16], second: i64) -> Vec<u8> {
    type Ids = Vec<(i64, Vec<(Vec<u8>, u32, bool)>)>;
    let ids = |id: &[u8]| -> Ids { vec![(second, vec![(id.to_vec(), 500_000, false)])] };
    let admission = (bounds.to_vec(), horizon, ids(seen), ids(&uetr));
    let texts: Vec<Option<(String, i64)>> = Vec::new();
    let streams: Vec<()> = Vec::new();
    postcard::to_stdvec(&(admission, i64::MIN, texts, streams)).unwrap()
}

#[test]
fn a_state_of_format_1_is_read_and_any_report_confirms_a_payment_that_it_knows() {
    let second = 1_000_i64;
    let time = second * support::SECOND + 500_000;
    let uetr = 0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301_u128.to_be_bytes();
    let bytes = format_1(&[time - 60], time - 60, b"a", uetr, second);
    assert!(SavedState::read_format(&bytes, 3).unwrap_err().contains("format 3"));
    let mut engine = foreshock_engine::Engine::new(
        foreshock_engine::PackPlan::default(),
        1,
        &[foreshock_core::Presence::Expected],
        |_| support::LATENESS,
    );
    engine.load_state(SavedState::read_format(&bytes, 1).unwrap()).unwrap();
    let mut run = Run::default();
    let report = |id: &str, amount| Report { uetr: Some(UETR), amount, ..Report::new(id, second + 1) };
    run.take(engine.step(&batches(&[report("a", 1), report("b", 2), report("c", 3)]), &Inline));
    assert_eq!((run.total(|o| o.facts.duplicates), run.total(|o| o.facts.confirmations)), (1, 2));
    let saved = engine.save();
    let hash = engine.state_hash();
    engine.load(&saved).unwrap();
    assert_eq!(engine.state_hash(), hash);
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let report = (0_usize..2, 0_u8..6, 0_i64..400, 0_i64..3, 0_u8..8, prop::option::weighted(0.4, 0_usize..2));
    prop::collection::vec(report, 1..40).prop_map(|reports| {
        let mut now = [0_i64; 2];
        let of = |(partition, id, jump, ties, kind, payment): (usize, u8, i64, i64, u8, Option<usize>)| {
            now[partition] += if ties == 0 { jump } else { 0 };
            let action = match kind {
                0 => ReportAction::Withdraw,
                1 => ReportAction::Update,
                _ => ReportAction::New,
            };
            Report {
                partition,
                uetr: payment
                    .map(|p| [[UETR, OTHER_UETR], ["3f2504e0-4f89-41d3-9a0c-0305e82c3303", UETR]][partition][p])
                    .filter(|uetr| partition == 0 || *uetr != UETR),
                reporter: ["one", "two", "three"][usize::from(id % 3)],
                amount: 100 + i64::from(kind % 2),
                payee: ["X", "Y"][usize::from(id % 2)],
                action,
                ..Report::new(format!("{partition}-{id}"), now[partition] - jump % 70)
            }
        };
        reports.into_iter().map(of).collect()
    })
}

proptest! {
    /// Ids, corrections and payments that come again before and after they are forgotten, two partitions that diverge.
    #[test]
    fn what_stands_in_the_end_does_not_hang_on_batches_key_ranges_or_restores(
        reports in reports(), size in 2_usize..9, shards in 1_usize..4
    ) {
        let case = Case::counting(300, 2);
        let one = run(&case, &reports, 1, 1);
        let many = run(&case, &reports, size, shards);
        let all = run(&case, &reports, usize::MAX, 1);
        let mut restored = Run::default();
        let mut engine = case.engine(1, 2);
        for (number, reports) in reports.chunks(3).enumerate() {
            restored.take(engine.step(&batches(reports), &Inline));
            let (saved, hash) = (engine.save(), engine.state_hash());
            engine = case.engine(1 + number % 2, 2);
            engine.load(&saved).unwrap();
            prop_assert_eq!(engine.state_hash(), hash);
        }
        restored.take(engine.finish());
        for other in [many, all, restored] {
            prop_assert_eq!(one.lines(), other.lines());
            prop_assert_eq!(sorted(&one.facts), sorted(&other.facts));
            let counts = |run: &Run| {
                [
                    run.total(|o| o.facts.duplicates),
                    run.total(|o| o.facts.confirmations),
                    run.total(|o| o.facts.payment_clashes),
                    run.total(|o| o.facts.late),
                    run.total(|o| o.facts.moved),
                ]
            };
            prop_assert_eq!(counts(&one), counts(&other));
        }
    }
}

fn sorted(facts: &[(String, i64)]) -> Vec<(String, i64)> {
    let mut facts = facts.to_vec();
    facts.sort_unstable();
    facts
}
