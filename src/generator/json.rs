//! Writes one JSON object by hand: field order is the order of the calls, so bytes do not depend on how a JSON
//! library was built. Every text that comes here is a token, a code, a time or a decimal: nothing needs escaping.

use foreshock_core::money::format_minor;
use foreshock_core::time::format_rfc3339;
use std::fmt::Display;

/// An object under construction.
pub(crate) struct Object {
    text: String,
    is_first: bool,
}

impl Object {
    pub(crate) fn new() -> Self {
        Object { text: String::from("{"), is_first: true }
    }

    fn key(&mut self, key: &str) {
        if !self.is_first {
            self.text.push(',');
        }
        self.is_first = false;
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        debug_assert!(!value.contains(['"', '\\']), "values need no escaping");
        self.key(key);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    pub(crate) fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(crate) fn time(&mut self, key: &str, us: i64) {
        self.text(key, &format_rfc3339(us));
    }

    pub(crate) fn money(&mut self, key: &str, minor: i64) {
        self.text(key, &format_minor(minor, 2));
    }

    /// A number or a boolean.
    pub(crate) fn plain(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.text.push_str(&value.to_string());
    }

    pub(crate) fn object(&mut self, key: &str, inner: Object) {
        self.key(key);
        self.text.push_str(&inner.done());
    }

    pub(crate) fn done(mut self) -> String {
        self.text.push('}');
        self.text
    }
}
