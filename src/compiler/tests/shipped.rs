//! The rules and views that are shipped: they compile without a warning, and a change of the compiler is no change of them.
#![allow(clippy::unwrap_used)]

mod support;

use foreshock_compiler::{Settings, compile};
use std::collections::BTreeSet;
use support::shipped;

/// Of the commit that changed a rule last. A state that was kept goes on only under the same version.
const VERSIONS: [(&str, &str); 32] = [
    ("I02", "c4e61eb8b64f551f"),
    ("I05", "0b866cef3c6b086c"),
    ("M01", "fc640a2bcc4e8af4"),
    ("M02", "7b174a6875d976e9"),
    ("M03", "5a06135007ba7c1d"),
    ("M04", "990ce2a7f6af347b"),
    ("M05", "c2ab52901f18cee5"),
    ("M07", "19eb63f101943bcc"),
    ("M08", "5127fb1d796c72c6"),
    ("M09", "12d0889b54eaa3af"),
    ("M11", "085e5443d7c5b02a"),
    ("M12", "dffae57a37c4a115"),
    ("M13", "f3c2f0586afa2cd6"),
    ("M14", "a5b553fac62bfd79"),
    ("M15", "140922da44cf72e4"),
    ("M16", "6a95efd7584af8eb"),
    ("M17", "0f8b658bbbeb8268"),
    ("M19", "e535ef1cf53bd73d"),
    ("M20", "2b86fda12c4eb8cf"),
    ("M21", "d126b47d1c514270"),
    ("M22", "0642e16d04a4917c"),
    ("T01", "2ec6bfb13c5891e4"),
    ("T02", "5d5a6d88954e9b6b"),
    ("T03", "c660b55ceb237d4b"),
    ("T04", "232eb6b24d4b4299"),
    ("T05", "4232b483d71640ee"),
    ("T06", "0f0ea9ab1cc34825"),
    ("T07", "397f6c218d1d8ffb"),
    ("T08", "817bd88cb84e17a4"),
    ("T09", "511d12e672a504c9"),
    ("T10", "268240886f668653"),
    ("TAKEOVER", "14d89c3cc86a2835"),
];

/// Fingerprints of the window groups of the same commit: a kept state finds its group by them.
const GROUPS: [(&str, &[u128]); 4] = [
    ("activity", &[0x3b987283f326a4dea07c378d551c426e, 0xf1f5d108c4fd512aecce3259e720bdf5]),
    ("legs", &[0x3026e5c7b6a3205dfd6c8ef848c22e13, 0x66c25cc5951198f488f37022bc4c77c0]),
    (
        "telecom",
        &[
            0x13cee124e8bdfc2a8b516f6d125b6637,
            0x4542f7c2e1f5d6b4ef8394a73e2d337d,
            0x66cc9f30c085389c2fb9655b5891b0be,
            0x701d9f419be1df5de5e77da7dc2a97e0,
            0x87fb4114b259d00d897a406a87bdfcca,
            0x89f681b8e39067e7fe8e3e912b5c5d6d,
            0x9bbcb70cfcd391795021de696ef1c0ef,
            0xd591c994bc135048164c782e99ef766b,
            0xd7851c64bbbd8f0b299259252dbfd240,
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
