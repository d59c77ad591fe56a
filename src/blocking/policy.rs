//! Who may do what, as data: a file that a site writes. What it does not allow cannot be done.

use crate::act::Code;
use crate::limits::{AUTOMATIC_HOURS_MAX, LIFE_HOURS_MAX, STOPS_MAX, WHOLE_LIFE_HOURS_MAX};
use foreshock_core::measure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The measure of which the law says how often and for how long it may be taken (Yinfa [2016] 86).
pub(crate) const STOP: &str = "STOP_PAYMENT";
const STOP_HOURS: u32 = 48;

/// Measures that can be undone and take nothing from anybody: only these may be taken without a person.
const REVERSIBLE: [&str; 3] = ["DELAY_SETTLEMENT", "VERIFY_IDENTITY", "NUMBER_REVERIFY"];

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Measures that may be taken, by their names (`foreshock_core::measure`).
    #[serde(default)]
    pub measures: BTreeMap<String, MeasurePolicy>,
    /// Public keys of the readers that authenticate people, by key id: only what one of them has signed is a command.
    #[serde(default)]
    pub readers: BTreeMap<String, String>,
    /// Institutions that can be asked.
    #[serde(default)]
    pub institutions: BTreeMap<String, InstitutionPolicy>,
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurePolicy {
    /// Roles that may propose, refuse, note an appeal.
    pub propose: BTreeSet<String>,
    /// Roles that may approve what another person has proposed, or refuse it.
    pub approve: BTreeSet<String>,
    /// Roles that may cancel and lift, alone.
    pub lift: BTreeSet<String>,
    /// How long it lasts, hours.
    pub hours: u32,
    /// How often it may be extended, by as long again.
    #[serde(default)]
    pub extensions: u8,
    /// Rules whose drafts are sent without a person.
    #[serde(default)]
    pub automatic: BTreeSet<String>,
}

/// One institution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstitutionPolicy {
    /// What its code is: `CNAPS`, `BICFI`, `CARRIER`.
    pub scheme: String,
    /// Public keys (Ed25519, 32 bytes in base64) by key id: more than one while a key is changed.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

impl Policy {
    /// Is it one that the law allows?
    ///
    /// # Errors
    /// What is wrong with it, with the place in the file.
    pub fn check(&self) -> Result<(), String> {
        for (name, measure) in &self.measures {
            measure.check(name).map_err(|fault| format!("measures.{name}.{fault}"))?;
        }
        for (code, institution) in &self.institutions {
            if !crate::command::is_id(code) || code.contains(':') {
                return Err(format!("institutions.{code}: a code is 1 to 64 of A-Z a-z 0-9 . _ -"));
            }
            if !["CNAPS", "BICFI", "CARRIER"].contains(&institution.scheme.as_str()) {
                return Err(format!("institutions.{code}.scheme: CNAPS, BICFI or CARRIER"));
            }
        }
        Ok(())
    }

    /// May the person lift and cancel a measure? Where the policy no longer names it, whoever may lift any other: what is in force can
    /// always be lifted.
    pub(crate) fn allows_lift(&self, measure: Option<&str>, roles: &[String]) -> Result<(), Code> {
        match measure.and_then(|name| self.measures.get(name)) {
            Some(rules) => allows(&rules.lift, roles),
            None if self.measures.values().any(|rules| allows(&rules.lift, roles).is_ok()) => Ok(()),
            None => Err(Code::RoleNotAllowed),
        }
    }

    /// What is said of a measure.
    pub(crate) fn measure(&self, name: &str) -> Result<&MeasurePolicy, Code> {
        self.measures.get(name).ok_or(Code::MeasureNotAllowed)
    }
}

impl MeasurePolicy {
    fn check(&self, name: &str) -> Result<(), String> {
        let Some(_) = measure::targets(name) else {
            return Err(format!("{name}: there is no such measure"));
        };
        for (roles, what) in [(&self.propose, "propose"), (&self.approve, "approve"), (&self.lift, "lift")] {
            if roles.is_empty() {
                return Err(format!("{what}: no role is named, so nobody could"));
            }
        }
        let hours_max = if name == STOP { STOP_HOURS } else { LIFE_HOURS_MAX };
        if !(1..=hours_max).contains(&self.hours) {
            return Err(format!("hours: 1 to {hours_max}"));
        }
        if name == STOP && self.extensions >= STOPS_MAX {
            return Err(format!("extensions: an account is stopped at most {STOPS_MAX} times, so at most 1"));
        }
        let whole = self.hours.saturating_mul(1 + u32::from(self.extensions));
        if whole > WHOLE_LIFE_HOURS_MAX {
            return Err(format!("extensions: with all of them {whole} hours, at most {WHOLE_LIFE_HOURS_MAX}"));
        }
        if !self.automatic.is_empty() {
            if !REVERSIBLE.contains(&name) {
                return Err(format!("automatic: only for {}; this one needs two persons", REVERSIBLE.join(", ")));
            }
            if self.extensions > 0 {
                return Err("extensions: none where rules act by themselves".into());
            }
            if self.hours > AUTOMATIC_HOURS_MAX {
                return Err(format!("automatic: only for measures of at most {AUTOMATIC_HOURS_MAX} hours"));
            }
        }
        Ok(())
    }
}

/// Has the person one of the roles?
pub(crate) fn allows(roles: &BTreeSet<String>, of_person: &[String]) -> Result<(), Code> {
    if of_person.iter().any(|role| roles.contains(role)) { Ok(()) } else { Err(Code::RoleNotAllowed) }
}
