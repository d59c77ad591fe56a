//! Tokens of an identity provider: which are taken, and that no other is.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foreshock::rights::users::Users;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const FILE: &str = r#"
[roles.analyst]
purposes = ["FRAUD"]
[tokens]
issuer = "https://id.example"
audience = "foreshock"
keys = "keys.json"
algorithms = ["EdDSA"]
role_claim = "foreshock_role"
"#;

/// A key of a provider, and its public half under this id.
fn key(id: &str) -> (EncodingKey, Jwk) {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = EncodingKey::from_ed_der(pair.as_ref());
    let x = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap().public_key().as_ref().to_vec();
    let x = URL_SAFE_NO_PAD.encode(x);
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": id, "x": x });
    (key, serde_json::from_value(public).unwrap())
}

fn claims(changed: &[(&str, Value)]) -> Value {
    let now = get_current_timestamp();
    let mut claims = json!({
        "iss": "https://id.example", "aud": "foreshock", "sub": "li.wei", "exp": now + 600, "iat": now, "nbf": now,
        "foreshock_role": "analyst",
    });
    for (name, value) in changed {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(*name),
            value => claims.as_object_mut().unwrap().insert((*name).into(), value.clone()),
        };
    }
    claims
}

fn header(id: &str) -> Header {
    Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

#[test]
fn only_a_token_of_the_pinned_issuer_audience_key_and_algorithm_within_its_time_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let ((own, public), (other, other_public)) = (key("k1"), key("k9"));
    let set = serde_json::to_string(&JwkSet { keys: vec![public.clone()] }).unwrap();
    std::fs::write(folder.path().join("keys.json"), set).unwrap();
    let users = Users::parse(FILE, folder.path()).unwrap();
    let signed = |claims: &Value| encode(&header("k1"), claims, &own).unwrap();

    let person = users.by_token(&signed(&claims(&[]))).unwrap();
    assert_eq!((person.name.as_str(), person.role.as_str()), ("token:li.wei", "analyst"));
    assert!(person.purpose.is_none() && !person.may_see_persons());
    assert!(users.by_token(&signed(&claims(&[("aud", json!(["x", "foreshock"]))]))).is_ok());

    let now = get_current_timestamp();
    for (name, value) in [
        ("exp", json!(now - 60)),
        ("exp", json!((now + 600).to_string())),
        ("exp", Value::Null),
        ("exp", json!(u64::MAX)),
        ("exp", json!(u64::MAX - 100)),
        ("exp", json!(1e300)),
        ("nbf", json!(now + 600)),
        ("nbf", json!((now + 600).to_string())),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("a\nb")),
        ("sub", json!("x".repeat(1_000))),
        ("foreshock_role", json!("admin")),
        ("foreshock_role", json!(["analyst"])),
        ("foreshock_role", Value::Null),
    ] {
        let refused = users.by_token(&signed(&claims(&[(name, value.clone())])));
        assert!(refused.is_err(), "{name} = {value}: {refused:?}");
    }

    let good = signed(&claims(&[]));
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let hmac = |secret: &[u8]| {
        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims(&[]), &EncodingKey::from_secret(secret)).unwrap()
    };
    let public_bytes = serde_json::to_value(&public).unwrap()["x"].as_str().unwrap().to_owned();
    for (what, token) in [
        ("no algorithm", format!("{}.{}.", part(&json!({"alg": "none", "kid": "k1"})), parts[1])),
        (
            "another algorithm said",
            format!("{}.{}.{}", part(&json!({"alg": "RS256", "kid": "k1"})), parts[1], parts[2]),
        ),
        ("the public key as a secret", hmac(&URL_SAFE_NO_PAD.decode(&public_bytes).unwrap())),
        (
            "other claims under the signature",
            format!("{}.{}.{}", parts[0], part(&claims(&[("sub", json!("root"))])), parts[2]),
        ),
        ("another key under this id", encode(&header("k1"), &claims(&[]), &other).unwrap()),
        ("a key that is not known", encode(&header("k9"), &claims(&[]), &other).unwrap()),
        ("no key named", encode(&Header::new(Algorithm::EdDSA), &claims(&[]), &own).unwrap()),
        ("its own key brought along", {
            let brought = Header { jwk: Some(other_public.clone()), ..header("k1") };
            encode(&brought, &claims(&[]), &other).unwrap()
        }),
        ("the signature cut", good[..good.len() - 4].to_owned()),
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("a long one", "a.".repeat(20_000)),
    ] {
        assert!(users.by_token(&token).is_err(), "{what} is taken");
    }
}

#[test]
fn a_file_of_users_whose_tokens_could_be_forged_or_have_no_key_keeps_the_door_shut() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    let parse = |file: &str| Users::parse(file, folder.path()).map(drop).map_err(|error| format!("{error:#}"));
    assert!(parse(FILE).unwrap_err().contains("keys.json"));
    std::fs::write(&keys, "{\"keys\": []}").unwrap();
    assert!(parse(FILE).unwrap_err().contains("no key"));
    let public = key("k1").1;
    std::fs::write(&keys, serde_json::to_string(&JwkSet { keys: vec![public.clone(), public.clone()] }).unwrap())
        .unwrap();
    assert!(parse(FILE).unwrap_err().contains("twice"));
    std::fs::write(&keys, serde_json::to_string(&JwkSet { keys: vec![public] }).unwrap()).unwrap();
    parse(FILE).unwrap();
    for (from, to) in [
        ("\"EdDSA\"", "\"HS256\""),
        ("\"EdDSA\"", "\"none\""),
        ("\"EdDSA\"", ""),
        ("\"foreshock\"\nkeys", "\"\"\nkeys"),
        ("role_claim = \"foreshock_role\"", ""),
    ] {
        assert!(parse(&FILE.replace(from, to)).is_err(), "{to} in the place of {from}");
    }
}

#[test]
fn without_tokens_in_the_file_of_users_none_is_taken() {
    let users = Users::parse("[users]\n[roles.analyst]\n", std::path::Path::new("")).unwrap();
    assert!(users.by_token("a.b.c").unwrap_err().contains("no tokens are taken"));
}
