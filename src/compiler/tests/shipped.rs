//! The rules and views that are shipped: they compile without a warning, and a change of the compiler is no change of them.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::{Settings, compile};
use std::collections::BTreeSet;
use support::shipped;

/// Of the commit before named windows were written out. A state that was kept goes on only under the same version.
const VERSIONS: [(&str, &str); 16] = [
    ("I02", "c7add984b0d2c934"),
    ("M01", "6a0035d58ec70bdd"),
    ("M02", "f3839a27d7231fe8"),
    ("M03", "7459a804e898519c"),
    ("M04", "705592a758816ba8"),
    ("M05", "ad2fb0ec00d38a5e"),
    ("M11", "4ca797a2dc02a915"),
    ("M12", "ec8022d01f49b4b9"),
    ("M14", "92d242c95094d11f"),
    ("T01", "6f64517961aef0b9"),
    ("T02", "96eb9787aac26477"),
    ("T05", "b42323760a8c66e6"),
    ("T06", "cf5e469b5939ccba"),
    ("T08", "ecbc270ee7c638cd"),
    ("T09", "e63969500ba9d885"),
    ("TAKEOVER", "73f71fad6bad5ec5"),
];

/// Fingerprints of the window groups of the same commit: a kept state finds its group by them.
const GROUPS: [(&str, &[u128]); 4] = [
    ("activity", &[0x895bcb0b0235094eb389ea4a93cf6a82, 0x31bc419c5b5322c8d7e78289f0181d4f]),
    (
        "legs",
        &[0x4aed004c359e68cc74c1712dd7c0de68, 0x3026e5c7b6a3205dfd6c8ef848c22e13, 0x66c25cc5951198f488f37022bc4c77c0],
    ),
    (
        "telecom",
        &[
            0x59ef69a8a115ea22e6d8e85bcdaac7cc,
            0x4542f7c2e1f5d6b4ef8394a73e2d337d,
            0x701d9f419be1df5de5e77da7dc2a97e0,
            0xd591c994bc135048164c782e99ef766b,
            0x13cee124e8bdfc2a8b516f6d125b6637,
            0x87fb4114b259d00d897a406a87bdfcca,
            0x99cb8413d9b6b8aa204e1daaabebc533,
        ],
    ),
    (
        "transactions",
        &[
            0xd352e18610d2ca6502ada54673d46c8d,
            0x72e01422a8e8a5097e8612f3f15f42ae,
            0x38f7a0eea2b2cf0ae73bfcc3dfb0a712,
            0x467acd3b64c22ad8d842b15deced6bd6,
            0xa3088357b82db985a6d3ccd7bd5537f,
            0xbcdfeb6c03a232d323f4b70c27a89b2d,
            0xe82805521a55013cba5ad874cc7d86bb,
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
