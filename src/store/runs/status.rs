//! What is told of runs and fetches. Only reads; knows the ledger's columns.

use chrono::{DateTime, Utc};

use crate::store::{
    context::{self, Context},
    db::pool::{Line, get},
    error::StoreError,
    system::{
        clock, fetches,
        readings::{self, Signatures},
        runs::{self, SUMMARY, SUMMARY_COLUMNS},
    },
    tx::Transaction,
    types::{Due, FetchStatus, Reason, Refill},
};

pub(crate) async fn fetch_status(context: &Context) -> Result<Vec<FetchStatus>, StoreError> {
    let mut out = Vec::with_capacity(context.catalog.fetches.len());
    for id in context.catalog.fetch_ids() {
        let name = context.catalog.fetch_name(id);
        out.push(of_fetch(&mut Asking::Reader(context), &name).await?);
    }
    Ok(out)
}

/// The status of one fetch as a transaction sees it.
pub(crate) async fn within(tx: &mut Transaction<'_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    of_fetch(&mut Asking::Transaction(tx), fetch).await
}

/// Where a question is asked: on a reader, or inside a transaction.
enum Asking<'a, 'w> {
    Reader(&'a Context),
    Transaction(&'a mut Transaction<'w>),
}

impl Asking<'_, '_> {
    fn context(&self) -> &Context {
        match self {
            Asking::Reader(context) => context,
            Asking::Transaction(tx) => tx.context,
        }
    }

    /// A statement whose only parameter is the fetch's name.
    async fn all(&mut self, fetch: &str, sql: String) -> Result<Vec<Line>, StoreError> {
        let mut params = self.context().params();
        params.add(fetch.to_owned())?;
        match self {
            Asking::Reader(context) => context::ask(context, params, sql).await,
            Asking::Transaction(tx) => tx.all(params, sql).await,
        }
    }
}

async fn of_fetch(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    let over = runs::lease_over(asking.context());
    let newest = |state: &str| {
        format!(
            "SELECT {SUMMARY},fence,{over} FROM hayloft_run WHERE \"fetch\"=$1 AND {state} ORDER BY turn DESC,id DESC LIMIT 1"
        )
    };
    let last = asking.all(fetch, newest("state<>'queued'")).await?;
    let complete = asking.all(fetch, newest("state='complete'")).await?;
    let mut status = FetchStatus {
        fetch: fetch.to_owned(),
        last_complete: complete.first().map(runs::summary).transpose()?,
        ..FetchStatus::default()
    };
    if let Some(row) = last.first() {
        let run = runs::summary(row)?;
        let (fence, over): (i64, bool) = (get(row, SUMMARY_COLUMNS)?, get(row, SUMMARY_COLUMNS + 1)?);
        status.hold = runs::hold(asking.context(), &run, fence, over);
        status.last = Some(run);
    }
    let waiting = "SELECT slot,reason FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' ORDER BY slot".to_owned();
    for row in &asking.all(fetch, waiting).await? {
        status.queued.push(Due {
            slot: clock::instant(&get::<String>(row, 0)?)?,
            reason: Reason::from_name(&get::<String>(row, 1)?),
        });
    }
    around(asking, status).await
}

/// What is known of a fetch beside its runs.
async fn around(asking: &mut Asking<'_, '_>, mut status: FetchStatus) -> Result<FetchStatus, StoreError> {
    // What a clock that ran ahead once left in the future says nothing about the slots before it.
    let (latest, reading) = (asking.context().now(0), readings::columns(asking.context()));
    let aside = fetches::columns(asking.context());
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
        get::<Option<String>>(row, column)?
            .as_deref()
            .map(clock::instant)
            .transpose()
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
    status.aside = fetches::told(until.as_deref(), get(row, 10)?, get(row, 11)?)?;
    status.reading = readings::judge(asking.context(), &status.fetch, &known);
    Ok(status)
}
