//! Times in a named form and zone as RFC 3339.

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse};
use chrono::{
    DateTime, Datelike, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc,
};
use chrono_tz::Tz;
use std::fmt::Write;

/// Where a time without an offset is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Zone {
    Offset(FixedOffset),
    Named(Tz),
}

/// `+08:00`, or an IANA name.
pub(crate) fn zone(name: &str) -> Option<Zone> {
    if let Ok(tz) = name.parse::<Tz>() {
        return Some(Zone::Named(tz));
    }
    let is_offset = name.len() == 6 && name.starts_with(['+', '-']) && name.as_bytes().get(3) == Some(&b':');
    is_offset.then(|| name.parse().ok().map(Zone::Offset))?
}

/// Names of zones.
pub(crate) fn zone_names() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name())
}

/// How a time is written.
#[derive(Debug, Clone)]
enum Pattern {
    /// RFC 3339; without its offset where a zone is named.
    Rfc3339,
    /// A number since 1970, with so many digits after the second.
    Unix(u32),
    /// As strftime writes it.
    Items { items: Vec<Item<'static>>, has_time: bool },
}

/// Form and zone of a field.
#[derive(Debug, Clone)]
pub(crate) struct TimeForm {
    pattern: Pattern,
    zone: Option<Zone>,
}

const UNIX: [(&str, u32); 4] = [("s", 0), ("ms", 3), ("us", 6), ("ns", 9)];

impl TimeForm {
    /// From a mapping's `format` and the zone that holds for it.
    ///
    /// # Errors
    /// What is wrong with the format.
    pub(crate) fn new(format: Option<&str>, zone: Option<Zone>) -> Result<TimeForm, String> {
        let Some(format) = format else { return Ok(TimeForm { pattern: Pattern::Rfc3339, zone }) };
        if let Some((_, digits)) = UNIX.iter().find(|(name, _)| *name == format) {
            return Ok(TimeForm { pattern: Pattern::Unix(*digits), zone: None });
        }
        let bad = || {
            "is no form of a time: write strftime's signs, such as `%Y/%m/%d %H:%M:%S`, or `s`, `ms`, `us`, `ns` since 1970"
                .to_owned()
        };
        if !format.contains('%') {
            return Err(bad());
        }
        let items = StrftimeItems::new(format).parse_to_owned().map_err(|_| bad())?;
        if items.contains(&Item::Fixed(Fixed::TimezoneName)) {
            return Err(
                "has `%Z`, a zone's name, which is not read: name `time_zone`, or use `%z` for offsets".to_owned()
            );
        }
        let sample = sample(&items).ok_or_else(bad)?;
        let has_time = sample.to_naive_time().is_ok();
        let has_offset = sample.offset().is_some();
        let has_part_of_time = sample.hour_mod_12().or(sample.hour_div_12()).or(sample.minute()).is_some();
        if sample.timestamp().is_none() {
            if sample.to_naive_date().is_err() {
                return Err("does not tell year, month and day".to_owned());
            }
            if !has_time && (has_part_of_time || has_offset) {
                return Err("does not tell hour (of 24, or with `%p`) and minute".to_owned());
            }
            if !has_offset && zone.is_none() {
                return Err("does not tell the offset (`%z`): name `time_zone`".to_owned());
            }
        }
        Ok(TimeForm { pattern: Pattern::Items { items, has_time }, zone })
    }

