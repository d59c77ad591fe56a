//! Event time: microseconds since 1970-01-01 UTC in an `i64`. Parses and prints RFC 3339; no clock is read here.
//!
//! One rule for every time from outside: RFC 3339 with an offset, inside the span of event times, digits beyond the
//! microsecond cut off, second 60 refused.

use crate::limits::{EVENT_TIME_US_MAX, EVENT_TIME_US_MIN};

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

/// Why a time from outside was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTime {
    /// Not RFC 3339 with an offset, or a date or hour that does not exist.
    NotRfc3339,
    /// Second 60: this clock has none.
    LeapSecond,
    /// Before [`EVENT_TIME_US_MIN`] or after [`EVENT_TIME_US_MAX`].
    OutsideSpan,
}

/// Parses a time from outside by the one rule.
///
/// # Errors
/// Why it is refused.
pub fn parse_event_time(text: &str) -> Result<i64, BadTime> {
    let (year, rest) = text.split_at_checked(4).ok_or(BadTime::NotRfc3339)?;
    let year = number(year).ok_or(BadTime::NotRfc3339)?;
    let us = parse_in_year(year, rest)?;
    let is_inside = (EVENT_TIME_US_MIN..=EVENT_TIME_US_MAX).contains(&us);
    is_inside.then_some(us).ok_or(BadTime::OutsideSpan)
}

/// Parses RFC 3339 with an offset (`Z` or `+08:00`), and what [`format_rfc3339`] prints for years of more digits, cut to the
/// microsecond. `None` when it is anything else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => Some(1),
        b'-' => Some(-1),
        _ => None,
    };
    let Some(sign) = sign else {
        let (year, rest) = text.split_at_checked(4)?;
        return parse_in_year(number(year)?, rest).ok();
    };
    let (year, rest) = text.get(1..)?.split_at_checked(6)?;
    parse_in_year(sign * number(year)?, rest).ok()
}

/// The number that a text of ASCII digits is.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What follows a year: `-01-31T10:00:00.25+08:00`.
fn parse_in_year(year: i64, text: &str) -> Result<i64, BadTime> {
    let (minute, second, micros) = parse_parts(year, text).ok_or(BadTime::NotRfc3339)?;
    if second == 60 {
        return Err(BadTime::LeapSecond);
    }
    let us = i128::from(minute + second) * i128::from(SECOND_US) + i128::from(micros);
    i64::try_from(us).map_err(|_| BadTime::OutsideSpan)
}

/// The minute's first second since 1970 UTC, the second in the minute, and the microseconds in that.
fn parse_parts(year: i64, text: &str) -> Option<(i64, i64, i64)> {
    let (clock, rest) = text.split_at_checked(15)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let micros = fraction.bytes().chain(*b"000000").take(6).fold(0, |sum, c| sum * 10 + i64::from(c - b'0'));
    let (minute, second) = parse_clock(year, clock)?;
    Some((minute - parse_offset(offset)?, second, micros))
}

/// The minute's first second since 1970, and the second in the minute, of `-01-31T10:00:00`.
fn parse_clock(year: i64, text: &str) -> Option<(i64, i64)> {
    let b = text.as_bytes();
    let is_at = |at: usize, c: u8| b.get(at) == Some(&c);
    let is_separated = is_at(0, b'-') && is_at(3, b'-') && is_at(9, b':') && is_at(12, b':');
    if !is_separated || !matches!(b.get(6), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let part = |at: usize| number(text.get(at..at + 2)?);
    let (month, day) = (part(1)?, part(4)?);
    let (hour, minute, second) = (part(7)?, part(10)?, part(13)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let date_exists = civil_from_days(days) == (year, month, day);
    date_exists.then_some((days * 86_400 + hour * 3_600 + minute * 60, second))
}

/// Seconds of `Z` or `+08:00`.
fn parse_offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = match text.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = clock.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Prints microseconds as RFC 3339 in UTC, always with six decimals, so that text order is time order. A year that has no
/// four digits, which no event has, gets a sign and six; [`parse_rfc3339`] reads that too.
pub fn format_rfc3339(us: i64) -> String {
    let (days, rest) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
    let (year, month, day) = civil_from_days(days);
    let (second, micros) = (rest / SECOND_US, rest % SECOND_US);
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    let year = if (0..=9_999).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    format!("{year}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_survives_printing_and_parsing() {
        let known = [0, 1, -1, 1_767_225_600_000_000, 1_740_787_199_999_999, 951_782_400_000_000, i64::MIN, i64::MAX];
        let year_0 = days_from_civil(0, 1, 1) * DAY_US;
        let year_10000 = days_from_civil(10_000, 1, 1) * DAY_US;
        let edges = [year_0 - 1, year_0, year_10000 - 1, year_10000, EVENT_TIME_US_MIN, EVENT_TIME_US_MAX];
        // Steps that meet no unit of time, over all that an `i64` holds.
        let spread = (0..10_000_i64).map(|n| i64::MIN.wrapping_add(n.wrapping_mul(1_844_674_407_370_955)));
        for us in known.into_iter().chain(edges).chain(spread) {
            assert_eq!(parse_rfc3339(&format_rfc3339(us)), Some(us), "{us}: {}", format_rfc3339(us));
        }
    }

    #[test]
    fn an_offset_is_taken_off_and_a_missing_one_is_refused() {
        assert_eq!(parse_rfc3339("2026-01-01T08:00:00+08:00"), parse_rfc3339("2026-01-01T00:00:00Z"));
        assert_eq!(parse_rfc3339("2026-01-01T08:00:00.25Z"), Some(1_767_254_400_250_000));
        for bad in [
            "2026-01-01T08:00:00",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+8:00",
            "2026-01-01T00:00:00+08:00 ",
            "2026-01-01T00:00:0é",
            "20é6-01-01T00:00:00Z",
            "N/A",
            "0",
            "",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
            assert_eq!(parse_event_time(bad), Err(BadTime::NotRfc3339), "{bad}");
        }
    }

    #[test]
    fn digits_beyond_the_microsecond_are_cut_and_second_60_is_named() {
        let at = |text: &str| parse_event_time(text);
        assert_eq!(at("2026-01-01T00:00:00.123456789Z"), at("2026-01-01T00:00:00.123456Z"));
        assert_eq!(at("2026-01-01T00:00:00.9999999999999999999999999999Z"), at("2026-01-01T00:00:00.999999Z"));
        assert_eq!(at("2016-12-31T23:59:60Z"), Err(BadTime::LeapSecond));
        assert_eq!(at("2017-01-01T07:59:60.5+08:00"), Err(BadTime::LeapSecond));
        assert_eq!(at("2016-12-31T23:59:61Z"), Err(BadTime::NotRfc3339));
    }

    #[test]
    fn an_event_time_is_inside_the_named_span() {
        assert_eq!(parse_event_time("1970-01-01T00:00:00Z"), Ok(EVENT_TIME_US_MIN));
        assert_eq!(parse_event_time("2199-12-31T23:59:59.999999Z"), Ok(EVENT_TIME_US_MAX));
        for outside in [
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00+00:01",
            "2200-01-01T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(parse_event_time(outside), Err(BadTime::OutsideSpan), "{outside}");
        }
        for other in ["-000001-01-01T00:00:00Z", "+010000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"] {
            assert_eq!(parse_event_time(other), Err(BadTime::NotRfc3339), "{other}");
        }
    }
}
