//! Files, parameters and settings: ids, names, what no rule has, what never holds.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::{RuleFile, Settings, check_settings, compile};
use support::{FIRST, FRAME, HEAD, compiled, file, header, rule, shipped, text};

fn named(path: &str, id: &str) -> RuleFile {
    file(path, &format!("{}{HEAD} FROM transactions", header("id: R", &format!("id: {id}"))))
}

fn set(all: &[(&str, &str)], of_rule: &[(&str, &str, &str)]) -> Settings {
    Settings {
        all: all.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        of_rule: of_rule.iter().map(|(r, n, v)| (((*r).into(), (*n).into()), (*v).into())).collect(),
    }
}

#[test]
fn two_files_with_one_id_and_a_file_of_another_name_are_refused() {
    let found = compile(&[named("a/R.sql", "R"), named("b/R.sql", "R")], &[], &Settings::default()).unwrap_err();
    assert_eq!(found.len(), 1, "{}", text(&found));
    assert!(text(&found).starts_with("b/R.sql:2:1: rule `R` is also in a/R.sql"), "{}", text(&found));
    let found = text(&compile(&[named("S.sql", "R")], &[], &Settings::default()).unwrap_err());
    assert!(
        found.starts_with("S.sql:2:1: the file of rule `R` has another name") && found.contains("R.sql"),
        "{found}"
    );
    let found = compile(&[named("r.sql", "R"), named("R.sql", "R")], &[], &Settings::default()).unwrap_err();
    assert_eq!(found.len(), 2, "each of the two is told: {}", text(&found));
    assert!(compile(&[named("R.sql", "R"), named("x.y/S.sql", "S")], &[], &Settings::default()).is_ok());
}

#[test]
fn two_views_of_one_name_are_refused() {
    let view =
        |name: &str| file("v.sql", &format!("CREATE VIEW {name} AS SELECT event_id, event_time FROM transactions"));
    for views in [vec![view("v"), view("V")], vec![view("telecom")]] {
        let found = text(&compile(&[], &views, &Settings::default()).unwrap_err());
        assert!(found.contains("another table or view"), "{found}");
    }
}

#[test]
fn settings_that_no_rule_has_are_told_with_the_name_that_was_meant() {
    let rules = shipped("rules");
    let told = |settings: &Settings| text(&check_settings(&rules, settings));
    assert_eq!(told(&set(&[("currency", "XTS")], &[("M01", "min_payers_day", "5")])), "");
    assert!(
        told(&set(&[("currncy", "XTS")], &[]))
            .contains("no rule has a parameter `currncy`\n    hint: did you mean `currency`?")
    );
    assert!(told(&set(&[], &[("M0", "MINP", "4")])).contains("there is no rule `M0`\n    hint: did you mean `M0"));
    assert!(
        told(&set(&[], &[("M01", "min_payers_dy", "4")]))
            .contains("has no parameter `min_payers_dy`\n    hint: did you mean `min_payers_day`?")
    );
    // A pack of one rule does not mind what the others have, and minds what it has not.
    let one = [rules.iter().find(|r| r.path.ends_with("M01.sql")).unwrap().clone()];
    let others = set(&[("min_cards", "3")], &[("M02", "n", "4"), ("none", "n", "4")]);
    assert!(compile(&one, &[], &others).is_ok());
    let wrong = text(&compile(&one, &[], &set(&[], &[("M01", "min_payers_dy", "4")])).unwrap_err());
    assert!(wrong.starts_with("settings: rule `M01` has no parameter `min_payers_dy`"), "{wrong}");
}

fn warnings(body: &str) -> String {
    let pack = compiled(
        &body.replace("transactions", "transactions WHERE amount <> 3 + param('n', 8) AND currency = 'CNY' AND "),
    );
    text(&pack.unwrap_or_else(|p| panic!("{body}\n{}", text(&p))).warnings)
}