    /// As RFC 3339, or what is wrong.
    pub(crate) fn convert(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        match &self.pattern {
            Pattern::Rfc3339 => self.rfc3339(text),
            Pattern::Unix(digits) => unix(text, *digits)
                .and_then(in_range)
                .ok_or_else(|| "a time is a number since 1970, as the mapping's `format` says".to_owned()),
            Pattern::Items { items, has_time } => {
                let mut parsed = Parsed::new();
                let wrong = || "the time is not in the mapping's `format`".to_owned();
                parse(&mut parsed, text, items.iter()).map_err(|_| wrong())?;
                if parsed.timestamp().is_some() && parsed.offset().is_none() {
                    let time = parsed.to_datetime_with_timezone(&Utc).map_err(|_| wrong())?;
                    return in_range(time).ok_or_else(wrong);
                }
                if parsed.offset().is_some() {
                    let time = parsed.to_datetime().map_err(|_| wrong())?;
                    return in_range(time.to_utc()).ok_or_else(wrong);
                }
                let date = parsed.to_naive_date().map_err(|_| wrong())?;
                let time =
                    if *has_time { parsed.to_naive_time().map_err(|_| wrong())? } else { chrono::NaiveTime::MIN };
                self.at_place(date.and_time(time))
            }
        }
    }

    /// A text with an offset stays as it is: the decoder judges it.
    fn rfc3339(&self, text: &str) -> Result<String, String> {
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
        match local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
            None => Ok(text.to_owned()),
            Some(_) if self.zone.is_none() => Err("the time has no offset: name `time_zone` in the mapping".to_owned()),
            Some(time) => self.at_place(time),
        }
    }

    fn at_place(&self, local: NaiveDateTime) -> Result<String, String> {
        let found = match self.zone {
            None => return Err("the time has no offset: name `time_zone` in the mapping".to_owned()),
            Some(Zone::Offset(offset)) => offset.from_local_datetime(&local).map(|t| t.to_utc()),
            Some(Zone::Named(tz)) => tz.from_local_datetime(&local).map(|t| t.to_utc()),
        };
        match found {
            MappedLocalTime::Single(time) => in_range(time).ok_or_else(|| "the year is not 1 to 9999".to_owned()),
            MappedLocalTime::Ambiguous(..) => {
                Err("the clocks were set back: this local time was there twice; an offset would tell".to_owned())
            }
            MappedLocalTime::None => Err("the clocks were set forward: this local time was never there".to_owned()),
        }
    }
}

