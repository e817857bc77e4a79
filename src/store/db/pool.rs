//! The drivers behind one face: pools, transactions, statements and rows of either database. Knows
//! sqlx; no SQL, no tables.

use sea_orm::{DatabaseConnection, QueryResult, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    AssertSqlSafe, Connection as _, PgPool, Postgres, Sqlite, SqlitePool, Transaction, postgres::PgRow,
    sqlite::SqliteRow,
};

use crate::store::error::{StoreError, failed};

use super::params::{self, Command, Params};

/// Connections to one database.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction; rolled back when dropped.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A row of a result.
pub(crate) enum ResultRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl ResultRow {
    /// The same for SeaORM.
    pub(crate) fn into_result(self) -> QueryResult {
        match self {
            ResultRow::Sqlite(row) => row.into(),
            ResultRow::Postgres(row) => row.into(),
        }
    }
}
/// Makes the lines of a copy, some at a time, until there are no more.
pub(crate) trait Pieces: FnMut() -> Result<Option<Vec<u8>>, StoreError> + Send {}

impl<F> Pieces for F where F: FnMut() -> Result<Option<Vec<u8>>, StoreError> + Send {}

impl Pool {
    /// Runs a statement; the number of rows that it changed.
    pub(crate) async fn execute(&self, command: Command) -> Result<u64, sqlx::Error> {
        let Command { sql, params } = command;
        let sql = AssertSqlSafe(sql);
        match (self, params) {
            (Pool::Sqlite(pool), Params::Sqlite(params)) => {
                let done = sqlx::query_with(sql, params).execute(pool).await?;
                Ok(done.rows_affected())
            }
            (Pool::Postgres(pool), Params::Postgres(params)) => {
                let done = sqlx::query_with(sql, params).execute(pool).await?;
                Ok(done.rows_affected())
            }
            _ => Err(params::mixed()),
        }
    }

    /// Runs a statement and gives all its rows.
    pub(crate) async fn fetch_all(&self, command: Command) -> Result<Vec<ResultRow>, sqlx::Error> {
        let Command { sql, params } = command;
        let sql = AssertSqlSafe(sql);
        match (self, params) {
            (Pool::Sqlite(pool), Params::Sqlite(params)) => {
                let rows = sqlx::query_with(sql, params).fetch_all(pool).await?;
                Ok(rows.into_iter().map(ResultRow::Sqlite).collect())
            }
            (Pool::Postgres(pool), Params::Postgres(params)) => {
                let rows = sqlx::query_with(sql, params).fetch_all(pool).await?;
                Ok(rows.into_iter().map(ResultRow::Postgres).collect())
            }
            _ => Err(params::mixed()),
        }
    }

    /// Begins a transaction that may write at once.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let pool = self.clone();
        to_its_end(async move {
            match pool {
                // Deferred, the lock would be asked for in the middle, where the answer "busy"
                // loses the work done so far.
                Pool::Sqlite(pool) => begin_immediate(&pool).await.map(Tx::Sqlite),
                Pool::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
            }
        })
        .await
    }

    /// The same by statements of the dialect's own, all sent at once.
    pub(crate) async fn begin_with(&self, sql: &'static str) -> Result<Tx, sqlx::Error> {
        let pool = self.clone();
        to_its_end(async move {
            match pool {
                Pool::Sqlite(pool) => pool.begin_with(sql).await.map(Tx::Sqlite),
                Pool::Postgres(pool) => pool.begin_with(sql).await.map(Tx::Postgres),
            }
        })
        .await
    }

    /// The same connections for SeaORM, whose migrations make the system tables.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        match self {
            Pool::Sqlite(pool) => SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone()),
            Pool::Postgres(pool) => SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Begins or commits a transaction, whether somebody waits for it or not: of one that is dropped
/// halfway the driver of PostgreSQL does not know whether it is open. What was begun for nobody is
/// rolled back.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, sqlx::Error> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| Err(sqlx::Error::Configuration(Box::new(error))))
}

