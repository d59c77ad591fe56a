//! Every shipped rule: its cases, as a stream and as a batch.

use std::path::Path;

#[test]
fn every_shipped_rule_has_cases_that_hold_live_and_in_batch() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let (rules, views) = foreshock::rules::files::read(&dir).expect("the rule folder is there");
    assert!(rules.len() >= 14, "at least fourteen rules are shipped");
    let mut problems = Vec::new();
    for rule in &rules {
        let outcome = foreshock::offline::cases::run(rule, &views).expect("case files can be read");
        if outcome.firing == 0 || outcome.silent == 0 {
            problems.push(format!("{}: needs a firing and a silent case", rule.path));
        }
        problems.extend(outcome.failures);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
