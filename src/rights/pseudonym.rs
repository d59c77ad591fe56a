//! The name in the place of a name: the same for the same token and key, so that rows can be joined and counted by it, and of no use to
//! whoever has not the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// Bytes of a pseudonym.
const BYTES: usize = 15;

/// A key of pseudonyms.
#[derive(Clone)]
pub struct Pseudonyms(hmac::Key);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// With a key.
    pub fn new(key: &[u8]) -> Pseudonyms {
        Pseudonyms(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The pseudonym of a token.
    pub fn of(&self, token: &str) -> String {
        let tag = hmac::sign(&self.0, token.as_bytes());
        format!("p-{}", URL_SAFE_NO_PAD.encode(&tag.as_ref()[..BYTES]))
    }
}
