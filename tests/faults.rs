//! The random test must find every known fault of a window engine. `just faults` runs this; it needs the feature `faults`.

mod support;
#[path = "support/twins.rs"]
mod twins;

use foreshock_engine::faults::{Fault, switch};

const SEEDS_MAX: u64 = 3_000;

#[test]
fn the_random_test_finds_each_known_fault() {
    for fault in Fault::ALL {
        switch(fault);
        // A fault may also show as a broken invariant: the engine then stops with a panic.
        let check = if fault == Fault::CorrectionByKey { twins::check_spread } else { twins::check };
        let finds = |seed: &u64| std::panic::catch_unwind(|| check(*seed)).map_or(true, |r| r.is_err());
        let found = (1..=SEEDS_MAX).find(finds);
        switch(Fault::None);
        println!("{fault:?}: {}", found.map_or("not found".into(), |seed| format!("found by seed {seed}")));
        assert!(found.is_some(), "{fault:?} is not found by {SEEDS_MAX} seeds");
    }
}
