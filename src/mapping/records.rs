//! Rows of a CSV text (RFC 4180), each with the line where it begins.
//!
//! A row over several lines is believed only when its quotes close and it has as many fields as the header. Otherwise its
//! first line alone is refused and the next line begins a row: an unclosed quote never takes rows along in silence.

use crate::limits::{ROW_BYTES_MAX, ROW_LINES_MAX};
use crate::lines::{Line, Lines};
use crate::refusal::{Refusal, codes};
use std::collections::VecDeque;
use std::io;

/// Signs of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs {
    pub(crate) delimiter: char,
    /// `None`: quotes are text.
    pub(crate) quote: Option<char>,
}

impl Default for Signs {
    fn default() -> Signs {
        Signs { delimiter: ',', quote: Some('"') }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where it begins.
    pub(crate) line: u64,
    /// Lines that it covers.
    pub(crate) line_count: u64,
    /// Fields with text after the quote that closes them.
    pub(crate) broken: Vec<usize>,
    cells: Cells,
}

impl Record {
    pub(crate) fn get(&self, idx: usize) -> &str {
        let from = if idx == 0 { 0 } else { self.cells.ends.get(idx - 1).copied().unwrap_or_default() };
        self.cells.ends.get(idx).and_then(|to| self.cells.text.get(from..*to)).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|idx| self.get(idx))
    }
}

/// Fields one after the other, and where each ends.
#[derive(Debug, Default)]
struct Cells {
    text: String,
    ends: Vec<usize>,
}

/// A row, or a line that is none.
pub(crate) enum Next {
    Record(Record),
    Broken(u64, Refusal),
}

pub(crate) struct Records {
    lines: Lines,
    /// Lines that were read as part of a row that was none.
    again: VecDeque<Line>,
    signs: Signs,
    /// Fields of the header.
    width: Option<usize>,
}

impl Records {
    pub(crate) fn new(lines: Lines, signs: Signs) -> Records {
        Records { lines, again: VecDeque::new(), signs, width: None }
    }

    /// From now on a row has so many fields.
    pub(crate) fn set_width(&mut self, width: usize) {
        self.width = Some(width);
    }

    /// Last line that was read.
    pub(crate) fn line(&self) -> u64 {
        self.lines.number()
    }

    /// The next row; empty lines are none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Next>> {
        let mut taken = Vec::new();
        loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(line) if line.text.is_empty() && !line.is_too_long => {}
                Some(line) => {
                    taken.push(line);
                    break;
                }
            }
        }
        match self.row(&mut taken)? {
            Ok(record) => Ok(Some(Next::Record(record))),
            Err(refusal) => {
                let first = taken.first().map_or(0, |l| l.number);
                for line in taken.into_iter().skip(1).rev() {
                    self.again.push_front(line);
                }
                Ok(Some(Next::Broken(first, refusal)))
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        self.lines.next()
    }

    /// The row that begins with the one line of `taken`, to which the further lines are added.
    fn row(&mut self, taken: &mut Vec<Line>) -> io::Result<Result<Record, Refusal>> {
        let mut splitter = Splitter::new(self.signs);
        while let Some(line) = taken.last() {
            if line.is_too_long {
                let reason = format!("line {} is longer than {ROW_BYTES_MAX} bytes", line.number);
                return Ok(Err(Refusal::of_row(codes::TOO_LONG, reason)));
            }
            match splitter.add(line) {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(Progress::Whole) => return Ok(self.counted(splitter, taken)),
                Ok(Progress::QuoteIsOpen) => {}
            }
            let has_too_many_fields = self.width.is_some_and(|w| splitter.cells.ends.len() >= w);
            let is_too_long = taken.len() >= ROW_LINES_MAX || splitter.cells.text.len() > ROW_BYTES_MAX;
            if has_too_many_fields || is_too_long {
                return Ok(Err(splitter.unclosed()));
            }
            match self.next_line()? {
                Some(next) => taken.push(next),
                None => return Ok(Err(splitter.unclosed())),
            }
        }
        Ok(Err(splitter.unclosed()))
    }

    fn counted(&self, splitter: Splitter, taken: &[Line]) -> Result<Record, Refusal> {
        if taken.len() > 1 && !splitter.broken.is_empty() {
            return Err(splitter.unclosed());
        }
        let Splitter { cells, broken, .. } = splitter;
        let (count, width) = (cells.ends.len(), self.width.unwrap_or(cells.ends.len()));
        let line_count = taken.len() as u64;
        if count != width {
            let over = if line_count > 1 { format!(", over {line_count} lines") } else { String::new() };
            let reason = format!("the row has {count} fields{over}, the header {width}");
            return Err(Refusal::of_row(codes::FIELDS, reason));
        }
        Ok(Record { line: taken.first().map_or(0, |l| l.number), line_count, broken, cells })
    }
}

enum Progress {
    Whole,
    QuoteIsOpen,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing of the field yet.
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of two that stand for one.
    Closed,
}

struct Splitter {
    signs: Signs,
    cells: Cells,
    state: State,
    /// Line of the last quote that opened.
    opened: u64,
    broken: Vec<usize>,
}

impl Splitter {
    fn new(signs: Signs) -> Splitter {
        Splitter { signs, cells: Cells::default(), state: State::Start, opened: 0, broken: Vec::new() }
    }

