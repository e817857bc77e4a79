//! Whether the server could be reached when it was last tried, for all sessions of a process. Knows time; no connections.
//!
//! A server that starts again is back within a second or two, and nobody need hear of it. One that stays away is tried now and then
//! by one session; the others say at once that it is away.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a server may be away before requests are told so instead of waiting for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two tries after that.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub struct Away(Mutex<Option<Since>>);

#[derive(Clone, Copy)]
struct Since {
    first: Instant,
    tried: Instant,
}

impl Away {
    /// Whether a session should try to connect now; if not, the server is away.
    pub fn may_try(&self) -> bool {
        self.may_try_at(Instant::now())
    }

    fn may_try_at(&self, now: Instant) -> bool {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match away.as_mut() {
            Some(since) if now - since.first >= PATIENCE => {
                let due = now - since.tried >= PAUSE;
                if due {
                    since.tried = now;
                }
                due
            }
            _ => true,
        }
    }

    /// It could not be reached. Gives whether it is still worth waiting for.
    pub fn missed(&self) -> bool {
        self.missed_at(Instant::now())
    }

    fn missed_at(&self, now: Instant) -> bool {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = away.get_or_insert(Since { first: now, tried: now });
        since.tried = now;
        now - since.first < PATIENCE
    }

    /// It was reached.
    pub fn reached(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        assert!(away.may_try_at(at(0)));
        assert!(away.missed_at(at(0)), "it may be starting again");
        assert!(away.may_try_at(at(1_900)));
        assert!(!away.missed_at(at(2_100)));
        assert!(!away.may_try_at(at(2_500)), "it was just tried");
        assert!(away.may_try_at(at(2_600)));
        assert!(!away.may_try_at(at(2_601)), "another session tries");
        away.reached();
        assert!(away.may_try_at(at(2_602)));
        assert!(away.missed_at(at(9_000)), "another time");
    }
}
