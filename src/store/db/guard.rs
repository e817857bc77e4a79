//! Who lets connections in: a door that each new session of PostgreSQL passes. Knows what it
//! answers; not why.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use super::away::Away;

/// Asks each connection where it leads before it is used.
pub(crate) trait ConnectionGuard: Send + Sync {
    /// Lets a new connection in; gives the generation that it belongs to.
    fn admit<'c>(&'c self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<u64, sqlx::Error>>;

    /// Whether a connection that was let in once still leads to where this process stands.
    fn holds<'c>(&'c self, connection: &'c mut PgConnection) -> BoxFuture<'c, Result<bool, sqlx::Error>>;

    /// Everything that is remembered of the database belongs to one generation, and is worth
    /// nothing in the next.
    fn generation(&self) -> u64;

    /// Whether the server could be reached when it was last tried.
    fn away(&self) -> &Away;
}

/// The guard of all connections of a process.
pub(crate) type Guarded = Arc<dyn ConnectionGuard>;