/// SQLite ends a transaction by itself when its disk is full, and the driver then counts one too
/// many for ever: the connection that it happened to is given up for a new one.
async fn begin_immediate(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match pool.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            pool.acquire().await?.close().await?;
            pool.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

impl Tx {
    /// Runs a statement; the number of rows that it changed.
    pub(crate) async fn execute(&mut self, command: Command) -> Result<u64, sqlx::Error> {
        let Command { sql, params } = command;
        let sql = AssertSqlSafe(sql);
        match (self, params) {
            (Tx::Sqlite(tx), Params::Sqlite(params)) => {
                let done = sqlx::query_with(sql, params).execute(&mut **tx).await?;
                Ok(done.rows_affected())
            }
            (Tx::Postgres(tx), Params::Postgres(params)) => {
                let done = sqlx::query_with(sql, params).execute(&mut **tx).await?;
                Ok(done.rows_affected())
            }
            _ => Err(params::mixed()),
        }
    }

    /// Copies lines into a table of PostgreSQL: the server reads some while the next ones are made.
    /// When these cannot be made, nothing is copied.
    pub(crate) async fn copy(
        &mut self,
        sql: &str,
        mut lines: impl Pieces,
    ) -> Result<Result<u64, sqlx::Error>, StoreError> {
        let Tx::Postgres(tx) = self else {
            return Ok(Err(params::mixed()));
        };
        // Before the server waits for them.
        let mut next = lines()?;
        let mut copy = match tx.copy_in_raw(sql).await {
            Ok(copy) => copy,
            Err(error) => return Ok(Err(error)),
        };
        while let Some(piece) = next {
            if let Err(error) = copy.send(piece).await {
                return Ok(Err(error));
            }
            next = match lines() {
                Ok(next) => next,
                Err(fault) => {
                    // A connection that is lost meanwhile is found out by whoever uses it next.
                    let _ = copy.abort("a row cannot be written").await;
                    return Err(fault);
                }
            };
        }
        Ok(copy.finish().await)
    }

    /// Runs a statement and gives all its rows.
    pub(crate) async fn fetch_all(&mut self, command: Command) -> Result<Vec<ResultRow>, sqlx::Error> {
        let Command { sql, params } = command;
        let sql = AssertSqlSafe(sql);
        match (self, params) {
            (Tx::Sqlite(tx), Params::Sqlite(params)) => {
                let rows = sqlx::query_with(sql, params).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(ResultRow::Sqlite).collect())
            }
            (Tx::Postgres(tx), Params::Postgres(params)) => {
                let rows = sqlx::query_with(sql, params).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(ResultRow::Postgres).collect())
            }
            _ => Err(params::mixed()),
        }
    }

    /// Forgets the prepared statements of the connection: the types that they were prepared for are
    /// others now.
    pub(crate) async fn forget_statements(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => tx.clear_cached_statements().await,
            Tx::Postgres(tx) => tx.clear_cached_statements().await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        to_its_end(async move {
            match self {
                Tx::Sqlite(tx) => tx.commit().await,
                Tx::Postgres(tx) => tx.commit().await,
            }
        })
        .await
    }
}

/// A unique value that another row has.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// As SQLite says it: `table.column` of each.
    Columns(Vec<String>),
    /// As PostgreSQL says it: the name of the index.
    Index(String),
}

impl Taken {
    /// Reads it from the error of a statement; `None` for any other error.
    pub(crate) fn of(error: &sqlx::Error) -> Option<Taken> {
        let cause = error.as_database_error().filter(|cause| cause.is_unique_violation())?;
        Some(match cause.constraint() {
            Some(index) => Taken::Index(index.to_owned()),
            None => Taken::Columns(cause.message().split([',', ' ']).map(str::to_owned).collect()),
        })
    }
}

/// A type that a column of either database can be read as.
pub(crate) trait Cell<'r>:
    sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}

impl<'r, T> Cell<'r> for T where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}

/// Reads a column of a row.
pub(crate) fn get<'r, T: Cell<'r>>(row: &'r ResultRow, at: usize) -> Result<T, StoreError> {
    match row {
        ResultRow::Sqlite(row) => sqlx::Row::try_get(row, at),
        ResultRow::Postgres(row) => sqlx::Row::try_get(row, at),
    }
    .map_err(failed)
}
