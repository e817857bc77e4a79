//! What every test needs: a folder and a database of its own, the real program, an upstream with a script, a GraphQL client.

pub mod cluster;
mod database;
mod farm;
pub mod pooler;
mod program;
pub mod proxy;
pub mod scale;
mod socket;
mod stand_in;
mod things;
mod upstream;

use std::time::Duration;

pub(crate) use database::on_both;
pub use database::{Db, Hold, Place, rows};
pub use farm::Farm;
pub use program::{Output, Program, Scratch, within};
pub use socket::Socket;
pub use stand_in::{StandIn, example, text_of_example};
pub use things::{PAGE_BY_PAGE, Things};
pub use upstream::{Reply, Reserved, Upstream};

/// The end of all patience. Tests wait for what they need and fail only when it never comes: what takes ten seconds here took
/// more than four minutes where many shared a slow core, and leases and back-off come on top of that.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` finds something; panics with `what` when it never does.
pub async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
