//! The name that was probably meant.

/// The closest of `known` that differs by a slip or two.
pub(crate) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.to_lowercase().chars().take(LETTERS_MAX).collect();
    let slips_max = 1 + name.len() / 4;
    let close = known.map(|k| (slips(&name, k), k)).filter(|(slips, _)| *slips <= slips_max);
    close.min().map(|(_, known)| known)
}

const LETTERS_MAX: usize = 64;

/// How many letters must be put in, left out, replaced or swapped with the next.
fn slips(name: &[char], known: &str) -> usize {
    let known: Vec<char> = known.to_lowercase().chars().take(LETTERS_MAX).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (i, letter) in name.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in known.iter().enumerate() {
            let replaced = row[j] + usize::from(letter != other);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && name[i - 1] == *other && known[j - 1] == *letter {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        (before, row) = (row, next);
    }
    row[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found_and_a_stranger_is_not() {
        let known = ["currency", "min_payers", "amount"];
        let found = |name| near(name, known.into_iter());
        assert_eq!(found("currncy"), Some("currency"));
        assert_eq!(found("amuont"), Some("amount"));
        assert_eq!(found("MIN_PAYER"), Some("min_payers"));
        assert_eq!(found("verdict"), None);
        assert_eq!(found("时"), None);
    }
}
