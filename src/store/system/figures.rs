//! `hayloft_figures`: what was measured of the rows of each table, for estimates. Knows names of
//! tables; not what figures mean.

use crate::store::{context::Context, db::pool::get, error::StoreError, tx::Transaction};

/// What was measured of a table. Who only reads may find a database without these: then nothing
/// was.
pub(crate) async fn of(context: &Context, table: &str) -> Result<Option<String>, StoreError> {
    let table = context.dialect.literal(table);
    let sql = format!("SELECT figures FROM hayloft_figures WHERE name={table}");
    let mut reader = context.own.take().await?;
    match reader.run(context.params().query(sql)).await? {
        Ok(rows) => rows.first().map(|row| get(row, 0)).transpose(),
        Err(_) => Ok(None),
    }
}

/// Whether a table was measured.
pub(crate) async fn are_there(context: &Context, table: &str) -> Result<bool, StoreError> {
    let table = context.dialect.literal(table);
    let sql = format!("SELECT name FROM hayloft_figures WHERE name={table}");
    let found = context.own.take().await?.fetch(context.params().query(sql)).await?;
    Ok(!found.is_empty())
}

/// Keeps what was measured of a table, for all processes.
pub(crate) async fn put(tx: &mut Transaction<'_>, table: &str, figures: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(table.to_owned())?;
    params.add(figures.to_owned())?;
    let sql = "INSERT INTO hayloft_figures(name,figures) VALUES ($1,$2) ON CONFLICT(name) DO UPDATE SET figures=excluded.figures";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}

pub(crate) async fn forget_all(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let sql = "DELETE FROM hayloft_figures".to_owned();
    tx.run(tx.params(), sql).await.map(|_| ())
}
