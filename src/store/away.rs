//! Whether the server could be reached when it was last tried, for all sessions of a process. Knows time; no connections.
//!
//! A server that starts again is back within a second or two, and nobody need hear of it. One that stays away is tried now and then
//! by one session; the others say at once what that one met.

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
    why: Why,
}

/// What the last try met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody, or somebody who hung up.
    Gone,
    /// A server that has as many connections as it takes.
    Crowded,
}

impl Away {
    /// Whether a session should try to connect now; if not, why it could only fail.
    pub fn may_try(&self) -> Result<(), Why> {
        self.may_try_at(Instant::now())
    }

    fn may_try_at(&self, now: Instant) -> Result<(), Why> {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match away.as_mut() {
            Some(since) if now - since.first >= PATIENCE => {
                let due = now - since.tried >= PAUSE;
                if !due {
                    return Err(since.why);
                }
                since.tried = now;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// It could not be reached. Gives whether it is still worth waiting for.
    pub fn missed(&self, why: Why) -> bool {
        self.missed_at(Instant::now(), why)
    }

    fn missed_at(&self, now: Instant, why: Why) -> bool {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = away.get_or_insert(Since {
            first: now,
            tried: now,
            why,
        });
        (since.tried, since.why) = (now, why);
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
        assert_eq!(away.may_try_at(at(0)), Ok(()));
        assert!(away.missed_at(at(0), Why::Gone), "it may be starting again");
        assert_eq!(away.may_try_at(at(1_900)), Ok(()));
        assert!(!away.missed_at(at(2_100), Why::Gone));
        assert_eq!(away.may_try_at(at(2_500)), Err(Why::Gone), "it was just tried");
        assert_eq!(away.may_try_at(at(2_600)), Ok(()));
        assert_eq!(away.may_try_at(at(2_601)), Err(Why::Gone), "another session tries");
        assert!(!away.missed_at(at(2_700), Why::Crowded), "it is back, and full");
        assert_eq!(away.may_try_at(at(2_800)), Err(Why::Crowded));
        away.reached();
        assert_eq!(away.may_try_at(at(2_802)), Ok(()));
        assert!(away.missed_at(at(9_000), Why::Gone), "another time");
    }
}
