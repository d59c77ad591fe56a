//! The file of users: a name, a secret made from a password, and roles. It is read at the start of a reader; a file that is
//! wrong keeps the door shut.

use crate::rights::grant::{Grant, Person};
use crate::rights::pseudonym::Pseudonyms;
use crate::rights::tokens::{Tokens, TokensText};
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foreshock_actions::areas;
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// Rounds of PBKDF2 (RFC 7677, section 4, asks for at least 4,096).
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(15_000).unwrap();

const SALT_BYTES: usize = 16;
/// Bytes of SHA-256.
const SALTED_BYTES: usize = 32;
const PREFIX: &str = "scram-sha-256";

/// Bytes of the key of pseudonyms.
const KEY_BYTES: usize = 32;

/// Before the names of those who come with a token.
const TOKEN: &str = "token:";

/// Shortest password that is taken.
const PASSWORD_MIN: usize = 12;

/// What is kept of a password. Whoever reads it can log in with it: the file is for its owner only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Salt.
    pub salt: Vec<u8>,
    /// SaltedPassword of RFC 5802.
    pub salted: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Of a password.
    ///
    /// # Errors
    /// When it is too short, or there is no randomness.
    pub fn of(password: &str) -> anyhow::Result<Secret> {
        anyhow::ensure!(password.chars().count() >= PASSWORD_MIN, "a password has at least {PASSWORD_MIN} characters");
        let salt = random::<SALT_BYTES>()?.to_vec();
        let salted = salted(password, &salt);
        Ok(Secret { salt, salted })
    }

    /// Is this the password?
    pub fn fits(&self, password: &str) -> bool {
        let given = salted(password, &self.salt);
        // All bytes are compared, so that the time tells nothing.
        given.len() == self.salted.len() && given.iter().zip(&self.salted).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }

    /// As the file holds it.
    pub fn text(&self) -> String {
        format!("{PREFIX}${ITERATIONS}${}${}", STANDARD.encode(&self.salt), STANDARD.encode(&self.salted))
    }

    fn parse(text: &str) -> anyhow::Result<Secret> {
        let form = || format!("a secret is written {PREFIX}$rounds$salt$salted; `foreshock user NAME` makes one");
        let parts: Vec<&str> = text.split('$').collect();
        let [PREFIX, rounds, salt, salted] = parts[..] else { anyhow::bail!(form()) };
        anyhow::ensure!(rounds == ITERATIONS.to_string(), "a secret has {ITERATIONS} rounds: make it again");
        let (salt, salted) = (STANDARD.decode(salt).with_context(form)?, STANDARD.decode(salted).with_context(form)?);
        anyhow::ensure!(salt.len() == SALT_BYTES && salted.len() == SALTED_BYTES, form());
        Ok(Secret { salt, salted })
    }
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("there are no random bytes"))?;
    Ok(bytes)
}

/// SaltedPassword of RFC 5802; a password that SASLprep cannot prepare is taken as it is, as PostgreSQL does.
fn salted(password: &str, salt: &[u8]) -> Vec<u8> {
    let prepared = stringprep::saslprep(password).unwrap_or(std::borrow::Cow::Borrowed(password));
    let mut salted = vec![0; SALTED_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, prepared.as_bytes(), &mut salted);
    salted
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// 32 bytes in base64. Without it pseudonyms are other ones after each start.
    pseudonym_key: Option<String>,
    #[serde(default)]
    users: BTreeMap<String, UserText>,
    roles: BTreeMap<String, Grant>,
    /// Who may come in with a token of an identity provider.
    tokens: Option<TokensText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    secret: String,
    role: String,
}

/// Who may come in.
#[derive(Debug)]
pub struct Users {
    /// Makes the names that most roles see.
    pub pseudonyms: Pseudonyms,
    users: BTreeMap<String, (Secret, String)>,
    roles: BTreeMap<String, Arc<Grant>>,
    tokens: Option<Tokens>,
    /// Makes the salt of names that are not there.
    unknown: [u8; 32],
}