/// What the form tells of a time that is written in it.
fn sample(items: &[Item<'static>]) -> Option<Parsed> {
    let offset = FixedOffset::east_opt(8 * 3_600)?;
    let time = NaiveDate::from_ymd_opt(2026, 3, 14)?.and_hms_opt(15, 26, 53)?.and_local_timezone(offset).single()?;
    let mut text = String::new();
    write!(text, "{}", time.format_with_items(items.iter())).ok()?;
    let mut parsed = Parsed::new();
    parse(&mut parsed, &text, items.iter()).ok()?;
    Some(parsed)
}

fn in_range(time: DateTime<Utc>) -> Option<String> {
    (1..=9_999).contains(&time.year()).then(|| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// A decimal number of seconds (or thousandths ..) since 1970; `None` when it is finer than a nanosecond.
fn unix(text: &str, digits: u32) -> Option<DateTime<Utc>> {
    let (negative, plain) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let are_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    let fraction_len_max = usize::try_from(9_u32.checked_sub(digits)?).ok()?;
    if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) || fraction.len() > fraction_len_max {
        return None;
    }
    let nanos: i128 = format!("{whole}{fraction:0<fraction_len_max$}").parse().ok()?;
    let nanos = if negative { -nanos } else { nanos };
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: Option<&str>, place: Option<&str>, text: &str) -> Result<String, String> {
        TimeForm::new(format, place.map(|p| zone(p).unwrap()))?.convert(text)
    }

    #[test]
    fn a_named_form_and_zone_give_the_moment() {
        let ok = |format, place, text, expected: &str| {
            assert_eq!(read(Some(format), place, text).as_deref(), Ok(expected), "{format} {text}");
        };
        ok("%Y/%m/%d %H:%M:%S", Some("+08:00"), "2026/03/02 18:00:01", "2026-03-02T10:00:01Z");
        ok("%Y/%m/%d %H:%M:%S", Some("Asia/Shanghai"), "2026/3/2 18:00:01", "2026-03-02T10:00:01Z");
        ok("%Y年%m月%d日 %H时%M分", Some("+08:00"), "2026年03月02日 18时00分", "2026-03-02T10:00:00Z");
        ok("%d.%m.%Y", Some("Europe/Berlin"), "02.03.2026", "2026-03-01T23:00:00Z");
        ok("%Y%m%d%H%M%S%3f", Some("+00:00"), "20260302100000250", "2026-03-02T10:00:00.250Z");
        ok("%m/%d/%Y %I:%M %p %z", None, "03/02/2026 10:00 AM +0800", "2026-03-02T02:00:00Z");
        ok("s", None, "1772445600", "2026-03-02T10:00:00Z");
        ok("s", None, "1772445600.25", "2026-03-02T10:00:00.250Z");
        ok("ms", None, "1772445600001", "2026-03-02T10:00:00.001Z");
        ok("us", None, "-1", "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_time_with_an_offset_stays_as_it_is_and_one_without_needs_a_zone() {
        assert_eq!(read(None, None, "2026-03-02T10:00:00+08:00").unwrap(), "2026-03-02T10:00:00+08:00");
        assert_eq!(read(None, Some("+01:00"), "2026-03-02T10:00:00Z").unwrap(), "2026-03-02T10:00:00Z");
        assert_eq!(read(None, Some("+01:00"), "2026-03-02 10:00:00.5").unwrap(), "2026-03-02T09:00:00.500Z");
        assert!(read(None, None, "2026-03-02T10:00:00").unwrap_err().contains("time_zone"));
    }

    #[test]
    fn an_hour_that_was_there_twice_or_never_is_refused_and_not_guessed() {
        let berlin = |text| read(None, Some("Europe/Berlin"), text);
        assert!(berlin("2026-10-25T02:30:00").unwrap_err().contains("twice"));
        assert!(berlin("2026-03-29T02:30:00").unwrap_err().contains("never"));
        assert_eq!(berlin("2026-10-25T03:30:00").unwrap(), "2026-10-25T02:30:00Z");
    }

    #[test]
    fn forms_that_cannot_tell_a_moment_are_refused_before_the_first_row() {
        let wrong = |format| TimeForm::new(Some(format), None).unwrap_err();
        assert!(wrong("%Y/%m/%d %H:%M:%S").contains("time_zone"));
        assert!(wrong("%H:%M").contains("year"));
        assert!(wrong("%Y-%m-%d %H:%M %Z").contains("%Z"));
        assert!(wrong("%Y-%m-%d %H").contains("minute"));
        assert!(wrong("%Y-%m-%d %I:%M").contains("%p"));
        assert!(wrong("%Y-%m-%d %z").contains("minute"));
        for bad in ["%Q", "%", "seconds", "", "%Y%"] {
            assert!(wrong(bad).contains("no form"), "{bad}");
        }
        assert!(zone("+8").is_none() && zone("Asia/Schanghai").is_none() && zone("+25:00").is_none());
    }

    #[test]
    fn what_is_not_in_the_form_is_refused() {
        for (format, text) in [
            ("%Y-%m-%d", "2026-02-30"),
            ("%Y-%m-%d %H:%M", "2026-03-02 25:00"),
            ("%Y-%m-%d", "2026-03-02 10:00"),
            ("s", "1e9"),
            ("s", ""),
            ("ns", "1.5"),
            ("s", "99999999999999999999999999999999999999999999"),
            ("ms", "999999999999999999"),
            ("%Y-%m-%d", "+99999-01-01"),
        ] {
            assert!(read(Some(format), Some("+00:00"), text).is_err(), "{format} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_form_and_any_text_are_read_or_refused(format in "(%[A-Za-z.3:#]{1,2}|[- /T]){0,6}|\\PC{0,12}", text in "[-0-9T :./+Z]{0,30}|\\PC{0,20}") {
            for place in [None, Some("+08:00"), Some("Europe/Berlin")] {
                let _ = read(Some(&format), place, &text);
                let _ = read(None, place, &text);
            }
        }
    }
}
