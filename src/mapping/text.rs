//! Bytes of a named encoding as UTF-8, a piece at a time. What is no text in it becomes U+FFFD, which no field that the
//! mapping names may have.

use encoding_rs::{CoderResult, Decoder};
use std::io::{self, Read};

/// What a byte that is no text becomes.
pub(crate) const DAMAGED: char = '\u{FFFD}';

/// How a file's bytes stand for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Utf8,
    Gb18030,
    /// Little or big by the byte order mark, which must be there.
    Utf16,
    Utf16Le,
    Utf16Be,
}

/// Names in a mapping; the first of each is its own. GBK and GB2312 are parts of GB18030.
const NAMES: [(&str, Encoding); 8] = [
    ("utf-8", Encoding::Utf8),
    ("gb18030", Encoding::Gb18030),
    ("utf-16", Encoding::Utf16),
    ("utf-16le", Encoding::Utf16Le),
    ("utf-16be", Encoding::Utf16Be),
    ("utf8", Encoding::Utf8),
    ("gbk", Encoding::Gb18030),
    ("gb2312", Encoding::Gb18030),
];

/// Byte order marks; no other encoding of ours begins with those bytes.
const MARKS: [(&[u8], Encoding); 4] = [
    (b"\xEF\xBB\xBF", Encoding::Utf8),
    (b"\x84\x31\x95\x33", Encoding::Gb18030),
    (b"\xFF\xFE", Encoding::Utf16Le),
    (b"\xFE\xFF", Encoding::Utf16Be),
];

impl Encoding {
    /// By its name in a mapping, whatever its case.
    pub(crate) fn from_name(name: &str) -> Option<Encoding> {
        NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, encoding)| *encoding)
    }

    /// The names there are.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, encoding)| *encoding == self).map_or("", |(name, _)| name)
    }

    fn library(self) -> &'static encoding_rs::Encoding {
        match self {
            Encoding::Utf8 => encoding_rs::UTF_8,
            Encoding::Gb18030 => encoding_rs::GB18030,
            Encoding::Utf16 | Encoding::Utf16Le => encoding_rs::UTF_16LE,
            Encoding::Utf16Be => encoding_rs::UTF_16BE,
        }
    }

    /// The encoding of a file that begins with `start`, and how long its byte order mark is.
    fn by_mark(self, start: &[u8]) -> Result<(Encoding, usize), String> {
        let found = MARKS.iter().find(|(mark, _)| start.starts_with(mark));
        match (self, found) {
            (Encoding::Utf16, Some((mark, by_mark @ (Encoding::Utf16Le | Encoding::Utf16Be)))) => {
                Ok((*by_mark, mark.len()))
            }
            (Encoding::Utf16, None) => {
                Err("no byte order mark: name `encoding = \"utf-16le\"` or `\"utf-16be\"`".to_owned())
            }
            (_, Some((mark, by_mark))) if *by_mark == self => Ok((self, mark.len())),
            (_, Some((_, by_mark))) => Err(format!(
                "begins with the byte order mark of {}, the mapping says {}: set `encoding = \"{}\"`",
                by_mark.name(),
                self.name(),
                by_mark.name()
            )),
            (_, None) => Ok((self, 0)),
        }
    }
}

/// Bytes read, and bytes of text made, at a time. A byte makes at most three.
const PIECE: usize = 64 * 1024;

/// Text of a file.
pub(crate) struct Text {
    raw: Box<dyn Read>,
    decoder: Decoder,
    input: Vec<u8>,
    /// Part of `input` that is not decoded yet.
    left: (usize, usize),
    output: Vec<u8>,
    /// Part of `output` that is not taken yet.
    ready: (usize, usize),
    is_last: bool,
    is_done: bool,
}

