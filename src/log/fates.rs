//! What became of the records of a range, in few bytes: `812.3d.` is 812 that count, three duplicates, one that counts. At most
//! one byte a record, so that the record of a batch stays below what a broker takes whatever an institution sends.

use foreshock_core::Fate;
use std::fmt::Write;

/// Writes fates down, in the order of the records.
pub fn encode(fates: impl IntoIterator<Item = Fate>) -> String {
    let mut text = String::new();
    let mut fates = fates.into_iter().peekable();
    while let Some(fate) = fates.next() {
        let mut count = 1_u64;
        while fates.next_if_eq(&fate).is_some() {
            count += 1;
        }
        if count == 2 {
            // As short as with a number, and never longer than the records are many.
            text.push(fate.letter());
        } else if count > 2 {
            write!(text, "{count}").expect("a String takes all");
        }
        text.push(fate.letter());
    }
    text
}

/// Reads runs of equal fates; `None` when the text is none of ours or names more than `max` records.
pub fn decode(text: &str, max: u64) -> Option<Vec<(u64, Fate)>> {
    let (mut runs, mut number, mut all) = (Vec::new(), None::<u64>, 0_u64);
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let count = number.take().unwrap_or(1);
        all = all.checked_add(count).filter(|all| *all <= max)?;
        runs.push((count, Fate::of_letter(letter)?));
    }
    number.is_none().then_some(runs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fates_are_read_as_they_were_written_in_at_most_a_byte_each(picks in prop::collection::vec((0..7_usize, 1..40_usize), 0..60)) {
            let fates: Vec<Fate> = picks.into_iter().flat_map(|(which, count)| vec![Fate::ALL[which]; count]).collect();
            let text = encode(fates.iter().copied());
            prop_assert!(text.len() <= fates.len());
            let runs = decode(&text, fates.len() as u64).unwrap();
            let read: Vec<Fate> = runs.into_iter().flat_map(|(count, fate)| vec![fate; count as usize]).collect();
            prop_assert_eq!(read, fates);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9.rwdclxz一]{0,40}", max in 0..1_000_u64) {
            if let Some(runs) = decode(&text, max) {
                prop_assert!(runs.iter().map(|run| run.0).sum::<u64>() <= max);
            }
        }
    }

    #[test]
    fn a_run_of_one_or_two_needs_no_number_and_strange_texts_are_refused() {
        let fates = [Fate::Counts, Fate::Late, Fate::Late, Fate::Refused, Fate::Refused, Fate::Refused];
        assert_eq!(encode(fates), ".ll3x");
        for wrong in ["3", "q", "99999999999999999999.", "-1.", "4."] {
            assert_eq!(decode(wrong, 3), None, "{wrong}");
        }
        assert_eq!(decode("", 0), Some(Vec::new()));
    }
}
