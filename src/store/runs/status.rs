//! What is asked about runs, requests and refused rows. Only reads; knows the ledger's columns.

use chrono::{DateTime, Utc};

use crate::{
    catalog::EntityId,
    store::{
        Inner, Store,
        db::{
            params::Params,
            pool::{Line, get},
        },
        error::StoreError,
        in_force,
        load::batch::Work,
        system::readings::{self, Signatures},
        types::{Due, FetchStatus, Reason, Refill, Refused, RequestState},
    },
};

use super::{
    aside,
    finish::{SUMMARY, SUMMARY_COLUMNS, hold, instant, lease_over, summary},
};

/// Runs one statement on a reader.
async fn rows(inner: &Inner, params: Params, sql: String) -> Result<Vec<Line>, StoreError> {
    inner.own.take().await?.fetch(params.query(sql)).await
}

pub(crate) async fn request_state(
    inner: &Inner,
    fetch: &str,
    request: &str,
) -> Result<Option<RequestState>, StoreError> {
    let mut params = inner.params();
    params.add(fetch.to_owned())?;
    params.add(request.to_owned())?;
    params.add(inner.catalog.fingerprint.clone())?;
    let sql = "SELECT request,etag,last_modified,body_hash,page,rows FROM hayloft_request_state \
               WHERE \"fetch\"=$1 AND request=$2 AND definition=$3";
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

pub(crate) async fn fetch_status(inner: &Inner) -> Result<Vec<FetchStatus>, StoreError> {
    let mut out = Vec::with_capacity(inner.catalog.fetches.len());
    for id in inner.catalog.fetch_ids() {
        let name = inner.catalog.fetch_name(id);
        out.push(of_fetch(&mut Asking::Reader(inner), &name).await?);
    }
    Ok(out)
}

/// The status of one fetch as a transaction sees it.
pub(crate) async fn within(work: &mut Work<'_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    of_fetch(&mut Asking::Work(work), fetch).await
}

/// Where a question is asked: on a reader, or inside a transaction.
enum Asking<'a, 'w> {
    Reader(&'a Inner),
    Work(&'a mut Work<'w>),
}

impl Asking<'_, '_> {
    fn inner(&self) -> &Inner {
        match self {
            Asking::Reader(inner) => inner,
            Asking::Work(work) => work.inner,
        }
    }

    /// A statement whose only parameter is the fetch's name.
    async fn all(&mut self, fetch: &str, sql: String) -> Result<Vec<Line>, StoreError> {
        let mut params = self.inner().params();
        params.add(fetch.to_owned())?;
        match self {
            Asking::Reader(inner) => rows(inner, params, sql).await,
            Asking::Work(work) => work.all(params, sql).await,
        }
    }
}

async fn of_fetch(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    let over = lease_over(asking.inner());
    let newest = |state: &str| {
        format!(
            "SELECT {SUMMARY},fence,{over} FROM hayloft_run WHERE \"fetch\"=$1 AND {state} ORDER BY turn DESC,id DESC LIMIT 1"
        )
    };
    let last = asking.all(fetch, newest("state<>'queued'")).await?;
    let complete = asking.all(fetch, newest("state='complete'")).await?;
    let mut status = FetchStatus {
        fetch: fetch.to_owned(),
        last_complete: complete.first().map(summary).transpose()?,
        ..FetchStatus::default()
    };
    if let Some(row) = last.first() {
        let run = summary(row)?;
        let (fence, over): (i64, bool) = (get(row, SUMMARY_COLUMNS)?, get(row, SUMMARY_COLUMNS + 1)?);
        status.hold = hold(asking.inner(), &run, fence, over);
        status.last = Some(run);
    }
    let waiting = "SELECT slot,reason FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' ORDER BY slot".to_owned();
    for row in &asking.all(fetch, waiting).await? {
        status.queued.push(Due {
            slot: instant(&get::<String>(row, 0)?)?,
            reason: Reason::from_name(&get::<String>(row, 1)?),
        });
    }
    around(asking, status).await
}

/// What is known of a fetch beside its runs.
async fn around(asking: &mut Asking<'_, '_>, mut status: FetchStatus) -> Result<FetchStatus, StoreError> {
    // What a clock that ran ahead once left in the future says nothing about the slots before it.
    let (latest, reading) = (asking.inner().now(0), readings::columns(asking.inner()));
    let aside = aside::columns(asking.inner());
    let sql = format!(
        "SELECT (SELECT CAST(count(*) AS BIGINT) FROM hayloft_run AS run WHERE run.fetch=$1 AND run.state='failed' \
               AND NOT EXISTS (SELECT 1 FROM hayloft_run AS done WHERE done.fetch=$1 AND done.state='complete' \
               AND (done.turn,done.id)>(run.turn,run.id))),(SELECT max(slot) FROM hayloft_run WHERE \"fetch\"=$1 AND slot<={latest}),\
               (SELECT looked_at FROM hayloft_fetch WHERE \"fetch\"=$1),(SELECT fields FROM hayloft_refill WHERE \"fetch\"=$1),\
               (SELECT at FROM hayloft_refill WHERE \"fetch\"=$1),\
               (SELECT finished_at FROM hayloft_run WHERE \"fetch\"=$1 AND state='complete' AND doubt IS NULL \
               ORDER BY turn DESC,id DESC LIMIT 1),{reading},{aside}"
    );
    let found = asking.all(&status.fetch, sql).await?;
    let Some(row) = found.first() else { return Ok(status) };
    let failures: i64 = get(row, 0)?;
    status.failures = u32::try_from(failures).unwrap_or(u32::MAX);
    let at = |column: usize| -> Result<Option<DateTime<Utc>>, StoreError> {
        get::<Option<String>>(row, column)?.as_deref().map(instant).transpose()
    };
    (status.newest_slot, status.looked_at, status.whole_at) = (at(1)?, at(2)?, at(5)?);
    if let (Some(fields), Some(since)) = (get::<Option<String>>(row, 3)?, at(4)?) {
        let fields = serde_json::from_str(&fields).map_err(|error| StoreError::Database(Box::new(error)))?;
        status.refill = Some(Refill { fields, since });
    }
    let known = Signatures {
        wanted: get(row, 6)?,
        done: get(row, 7)?,
        others: get::<i64>(row, 8)? != 0,
    };
    let until: Option<String> = get(row, 9)?;
    status.aside = aside::told(until.as_deref(), get(row, 10)?, get(row, 11)?)?;
    status.reading = readings::judge(asking.inner(), &status.fetch, &known);
    Ok(status)
}

async fn row_counts(inner: &Inner) -> Result<Vec<(EntityId, u64)>, StoreError> {
    let mut out = Vec::new();
    for entity in inner.catalog.entity_ids() {
        let table = inner.dialect.quote(&inner.layout.entity(entity).table.name);
        let count = format!("SELECT CAST(count(*) AS BIGINT) FROM {table}");
        let rows = in_force::read(inner, inner.own.take().await?, inner.params().query(count)).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
        out.push((entity, count.unsigned_abs()));
    }
    Ok(out)
}

async fn quarantine(inner: &Inner, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
    let mut params = inner.params();
    params.add(fetch.to_owned())?;
    params.add(i64::from(limit))?;
    let sql =
        "SELECT row_key,reason,record FROM hayloft_quarantine WHERE \"fetch\"=$1 ORDER BY id DESC LIMIT $2".to_owned();
    let found = rows(inner, params, sql).await?;
    found
        .iter()
        .map(|row| {
            Ok(Refused {
                key: get(row, 0)?,
                id: None,
                reason: get(row, 1)?,
                record: get(row, 2)?,
            })
        })
        .collect()
}

pub(crate) async fn now(inner: &Inner) -> Result<DateTime<Utc>, StoreError> {
    let found = rows(inner, inner.params(), format!("SELECT {}", inner.now(0))).await?;
    let text: String = found.first().map_or(Ok(String::new()), |row| get(row, 0))?;
    instant(&text)
}

impl Store {
    /// Rows per entity.
    pub async fn row_counts(&self) -> Result<Vec<(EntityId, u64)>, StoreError> {
        row_counts(&self.inner).await
    }

    /// The newest refused rows of a fetch.
    pub async fn quarantine(&self, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
        quarantine(&self.inner, fetch, limit).await
    }
}
