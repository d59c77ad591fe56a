//! Tokens of an identity provider (OpenID Connect): signed JSON Web Tokens (RFC 7519). Issuer, audience, keys and algorithms are
//! pinned in the file of users; nothing is fetched, and no algorithm with a shared secret is taken.

use anyhow::{Context, ensure};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// Algorithms that can be pinned: those with a key of two halves.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::EdDSA,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
/// Seconds that clocks may differ.
const LEEWAY_S: u64 = 30;
/// Longest token and name, bytes.
const TOKEN_MAX: usize = 16 * 1024;
const NAME_MAX: usize = 128;

/// As the file of users has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensText {
    /// `iss`.
    issuer: String,
    /// `aud`.
    audience: String,
    /// A file with the provider's keys (JWK Set), beside the file of users.
    keys: PathBuf,
    /// Those that are taken.
    algorithms: Vec<String>,
    /// The claim with the role's name.
    role_claim: String,
}

/// Checks tokens.
pub struct Tokens {
    keys: BTreeMap<String, DecodingKey>,
    validation: Validation,
    role_claim: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With the keys in a folder.
    ///
    /// # Errors
    /// What is wrong with the file of users or with the keys.
    pub fn new(text: TokensText, folder: &Path) -> anyhow::Result<Tokens> {
        let algorithms = text.algorithms.iter().map(|name| algorithm(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let first = algorithms.first().context("tokens.algorithms: none is pinned")?;
        ensure!(!text.issuer.is_empty() && !text.audience.is_empty(), "tokens: issuer and audience cannot be empty");
        let path = folder.join(&text.keys);
        let place = || format!("tokens.keys: {}", path.display());
        let bytes = std::fs::read(&path).with_context(place)?;
        let set: JwkSet = serde_json::from_slice(&bytes).with_context(place)?;
        let mut keys = BTreeMap::new();
        for key in &set.keys {
            let id = key.common.key_id.clone().with_context(|| format!("{}: a key has no `kid`", place()))?;
            let decoding = DecodingKey::from_jwk(key).with_context(|| format!("{}: key {id}", place()))?;
            ensure!(keys.insert(id.clone(), decoding).is_none(), "{}: key {id} is there twice", place());
        }
        ensure!(!keys.is_empty(), "{}: there is no key", place());
        let mut validation = Validation::new(*first);
        validation.algorithms = algorithms;
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[&text.issuer]);
        validation.set_audience(&[&text.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Tokens { keys, validation, role_claim: text.role_claim })
    }

    /// Who it is, his role, and until when.
    ///
    /// # Errors
    /// Why the token is not taken.
    pub fn check(&self, token: &str) -> Result<(String, String, SystemTime), &'static str> {
        if token.len() > TOKEN_MAX {
            return Err("it is too long");
        }
        let header = decode_header(token).map_err(|_| "it is no signed token")?;
        let id = header.kid.ok_or("it names no key")?;
        let key = self.keys.get(&id).ok_or("it names a key that is not known")?;
        if header.crit.is_some() {
            return Err("it asks for something that is not known here (crit)");
        }
        // A key is checked with algorithms of its own family only.
        let mut validation = self.validation.clone();
        validation.algorithms.retain(|algorithm| algorithm.family() == key.family());
        let claims = decode::<Value>(token, key, &validation).map_err(|error| reason(error.kind()))?.claims;
        let text = |name: &str| claims[name].as_str().filter(|text| !text.is_empty() && text.len() <= NAME_MAX);
        let name = text("sub").filter(|name| !name.chars().any(char::is_control)).ok_or("it names nobody")?;
        let role = text(&self.role_claim).ok_or("it names no role")?;
        let until = claims["exp"].as_u64().and_then(|s| s.checked_add(LEEWAY_S)).map(Duration::from_secs);
        let until = until.and_then(|until| SystemTime::UNIX_EPOCH.checked_add(until));
        Ok((name.to_owned(), role.to_owned(), until.ok_or("its end is no whole second that there is")?))
    }
}

fn algorithm(name: &str) -> anyhow::Result<Algorithm> {
    let found = Algorithm::from_str(name).ok().filter(|found| ALGORITHMS.contains(found));
    found.with_context(|| {
        let names: Vec<String> = ALGORITHMS.iter().map(|known| format!("{known:?}")).collect();
        format!("tokens.algorithms: `{name}` is not taken; {} are", names.join(", "))
    })
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it is over",
        ErrorKind::ImmatureSignature => "its time has not come",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidAlgorithm => "its algorithm is not one that is pinned",
        ErrorKind::MissingRequiredClaim(_) => "exp, iss, aud or sub is missing",
        _ => "its signature or its form is wrong",
    }
}
