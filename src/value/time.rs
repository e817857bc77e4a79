//! Text forms of instants, days, times and durations. Knows ISO 8601 and RFC 3339; knows no clock.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, Timelike, Utc};

use super::MICROS_PER_SECOND;

/// Reads an RFC 3339 instant (a space for the `T` is accepted) into the stored form; digits beyond
/// microseconds are cut.
pub(super) fn date_time(text: &str) -> Option<String> {
    plain_instant(text).or_else(|| any_instant(text))
}

/// The form that most upstreams write, which is all but stored already: in UTC, with a capital T
/// and Z.
fn plain_instant(text: &str) -> Option<String> {
    let (second, rest) = text.split_at_checked("2026-11-21T03:20:00".len())?;
    let fraction = match rest.strip_suffix('Z')? {
        "" => "",
        rest => rest.strip_prefix('.').filter(|digits| !digits.is_empty())?,
    };
    let forms = second.bytes().zip(*b"0000-00-00T00:00:00");
    let fits = |(byte, form): (u8, u8)| {
        if form == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == form
        }
    };
    let number = |from: usize, to: usize| second.get(from..to)?.parse::<u32>().ok();
    let day = NaiveDate::from_ymd_opt(number(0, 4)?.cast_signed(), number(5, 7)?, number(8, 10)?);
    // A leap second is looked at more closely.
    let clock = number(11, 13)? < 24 && number(14, 16)? < 60 && number(17, 19)? < 60;
    if !forms.into_iter().all(fits) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || day.is_none() || !clock {
        return None;
    }
    let mut stored = String::with_capacity("2026-11-21T03:20:00.000000Z".len());
    stored.push_str(second);
    stored.push('.');
    stored.extend(fraction.chars().chain("000000".chars()).take(6));
    stored.push('Z');
    Some(stored)
}

fn any_instant(text: &str) -> Option<String> {
    let instant = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)))
        .ok()?;
    let instant = instant.with_timezone(&Utc);
    let is_read_everywhere = !is_leap(&instant) || is_leap_end(&instant);
    is_read_everywhere.then(|| stored_instant(instant))?
}

/// Second 60.
fn is_leap(time: &impl Timelike) -> bool {
    time.nanosecond() >= 1_000_000_000
}

/// Where a leap second may be: at the end of a month in UTC. Which ends had one no clock of ours
/// knows.
fn is_leap_end(instant: &DateTime<Utc>) -> bool {
    let is_last_minute = (instant.hour(), instant.minute()) == (23, 59);
    let next = instant.date_naive().succ_opt();
    is_last_minute && next.is_some_and(|next| next.day() == 1)
}

/// An instant in stored form; `None` outside the years 0 to 9999, where text order would no longer
/// be time order.
fn stored_instant(instant: DateTime<Utc>) -> Option<String> {
    let text = instant.to_rfc3339_opts(SecondsFormat::Micros, true);
    (text.len() == "2026-11-21T03:20:00.000000Z".len()).then_some(text)
}

/// Reads `2026-11-21` into the stored form.
pub(super) fn date(text: &str) -> Option<String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let stored = day.format("%Y-%m-%d").to_string();
    (stored.len() == 10).then_some(stored)
}

/// Reads `03:20`, `03:20:00` or `03:20:00.5` into the stored form; digits beyond microseconds are
/// cut.
pub(super) fn time(text: &str) -> Option<String> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()
        // A time of day has no month that it ends.
        .filter(|time| !is_leap(time))?;
    Some(time.format("%H:%M:%S%.6f").to_string())
}

/// Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds into microseconds.
///
/// Years and months have no fixed length and are not accepted.
pub(crate) fn duration_micros(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    if rest.is_empty() || rest.ends_with('T') {
        return None;
    }
    let mut total = 0i64;
    sum_parts(days, &[('W', 604_800), ('D', 86_400)], &mut total)?;
    sum_parts(clock, &[('H', 3_600), ('M', 60), ('S', 1)], &mut total)?;
    if negative { total.checked_neg() } else { Some(total) }
}