impl Text {
    /// Begins, past the byte order mark.
    ///
    /// # Errors
    /// When the bytes cannot be read or begin with the mark of another encoding.
    pub(crate) fn new(mut raw: Box<dyn Read>, encoding: Encoding) -> Result<Text, String> {
        let mut start = Vec::new();
        raw.by_ref().take(4).read_to_end(&mut start).map_err(|e| format!("cannot be read: {e}"))?;
        let (encoding, skipped) = encoding.by_mark(&start)?;
        let left = (skipped, start.len());
        start.resize(PIECE, 0);
        Ok(Text {
            raw,
            decoder: encoding.library().new_decoder_without_bom_handling(),
            input: start,
            left,
            output: vec![0; 3 * PIECE],
            ready: (0, 0),
            is_last: false,
            is_done: false,
        })
    }

    /// What there is, valid UTF-8 but for where a piece ends; empty at the end.
    pub(crate) fn piece(&mut self) -> io::Result<&[u8]> {
        while self.ready.0 == self.ready.1 && !self.is_done {
            if self.left.0 == self.left.1 && !self.is_last {
                let count = read_some(&mut self.raw, &mut self.input)?;
                self.left = (0, count);
                self.is_last = count == 0;
            }
            let from = &self.input[self.left.0..self.left.1];
            let (result, read, written, _) = self.decoder.decode_to_utf8(from, &mut self.output, self.is_last);
            self.left.0 += read;
            self.ready = (0, written);
            self.is_done = self.is_last && result == CoderResult::InputEmpty;
        }
        Ok(&self.output[self.ready.0..self.ready.1])
    }

    /// Takes `count` bytes of the piece.
    pub(crate) fn take(&mut self, count: usize) {
        self.ready.0 = (self.ready.0 + count).min(self.ready.1);
    }
}

fn read_some(raw: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match raw.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &'static [u8], encoding: Encoding) -> Result<String, String> {
        let mut text = Text::new(Box::new(bytes), encoding)?;
        let mut all = Vec::new();
        loop {
            let piece = text.piece().unwrap().to_vec();
            if piece.is_empty() {
                return Ok(String::from_utf8(all).unwrap());
            }
            text.take(piece.len());
            all.extend(piece);
        }
    }

    #[test]
    fn every_encoding_reads_the_same_text_with_and_without_its_mark() {
        let same =
            |bytes, name| assert_eq!(read(bytes, Encoding::from_name(name).unwrap()).unwrap(), "张,1\n", "{name}");
        same(b"\xEF\xBB\xBF\xE5\xBC\xA0,1\n", "UTF-8");
        same(b"\xE5\xBC\xA0,1\n", "utf-8");
        same(b"\xD5\xC5,1\n", "gb18030");
        same(b"\xFF\xFE\x20\x5F,\x001\x00\n\x00", "utf-16");
        same(b"\xFE\xFF\x5F\x20\x00,\x001\x00\n", "utf-16");
        same(b"\x20\x5F,\x001\x00\n\x00", "utf-16le");
        same(b"\x5F\x20\x00,\x001\x00\n", "utf-16be");
    }

    #[test]
    fn a_mark_of_another_encoding_is_named_instead_of_read_as_text() {
        assert!(read(b"\xFF\xFEa\x00", Encoding::Utf8).unwrap_err().contains("utf-16le"));
        assert!(read(b"\xEF\xBB\xBFa", Encoding::Gb18030).unwrap_err().contains("utf-8"));
        assert!(read(b"\xFE\xFF\x00a", Encoding::Utf16Le).unwrap_err().contains("utf-16be"));
        assert!(read(b"a\x00", Encoding::Utf16).unwrap_err().contains("no byte order mark"));
    }

    #[test]
    fn bytes_that_are_no_text_become_one_sign_and_take_no_comma_along() {
        assert_eq!(read(b"a\xFF,b\n", Encoding::Utf8).unwrap(), "a\u{FFFD},b\n");
        assert_eq!(read(b"a\x81,b\n", Encoding::Gb18030).unwrap(), "a\u{FFFD},b\n");
        assert_eq!(read(b"\x00\xD8,\x00a", Encoding::Utf16Le).unwrap(), "\u{FFFD},\u{FFFD}");
    }
}