    fn add(&mut self, line: &Line) -> Result<Progress, Refusal> {
        for c in line.text.chars() {
            let is_quote = Some(c) == self.signs.quote;
            let is_delimiter = c == self.signs.delimiter;
            self.state = match self.state {
                State::Start if is_quote => {
                    self.opened = line.number;
                    State::Quoted
                }
                State::Quoted if is_quote => State::Closed,
                State::Start | State::Plain | State::Closed if is_delimiter => {
                    self.end_cell();
                    State::Start
                }
                State::Closed if !is_quote && self.opened == line.number => {
                    self.broken.push(self.cells.ends.len());
                    self.cells.text.push(c);
                    State::Plain
                }
                // The quote of an earlier line closes where another field opens: it was never meant to reach so far.
                State::Closed if !is_quote => return Err(self.unclosed()),
                State::Start | State::Plain => {
                    self.cells.text.push(c);
                    State::Plain
                }
                State::Quoted | State::Closed => {
                    self.cells.text.push(c);
                    State::Quoted
                }
            };
        }
        if matches!(self.state, State::Quoted) {
            self.cells.text.push_str(line.end);
            return Ok(Progress::QuoteIsOpen);
        }
        self.end_cell();
        Ok(Progress::Whole)
    }

    fn end_cell(&mut self) {
        self.cells.ends.push(self.cells.text.len());
    }

    fn unclosed(&self) -> Refusal {
        Refusal::of_row(codes::QUOTE, format!("the quote that opened in line {} is not closed", self.opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Encoding, Text};

    /// `line:fields` of rows, `line!code` of refused lines.
    fn read(text: &str) -> Vec<String> {
        let text = Text::new(Box::new(std::io::Cursor::new(text.to_owned())), Encoding::Utf8).unwrap();
        let mut records = Records::new(Lines::new(text), Signs::default());
        let mut found = Vec::new();
        while let Some(next) = records.next().unwrap() {
            match next {
                Next::Broken(line, refusal) => found.push(format!("{line}!{}", refusal.code)),
                Next::Record(record) if found.is_empty() => {
                    records.set_width(record.len());
                    found.push("header".into());
                }
                Next::Record(record) => {
                    found.push(format!("{}:{}", record.line, record.iter().collect::<Vec<_>>().join("|")));
                }
            }
        }
        found
    }

    #[test]
    fn quotes_ends_of_lines_and_empty_lines_are_read_as_everywhere() {
        let rows = read("a,b\r\n\r\n1,\"x,y\"\n2,\"say \"\"hi\"\"\"\r3,\"two\nlines\"\n4,5\" pipe\n,\n6,last");
        let expected = ["header", "3:1|x,y", "4:2|say \"hi\"", "5:3|two\nlines", "7:4|5\" pipe", "8:|", "9:6|last"];
        assert_eq!(rows, expected);
    }

    #[test]
    fn an_unclosed_quote_costs_its_own_line_only() {
        assert_eq!(read("a,b\n1,\"x\n2,y\n3,z\n"), ["header", "2!csv_quote", "3:2|y", "4:3|z"]);
        // A quoted field further down closes it, and text follows.
        assert_eq!(read("a,b\n1,\"x\n2,\"y\"\n3,z\n"), ["header", "2!csv_quote", "3:2|y", "4:3|z"]);
        // It closes properly, with too many fields.
        assert_eq!(
            read("a,b\n1,\"x\n2,y\"\"\n3,z\",5\n4,u\n"),
            ["header", "2!csv_fields", "3:2|y\"\"", "4!csv_fields", "5:4|u"]
        );
        assert_eq!(read("a,b\n1,x\n2,\""), ["header", "2:1|x", "3!csv_quote"]);
    }

    #[test]
    fn a_row_over_several_lines_with_text_after_a_closed_quote_is_none() {
        assert_eq!(read("a,b\n\"x\n2\",\"y\"z\n"), ["header", "2!csv_quote", "3:2\"|yz"]);
    }

    #[test]
    fn text_after_a_closed_quote_marks_its_field_and_keeps_the_row() {
        let text = Text::new(Box::new(&b"a,b,c\n1,\"x\" y,\"z\"\n"[..]), Encoding::Utf8).unwrap();
        let mut records = Records::new(Lines::new(text), Signs::default());
        records.next().unwrap();
        let Some(Next::Record(record)) = records.next().unwrap() else { panic!("a row") };
        assert_eq!((record.iter().collect::<Vec<_>>(), record.broken.as_slice()), (vec!["1", "x y", "z"], &[1][..]));
    }

    #[test]
    fn a_row_of_too_few_or_too_many_fields_is_refused_alone() {
        assert_eq!(read("a,b\n1\n2,x\n3,y,z\n4,u\n"), ["header", "2!csv_fields", "3:2|x", "4!csv_fields", "5:4|u"]);
    }

    #[test]
    fn a_line_beyond_the_bound_is_refused_alone_and_so_is_an_endless_quote() {
        let long = "x".repeat(ROW_BYTES_MAX + 1);
        assert_eq!(read(&format!("a,b\n1,{long}\n2,y\n")), ["header", "2!csv_too_long", "3:2|y"]);
        let lines = "z,z\n".repeat(ROW_LINES_MAX);
        let rows = read(&format!("a,b\n1,\"x\n{lines}2,y\"\n"));
        assert_eq!((rows[1].as_str(), rows.len()), ("2!csv_quote", ROW_LINES_MAX + 3));
    }
}
