//! Times and rates as they are written: `30m`, `PT30M`, `20/s`. Knows their bounds.

use std::time::Duration;

use crate::{
    catalog::Rate,
    value::{MICROS_PER_SECOND, interval_micros},
};

/// The shortest time between two runs: below it a run would wait for the one before.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// The longest: a schedule beyond a year is a mistake.
const INTERVAL_MAX: Duration = Duration::from_secs(366 * 86_400);
/// The most requests that a rate may allow; more is no limit.
const RATE_MAX: u32 = 1_000_000;

/// Reads `30s`, `5m`, `12h`, `7d` or ISO 8601; the error says what is wrong with it.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let seconds = interval_micros(text).and_then(|micros| u64::try_from(micros / MICROS_PER_SECOND).ok());
    let seconds = seconds.ok_or_else(|| format!("`{text}` is not a time such as 30s, 5m, 12h, 7d or PT30M"))?;
    let interval = Duration::from_secs(seconds);
    if interval < INTERVAL_MIN || interval > INTERVAL_MAX {
        return Err(format!("`{text}` is not between one second and 366 days"));
    }
    Ok(interval)
}

/// Reads `20/s`, `100/m`, `1000/h`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{text}` is not a rate such as 20/s, 100/m or 1000/h");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let count = whole(count).ok_or_else(wrong)?;
    match u32::try_from(count) {
        Ok(count) if (1..=RATE_MAX).contains(&count) => Ok(Rate {
            count,
            per: Duration::from_secs(seconds),
        }),
        _ => Err(format!("a rate allows 1 to {RATE_MAX} requests")),
    }
}

fn whole(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("12h", 43_200),
            ("7d", 604_800),
            ("PT30M", 1_800),
            ("P1D", 86_400),
        ] {
            assert_eq!(interval(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "0s",
            "m",
            "-5m",
            "5",
            "5 m",
            "PT0.5S",
            "-PT5M",
            "400d",
            "99999999999999999999d",
            "5ü",
            "１m",
        ] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        let per = |count, seconds| {
            Ok(Rate {
                count,
                per: Duration::from_secs(seconds),
            })
        };
        assert_eq!(rate("20/s"), per(20, 1));
        assert_eq!(rate("100/m"), per(100, 60));
        assert_eq!(rate("1000/h"), per(1_000, 3_600));
        for text in ["", "20", "20/", "/s", "0/s", "1.5/s", "20/d", "-1/s", "99999999999/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
