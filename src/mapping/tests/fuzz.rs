//! Arbitrary bytes: read or refused, every line accounted for, never a panic.

use super::{PAYMENTS, begin};
use crate::limits::ROW_BYTES_MAX;
use crate::{Mapping, Outcome};
use proptest::prelude::*;

const ENCODINGS: [&str; 5] = ["utf-8", "gb18030", "utf-16", "utf-16le", "utf-16be"];

proptest! {
    #[test]
    fn arbitrary_bytes_as_a_whole_file_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), encoding in 0_usize..5) {
        let mapping = format!("encoding = \"{}\"\n{PAYMENTS}", ENCODINGS[encoding]);
        if let Ok(importer) = begin(&mapping, &bytes, &[]) {
            prop_assert!(importer.count() <= bytes.len());
        }
    }

    #[test]
    fn rows_among_arbitrary_ones_are_found_again(junk in prop::collection::vec("[a\",;\r\n\\PC]{0,40}|(x,){0,9}\"?", 0..12), bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        let mut csv = b"id,t,amount,from,to\n".to_vec();
        for (idx, junk) in junk.iter().enumerate() {
            csv.extend(format!("{idx},2026-03-02T10:00:00Z,1,A,B\n{junk}").bytes());
            csv.extend(&bytes);
            csv.push(b'\n');
        }
        let mut importer = begin(PAYMENTS, &csv, &[]).unwrap();
        let mut last = 1;
        let mut rows = 0_u64;
        for row in importer.by_ref() {
            let row = row.unwrap();
            prop_assert!(row.line > last);
            last = row.line;
            rows += 1;
            if let Outcome::Event(event) = &row.outcome {
                prop_assert_eq!(&event["reporter"], "t");
            }
        }
        let summary = importer.summary();
        prop_assert_eq!(summary.events + summary.left_out + summary.refused_count(), rows);
        // Junk ends with the line unless it holds a quote: then it may only be refused.
        if !csv.contains(&b'"') {
            let good = csv.split(|b| matches!(b, b'\n' | b'\r')).filter(|l| l.ends_with(b",2026-03-02T10:00:00Z,1,A,B")).count();
            prop_assert!(summary.events >= good as u64);
        }
    }

    #[test]
    fn arbitrary_text_as_a_mapping_is_read_or_refused(text in "\\PC{0,200}|([a-z_]{1,9}( = |\\.|\\[|\\]|\"|\\{|\\}|\n){1,2}){0,20}") {
        if let Err(problems) = Mapping::parse("m.toml", &text) {
            prop_assert!(!problems.0.is_empty());
        }
    }

    #[test]
    fn a_mapping_with_a_piece_replaced_is_read_or_refused(at in 0_usize..400, len in 0_usize..20, piece in "\\PC{0,12}|[\\[\\]{}=\".,#\n]{0,6}") {
        let text: Vec<char> = PAYMENTS.chars().collect();
        let from = at.min(text.len());
        let to = (from + len).min(text.len());
        let changed: String = text[..from].iter().copied().chain(piece.chars()).chain(text[to..].iter().copied()).collect();
        if let Err(problems) = Mapping::parse("m.toml", &changed) {
            prop_assert!(!problems.0.is_empty() && !problems.to_string().is_empty());
        }
    }
}

#[test]
fn a_mapping_nested_without_end_is_refused() {
    for open in ["a = [", "a = {b=", "[[a.", "a."] {
        let text = format!("{}{}", &open[..open.len() - 1], open.chars().last().unwrap().to_string().repeat(100_000));
        assert!(Mapping::parse("m.toml", &text).is_err());
        assert!(Mapping::parse("m.toml", &open.repeat(20_000)).is_err());
    }
}

/// An endless line, never ended.
struct Endless(u64);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.0).unwrap_or(usize::MAX));
        buffer[..count].fill(b'"');
        self.0 -= count as u64;
        Ok(count)
    }
}

#[test]
fn a_line_without_end_is_passed_over_and_not_kept() {
    use std::io::Read;
    let start = std::io::Cursor::new(b"id,t,amount,from,to\n1,2026-03-02T10:00:00Z,1,A,".to_vec());
    let end = std::io::Cursor::new(b"\n2,2026-03-02T10:00:00Z,1,A,B\n".to_vec());
    let long = Endless(40 * ROW_BYTES_MAX as u64);
    let mapping = Mapping::parse("m.toml", PAYMENTS).unwrap();
    let open = |_: &str| Err("no table".to_owned());
    let importer = crate::Importer::new(mapping, "in.csv", Box::new(start.chain(long).chain(end)), &open).unwrap();
    let rows: Vec<_> = importer.map(Result::unwrap).collect();
    assert!(matches!(&rows[0].outcome, Outcome::Refused(refusal) if refusal.code == "csv_too_long"), "{:?}", rows[0]);
    assert!(matches!(rows[1].outcome, Outcome::Event(_)));
    assert_eq!((rows[1].line, rows.len()), (3, 2));
}
