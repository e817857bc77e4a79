//! Politeness: the pace and the back-off of a source. Knows instants and answers' headers; sends
//! nothing.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rand::Rng as _;
use tokio::time::Instant;

use super::{
    allocation::{Allocation, Allocations},
    limits::{BACKOFF_BASE, BACKOFF_CAP, MODIFIED_AGE},
};
use crate::catalog::Rate;

/// Spaces the requests of one source evenly (GCRA without a burst), shared by all its fetches; with
/// several processes, each takes every so many-th turn.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Pace {
        let interval = rate.map_or(Duration::ZERO, |rate| rate.per / rate.count.max(1));
        Pace {
            interval,
            next: Mutex::new(None),
        }
    }

    /// Waits for this request's turn.
    pub(super) async fn turn(&self, allocations: &Allocations) {
        loop {
            let allocation = allocations.ready().await;
            tokio::time::sleep_until(self.reserve(Instant::now(), &allocation)).await;
            // A process that was stopped in its sleep may have been given up by the others.
            if allocations.current().is_some() {
                return;
            }
        }
    }

    /// The instant of the next turn, which is taken by this call.
    fn reserve(&self, now: Instant, allocation: &Allocation) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + allocation.interval(self.interval));
        turn
    }

    /// Nobody's turn comes before that instant: the upstream asked for it.
    pub(super) fn hold(&self, until: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}

/// The wait before the try after `tried` ones: full jitter, so that clients do not come back
/// together.
pub(super) fn backoff(tried: u32) -> Duration {
    let doubled = BACKOFF_BASE.saturating_mul(2u32.saturating_pow(tried.saturating_sub(1)));
    doubled.min(BACKOFF_CAP).mul_f64(rand::rng().random::<f64>())
}

/// Whether `Last-Modified` is old enough at the answer's `Date` to be a validator: what changes
/// within its second, or while caches and clocks differ, would be taken for the same.
pub(super) fn is_settled(modified: &str, date: Option<&str>, now: SystemTime) -> bool {
    let Ok(modified) = httpdate::parse_http_date(modified) else {
        return false;
    };
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    // The lesser of the two: a clock that runs ahead makes nothing older.
    let answered = date.map_or(now, |date| date.min(now));
    answered.duration_since(modified).is_ok_and(|age| age >= MODIFIED_AGE)
}

/// The target of `rel="next"` in `Link` headers (RFC 8288).
pub(super) fn next_link<'h>(headers: impl Iterator<Item = &'h str>) -> Option<String> {
    headers.flat_map(links).find(|(_, next)| *next).map(|(url, _)| url)
}

/// The links of one header, each with whether it is the next page.
fn links(header: &str) -> Vec<(String, bool)> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((url, after)) = after.split_once('>') else {
            break;
        };
        let end = end_of_link(after);
        let (parameters, following) = after.split_at(end);
        links.push((url.trim().to_owned(), parameters.split(';').any(is_next)));
        rest = following;
    }
    links
}

/// The comma that ends a link's parameters; one inside quotes does not.
fn end_of_link(text: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_headers() {
        for (header, want) in [
            (
                "<http://h/2>; rel=\"next\", <http://h/9>; rel=\"last\"",
                Some("http://h/2"),
            ),
            ("<http://h/1>; rel=prev, <http://h/3>; rel=next", Some("http://h/3")),
            (
                "<http://h/a,b>; title=\"x, y\"; rel=\"last next\"",
                Some("http://h/a,b"),
            ),
            ("<http://h/9>; rel=\"last\"", None),
            ("<http://h/9; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_link([header].into_iter()).as_deref(), want, "{header}");
        }
    }

    #[test]
    fn a_young_time_is_no_validator() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 03:00:30 GMT").expect("date");
        let at = |second: u32| format!("Sat, 21 Nov 2026 03:00:{second:02} GMT");
        for (modified, date, want) in [
            (at(10), Some(at(30)), true),
            (at(25), Some(at(30)), true),
            (at(28), Some(at(30)), false),
            (at(30), Some(at(30)), false),
            (at(40), Some(at(30)), false),
            (at(10), None, true),
            (at(29), None, false),
            // The upstream's clock runs ahead of ours.
            (at(29), Some(at(50)), false),
            ("yesterday".to_owned(), Some(at(30)), false),
        ] {
            assert_eq!(is_settled(&modified, date.as_deref(), now), want, "{modified} {date:?}");
        }
    }

    #[test]
    fn backoff_is_bounded() {
        for tried in [1, 2, 8, 40, u32::MAX] {
            assert!(backoff(tried) <= BACKOFF_CAP);
        }
        assert!(backoff(1) <= BACKOFF_BASE);
    }

    #[test]
    fn turns_are_spaced_and_held() {
        let pace = Pace::new(Some(Rate {
            count: 20,
            per: Duration::from_secs(1),
        }));
        let now = Instant::now();
        let of = |count| Allocation {
            rank: 0,
            count,
            until: None,
        };
        let turns: Vec<Duration> = (0..3).map(|_| pace.reserve(now, &of(1)) - now).collect();
        assert_eq!(turns, [0, 50, 100].map(Duration::from_millis));
        let held = now + Duration::from_secs(9);
        pace.hold(held);
        assert_eq!(pace.reserve(now, &of(3)), held);
        assert_eq!(
            pace.reserve(held, &of(1)) - held,
            Duration::from_millis(150),
            "three share the rate"
        );
    }
}
