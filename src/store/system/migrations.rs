//! `hayloft_migration`: the system tables brought up to date in one transaction, so that a start
//! that ends halfway has changed nothing. Knows the record of their versions; no table of a
//! definition.

use migration::{Migrator, MigratorTrait};
use sea_orm::TransactionTrait;

use crate::store::{
    context::Context,
    db::{
        failpoint, open_error,
        pool::{ResultRow, get},
    },
    error::StoreError,
};

/// Is there once a version of the system tables is.
pub(crate) const TABLE: &str = "hayloft_migration";

/// The versions that a database has.
pub(crate) const VERSIONS: &str = "SELECT version FROM hayloft_migration";

/// Makes what is missing. The tool's own way is one transaction for each version, and on SQLite
/// none.
pub(crate) async fn bring_up(context: &Context) -> Result<(), StoreError> {
    let broken = |error: sea_orm::DbErr| open_error::cannot_migrate(&context.place, error);
    let connection = context.writer()?.connection();
    let transaction = connection.begin().await.map_err(broken)?;
    Migrator::up(&transaction, None).await.map_err(broken)?;
    failpoint::point("open::system");
    transaction.commit().await.map_err(broken)
}

/// Refuses tables that a newer Hayloft made: it knows what they mean, and we do not.
pub(crate) fn refuse_newer(place: &str, versions: &[ResultRow]) -> Result<(), StoreError> {
    let known = Migrator::names();
    for row in versions {
        let version: String = get(row, 0)?;
        if !known.contains(&version) {
            return Err(StoreError::Unusable(format!(
                "{place} was made or upgraded by a newer version of Hayloft than this one; use that version or a newer one, \
                 or give another --database"
            )));
        }
    }
    Ok(())
}
