//! Lines of a text, each with its number and its end. A line beyond the bound is told, not kept.

use crate::limits::ROW_BYTES_MAX;
use crate::text::Text;
use std::io;

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Without its end; empty when it is too long.
    pub(crate) text: String,
    /// `\n`, `\r\n`, `\r`, or nothing at the end of the file.
    pub(crate) end: &'static str,
    /// Longer than [`ROW_BYTES_MAX`].
    pub(crate) is_too_long: bool,
}

pub(crate) struct Lines {
    text: Text,
    number: u64,
}

impl Lines {
    pub(crate) fn new(text: Text) -> Lines {
        Lines { text, number: 0 }
    }

    /// Number of the last line.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let (mut bytes, mut is_too_long) = (Vec::new(), false);
        let mut is_empty = true;
        let end = loop {
            let piece = self.text.piece()?;
            if piece.is_empty() {
                break "";
            }
            is_empty = false;
            let stop = piece.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let kept = &piece[..stop.unwrap_or(piece.len())];
            is_too_long |= bytes.len() + kept.len() > ROW_BYTES_MAX;
            if is_too_long {
                bytes.clear();
            } else {
                bytes.extend_from_slice(kept);
            }
            let (taken, byte) = (kept.len(), stop.map(|at| piece[at]));
            self.text.take(taken + usize::from(byte.is_some()));
            match byte {
                Some(b'\r') => break self.after_return()?,
                Some(_) => break "\n",
                None => {}
            }
        };
        if is_empty {
            return Ok(None);
        }
        self.number += 1;
        let text = String::from_utf8(bytes).expect("the decoder writes UTF-8, and a line is cut at ASCII only");
        Ok(Some(Line { number: self.number, text, end, is_too_long }))
    }

    /// `\r` alone ends a line too.
    fn after_return(&mut self) -> io::Result<&'static str> {
        if self.text.piece()?.first() != Some(&b'\n') {
            return Ok("\r");
        }
        self.text.take(1);
        Ok("\r\n")
    }
}
