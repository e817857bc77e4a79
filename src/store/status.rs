//! What is asked about runs, requests and refused rows. Only reads; knows the ledger's columns.

use crate::catalog::EntityId;

use super::{
    Inner,
    bind::{Params, get},
    dialect::Dialect,
    ledger::{SUMMARY, instant, summary},
    types::{FetchStatus, Refused, RequestState, RunSummary, StoreError},
};
use sqlx::sqlite::SqliteRow;

/// Runs one statement on a reader.
async fn rows(inner: &Inner, params: Params, sql: String) -> Result<Vec<SqliteRow>, StoreError> {
    inner.own.take().await?.fetch(params.query(sql)).await
}

pub(super) async fn request_state(
    inner: &Inner,
    fetch: &str,
    request: &str,
) -> Result<Option<RequestState>, StoreError> {
    let mut params = Params::default();
    params.add(fetch.to_owned())?;
    params.add(request.to_owned())?;
    params.add(inner.catalog.fingerprint.clone())?;
    let sql = "SELECT request,etag,last_modified,body_hash,page,rows FROM hayloft_request_state \
               WHERE fetch=? AND request=? AND definition=?";
    let rows = rows(inner, params, sql.to_owned()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(RequestState {
        request: get(row, 0)?,
        etag: get(row, 1)?,
        last_modified: get(row, 2)?,
        body_hash: get(row, 3)?,
        page: get(row, 4)?,
        rows: get::<i64>(row, 5)?.unsigned_abs(),
    }))
}

pub(super) async fn fetch_status(inner: &Inner) -> Result<Vec<FetchStatus>, StoreError> {
    let mut out = Vec::with_capacity(inner.catalog.fetches.len());
    for fetch in &inner.catalog.fetches {
        let name = inner.catalog.entity(fetch.entity).name.clone();
        let last = run_where(inner, &name, "").await?;
        let last_complete = run_where(inner, &name, " AND state='complete'").await?;
        let mut params = Params::default();
        params.add(name.clone())?;
        params.add(last_complete.as_ref().map_or(0, |run| run.id))?;
        let sql = "SELECT count(*) FROM hayloft_run WHERE fetch=? AND id>? AND state='failed'".to_owned();
        let failures: i64 = rows(inner, params, sql)
            .await?
            .first()
            .map_or(Ok(0), |row| get(row, 0))?;
        out.push(FetchStatus {
            fetch: name,
            last,
            last_complete,
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
        });
    }
    Ok(out)
}

async fn run_where(inner: &Inner, fetch: &str, condition: &str) -> Result<Option<RunSummary>, StoreError> {
    let mut params = Params::default();
    params.add(fetch.to_owned())?;
    let sql = format!("SELECT {SUMMARY} FROM hayloft_run WHERE fetch=?{condition} ORDER BY id DESC LIMIT 1");
    rows(inner, params, sql).await?.first().map(summary).transpose()
}

pub(super) async fn row_counts(inner: &Inner) -> Result<Vec<(EntityId, u64)>, StoreError> {
    let mut out = Vec::new();
    for entity in inner.catalog.entity_ids() {
        let table = inner.dialect.quote(&inner.layout.entity(entity).table.name);
        let rows = rows(inner, Params::default(), format!("SELECT count(*) FROM {table}")).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        out.push((entity, count.unsigned_abs()));
    }
    Ok(out)
}

pub(super) async fn quarantine(inner: &Inner, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
    let mut params = Params::default();
    params.add(fetch.to_owned())?;
    params.add(i64::from(limit))?;
    let sql = "SELECT row_key,reason,record FROM hayloft_quarantine WHERE fetch=? ORDER BY id DESC LIMIT ?".to_owned();
    let found = rows(inner, params, sql).await?;
    found
        .iter()
        .map(|row| {
            Ok(Refused {
                key: get(row, 0)?,
                reason: get(row, 1)?,
                record: get(row, 2)?,
            })
        })
        .collect()
}

pub(super) async fn now(inner: &Inner) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
    let found = rows(inner, Params::default(), format!("SELECT {}", inner.dialect.now(0))).await?;
    let text: String = found.first().map_or(Ok(String::new()), |row| get(row, 0))?;
    instant(&text)
}
