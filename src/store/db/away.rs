//! Whether the server could be reached when it was last tried, for all sessions of a process. Knows
//! time; no connections.
//!
//! A server that starts again is back within a second or two, and nobody need hear of it. One that
//! stays away is tried now and then by one session; the others go by what comes of that, and say
//! what that one met.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long a server may be away before requests are told so instead of waiting for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two tries after that.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct Away {
    since: Mutex<Option<Since>>,
    /// A try has ended.
    tried: Notify,
}

#[derive(Clone, Copy)]
struct Since {
    first: Instant,
    tried: Instant,
    /// A session tries.
    under_way: bool,
    why: Why,
}

/// What the last try met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody, or somebody who hung up.
    Gone,
    /// A server that has as many connections as it takes.
    Crowded,
}

/// What a session should do.
#[derive(Debug, PartialEq)]
enum Turn {
    Try,
    /// Another one tries; what comes of it holds for all.
    Wait,
    GiveUp(Why),
}

impl Away {
    /// Whether a session should try to connect now; if not, why it could only fail.
    pub(crate) async fn may_try(&self) -> Result<(), Why> {
        let mut tried = std::pin::pin!(self.tried.notified());
        // Before the look, so that no end of a try falls between.
        tried.as_mut().enable();
        match self.turn_at(Instant::now()) {
            Turn::Try => Ok(()),
            Turn::GiveUp(why) => Err(why),
            Turn::Wait => {
                let ended = tokio::time::timeout(PAUSE, tried).await;
                match (*self.since(), ended) {
                    (None, Ok(())) => Ok(()),
                    (since, _) => Err(since.map_or(Why::Gone, |since| since.why)),
                }
            }
        }
    }

    fn turn_at(&self, now: Instant) -> Turn {
        match self.since().as_mut() {
            Some(since) if now - since.first >= PATIENCE => {
                if now - since.tried >= PAUSE {
                    since.tried = now;
                    since.under_way = true;
                    return Turn::Try;
                }
                if since.under_way {
                    Turn::Wait
                } else {
                    Turn::GiveUp(since.why)
                }
            }
            _ => Turn::Try,
        }
    }

    /// It could not be reached. Gives whether it is still worth waiting for.
    pub(crate) fn missed(&self, why: Why) -> bool {
        self.missed_at(Instant::now(), why)
    }

    fn missed_at(&self, now: Instant, why: Why) -> bool {
        let first = self.since().map_or(now, |since| since.first);
        *self.since() = Some(Since {
            first,
            tried: now,
            under_way: false,
            why,
        });
        self.tried.notify_waiters();
        now - first < PATIENCE
    }

    /// It was reached.
    pub(crate) fn reached(&self) {
        *self.since() = None;
        self.tried.notify_waiters();
    }

    fn since(&self) -> MutexGuard<'_, Option<Since>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stays_away_is_tried_by_one() {
        let away = Away::default();
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        assert_eq!(away.turn_at(at(0)), Turn::Try);
        assert!(away.missed_at(at(0), Why::Gone), "it may be starting again");
        assert_eq!(away.turn_at(at(1_900)), Turn::Try);
        assert!(!away.missed_at(at(2_100), Why::Gone));
        assert_eq!(away.turn_at(at(2_500)), Turn::GiveUp(Why::Gone), "it was just tried");
        assert_eq!(away.turn_at(at(2_600)), Turn::Try);
        assert_eq!(away.turn_at(at(2_601)), Turn::Wait, "another session tries");
        assert!(!away.missed_at(at(2_700), Why::Crowded), "it is back, and full");
        assert_eq!(away.turn_at(at(2_800)), Turn::GiveUp(Why::Crowded));
        away.reached();
        assert_eq!(away.turn_at(at(2_802)), Turn::Try);
        assert!(away.missed_at(at(9_000), Why::Gone), "another time");
    }

    /// Whoever comes while one tries, as many do at once after a rest, goes by what it finds.
    #[tokio::test]
    async fn one_try_is_enough_for_all() {
        for is_back in [true, false] {
            let away = Away::default();
            let now = Instant::now();
            *away.since() = now.checked_sub(2 * PATIENCE).map(|long_ago| Since {
                first: long_ago,
                tried: long_ago,
                under_way: false,
                why: Why::Gone,
            });
            assert_eq!(away.may_try().await, Ok(()), "the first");
            let others = futures_util::future::join_all((0..10).map(|_| away.may_try()));
            let tries = async {
                if is_back {
                    away.reached();
                } else {
                    away.missed(Why::Crowded);
                }
            };
            let (found, ()) = tokio::join!(others, tries);
            let all = if is_back { Ok(()) } else { Err(Why::Crowded) };
            assert_eq!(found, [all; 10]);
        }
    }
}
