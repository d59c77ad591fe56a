//! Event time: microseconds since 1970-01-01 UTC in an `i64`. Parses and prints RFC 3339; no clock is read here.

/// Microseconds of a second, a minute and so on.
pub const SECOND_US: i64 = 1_000_000;
/// One day in microseconds.
pub const DAY_US: i64 = 86_400 * SECOND_US;

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's `days_from_civil`, public domain).
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// The inverse of [`days_from_civil`]: (year, month, day).
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Parses RFC 3339 with an offset (`Z` or `+08:00`), to the microsecond. `None` when it is anything else.
///
/// A fraction of more than six digits is refused unless the rest is zero: nothing is rounded in silence.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if !text.is_ascii() || b.len() < 20 {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let sign_at = |i: usize, c: u8| b.get(i) == Some(&c);
    let separated = sign_at(4, b'-') && sign_at(7, b'-') && sign_at(13, b':') && sign_at(16, b':');
    if !separated || !matches!(b.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let date_exists = civil_from_days(days_from_civil(year, month, day)) == (year, month, day);
    if !(1..=12).contains(&month) || !date_exists || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut micros = 0;
    if sign_at(at, b'.') {
        let digits = b.iter().skip(20).take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 || text.get(20 + digits.min(6)..20 + digits)?.bytes().any(|c| c != b'0') {
            return None;
        }
        let kept = text.get(20..20 + digits.min(6))?;
        micros = format!("{kept:0<6}").parse().ok()?;
        at = 20 + digits;
    }
    let offset_minutes = match b.get(at) {
        Some(b'Z' | b'z') if b.len() == at + 1 => 0,
        Some(sign @ (b'+' | b'-')) if b.len() == at + 6 && sign_at(at + 3, b':') => {
            let (h, m) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if h > 23 || m > 59 {
                return None;
            }
            (h * 60 + m) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
    Some(seconds * SECOND_US + micros)
}

/// Prints microseconds as RFC 3339 in UTC, always with six decimals, so that text order is time order.
pub fn format_rfc3339(us: i64) -> String {
    let (days, rest) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    let (year, month, day) = civil_from_days(days);
    let (second, micros) = (rest / SECOND_US, rest % SECOND_US);
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_printing_and_parsing() {
        for us in [0, 1, -1, 1_767_225_600_000_000, 1_740_787_199_999_999, 951_782_400_000_000] {
            assert_eq!(parse_rfc3339(&format_rfc3339(us)), Some(us));
        }
    }

    #[test]
    fn an_offset_is_taken_off_and_a_missing_one_is_refused() {
        assert_eq!(parse_rfc3339("2026-01-01T08:00:00+08:00"), parse_rfc3339("2026-01-01T00:00:00Z"));
        assert_eq!(parse_rfc3339("2026-01-01T08:00:00.25Z"), Some(1_767_254_400_250_000));
        for bad in
            ["2026-01-01T08:00:00", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.1234567Z", ""]
        {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
