//! What is told of runs and fetches. Only reads; knows what a status is made of, no SQL of a table.

use crate::store::{
    context::Context,
    error::StoreError,
    system::{asking::Asking, fetch_signatures, fetches, refills, runs::told},
    tx::Transaction,
    types::FetchStatus,
};

pub(crate) async fn fetch_status(context: &Context) -> Result<Vec<FetchStatus>, StoreError> {
    let mut out = Vec::with_capacity(context.catalog.fetches.len());
    for chore in context.catalog.chores() {
        let name = context.catalog.chore_name(chore);
        out.push(of_fetch(&mut Asking::Reader(context), &name).await?);
    }
    Ok(out)
}

/// The status of one fetch as a transaction sees it.
pub(crate) async fn within(tx: &mut Transaction<'_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    of_fetch(&mut Asking::Transaction(tx), fetch).await
}

async fn of_fetch(asking: &mut Asking<'_, '_>, fetch: &str) -> Result<FetchStatus, StoreError> {
    let mut status = FetchStatus {
        fetch: fetch.to_owned(),
        last_complete: told::last_complete(asking, fetch).await?,
        ..FetchStatus::default()
    };
    if let Some((run, hold)) = told::last(asking, fetch).await? {
        status.hold = hold;
        status.last = Some(run);
    }
    status.queued = told::waiting(asking, fetch).await?;
    around(asking, status).await
}

/// What is known of a fetch beside its runs, in one statement.
async fn around(asking: &mut Asking<'_, '_>, mut status: FetchStatus) -> Result<FetchStatus, StoreError> {
    let context = asking.context();
    let columns = [
        told::columns(context),
        fetches::columns(context),
        refills::columns().to_owned(),
        fetch_signatures::columns(context),
    ];
    let found = asking
        .all(&status.fetch, format!("SELECT {}", columns.join(",")))
        .await?;
    let Some(row) = found.first() else { return Ok(status) };
    let ends = told::ends(row, 0)?;
    (status.failures, status.newest_slot, status.whole_at) = (ends.failures, ends.newest_slot, ends.whole_at);
    let mut at = told::COLUMNS;
    (status.looked_at, status.aside) = fetches::told(row, at)?;
    at += fetches::COLUMNS;
    status.refill = refills::owed(row, at)?;
    at += refills::COLUMNS;
    let known = fetch_signatures::known(row, at)?;
    status.signature = fetch_signatures::judge(asking.context(), &status.fetch, &known);
    Ok(status)
}
