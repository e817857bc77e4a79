//! How long a failed answer asks to wait, by `Retry-After` or by a rate limit's headers. Knows
//! their forms; waits for nothing.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use reqwest::{StatusCode, header::HeaderMap};

/// What an answer says about another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// It failed because too many requests were made.
    pub limited: bool,
    /// After so long.
    pub after: Option<Duration>,
}

/// Reads an answer's headers. Instants are compared with the upstream's own clock where it tells
/// it.
pub(super) fn asked(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Asked {
    let date = text(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or(now);
    let retry = text(headers, "retry-after").and_then(|value| wait_until(value, now));
    let limit = Limit::read(headers, now);
    let refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    // Most upstreams tell their limit with every answer: where something is left of it, it is not
    // why this one failed.
    let reset = match limit.left {
        Some(true) => None,
        Some(false) => limit.reset,
        None => limit.reset.filter(|_| refused),
    };
    let forbidden = || retry.is_some() || reset.is_some() || limit.left == Some(false);
    Asked {
        limited: match status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::FORBIDDEN => forbidden(),
            _ => false,
        },
        after: retry.or(reset),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// What headers say of rate limits.
struct Limit {
    /// Whether something is left of each of them.
    left: Option<bool>,
    /// Until the spent ones, or the only one, begin anew.
    reset: Option<Duration>,
}

impl Limit {
    /// `X-RateLimit-Remaining`, `X-RateLimit-Reset` and their many siblings, and `RateLimit`, which
    /// says both.
    fn read(headers: &HeaderMap, now: SystemTime) -> Limit {
        let mut parts = Vec::new();
        for name in headers.keys().map(|name| name.as_str()) {
            let value = text(headers, name).unwrap_or_default();
            let of_limit = name.contains("ratelimit") || name.contains("rate-limit");
            if name == "ratelimit" {
                parts.extend(of_field(value));
            } else if of_limit && name.contains("remaining") {
                let reset = text(headers, &name.replace("remaining", "reset"));
                parts.push((is_some_left(value), reset));
            }
        }
        // Who only says when it begins anew.
        if parts.is_empty() {
            let names = ["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset"];
            let after = ["x-ratelimit-reset-after"];
            let reset = names.iter().chain(&after).find_map(|name| text(headers, name));
            parts.extend(reset.map(|reset| (None, Some(reset))));
        }
        let spent = |part: &&(Option<bool>, Option<&str>)| part.0 != Some(true);
        let resets = parts.iter().filter(spent).filter_map(|part| part.1);
        Limit {
            left: parts.iter().filter_map(|part| part.0).min(),
            reset: resets.filter_map(|reset| wait_until(reset, now)).max(),
        }
    }
}

/// The limits of a `RateLimit` field: `"burst";r=0;t=5, "day";r=90;t=3600`, or of its older draft
/// `limit=9, remaining=0, reset=5`.
fn of_field(field: &str) -> Vec<(Option<bool>, Option<&str>)> {
    let between = if field.contains("remaining=") { '\n' } else { ',' };
    let limits = field.split(between).map(|limit| {
        let member = |names: [&str; 2]| {
            let members = limit.split([';', ',']).filter_map(|part| part.trim().split_once('='));
            let mut named = members.filter(|(name, _)| names.contains(name));
            named.next().map(|(_, value)| value.trim())
        };
        (
            member(["r", "remaining"]).and_then(is_some_left),
            member(["t", "reset"]),
        )
    });
    limits.collect()
}

fn is_some_left(value: &str) -> Option<bool> {
    value.parse::<f64>().ok().map(|left| left > 0.0)
}

/// How long it is until then: a number of seconds, since now or since 1970, or of milliseconds
/// since then; or a date.
fn wait_until(value: &str, now: SystemTime) -> Option<Duration> {
    let at = match seconds(value) {
        // Nobody waits for years.
        Some(wait) if wait.as_secs() < 100_000_000 => return Some(wait),
        Some(since) if since.as_secs() < 100_000_000_000 => SystemTime::UNIX_EPOCH.checked_add(since)?,
        Some(since) => SystemTime::UNIX_EPOCH.checked_add(since / 1_000)?,
        None => {
            let date = || DateTime::parse_from_rfc3339(value).ok().map(SystemTime::from);
            httpdate::parse_http_date(value).ok().or_else(date)?
        }
    };
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

fn seconds(value: &str) -> Option<Duration> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Duration::try_from_secs_f64(value.parse().ok().filter(|_| is_number)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sat, 21 Nov 2026 03:00:00 GMT";
    const AHEAD: &str = "Sat, 21 Nov 2026 03:00:10 GMT";

    fn read(status: u16, headers: &[(&str, &str)]) -> (bool, Option<u128>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.insert(name, value.parse().expect("a value"));
        }
        let now = httpdate::parse_http_date(NOW).expect("a date");
        let asked = asked(StatusCode::from_u16(status).expect("a status"), &map, now);
        (asked.limited, asked.after.map(|after| after.as_millis()))
    }

    #[test]
    fn forms_of_waits() {
        let now = httpdate::parse_http_date(NOW).expect("a date");
        let epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let (soon, millis) = ((epoch + 20).to_string(), ((epoch + 20) * 1_000).to_string());
        for (headers, want) in [
            (vec![("retry-after", "7")], Some(7_000)),
            (vec![("retry-after", " 0 ")], Some(0)),
            (vec![("retry-after", "1.5")], Some(1_500)),
            (vec![("retry-after", "Sat, 21 Nov 2026 03:01:00 GMT")], Some(60_000)),
            (vec![("retry-after", "Sat, 21 Nov 2026 02:00:00 GMT")], Some(0)),
            (
                vec![("retry-after", "Sat, 21 Nov 2026 03:01:00 GMT"), ("date", AHEAD)],
                Some(50_000),
            ),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "inf")], None),
            (vec![("retry-after", "1e3")], None),
            (vec![("x-ratelimit-reset", &soon)], Some(20_000)),
            (vec![("x-ratelimit-reset", &soon), ("date", AHEAD)], Some(10_000)),
            (vec![("x-ratelimit-reset", &millis)], Some(20_000)),
            (vec![("x-ratelimit-reset", "2026-11-21T04:00:30+01:00")], Some(30_000)),
            (vec![("x-ratelimit-reset-after", "0.25")], Some(250)),
            (vec![("retry-after", "3"), ("x-ratelimit-reset", &soon)], Some(3_000)),
            (vec![("ratelimit-reset", "5")], Some(5_000)),
            (
                vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "5")],
                Some(5_000),
            ),
            (
                vec![("x-ratelimit-remaining-minute", "0"), ("x-ratelimit-reset-minute", "9")],
                Some(9_000),
            ),
            (vec![("ratelimit", "\"default\";r=0;t=5")], Some(5_000)),
            (
                vec![("ratelimit", "\"day\";r=9;t=3600, \"burst\";r=0;t=5")],
                Some(5_000),
            ),
            (vec![("ratelimit", "limit=10, remaining=0, reset=4")], Some(4_000)),
            // Something is left, so that the reset is not what is waited for.
            (
                vec![("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "3600")],
                None,
            ),
            (vec![], None),
        ] {
            assert_eq!(read(429, &headers), (true, want), "{headers:?}");
        }
    }

    #[test]
    fn which_answers_are_limits() {
        for (status, headers, want) in [
            (403, vec![], (false, None)),
            (
                403,
                vec![("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "9")],
                (false, None),
            ),
            (403, vec![("x-ratelimit-remaining", "0")], (true, None)),
            (
                403,
                vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")],
                (true, Some(9_000)),
            ),
            (403, vec![("x-ratelimit-reset", "9")], (true, Some(9_000))),
            (403, vec![("ratelimit", "\"default\";r=0;t=5")], (true, Some(5_000))),
            (403, vec![("retry-after", "1")], (true, Some(1_000))),
            (500, vec![("x-ratelimit-reset", "9")], (false, None)),
            // The next request would be refused.
            (
                500,
                vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")],
                (false, Some(9_000)),
            ),
            (503, vec![("retry-after", "2")], (false, Some(2_000))),
        ] {
            assert_eq!(read(status, &headers), want, "{status} {headers:?}");
        }
    }
}
