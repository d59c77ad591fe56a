//! Live equals batch, for random rules and random events (`engine.md` section 10 has what the generator must contain).
//! `FORESHOCK_RANDOM_CASES` and `FORESHOCK_RANDOM_SEED` change how many and from which seed; `just random` runs 5,000.

mod support;
#[path = "support/twins.rs"]
mod twins;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn random_rules_give_the_same_answer_live_and_in_batch() {
    all("cases", twins::check);
}

#[test]
fn several_engines_that_share_the_keys_of_a_random_rule_say_what_one_says() {
    all("spread cases", twins::check_spread);
}

#[test]
fn a_state_carried_over_to_other_random_rules_is_the_state_of_an_engine_that_always_had_them() {
    let mut change = twins::Change::default();
    some(3, "changes of rules", |seed| twins::check_change(seed, &mut change));
    println!("{} window groups kept, {} made again; {} times from the midst", change.kept, change.made, change.cut);
    assert!(change.kept > 0 && change.made > 0 && change.cut > 0, "all of it happens");
}

fn all(what: &str, check: impl FnMut(u64) -> Result<(), String>) {
    some(1, what, check);
}

/// One `share`th of the usual number.
fn some(share: u64, what: &str, mut check: impl FnMut(u64) -> Result<(), String>) {
    let cases = number("FORESHOCK_RANDOM_CASES", 300).div_ceil(share);
    let first = number("FORESHOCK_RANDOM_SEED", 1);
    println!("{cases} {what} from seed {first}");
    let mut failed = Vec::new();
    for seed in first..first + cases {
        if let Err(text) = check(seed) {
            println!("{text}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds that differ: {failed:?}");
}
