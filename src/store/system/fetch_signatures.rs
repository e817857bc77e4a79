//! `hayloft_reading`: by what each fetch is read: by the definition in force, and in the last
//! complete run. Knows signatures; what is read is the catalog's matter, and when a run follows
//! that of who schedules.
//!
//! A complete run pays all that a changed definition owes if it read as the definition in force
//! does. Any other one, of a process with an older definition, leaves behind what that one does not
//! know: then the fetch owes a run again.

use crate::{
    catalog::FetchId,
    store::{
        context::Context,
        db::pool::{ResultRow, get},
        error::StoreError,
        tx::Transaction,
        types::SignatureState,
    },
};

use super::processes;

/// Missing from databases that an earlier version made.
pub(crate) const TABLE: &str = "hayloft_reading";

/// The signatures that are known of a fetch.
pub(crate) struct Signatures {
    pub wanted: Option<String>,
    pub done: Option<String>,
    /// A live process has the definition that wants it so.
    pub others: bool,
}

/// The same as columns of a `SELECT`; `$1` is the fetch.
pub(crate) fn columns(context: &Context) -> String {
    let own = context.dialect.literal(&context.process);
    let live = processes::live(context);
    format!(
        "(SELECT wanted FROM hayloft_reading WHERE \"fetch\"=$1),(SELECT done FROM hayloft_reading WHERE \"fetch\"=$1),\
         CAST(CASE WHEN EXISTS(SELECT 1 FROM hayloft_reading AS r JOIN hayloft_process AS p ON p.definition=r.definition \
         WHERE r.fetch=$1 AND p.id<>{own} AND {live}) THEN 1 ELSE 0 END AS BIGINT)"
    )
}

/// Reads these columns from the one at `at` on.
pub(crate) fn known(row: &ResultRow, at: usize) -> Result<Signatures, StoreError> {
    Ok(Signatures {
        wanted: get(row, at)?,
        done: get(row, at + 1)?,
        others: get::<i64>(row, at + 2)? != 0,
    })
}

/// Compares them with the definition of this process. A fetch that it does not know is not its own
/// to judge.
pub(crate) fn judge(context: &Context, fetch: &str, known: &Signatures) -> SignatureState {
    let Some(own) = signature(context, fetch) else {
        return SignatureState::Same;
    };
    let differs = |other: &Option<String>| other.as_ref().is_some_and(|other| *other != own);
    match (differs(&known.wanted), differs(&known.done)) {
        (true, _) if known.others => SignatureState::Others,
        (_, true) => SignatureState::Changed,
        _ => SignatureState::Same,
    }
}

fn signature(context: &Context, fetch: &str) -> Option<String> {
    let named = |id: &FetchId| context.catalog.fetch_name(*id) == fetch;
    let found = context.catalog.fetch_ids().find(named)?;
    Some(context.catalog.signature(found))
}

/// Notes how this definition, which is now in force, reads each of its fetches.
pub(crate) async fn put_in_force(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let catalog = &tx.context.catalog;
    for id in catalog.fetch_ids() {
        let (name, signature) = (catalog.fetch_name(id), catalog.signature(id));
        let mut params = tx.params();
        params.add(name.clone())?;
        params.add(catalog.fingerprint.clone())?;
        params.add(signature.clone())?;
        // Complete runs from before any signature was noted are taken to have read as this
        // definition does.
        let sql = "INSERT INTO hayloft_reading(\"fetch\",definition,wanted,done) VALUES ($1,$2,$3,\
                   CASE WHEN EXISTS(SELECT 1 FROM hayloft_run WHERE \"fetch\"=$1 AND state='complete') THEN $3 END) \
                   ON CONFLICT(\"fetch\") DO UPDATE SET definition=excluded.definition,wanted=excluded.wanted RETURNING done";
        let rows = tx.all(params, sql.to_owned()).await?;
        let done: Option<String> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
        if done.is_some_and(|done| done != signature) {
            tracing::info!("~ {name}: read in another way: harvested again");
        }
    }
    // A process that goes over to it is known for its own from this moment on.
    let mut params = tx.params();
    params.add(tx.context.process.to_string())?;
    params.add(catalog.fingerprint.clone())?;
    let sql = "UPDATE hayloft_process SET definition=$2 WHERE id=$1".to_owned();
    tx.run(params, sql).await.map(|_| ())
}

/// Notes a complete run of this process; whether it read as the definition in force does.
pub(crate) async fn note_complete(tx: &mut Transaction<'_>, fetch: &str) -> Result<bool, StoreError> {
    let Some(own) = signature(tx.context, fetch) else {
        return Ok(true);
    };
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(own.clone())?;
    let sql = "UPDATE hayloft_reading SET done=$2 WHERE \"fetch\"=$1 RETURNING wanted".to_owned();
    let rows = tx.all(params, sql).await?;
    let wanted: Option<String> = rows.first().map(|row| get(row, 0)).transpose()?;
    Ok(wanted.is_none_or(|wanted| wanted == own))
}

/// The fetches that the definition of this handle reads in another way than their last complete run
/// did.
pub(crate) async fn changed(context: &Context) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT \"fetch\",done FROM hayloft_reading WHERE done IS NOT NULL ORDER BY \"fetch\"".to_owned();
    let mut changed = Vec::new();
    for row in context.own.take().await?.fetch(context.params().query(sql)).await? {
        let (fetch, done): (String, String) = (get(&row, 0)?, get(&row, 1)?);
        if signature(context, &fetch).is_some_and(|own| own != done) {
            changed.push(fetch);
        }
    }
    Ok(changed)
}
