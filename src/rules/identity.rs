//! What tells one set of rules and settings from another: in the log of batches and in snapshots.

use crate::ops::config::EngineSettings;
use foreshock_compiler::{Pack, Rule, Status};
use foreshock_core::Feed;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Names a rule and its version.
pub fn rule_name(id: &str, version: &str) -> String {
    format!("{id}={version}")
}

/// Says that a rule is live: only then its detections lead to acts. Going live is no new version.
pub fn acts_name(id: &str, version: &str) -> String {
    format!("{id}={version}=live")
}

/// The names of a pack's rules, and that they are live.
pub fn rule_names(pack: &Pack) -> BTreeSet<String> {
    let name = |rule: &Rule| rule_name(&rule.header.id, &rule.version);
    let live = pack.rules.iter().filter(|rule| rule.header.status == Status::Live);
    let acts = live.map(|rule| acts_name(&rule.header.id, &rule.version));
    pack.rules.iter().map(name).chain(acts).collect()
}

/// Hash of all that changes what the same events lead to, but the rules.
pub fn base_hash(pack: &Pack, engine: &EngineSettings) -> String {
    let mut hasher = Sha256::new();
    pack.part.iter().for_each(|part| hasher.update(format!("part {} of {};", part.number, part.of)));
    Feed::ALL.into_iter().for_each(|feed| hasher.update(engine.lateness_s(feed).to_le_bytes()));
    hasher.update(engine.keys_max.to_le_bytes());
    hasher.update(engine.entries_max.to_le_bytes());
    hasher.update(engine.texts_max.to_le_bytes());
    hex(hasher)
}

/// The same with the rules.
pub fn rules_hash(pack: &Pack, engine: &EngineSettings) -> String {
    let mut hasher = Sha256::new();
    hasher.update(base_hash(pack, engine));
    rule_names(pack).iter().for_each(|name| hasher.update(format!("{name};")));
    hex(hasher)
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}