/// Reads `30s`, `5m`, `12h`, `7d` or ISO 8601 as microseconds.
pub(crate) fn interval_micros(text: &str) -> Option<i64> {
    unit_micros(text).or_else(|| duration_micros(text))
}

fn unit_micros(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = plain.then(|| number.parse().ok()).flatten()?;
    number.checked_mul(seconds)?.checked_mul(MICROS_PER_SECOND)
}

/// Adds parts such as `2H30M` in the order of `units`; each unit at most once, a fraction anywhere.
fn sum_parts(mut text: &str, units: &[(char, i64)], total: &mut i64) -> Option<()> {
    for (letter, seconds) in units {
        let Some(at) = text.find(*letter) else { continue };
        let micros = decimal_micros(&text[..at])?.checked_mul(*seconds)?;
        *total = total.checked_add(micros)?;
        text = &text[at + 1..];
    }
    text.is_empty().then_some(())
}

/// `1.5` as 1,500,000; digits beyond the sixth are cut.
fn decimal_micros(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let whole: i64 = whole.parse().ok()?;
    whole
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_utc_and_fixed_width() {
        let cases = [
            ("2026-11-21T03:20:00Z", Some("2026-11-21T03:20:00.000000Z")),
            ("2026-11-21 03:20:00.5+01:00", Some("2026-11-21T02:20:00.500000Z")),
            ("2026-11-21T03:20:00.123456789Z", Some("2026-11-21T03:20:00.123456Z")),
            ("2026-11-21", None),
            ("yesterday", None),
            // Second 60 is at the end of a month in UTC, and nowhere else.
            ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:60.000000Z")),
            ("2017-01-01T00:59:60.5+01:00", Some("2016-12-31T23:59:60.500000Z")),
            ("2016-12-30T23:59:60Z", None),
            ("2026-01-01T00:00:60Z", None),
            ("2016-12-31T23:59:60+01:00", None),
        ];
        for (text, want) in cases {
            assert_eq!(date_time(text).as_deref(), want, "{text}");
        }
    }

    /// What is read quickly is what is read at length.
    #[test]
    fn the_common_form_is_read_as_any_other() {
        let parts = [
            &["2026", "0000", "9999", "1900", "2000", "+026", "-001", "20a6"][..],
            &["01", "02", "12", "00", "13", "1 "],
            &["01", "28", "29", "30", "31", "00", "32"],
            &["00", "23", "24"],
            &["00", "59", "60"],
            &["00", "59", "60", "61"],
            &["Z", "z", ".5Z", ".123456789Z", ".Z", ".5", "+00:00", ".1aZ", "", "ZZ"],
        ];
        let mut texts = vec![String::new()];
        for (at, part) in parts.iter().enumerate() {
            let before = ["", "-", "-", "T", ":", ":", ""][at];
            texts = texts
                .iter()
                .flat_map(|text| part.iter().map(move |part| format!("{text}{before}{part}")))
                .collect();
        }
        let mut plain = 0;
        for text in texts {
            let quick = plain_instant(&text);
            plain += usize::from(quick.is_some());
            assert!(quick.is_none() || quick == any_instant(&text), "{text}: {quick:?}");
        }
        assert!(plain > 1_000);
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time("23:59:59.5").as_deref(), Some("23:59:59.500000"));
        assert_eq!(time("23:59:60"), None);
        assert_eq!(time("03:20:60"), None);
    }

    #[test]
    fn durations() {
        let cases = [
            ("PT90S", Some(90_000_000)),
            ("P1DT2H", Some(93_600_000_000)),
            ("-PT0.5S", Some(-500_000)),
            ("P2W", Some(1_209_600_000_000)),
            ("P1M", None),
            ("PT", None),
            ("P", None),
            ("90", None),
        ];
        for (text, want) in cases {
            assert_eq!(duration_micros(text), want, "{text}");
        }
    }
}
