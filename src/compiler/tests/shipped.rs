//! The rules and views that are shipped: they compile without a warning, and a change of the compiler is no change of them.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::{Settings, compile};
use std::collections::BTreeSet;
use support::shipped;

/// Of the commit that changed a rule last. A state that was kept goes on only under the same version.
const VERSIONS: [(&str, &str); 22] = [
    ("I02", "c7add984b0d2c934"),
    ("M01", "6a0035d58ec70bdd"),
    ("M02", "f3839a27d7231fe8"),
    ("M03", "22e8f19363578f4a"),
    ("M04", "705592a758816ba8"),
    ("M05", "dba5ce9279640059"),
    ("M07", "738ee4ad422fdbdb"),
    ("M08", "7a091135274eacdc"),
    ("M11", "4ca797a2dc02a915"),
    ("M12", "a0e5ed2207089074"),
    ("M14", "70c61311bed69448"),
    ("M19", "6e199f2e0aee63e9"),
    ("M20", "cbbf2c9909759c90"),
    ("M21", "16f77fdd18ce8bab"),
    ("M22", "4a128ca095129342"),
    ("T01", "6f64517961aef0b9"),
    ("T02", "96eb9787aac26477"),
    ("T05", "c8a454c241f79ea2"),
    ("T06", "7c91a5b27feffe43"),
    ("T08", "ecbc270ee7c638cd"),
    ("T09", "f1648308064fab4d"),
    ("TAKEOVER", "1746cc303159ab17"),
];

/// Fingerprints of the window groups of the same commit: a kept state finds its group by them.
const GROUPS: [(&str, &[u128]); 4] = [
    ("activity", &[0x895bcb0b0235094eb389ea4a93cf6a82]),
    ("legs", &[0x3026e5c7b6a3205dfd6c8ef848c22e13, 0x66c25cc5951198f488f37022bc4c77c0]),
    (
        "telecom",
        &[
            0x59ef69a8a115ea22e6d8e85bcdaac7cc,
            0x4542f7c2e1f5d6b4ef8394a73e2d337d,
            0x701d9f419be1df5de5e77da7dc2a97e0,
            0xd591c994bc135048164c782e99ef766b,
            0x13cee124e8bdfc2a8b516f6d125b6637,
            0x87fb4114b259d00d897a406a87bdfcca,
        ],
    ),
    (
        "transactions",
        &[
            0xd352e18610d2ca6502ada54673d46c8d,
            0x38f7a0eea2b2cf0ae73bfcc3dfb0a712,
            0x467acd3b64c22ad8d842b15deced6bd6,
            0xa3088357b82db985a6d3ccd7bd5537f,
            0xbcdfeb6c03a232d323f4b70c27a89b2d,
            0x716a652360c72c8e52eb3f8b625c795d,
            0x57aca6fc9be1aafa183e7005b509d82d,
        ],
    ),
];

#[test]
fn every_shipped_rule_compiles_without_a_warning_and_keeps_its_version_and_groups() {
    let pack = compile(&shipped("rules"), &shipped("views"), &Settings::default()).unwrap();
    let warnings: Vec<String> = pack.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    let versions: BTreeSet<_> = pack.rules.iter().map(|r| (r.header.id.as_str(), r.version.as_str())).collect();
    for rule in VERSIONS {
        assert!(versions.contains(&rule), "{rule:?} is not in {versions:?}");
    }
    for (name, groups) in GROUPS {
        let stream = pack.plan.streams.iter().find(|s| s.name == name).unwrap();
        let found: BTreeSet<u128> = stream.groups.iter().map(|g| g.fingerprint).collect();
        let missing: Vec<_> = groups.iter().filter(|g| !found.contains(g)).collect();
        assert!(missing.is_empty(), "{name}: {missing:x?} are not in {found:x?}");
    }
}
