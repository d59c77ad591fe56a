//! Our list of currencies against another one.

use foreshock_core::money::{currencies, minor_digits};
use iso_currency::{Currency, Flag, IntoEnumIterator};
use std::collections::BTreeMap;

/// What we take besides: the bolívar as it is paid with, which the other list calls superseded by VED while ISO 4217 has
/// both, and the code for tests.
const BESIDES: [(&str, u32); 2] = [("VES", 2), ("XTS", 2)];

#[test]
fn the_currencies_are_those_in_use_by_another_list_but_for_what_is_named_here() {
    let is_money = |c: &Currency| {
        let flags = c.flags();
        !flags.contains(&Flag::Fund) && !flags.contains(&Flag::Special) && c.is_superseded().is_none()
    };
    let mut theirs: BTreeMap<&str, u32> =
        Currency::iter().filter(is_money).map(|c| (c.code(), u32::from(c.exponent().unwrap_or_default()))).collect();
    let ours: BTreeMap<&str, u32> = currencies().map(|c| (c, minor_digits(c).unwrap())).collect();
    assert_eq!(ours.len(), currencies().count(), "no code stands twice");
    theirs.extend(BESIDES);
    let missing: Vec<_> = theirs.keys().filter(|c| !ours.contains_key(*c)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (code, digits) in &ours {
        assert_eq!(theirs.get(code), Some(digits), "{code}");
    }
}