#[test]
fn a_rule_that_cannot_fire_is_warned_of_at_its_place() {
    let warn = |condition: &str| warnings(&format!("{HEAD} FROM transactions\n{condition}"));
    for never in ["1 = 0", "false", "NULL", "amount > 5 AND 1 = 2", "kind = 'FEE' AND NULL = 3"] {
        assert!(warn(never).contains("cannot fire"), "{never}\n{}", warn(never));
    }
    let currency = warn("currency = 'cny'");
    assert!(
        currency.contains(&format!("R.sql:{}:12: `currency` is never `cny`\n    hint: did you mean `CNY`?", FIRST + 1)),
        "{currency}"
    );
    assert!(currency.contains("cannot fire"), "{currency}");
    assert!(warn("kind IN ('TRANSFR', 'FEEE')").contains("did you mean `TRANSFER`?"));
    assert!(warn("status = 'acsc'").contains("cannot fire"));
    let one = warn("kind IN ('TRANSFR', 'FEE')");
    assert!(one.contains("`kind` is never `TRANSFR`") && !one.contains("cannot fire"), "{one}");
    for fine in [
        "kind = 'FEE'",
        "kind <> 'nothing'",
        "payer_account = 'cny'",
        "kind IN ('FEE', 'TRANSFER')",
        "channel = 'OTHER'",
    ] {
        assert_eq!(warn(fine), "", "{fine}");
    }
}

#[test]
fn a_filter_of_a_window_that_never_holds_is_warned_of_also_through_a_view() {
    let body = format!(
        "SELECT event_id, event_time, phone AS subject, n FROM (SELECT *, count(*) FILTER (WHERE what = 'CALL_STRT') OVER \
        (PARTITION BY phone ORDER BY event_time {FRAME}) AS n FROM activity) AS a WHERE n > param('n', 8)"
    );
    let pack = compile(&[rule(&body)], &shipped("views"), &Settings::default()).unwrap();
    assert!(
        text(&pack.warnings).contains("`what` is never `CALL_STRT`\n    hint: did you mean `CALL_START`?"),
        "{}",
        text(&pack.warnings)
    );
    assert!(
        text(
            &compile(&[rule(&body.replace("STRT", "START"))], &shipped("views"), &Settings::default())
                .unwrap()
                .warnings
        )
        .is_empty()
    );
}

#[test]
fn a_parameter_that_the_body_never_reads_is_warned_of_at_its_line() {
    let pack = compiled(&format!("{HEAD} FROM transactions")).unwrap();
    assert!(
        text(&pack.warnings).starts_with("R.sql:13:1: parameter `n` is in the header and nowhere in the rule"),
        "{}",
        text(&pack.warnings)
    );
    // Named in a comment or a text it is still not read.
    let pack = compiled(&format!("{HEAD}, 'param(n)' AS t FROM transactions -- param('n', 8)")).unwrap();
    assert_eq!(pack.warnings.len(), 1);
    assert!(compiled(&format!("{HEAD}, param('n', 8) AS t FROM transactions")).unwrap().warnings.is_empty());
}

#[test]
fn an_error_of_a_header_has_its_line_and_the_key_that_was_meant() {
    let cases = [
        ("severity: low", "severity: lo", "R.sql:5:11: header: `lo` is not known here\n    hint: did you mean `low`?"),
        (
            "severity: low",
            "severty: low",
            "R.sql:5:1: header: unknown key `severty`\n    hint: did you mean `severity`?",
        ),
        ("status: draft\n", "", "header: the key `status` is missing"),
        ("default: 8", "default: 1.5", "a whole number, true, false or a text is expected here"),
        ("default: 8", "dfault: 8", "did you mean `default`?"),
        ("id: R", "id: R\nid: S", "R.sql:3:1: header: the key `id` stands twice"),
        ("id: R", "id: 'a b'", "R.sql:2:1: `a b` is no rule id"),
        ("status: draft", "status: draft\nquiet: 1时", "R.sql:12:1: `quiet` is no span of time"),
        ("status: draft", "status: draft\nquiet: 0s", "`quiet` is no span of time"),
        ("status: draft", "status: draft\nmeasure: STOP", "R.sql:12:1: `STOP` is no measure"),
        (
            "status: draft",
            "status: draft\nmeasure: NUMBER_SUSPEND\ntarget: account",
            "R.sql:13:1: `NUMBER_SUSPEND` cannot be taken against `account`, only against phone, imsi",
        ),
        ("status: draft", "status: draft\nmeasure: FREEZE\ntarget: acount", "cannot be taken against `acount`"),
        ("status: draft", "status: draft\nquiet: -1h", "`quiet` is no span of time"),
        ("default: 8", "default: 80", "R.sql:13:1: parameter `n`: 80 is outside 1 to 9"),
        ("title: {", "title: [", "R.sql:3:"),
    ];
    for (from, to, expected) in cases {
        let text_of = file("R.sql", &format!("{}{HEAD} FROM transactions", header(from, to)));
        let found = text(&compile(&[text_of], &[], &Settings::default()).unwrap_err());
        assert!(found.contains(expected), "{to}\n{found}");
        assert!(!found.contains("DuplicateKeyPolicy") && !found.contains("untagged"), "{found}");
    }
}
