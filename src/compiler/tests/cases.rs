//! Case files: what is wrong with one, and what they do not show.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::cases::{lacking, read, read_file};

#[test]
fn an_empty_file_and_one_of_silent_cases_only_lack_a_firing_case() {
    let firing = "- name: fires\n  expect:\n    - { event: 0 }\n";
    let silent = "- name: silent\n  expect: []\n";
    let of = |text: &str| lacking(&read(text).unwrap()).join(" ");
    assert!(of("").contains("no case expects a detection") && of("").contains("no case is silent"));
    assert!(of("# nothing yet\n").contains("no case expects a detection"));
    assert!(of(silent).contains("no case expects a detection") && !of(silent).contains("no case is silent"));
    assert!(of(firing).contains("no case is silent"));
    assert_eq!(of(&format!("{firing}{silent}")), "");
}

#[test]
fn the_cases_of_every_shipped_rule_lack_nothing() {
    for rule in support::shipped("rules") {
        let path = rule.path.replace(".sql", ".test.yaml");
        let cases = read_file(&path, &std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(lacking(&cases).is_empty(), "{path}: {:?}", lacking(&cases));
    }
}

#[test]
fn what_is_wrong_in_a_case_file_is_told_with_its_place_and_the_name_that_was_meant() {
    let cases = [
        ("- nme: x\n", "R.test.yaml:1:3: unknown key `nme`\n    hint: did you mean `name`?"),
        ("- name: x\n  expct: []\n", "R.test.yaml:2:3: unknown key `expct`\n    hint: did you mean `expect`?"),
        ("- name: x\n", "R.test.yaml:1:3: the key `expect` is missing"),
        ("- name: x\n  expect: 3\n", "R.test.yaml:2:11: a list is expected here"),
        ("text\n", "a list is expected here"),
    ];
    for (text, expected) in cases {
        let found = read_file("R.test.yaml", text).unwrap_err().to_string();
        assert!(found.starts_with(expected) || found.contains(expected), "{text}\n{found}");
    }
    let batches = |row: &str, table: &str| {
        let text = format!("- name: x\n  given:\n    {table}:\n      - {row}\n  expect: []\n");
        read(&text).unwrap()[0].batches().unwrap_err()
    };
    assert_eq!(batches("{ at: '10:00:00' }", "transaction"), "no table `transaction`; did you mean `transactions`?");
    let column = batches("{ at: '10:00:00', amout: 3 }", "transactions");
    assert_eq!(column, "table `transactions` has no column `amout`; did you mean `amount`?");
    assert_eq!(
        batches("{ at: '10:00:00', payer_account: A }", "transactions"),
        "a row of `transactions` has no `amount`"
    );
    assert!(batches("{ at: '10:00', amount: 3 }", "transactions").contains("is no time"));
    assert!(batches("{ at: '99999999999999d 10:00:00' }", "transactions").contains("too far away"));
    let many = "{ at: '10:00:00', repeat: { count: 99999999999, every: 1s } }";
    assert!(batches(many, "transactions").contains("more than 100000 rows"));
    let long = "{ at: '10:00:00', repeat: { count: 9, every: 9000000d } }";
    assert!(batches(long, "transactions").contains("too long"));
}