impl Users {
    /// Reads a file that nobody else may read.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or something in it is wrong.
    pub fn read(path: &Path) -> anyhow::Result<Users> {
        let place = || format!("serve.users: {}", path.display());
        only_its_owner(path).with_context(place)?;
        let text = std::fs::read_to_string(path).with_context(place)?;
        Users::parse(&text, path.parent().unwrap_or(Path::new(""))).with_context(place)
    }

    /// Of the file's text; other files that it names are in this folder.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Users> {
        let file: File = toml::from_str(text)?;
        let tokens = file.tokens.map(|tokens| Tokens::new(tokens, folder)).transpose()?;
        let roles: BTreeMap<String, Arc<Grant>> =
            file.roles.into_iter().map(|(name, grant)| (name, Arc::new(grant))).collect();
        for (name, grant) in &roles {
            for area in grant.areas.iter().flatten() {
                anyhow::ensure!(
                    areas::is_known(area),
                    "roles.{name}.areas: `{area}` is no area; the table `areas` has all"
                );
            }
            anyhow::ensure!(
                !(grant.aggregates_only && grant.personal),
                "roles.{name}: whoever sees sums only (aggregates_only) sees no names (personal)"
            );
        }
        let mut users = BTreeMap::new();
        for (name, UserText { secret, role }) in file.users {
            anyhow::ensure!(!name.starts_with(TOKEN), "users.{name}: `{TOKEN}` stands before the names of tokens");
            let secret = Secret::parse(&secret).with_context(|| format!("users.{name}.secret"))?;
            anyhow::ensure!(
                roles.contains_key(&role) && !role.is_empty(),
                "users.{name}.role: there is no role `{role}`"
            );
            users.insert(name, (secret, role));
        }
        let key = match file.pseudonym_key {
            None => random::<KEY_BYTES>()?.to_vec(),
            Some(text) => STANDARD.decode(text).context("pseudonym_key is no base64")?,
        };
        anyhow::ensure!(key.len() == KEY_BYTES, "pseudonym_key has {} bytes, not {KEY_BYTES}", key.len());
        Ok(Users { pseudonyms: Pseudonyms::new(&key), users, roles, tokens, unknown: random()? })
    }

    /// Somebody who has logged in.
    pub fn person(&self, name: &str) -> Option<Person> {
        let (_, role) = self.users.get(name)?;
        let grant = self.roles.get(role)?.clone();
        Some(Person { name: name.to_owned(), role: role.clone(), grant, purpose: None, until: None })
    }

    /// Somebody with his password.
    pub fn log_in(&self, name: &str, password: &str) -> Option<Person> {
        // For a name that is not there as much is computed.
        self.secret(name).fits(password).then(|| self.person(name))?
    }

    /// Somebody with a token of the identity provider. His name is not one of the file's: `token:` stands before it.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn by_token(&self, token: &str) -> Result<Person, String> {
        let tokens = self.tokens.as_ref().ok_or("no tokens are taken here: `tokens` is not in the file of users")?;
        let (name, role, until) = tokens.check(token)?;
        let grant = self.roles.get(&role).ok_or_else(|| format!("there is no role `{role}`"))?.clone();
        Ok(Person { name: format!("{TOKEN}{name}"), role, grant, purpose: None, until: Some(until) })
    }

    /// What is kept of a user's password; for a name that is not there something that no password fits, so that nobody
    /// learns which names there are.
    pub fn secret(&self, name: &str) -> Secret {
        self.users.get(name).map(|(secret, _)| secret.clone()).unwrap_or_else(|| {
            let hash = |what: &str| Sha256::new().chain_update(self.unknown).chain_update(what).chain_update(name);
            let salt = hash("salt").finalize()[..SALT_BYTES].to_vec();
            Secret { salt, salted: hash("salted").finalize().to_vec() }
        })
    }
}

/// Nobody else may read a file.
///
/// # Errors
/// When others can, or it is not there.
#[cfg(unix)]
pub fn only_its_owner(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    anyhow::ensure!(mode & 0o077 == 0, "others can read it: chmod 600 {}", path.display());
    Ok(())
}

/// Nobody else may read a file: not known here.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn only_its_owner(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
