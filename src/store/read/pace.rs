//! How many runs of a statement go in one, by what they took alone and together. Knows times; runs
//! nothing.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Runs in one statement: of more, the way there and the plan are no part worth to speak of.
const MOST: u32 = 64;
/// What one of several runs is to take, and bytes of its answers.
const TIME: Duration = Duration::from_millis(5);
const BYTES: usize = 1_000_000;
/// A run among others is slow when it takes so many times as long as alone; after so many such
/// statements in a row they go alone for a while.
const TIMES: u32 = 2;
const STRIKES: u32 = 3;
/// How long what is known stands, for good or bad: tables change.
const STANDS: Duration = Duration::from_secs(60);

/// What is known of the runs of one statement.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How long the last one took that went alone, the bytes of its answer, and when that was.
    alone: Option<(Duration, usize, Instant)>,
    /// How long each took of the last ones that went together.
    together: Option<Duration>,
    strikes: u32,
    alone_until: Option<Instant>,
    /// What they take is not looked at until they fail.
    #[cfg(test)]
    always: bool,
}

impl Pace {
    /// How many of those that wait go in one statement.
    pub(crate) fn count(&self) -> usize {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> usize {
        let known = self.known();
        let rests = known.alone_until.is_some_and(|until| now < until);
        #[cfg(test)]
        if known.always && !rests {
            return MOST as usize;
        }
        let alone = known.alone.filter(|(_, _, at)| !rests && now < *at + STANDS);
        let Some((alone, bytes, _)) = alone else { return 1 };
        let each = known.together.unwrap_or(alone).as_nanos().max(1);
        let by_time = usize::try_from(TIME.as_nanos() / each).unwrap_or(usize::MAX);
        by_time.min(BYTES / bytes.max(1)).clamp(1, MOST as usize)
    }

    /// One went alone.
    pub(crate) fn went_alone(&self, took: Duration, bytes: usize) {
        self.known().alone = Some((took, bytes, Instant::now()));
    }

    /// Several went together, and each took so long.
    pub(crate) fn went_together(&self, each: Duration) {
        let mut known = self.known();
        let is_slow = known.alone.is_some_and(|(alone, ..)| each > alone * TIMES);
        known.together = Some(each);
        known.strikes = if is_slow { known.strikes + 1 } else { 0 };
        if known.strikes >= STRIKES {
            known.rest();
        }
    }

    /// Several did not go together, or not in the time that they may have.
    pub(crate) fn failed(&self) {
        self.known().rest();
    }

    /// As many as may go together until they fail, whatever they take: a busy machine is slow.
    #[cfg(test)]
    pub(crate) fn always(&self) {
        self.known().always = true;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn rest(&mut self) {
        *self = Known {
            alone_until: Some(Instant::now() + STANDS),
            ..Known::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    #[test]
    fn short_ones_go_together_by_what_they_take() {
        let pace = Pace::default();
        assert_eq!(pace.count(), 1);
        for (alone, bytes, want) in [
            (500 * MICRO, 100, 10),
            (10 * MICRO, 100, 64),
            (10 * MICRO, 100_000, 10),
            (5_000 * MICRO, 100, 1),
            (1_000_000 * MICRO, 5_000_000, 1),
            (Duration::ZERO, 0, 64),
        ] {
            pace.went_alone(alone, bytes);
            assert_eq!(pace.count(), want, "{alone:?} {bytes}");
        }
        pace.went_alone(500 * MICRO, 100);
        pace.went_together(100 * MICRO);
        assert_eq!(pace.count(), 50);
        let later = Instant::now() + STANDS;
        assert_eq!(pace.count_at(later), 1);
    }

    #[test]
    fn what_is_slower_together_goes_alone_for_a_while() {
        let pace = Pace::default();
        let slow = [250, 250, 100, 250, 250, 250].map(|each| each * MICRO);
        pace.went_alone(100 * MICRO, 100);
        for each in slow {
            assert_ne!(pace.count(), 1);
            pace.went_together(each);
        }
        pace.went_alone(100 * MICRO, 100);
        assert_eq!(pace.count(), 1);
        let later = Instant::now() + STANDS - Duration::from_secs(1);
        assert_eq!(pace.count_at(later), 1);
        pace.known().alone_until = None;
        assert_eq!(pace.count(), 50);
        pace.failed();
        pace.went_alone(100 * MICRO, 100);
        assert_eq!(pace.count(), 1);
    }
}
