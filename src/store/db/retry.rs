//! Transactions that the database gave up because it could not put them in line with others, or
//! whose connection was cut. Knows when to begin one again; knows no SQL.
//!
//! Such a transaction has left nothing behind, even when its commit was what failed, and each of
//! ours is a function of what it is given and what it reads. So it is run again from its beginning,
//! and finds what the others wrote. A cut leaves nothing behind either, but for one in the middle
//! of a commit: `sure` finds out about those that must not happen twice.

use std::time::Duration;

use crate::store::types::LEASE;

/// Runs of one transaction. Who loses goes last, so each run has a better chance.
pub(crate) const TRIES: u32 = 24;
/// The longest pause before the second run; it doubles with each up to the last one.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long a database that cannot be reached is waited for: then whatever this process has claimed
/// may be another's.
pub(crate) const AWAY_MAX: Duration = LEASE;

/// Waits for a part of a moment, chosen anew by everybody: those that met should not meet again.
pub(crate) async fn pause(tries: u32) {
    // The shift has a bound of its own: while the database is away there are more tries than bits.
    let longest = PAUSE.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..1.0))).await;
}

/// Evaluates a transaction, and again while the database gives it up for the sake of others or
/// cannot be reached. A macro, because the future of an asynchronous closure cannot be promised to
/// be `Send`.
macro_rules! retry {
    ($transaction:expr) => {{
        let (mut tries, since) = (1, std::time::Instant::now());
        loop {
            // The expression is evaluated anew in each round: what it had read may be what the
            // others have changed.
            match $transaction {
                Err($crate::store::error::StoreError::Conflict) if tries < $crate::store::db::retry::TRIES => {
                    $crate::store::db::retry::pause(tries).await;
                    tries += 1;
                }
                // By time and not by tries: a restart takes what it takes, and each try fails at
                // once.
                Err($crate::store::error::StoreError::Unreachable | $crate::store::error::StoreError::Crowded)
                    if since.elapsed() < $crate::store::db::retry::AWAY_MAX =>
                {
                    $crate::store::db::retry::pause(tries).await;
                    tries += 1;
                }
                done => break done,
            }
        }
    }};
}
pub(crate) use retry;
