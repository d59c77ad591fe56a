//! What a role opens, and for what it is asked.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// Longest case number, bytes.
const CASE_MAX: usize = 100;

/// A role, as the file of users has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Tables and views that can be asked; nothing said: all but `audit`.
    #[serde(default)]
    pub tables: Option<BTreeSet<String>>,
    /// Only rows that these institutions reported, and results about their events; nothing said: all.
    #[serde(default)]
    pub institutions: Option<BTreeSet<String>>,
    /// Only rows about these areas (`areas`), and warnings for them; nothing said: all.
    #[serde(default)]
    pub areas: Option<BTreeSet<String>>,
    /// Columns that name a person, an account, a number or a device are shown; else a pseudonym stands in their place.
    #[serde(default)]
    pub personal: bool,
    /// Of tables about persons only sums over enough of them are shown, for no purpose that would have to be named.
    #[serde(default)]
    pub aggregates_only: bool,
    /// For what data of persons may be asked. Without one of these and a case number there are no rows of them.
    #[serde(default)]
    pub purposes: BTreeSet<String>,
}

impl Grant {
    /// Everything, for no purpose that would have to be named: of a reader that only its own machine can ask.
    pub fn everything() -> Grant {
        Grant {
            tables: None,
            institutions: None,
            areas: None,
            personal: true,
            aggregates_only: false,
            purposes: BTreeSet::new(),
        }
    }

    /// Are all rows of a table seen?
    pub fn sees_all_rows(&self) -> bool {
        self.institutions.is_none() && self.areas.is_none()
    }

    /// May this table be asked?
    pub fn opens(&self, table: &str) -> bool {
        self.tables.as_ref().map_or(table != "audit", |tables| tables.contains(table))
    }
}

/// For what somebody asks, once for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// One of the role's.
    pub code: String,
    /// The case that it is for.
    pub case: String,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name in the file of users, or what the client says where there is none.
    pub name: String,
    /// The name of the role; empty where there is no file of users.
    pub role: String,
    /// What the role opens.
    pub grant: Arc<Grant>,
    /// For what, if that was said.
    pub purpose: Option<Purpose>,
    /// Until when, if he came with a token.
    pub until: Option<SystemTime>,
}

impl Person {
    /// Whoever is on this machine, where there is no file of users.
    pub fn on_this_machine(name: &str) -> Person {
        let (name, role) = (name.to_owned(), String::new());
        Person { name, role, grant: Arc::new(Grant::everything()), purpose: None, until: None }
    }

    /// Is his token over?
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| SystemTime::now() > until)
    }

    /// Is there a file of users, so that a purpose must be named and statements are written down?
    pub fn is_known(&self) -> bool {
        !self.role.is_empty()
    }

    /// May data of persons be shown to him now?
    pub fn may_see_persons(&self) -> bool {
        !self.is_known() || self.purpose.is_some()
    }

    /// Names the purpose. Of a session it is named once.
    ///
    /// # Errors
    /// When another one was named, the role does not have it, or there is no case.
    pub fn name_purpose(&mut self, code: &str, case: &str) -> Result<(), String> {
        let purpose = Purpose { code: code.to_owned(), case: case.trim().to_owned() };
        if self.purpose.as_ref().is_some_and(|named| *named != purpose) {
            return Err("a session has one purpose and one case: open another one".into());
        }
        if !self.grant.purposes.contains(code) {
            let known: Vec<&str> = self.grant.purposes.iter().map(String::as_str).collect();
            return Err(format!("`{code}` is no purpose of the role {}: it has {}", self.role, known.join(", ")));
        }
        if purpose.case.is_empty() || purpose.case.len() > CASE_MAX || purpose.case.chars().any(char::is_control) {
            return Err(format!("a case number has 1 to {CASE_MAX} bytes"));
        }
        self.purpose = Some(purpose);
        Ok(())
    }
}
