//! Signed JSON: a detached JWS (RFC 7515, appendix F) with Ed25519 (RFC 8037) over the canonical form (RFC 8785) of an object,
//! kept in the object's own field `signature`.
//!
//! Whoever checks one takes the field out, writes the rest canonically and checks the bytes: no white space and no order of
//! fields counts. The header says what the object is, so that one signed as a command is never taken for an answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The field that holds the signature.
pub const FIELD: &str = "signature";
/// Largest object that is looked at, bytes.
pub const BYTES_MAX: usize = 1 << 18;
/// The same for evidence, which has events in it.
const EVIDENCE_BYTES_MAX: usize = 64 << 20;

const ALGORITHM: &str = "EdDSA";
const SEED_BYTES: usize = 32;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// What a person wants: a reader signs.
    Command,
    /// What an institution is asked to do: the writer signs.
    Order,
    /// What an institution answers: it signs.
    Answer,
    /// What a detection stands on: the reader that gathered it signs.
    Evidence,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Command => "foreshock-command",
            Type::Order => "foreshock-order",
            Type::Answer => "foreshock-answer",
            Type::Evidence => "foreshock-evidence",
        }
    }

    /// Largest object of this kind that is looked at, bytes.
    pub fn bytes_max(self) -> usize {
        if self == Type::Evidence { EVIDENCE_BYTES_MAX } else { BYTES_MAX }
    }
}

/// Why an object is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON object, or a too large one.
    Form,
    /// It has no signature of the form described here, or one of something else.
    Header,
    /// Nobody knows the key.
    Key,
    /// The signature is not that of this object by this key.
    Signature,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Form => "no JSON object",
            Fault::Header => "no detached JWS with alg EdDSA, kid and the right typ",
            Fault::Key => "its key is not known",
            Fault::Signature => "the signature does not fit",
        })
    }
}

impl std::error::Error for Fault {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// A private key and its name.
pub struct Signer {
    kid: String,
    pair: Ed25519KeyPair,
    seed: [u8; SEED_BYTES],
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer {}", self.kid)
    }
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate(kid: &str) -> Result<Signer, String> {
        let mut seed = [0; SEED_BYTES];
        SystemRandom::new().fill(&mut seed).map_err(|_| "the system gives no random bytes".to_owned())?;
        Signer::of(kid, seed)
    }

    /// Of a seed, the same key each time.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn of(kid: &str, seed: [u8; SEED_BYTES]) -> Result<Signer, String> {
        if !is_name(kid) {
            return Err("the name of a key is 1 to 64 of A-Z a-z 0-9 . _ -".into());
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| "no Ed25519 seed".to_owned())?;
        Ok(Signer { kid: kid.to_owned(), pair, seed })
    }

    /// Of the text of a key file: `name:seed`, the seed in base64.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Signer, String> {
        let form = || "a key file holds name:seed, the seed 32 bytes in base64".to_owned();
        let (kid, seed) = text.trim().split_once(':').ok_or_else(form)?;
        let seed = STANDARD.decode(seed).ok().and_then(|seed| seed.try_into().ok()).ok_or_else(form)?;
        Signer::of(kid, seed)
    }

    /// The text of its key file. Whoever has it can sign.
    pub fn secret(&self) -> String {
        format!("{}:{}\n", self.kid, STANDARD.encode(self.seed))
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key in base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }

    /// Puts the signature into an object. The same object gives the same bytes.
    pub fn sign(&self, typ: Type, mut object: Map<String, Value>) -> Map<String, Value> {
        object.remove(FIELD);
        let header = Header { alg: ALGORITHM.into(), kid: self.kid.clone(), typ: typ.name().into() };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default());
        let signature = self.pair.sign(&signed_bytes(&header, &object));
        let text = format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        object.insert(FIELD.into(), text.into());
        object
    }
}

/// An object whose signature fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Name of the key.
    pub kid: String,
    /// The object without the signature.
    pub object: Map<String, Value>,
}

/// Checks an object. `key` gives the public key (base64) of a name, as far as it may sign this object.
///
/// # Errors
/// Why it is not taken.
pub fn open(
    bytes: &[u8],
    typ: Type,
    key: impl FnOnce(&str, &Map<String, Value>) -> Option<String>,
) -> Result<Opened, Fault> {
    if bytes.len() > typ.bytes_max() {
        return Err(Fault::Form);
    }
    let Ok(Value::Object(mut object)) = serde_json::from_slice(bytes) else { return Err(Fault::Form) };
    let Some(Value::String(text)) = object.remove(FIELD) else { return Err(Fault::Header) };
    let Some((header, signature)) = text.split_once("..") else { return Err(Fault::Header) };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Fault::Header);
    let read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Fault::Header)?;
    if read.alg != ALGORITHM || read.typ != typ.name() {
        return Err(Fault::Header);
    }
    let public = key(&read.kid, &object).and_then(|key| STANDARD.decode(key).ok()).ok_or(Fault::Key)?;
    let key = UnparsedPublicKey::new(&ED25519, public);
    key.verify(&signed_bytes(header, &object), &decode(signature)?).map_err(|_| Fault::Signature)?;
    Ok(Opened { kid: read.kid, object })
}

/// Is it a public key in base64?
pub fn is_public_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == SEED_BYTES)
}

fn signed_bytes(header: &str, object: &Map<String, Value>) -> Vec<u8> {
    let canonical = serde_json_canonicalizer::to_vec(object).unwrap_or_default();
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(canonical)).into_bytes()
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
