//! Text forms of instants, days, times and durations. Knows ISO 8601 and RFC 3339; knows no clock.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};

use super::MICROS_PER_SECOND;

/// Reads an RFC 3339 instant (a space for the `T` is accepted) into the stored form; digits beyond microseconds are cut.
pub(super) fn date_time(text: &str) -> Option<String> {
    let instant = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)))
        .ok()?;
    stored_instant(instant.with_timezone(&Utc))
}

/// An instant in stored form; `None` outside the years 0 to 9999, where text order would no longer be time order.
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

/// Reads `03:20`, `03:20:00` or `03:20:00.5` into the stored form; digits beyond microseconds are cut.
pub(super) fn time(text: &str) -> Option<String> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()?;
    Some(time.format("%H:%M:%S%.6f").to_string())
}

/// Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds into microseconds.
///
/// Years and months have no fixed length and are not accepted.
pub fn duration_micros(text: &str) -> Option<i64> {
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
        ];
        for (text, want) in cases {
            assert_eq!(date_time(text).as_deref(), want, "{text}");
        }
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
