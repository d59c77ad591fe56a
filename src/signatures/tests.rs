//! What is signed is found; what is changed is not.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn signer() -> Signer {
    Signer::of("k1", [7; 32]).unwrap()
}

fn object() -> Map<String, Value> {
    let Value::Object(object) = json!({"b": 1, "a": "转账", "n": {"z": null, "y": [true, 2]}}) else {
        unreachable!()
    };
    object
}

fn signed() -> Vec<u8> {
    serde_json::to_vec(&signer().sign(Type::Command, object())).unwrap()
}

fn key_of(kid: &str) -> Option<String> {
    (kid == "k1").then(|| signer().public())
}

#[test]
fn the_seed_of_rfc_8032_gives_its_public_key() {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).unwrap()).collect();
    let signer = Signer::of("k", bytes.try_into().unwrap()).unwrap();
    let public = STANDARD.decode(signer.public()).unwrap();
    let hex: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

#[test]
fn white_space_and_order_of_fields_do_not_count() {
    let opened = open(&signed(), Type::Command, |kid, _| key_of(kid)).unwrap();
    assert_eq!((opened.kid.as_str(), opened.object), ("k1", object()));
    let value: Value = serde_json::from_slice(&signed()).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    assert!(open(&pretty, Type::Command, |kid, _| key_of(kid)).is_ok());
}

#[test]
fn what_is_signed_as_one_thing_is_not_taken_for_another() {
    assert_eq!(open(&signed(), Type::Answer, |kid, _| key_of(kid)).unwrap_err(), Fault::Header);
    assert_eq!(open(&signed(), Type::Command, |_, _| None).unwrap_err(), Fault::Key);
    let other = Signer::of("k1", [8; 32]).unwrap();
    assert_eq!(open(&signed(), Type::Command, |_, _| Some(other.public())).unwrap_err(), Fault::Signature);
}

#[test]
fn no_other_algorithm_and_no_further_header_is_taken() {
    let with = |header: &str| {
        let mut object = signer().sign(Type::Command, object());
        let Some(Value::String(text)) = object.get(FIELD).cloned() else { unreachable!() };
        let (_, signature) = text.split_once("..").unwrap();
        let header = URL_SAFE_NO_PAD.encode(header);
        object.insert(FIELD.into(), format!("{header}..{signature}").into());
        open(&serde_json::to_vec(&object).unwrap(), Type::Command, |kid, _| key_of(kid)).unwrap_err()
    };
    for (header, fault) in [
        (r#"{"alg":"none","kid":"k1","typ":"foreshock-command"}"#, Fault::Header),
        (r#"{"alg":"EdDSA","kid":"k1","typ":"foreshock-command","crit":["b64"],"b64":false}"#, Fault::Header),
        (r#"{"alg":"EdDSA","kid":"k1"}"#, Fault::Header),
        (r#"{"typ":"foreshock-command","alg":"EdDSA","kid":"k1"}"#, Fault::Signature),
    ] {
        assert_eq!(with(header), fault, "{header}");
    }
}

#[test]
fn a_key_file_is_read_back_and_a_wrong_one_is_said() {
    let made = Signer::generate("desk-2026").unwrap();
    let read = Signer::parse(&made.secret()).unwrap();
    assert_eq!((read.kid(), read.public()), (made.kid(), made.public()));
    assert!(
        Signer::parse("desk").is_err()
            && Signer::parse("desk:AAAA").is_err()
            && Signer::parse(&format!("a b:{}", "A".repeat(44))).is_err()
    );
}

proptest! {
    #[test]
    fn any_flipped_bit_is_found(at in 0_usize..2_000, bit in 0_u8..8) {
        let mut bytes = signed();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        // A flip may only change how the same object is written: what is taken is what was signed.
        if let Ok(opened) = open(&bytes, Type::Command, |kid, _| key_of(kid)) {
            prop_assert_eq!(opened.object, object());
        }
    }

    #[test]
    fn whatever_comes_nobody_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open(&bytes, Type::Answer, |kid, _| key_of(kid)).is_err());
    }
}
