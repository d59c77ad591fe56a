//! Settings of a connection that clients set and show. None changes what a statement may do, but for its time, which can
//! only become shorter.

use crate::serve::gate::Refused;
use crate::serve::pg_catalog::VERSION;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name, first value, and may it be set?
const KNOWN: [(&str, &str, bool); 26] = [
    ("application_name", "", true),
    ("bytea_output", "hex", true),
    ("client_encoding", "UTF8", true),
    ("client_min_messages", "notice", true),
    ("datestyle", "ISO, MDY", true),
    ("default_transaction_isolation", "read committed", true),
    ("default_transaction_read_only", "on", false),
    ("extra_float_digits", "1", true),
    (CASE, "", true),
    (PURPOSE, "", true),
    ("idle_in_transaction_session_timeout", "0", true),
    ("in_hot_standby", "on", false),
    ("integer_datetimes", "on", false),
    ("intervalstyle", "postgres", true),
    ("jit", "off", true),
    ("lock_timeout", "0", true),
    ("max_identifier_length", "63", false),
    ("row_security", "on", true),
    ("search_path", "public", true),
    ("server_encoding", "UTF8", false),
    ("server_version", VERSION, false),
    ("server_version_num", "160006", false),
    ("standard_conforming_strings", "on", true),
    ("statement_timeout", "0", true),
    ("timezone", "UTC", true),
    ("transaction_isolation", "read committed", true),
];

/// Longest value, bytes.
const VALUE_MAX: usize = 1_024;

/// For what is asked, and the case.
pub const PURPOSE: &str = "foreshock.purpose";
/// See [`PURPOSE`].
pub const CASE: &str = "foreshock.case";

/// Is it one of the two that stay as they are once they are named?
pub fn is_purpose(name: &str) -> bool {
    [PURPOSE, CASE].iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The settings in a client's `options`: `-c name=value`, with `\\ ` for a space in a value.
pub fn of_options(options: &str) -> Vec<(String, String)> {
    let spaced = options.replace("\\ ", "\u{1}");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut found = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next(),
            rest => rest,
        };
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            found.push((name.to_owned(), value.replace('\u{1}', " ")));
        }
    }
    found
}

/// The settings of one connection.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// Sets one; `None` for its first value.
    ///
    /// # Errors
    /// When it is not known, cannot be set, or not to this.
    pub fn set(&mut self, name: &str, value: Option<String>) -> Result<(), Refused> {
        let (name, _, _) = known(name).filter(|(_, _, can_be_set)| *can_be_set).ok_or_else(|| unknown(name))?;
        let Some(value) = value else {
            self.0.remove(name);
            return Ok(());
        };
        let wrong = |why: &str| Refused { state: "22023", message: format!("{name} cannot be `{value}`: {why}") };
        let lower = value.to_lowercase();
        if value.len() > VALUE_MAX {
            return Err(Refused { state: "22023", message: format!("the value of {name} is too long") });
        }
        match name {
            "client_encoding" if !matches!(lower.replace('-', "").as_str(), "utf8" | "unicode") => {
                return Err(wrong("all texts are UTF-8"));
            }
            "standard_conforming_strings" if lower != "on" => return Err(wrong("a backslash is a backslash")),
            "statement_timeout" if duration(&lower).is_none() => return Err(wrong("no time, such as 5s or 5000")),
            "timezone" if !matches!(lower.as_str(), "utc" | "etc/utc" | "gmt" | "z" | "+00" | "+00:00") => {
                // A client that shows its own zone converts; the text form stays in UTC and says so.
                tracing::debug!(zone = value, "a client's time zone: times are shown in UTC");
                return Ok(());
            }
            _ => {}
        }
        self.0.insert(name, value);
        Ok(())
    }

    /// The value of one.
    ///
    /// # Errors
    /// When it is not known.
    pub fn show(&self, name: &str) -> Result<(&'static str, String), Refused> {
        let (name, first, _) = known(name).ok_or_else(|| unknown(name))?;
        Ok((name, self.0.get(name).cloned().unwrap_or_else(|| first.to_owned())))
    }

    /// All get their first values, but for the purpose of the session.
    pub fn reset(&mut self) {
        self.0.retain(|name, _| is_purpose(name));
    }

    /// The client's own limit for the time of a statement.
    pub fn time(&self) -> Option<Duration> {
        self.0.get("statement_timeout").and_then(|value| duration(&value.to_lowercase())).filter(|time| !time.is_zero())
    }
}

fn known(name: &str) -> Option<(&'static str, &'static str, bool)> {
    KNOWN.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name)).copied()
}

fn unknown(name: &str) -> Refused {
    Refused { state: "42704", message: format!("`{name}` is no setting that can be used here") }
}

/// Milliseconds, or a number with its unit.
fn duration(value: &str) -> Option<Duration> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().ok()?;
    let ms = match value[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_setting_is_known_by_name_and_one_that_would_change_the_person_or_the_encoding_is_refused() {
        let mut settings = Settings::default();
        settings.set("Application_Name", Some("psql".into())).unwrap();
        assert_eq!(settings.show("APPLICATION_NAME").unwrap().1, "psql");
        settings.set("statement_timeout", Some("2s".into())).unwrap();
        assert_eq!(settings.time(), Some(Duration::from_secs(2)));
        settings.set("statement_timeout", Some("0".into())).unwrap();
        assert_eq!(settings.time(), None);
        for (name, value) in [
            ("role", "postgres"),
            ("session_authorization", "x"),
            ("client_encoding", "GBK"),
            ("server_version", "99"),
            ("statement_timeout", "soon"),
            ("application_name", &"x".repeat(2_000)),
            ("datafusion.execution.time_zone", "+08:00"),
        ] {
            assert!(settings.set(name, Some(value.into())).is_err(), "{name} = {value}");
        }
    }
}
