//! `[blocking]`: who may do what with blocking requests, and the key that signs them.

use anyhow::Context;
use foreshock_blocking::Policy;
use foreshock_signatures::{Signer, is_public_key};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The section. Without a policy all ends in drafts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blocking {
    /// The policy: a TOML file (`docs/requests.md`); empty for none.
    pub policy: PathBuf,
    /// The file of the private key that signs requests (`foreshock key NAME`), for its owner only.
    pub key: PathBuf,
}

/// Who may do what, and the key that signs.
#[derive(Debug)]
pub struct Keys {
    /// Who may do what, and whose signatures count.
    pub policy: Policy,
    /// Signs what institutions are asked to do.
    pub signer: Signer,
}

impl Blocking {
    /// Are there blocking requests at all?
    pub fn is_on(&self) -> bool {
        !self.policy.as_os_str().is_empty()
    }

    /// What the policy's file says; `None` without one.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read_policy(&self) -> anyhow::Result<Option<Policy>> {
        if !self.is_on() {
            return Ok(None);
        }
        let place = || format!("blocking.policy: {}", self.policy.display());
        let text = std::fs::read_to_string(&self.policy).with_context(place)?;
        parse_policy(&text).map(Some).with_context(place)
    }

    /// All of it; `None` without a policy.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(&self) -> anyhow::Result<Option<Keys>> {
        let Some(policy) = self.read_policy()? else { return Ok(None) };
        let signer = read_key(&self.key).with_context(|| format!("blocking.key: {}", self.key.display()))?;
        Ok(Some(Keys { policy, signer }))
    }
}

/// A policy from its text.
///
/// # Errors
/// What is wrong with it.
pub fn parse_policy(text: &str) -> anyhow::Result<Policy> {
    let policy: Policy = toml::from_str(text)?;
    policy.check().map_err(anyhow::Error::msg)?;
    let of_institutions = policy.institutions.values().flat_map(|institution| &institution.keys);
    for (kid, key) in policy.readers.iter().chain(of_institutions) {
        anyhow::ensure!(is_public_key(key), "key `{kid}`: a public key is 32 bytes in base64");
    }
    Ok(policy)
}

/// A private key that nobody else may read.
///
/// # Errors
/// When it cannot be read, others may read it, or it is none.
pub fn read_key(path: &Path) -> anyhow::Result<Signer> {
    crate::rights::users::only_its_owner(path)?;
    Signer::parse(&std::fs::read_to_string(path)?).map_err(anyhow::Error::msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_measures_that_exist_and_keys_that_are_keys() {
        let measure = "[measures.STOP_PAYMENT]\npropose=[\"o\"]\napprove=[\"a\"]\nlift=[\"o\"]\nhours=48\n";
        assert!(parse_policy(measure).is_ok());
        let wrong = |text: &str| format!("{:#}", parse_policy(text).unwrap_err());
        assert!(wrong(&measure.replace("48", "49")).contains("measures.STOP_PAYMENT.hours: 1 to 48"));
        assert!(wrong(&measure.replace("STOP_", "STOPP_")).contains("no such measure"));
        assert!(wrong(&measure.replace("[\"a\"]", "[]")).contains("nobody could"));
        assert!(wrong(&format!("{measure}[readers]\nr1 = \"AAAA\"\n")).contains("r1"));
        assert!(wrong("[institutions.bank_a]\nscheme = \"SWIFT\"\n").contains("CNAPS, BICFI or CARRIER"));
        assert!(wrong(&format!("{measure}automatic=[\"T05\"]\n")).contains("needs two persons"));
    }
}
