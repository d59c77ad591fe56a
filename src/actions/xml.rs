//! The little XML that a warning needs: elements with text, each on its line, escaped.

/// A growing document.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    text: String,
    depth: usize,
    /// Characters that it cannot hold.
    pub replaced: u64,
}

impl Xml {
    /// Starts with the declaration.
    pub fn new() -> Self {
        Xml { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), ..Xml::default() }
    }

    /// An element with elements inside; `attributes` go in as they are.
    pub fn nest(&mut self, name: &str, attributes: &str, inside: impl FnOnce(&mut Xml)) {
        self.line(&format!("<{name}{attributes}>"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    /// An element with text inside.
    pub fn leaf(&mut self, name: &str, text: &str) {
        let text = self.escape(text);
        self.line(&format!("<{name}>{text}</{name}>"));
    }

    /// The `valueName` and `value` pairs of CAP.
    pub fn pair(&mut self, name: &str, value_name: &str, value: &str) {
        let (value_name, value) = (self.escape(value_name), self.escape(value));
        self.line(&format!("<{name}><valueName>{value_name}</valueName><value>{value}</value></{name}>"));
    }

    /// The document.
    pub fn finish(self) -> String {
        debug_assert_eq!(self.depth, 0, "every element is closed by the function that opens it");
        self.text
    }

    fn line(&mut self, line: &str) {
        self.text.extend(std::iter::repeat_n("  ", self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Text for an element. Characters that XML 1.0 cannot hold become U+FFFD.
    fn escape(&mut self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&apos;"),
                c if is_foreign(c) => {
                    self.replaced += 1;
                    escaped.push('\u{fffd}');
                }
                c => escaped.push(c),
            }
        }
        escaped
    }
}

/// A character that no XML 1.0 document can hold, or that its readers change (a carriage return).
pub(crate) fn is_foreign(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut xml = Xml::new();
        assert_eq!(xml.escape("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;");
        assert_eq!(xml.escape("\u{0}\u{1b}\u{ffff}诈\n"), "\u{fffd}\u{fffd}\u{fffd}诈\n");
        assert_eq!(xml.replaced, 3);
    }
}
