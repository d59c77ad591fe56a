//! Decimal numbers from outside, read exactly from their text: no float is computed with, and no text is built, so that
//! `1e999999999` costs no more than `1`.

/// A decimal number as it was written: `-?digits(.digits)?([eE][+-]?digits)?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: Option<i64>,
}

/// Where a number lies among the whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The largest whole number that is not above it.
    pub value: i64,
    /// Whether it is that number.
    pub is_exact: bool,
}

/// An exponent beyond this is as good as this one: no text is that long.
const EXPONENT_MAX: i64 = 1_000_000_000;

impl<'a> Decimal<'a> {
    /// Reads all of a text; `None` when it is anything but a number.
    pub fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let (is_negative, plain) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = match plain.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, Some(parse_exponent(exponent)?)),
            None => (plain, None),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (number, ""),
        };
        is_digits(whole).then_some(Decimal { is_negative, whole, fraction, exponent })
    }

    /// Whether it was written with an exponent.
    pub fn has_exponent(&self) -> bool {
        self.exponent.is_some()
    }

    /// Where the number times 10 to the power of `scale` lies; `None` when it is beyond `i64`.
    pub fn floor(&self, scale: u32) -> Option<Floor> {
        let digits = self.whole.bytes().chain(self.fraction.bytes()).map(|c| i64::from(c - b'0'));
        // So many digits stand before the point.
        let point = i64::try_from(self.whole.len()).ok()? + self.exponent.unwrap_or(0) + i64::from(scale);
        let (mut value, mut is_exact, mut read) = (0_i64, true, 0_i64);
        for digit in digits {
            if read >= point {
                is_exact &= digit == 0;
            } else {
                value = value.checked_mul(10)?.checked_add(digit)?;
            }
            read += 1;
        }
        if value != 0 && point > read {
            let zeros = u32::try_from(point - read).ok()?;
            value = value.checked_mul(10_i64.checked_pow(zeros)?)?;
        }
        let below = if self.is_negative { -value - i64::from(!is_exact) } else { value };
        Some(Floor { value: below, is_exact })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let add = |sum: i64, c: u8| (sum * 10 + i64::from(c - b'0')).min(EXPONENT_MAX);
    is_digits(digits).then(|| sign * digits.bytes().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(text: &str, scale: u32) -> Option<(i64, bool)> {
        Decimal::parse(text)?.floor(scale).map(|f| (f.value, f.is_exact))
    }

    #[test]
    fn a_number_is_read_exactly_whatever_its_exponent() {
        assert_eq!(floor("42.0", 0), Some((42, true)));
        assert_eq!(floor("4.2e1", 0), Some((42, true)));
        assert_eq!(floor("-0", 0), Some((0, true)));
        assert_eq!(floor("420E-1", 0), Some((42, true)));
        assert_eq!(floor("0.8769", 3), Some((876, false)));
        assert_eq!(floor("1.0001e-6", 3), Some((0, false)));
        assert_eq!(floor("1e-7", 3), Some((0, false)));
        assert_eq!(floor("1.0000000000000000001", 3), Some((1_000, false)));
        assert_eq!(floor("-0.0001", 3), Some((-1, false)));
        assert_eq!(floor("9223372036854775807", 0), Some((i64::MAX, true)));
        assert_eq!(floor("9223372036854775808", 0), None);
    }

    #[test]
    fn an_exponent_beyond_all_bounds_costs_nothing() {
        assert_eq!(floor("1e400", 0), None);
        assert_eq!(floor("1e99999999999999999999999", 0), None);
        assert_eq!(floor("0e99999999999999999999999", 3), Some((0, true)));
        assert_eq!(floor("1e-99999999999999999999999", 3), Some((0, false)));
    }

    #[test]
    fn what_is_more_or_less_than_a_number_is_none() {
        for bad in
            ["", "-", "+1", ".5", "1.", "1.e3", "1e", "1e+", "1e1.5", "0x1", "NaN", "1 ", " 1", "0.876; DROP", "１"]
        {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
