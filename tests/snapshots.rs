//! The state of a city's day, saved and loaded in the midst of it.
#![allow(clippy::unwrap_used)]

use foreshock::offline::files::Files;
use foreshock::ops::config::Config;
use foreshock::ops::pool::Pool;
use foreshock::rules::files::{Choice, load};
use foreshock_core::Presence;
use foreshock_core::time::SECOND_US;
use foreshock_engine::Engine;
use foreshock_feeds::{Counts, Record, decode};

#[test]
fn a_state_that_is_loaded_with_other_key_ranges_has_the_same_hash_and_goes_on_to_the_same_state() {
    let config = Config::default();
    let choice = Choice { ids: Vec::new(), no_drafts: true };
    let pack = load(&config.rules.dir, &choice, &config.settings()).unwrap().unwrap();
    let day = foreshock_generator::generate(1, 1).day;
    let event = |json: &str| decode(&Record { bytes: json.as_bytes(), ..Record::default() }, &mut Counts::default());
    let events = day.iter().take(6_000).map(|l| event(&l.json).unwrap()).collect();
    let files = Files::of_events([events], 20).unwrap();
    let partitions = vec![Presence::Expected; files.firsts().len()];
    let fresh = |shards| Engine::new(pack.plan.clone(), shards, &partitions, |_| 120 * SECOND_US);
    let (mut steady, mut restored) = (fresh(1), fresh(2));
    for (number, batches) in files.batches().unwrap().map(Result::unwrap).enumerate() {
        let said = steady.step(&batches, &Pool { threads: 1 }).verdicts;
        let same = restored.step(&batches, &Pool { threads: 1 }).verdicts;
        assert_eq!(said.len(), same.len(), "batch {number}");
        assert_eq!(steady.state_hash(), restored.state_hash(), "batch {number}");
        let saved = restored.save();
        restored = fresh(1 + number % 3);
        restored.load(&saved).unwrap();
        assert_eq!(steady.state_hash(), restored.state_hash(), "batch {number}, loaded");
    }
}
