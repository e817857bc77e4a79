//! Whether the database is where it was, asked at a start. Knows how a database tells its place.

use crate::store::{
    context::Context,
    db::pool::{Pool, get},
    error::{StoreError, failed},
    identity::place::PARTS,
    system::change_log,
};

/// Compares the place with the one that the database remembers; begins a new epoch when they
/// differ.
///
/// What clients have read in the older epoch may never have happened here: they are told to read
/// everything again.
pub(crate) async fn check(context: &Context) -> Result<(), StoreError> {
    let (Some(questions), Ok(Pool::Postgres(pool))) = (context.dialect.place(), context.writer()) else {
        return Ok(());
    };
    let mut parts = Vec::with_capacity(PARTS.len());
    for question in questions {
        parts.push(match tells(context, question).await? {
            true => format!("({question})"),
            false => "''".to_owned(),
        });
    }
    let sql = change_log::question(&parts.join(","));
    let mut connection = pool.acquire().await.map_err(failed)?;
    context.guard.take(&mut connection, sql).await.map_err(failed)
}

/// A database that does not tell (a distributed engine, a role without the right) leaves that part
/// empty.
async fn tells(context: &Context, question: &'static str) -> Result<bool, StoreError> {
    let mut reader = context.own.take().await?;
    match reader.run(context.params().query(question)).await? {
        Ok(rows) => rows
            .first()
            .map_or(Ok(false), |row| get::<String>(row, 0).map(|_| true)),
        Err(error) => {
            tracing::debug!(%error, question, "the database does not tell a part of its place");
            Ok(false)
        }
    }
}
