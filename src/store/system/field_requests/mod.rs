//! `hayloft_fan_out`: the requests of field fetches, one about each row. Knows who has claimed
//! them; not what they bring.

pub(crate) mod answers;
pub(crate) mod plan;

use std::collections::HashSet;

use crate::{
    catalog::{EntityId, FetchId},
    layout::ROW_COLUMN,
    store::{
        bulk::delete_where,
        context::{self, Context},
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        tx::Transaction,
        types::{AnswersTold, FieldRequestCounts, Left, Run},
    },
    value::Value,
};

use super::{fetches, quarantine};

/// The part of what is left that one claim takes, and requests that are not shared any further:
/// they are made at once.
const SHARED: i64 = 8;
const SHARED_MIN: i64 = 16;

/// Claims the first rows that satisfy a condition and that nobody else is just claiming.
pub(crate) async fn take(
    tx: &mut Transaction<'_>,
    run: &Run,
    owner: &str,
    limit: u32,
    condition: &str,
) -> Result<Vec<i64>, StoreError> {
    let which = format!("FROM hayloft_fan_out WHERE \"fetch\"=$1 AND run=$2 AND {condition}");
    // In the order of the rows, as everybody locks them; who skips what others lock waits for
    // nobody.
    let most = most(tx, &which);
    let sql = format!(
        "WITH _picked AS MATERIALIZED (SELECT parent {which} ORDER BY parent LIMIT {most} {}) \
         UPDATE hayloft_fan_out SET state='claimed',owner=$3,until={} \
         WHERE \"fetch\"=$1 AND parent IN (SELECT parent FROM _picked) RETURNING parent",
        tx.context.dialect.skip_locked(),
        tx.context.now(CLAIM_SECONDS)
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(owner.to_owned())?;
    params.add(i64::from(limit))?;
    let rows = tx.all(params, sql).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

/// How many of these are taken, of the `$4` that are wanted: where several processes may be at
/// work, a small part of what is left at most. The others would have nothing to do at the end,
/// while one asks for all that it took.
fn most(tx: &Transaction<'_>, which: &str) -> String {
    match tx.context.dialect.skip_locked().is_empty() {
        true => "$4".to_owned(),
        false => {
            format!(
                "LEAST($4,GREATEST({SHARED_MIN},(SELECT count(*)/{SHARED} FROM (SELECT 1 {which} LIMIT {SHARED}*$4) AS few)))"
            )
        }
    }
}

/// Locks the requests about some rows, in the order of the rows; of a run and an owner, those that
/// they have claimed.
pub(crate) async fn lock(
    tx: &mut Transaction<'_>,
    fetch: &str,
    rows: &[i64],
    claim: Option<(i64, &str)>,
) -> Result<HashSet<i64>, StoreError> {
    let dialect = tx.context.dialect;
    let mut locked = HashSet::with_capacity(rows.len());
    let mut from = 0;
    for size in dialect.row_sizes(rows.len(), 1) {
        let mut wanted = Rows::new(tx.params(), &[Kind::Int], size);
        rows.iter().skip(from).take(size).try_for_each(|row| wanted.int(*row))?;
        from += size;
        let mut params = wanted.bind()?;
        params.text(fetch)?;
        let mut condition = format!("\"fetch\"={}", dialect.bulk_param(2));
        if let Some((run, owner)) = claim {
            params.add(run)?;
            params.text(owner)?;
            let (run, owner) = (dialect.bulk_param(3), dialect.bulk_param(4));
            // An answer to a claim that was given back or taken over is nobody's: its row may have
            // been answered by another since.
            condition.push_str(&format!(" AND run={run} AND owner={owner} AND state='claimed'"));
        }
        let sql = format!(
            "SELECT parent FROM hayloft_fan_out WHERE parent IN ({}) AND {condition} ORDER BY parent{}",
            tx.rows(&[Kind::Int], size),
            dialect.for_update()
        );
        for row in tx.all(params, sql).await? {
            locked.insert(get(&row, 0)?);
        }
    }
    Ok(locked)
}

/// Forgets the requests about rows that are deleted. First of all, so that an answer on its way is
/// waited for or refused.
pub(crate) async fn forget(tx: &mut Transaction<'_>, parent: EntityId, rows: &[i64]) -> Result<(), StoreError> {
    let catalog = tx.context.catalog.clone();
    let about = |id: &FetchId| {
        catalog
            .fetch(*id)
            .field_fetch
            .as_ref()
            .is_some_and(|each| each.parent == parent)
    };
    for id in catalog.fetch_ids().filter(about) {
        let fetch = catalog.fetch_name(id);
        // Locked in the order in which commits lock them: otherwise each could wait for the other.
        lock(tx, &fetch, rows, None).await?;
        // With the request goes what was refused of its answer, or nobody would ever take it out.
        quarantine::forget_of(tx, &fetch, rows).await?;
        let name = Value::Text(fetch);
        let gone: Vec<Vec<Value>> = rows.iter().map(|row| vec![name.clone(), Value::Int(*row)]).collect();
        let columns = [("fetch", Kind::Text), ("parent", Kind::Int)];
        delete_where(tx, "hayloft_fan_out", &columns, &gone).await?;
    }
    Ok(())
}

/// How long a claim holds without being renewed: a killed process's requests are made by another
/// one after that.
pub(crate) const CLAIM_SECONDS: i64 = 30;
/// Failures that `status` shows as examples.
const SHOWN: i64 = 5;

/// Takes away claimed requests whose row has gone without them: a changed definition deletes rows,
/// and a run that deletes cannot see what another one is just planning. Nobody could ever answer
/// them.
pub(crate) async fn forget_orphans(
    tx: &mut Transaction<'_>,
    run: &Run,
    fetch: FetchId,
    owner: &str,
) -> Result<(), StoreError> {
    let each = context::field_fetch(tx.context, fetch)?;
    let sql = format!(
        "DELETE FROM hayloft_fan_out WHERE \"fetch\"=$1 AND owner=$2 AND state='claimed' \
         AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE p.{}=hayloft_fan_out.parent)",
        tx.quote(&tx.tables(each.parent).table.name),
        tx.quote(ROW_COLUMN),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(owner.to_owned())?;
    tx.run(params, sql).await.map(|_| ())
}

/// Renews the claims of a process that is still at work.
pub(crate) async fn renew(context: &Context, fetch: &str, owner: &str) -> Result<(), StoreError> {
    let until = context.now(CLAIM_SECONDS);
    // Those that are being committed need no more time.
    let open = context.dialect.skip_locked();
    let sql = format!(
        "WITH _held AS MATERIALIZED (SELECT parent FROM hayloft_fan_out WHERE \"fetch\"=$1 AND owner=$2 AND state='claimed' \
         ORDER BY parent{open}) UPDATE hayloft_fan_out SET until={until} WHERE \"fetch\"=$1 AND parent IN (SELECT parent FROM _held)"
    );
    of_owner(context, fetch, owner, sql).await
}

/// Gives back what a process claimed and will not ask any more.
pub(crate) async fn release(context: &Context, fetch: &str, owner: &str) -> Result<(), StoreError> {
    // Not those that were answered meanwhile; and who gives back has not died at an answer, so none
    // is to blame.
    let sql = "UPDATE hayloft_fan_out SET state='due',owner=NULL,until=NULL,working=NULL WHERE \"fetch\"=$1 AND owner=$2 AND state='claimed'";
    of_owner(context, fetch, owner, sql.to_owned()).await
}

async fn of_owner(context: &Context, fetch: &str, owner: &str, sql: String) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(owner.to_owned())?;
    tx.run(params, sql).await?;
    tx.commit().await
}

/// Whether requests of a run are still to be made, by whomever; and whether the run goes on at all.
pub(crate) async fn left(context: &Context, run: &Run) -> Result<Left, StoreError> {
    let mut params = context.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(run.fence)?;
    let open = "SELECT 1 FROM hayloft_fan_out WHERE \"fetch\"=$1 AND run=$2 AND state=";
    let sql = format!(
        "SELECT CAST(CASE WHEN EXISTS({open}'due') OR EXISTS({open}'claimed') THEN 1 ELSE 0 END AS BIGINT),\
         CAST(CASE WHEN EXISTS(SELECT 1 FROM hayloft_run WHERE id=$2 AND fence=$3 AND state='running') THEN 1 ELSE 0 END AS BIGINT)"
    );
    // One statement for both, so that they are of one moment: a run that ends between two questions
    // would look like one without requests.
    let rows = context.own.take().await?.fetch(params.query(sql)).await?;
    let is = |at: usize| -> Result<bool, StoreError> {
        Ok(rows.first().map(|row| get::<i64>(row, at)).transpose()? == Some(1))
    };
    Ok(match (is(1)?, is(0)?) {
        // First: a run that another one followed has no requests left either, for that one has
        // them.
        (false, _) => Left::RunEnded,
        (true, true) => Left::Some,
        (true, false) => Left::None,
    })
}

/// How many requests are in which state; `run` counts those of one run only.
pub(crate) async fn counts(context: &Context, fetch: &str, run: Option<i64>) -> Result<FieldRequestCounts, StoreError> {
    let mut params = context.params();
    params.add(fetch.to_owned())?;
    params.add(run.unwrap_or(-1))?;
    let sql = "SELECT state,CAST(count(*) AS BIGINT) FROM hayloft_fan_out WHERE \"fetch\"=$1 AND ($2=-1 OR run=$2) GROUP BY state";
    let mut counts = FieldRequestCounts::default();
    for row in context.own.take().await?.fetch(params.query(sql)).await? {
        let count = get::<i64>(&row, 1)?.unsigned_abs();
        match get::<String>(&row, 0)?.as_str() {
            "done" => counts.done = count,
            "failed" => counts.failed = count,
            _ => counts.left += count,
        }
    }
    let mut params = context.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_quarantine WHERE \"fetch\"=$1 AND parent IS NOT NULL";
    for row in context.own.take().await?.fetch(params.query(sql)).await? {
        counts.refused = get::<i64>(&row, 0)?.unsigned_abs();
    }
    if counts.failed > 0 {
        let mut params = context.params();
        params.add(fetch.to_owned())?;
        // Those first at which a process ended: of the others there may be many alike.
        let sql = format!(
            "SELECT error FROM hayloft_fan_out WHERE \"fetch\"=$1 AND state='failed' AND error IS NOT NULL \
             ORDER BY CASE WHEN aside_until IS NULL THEN 1 ELSE 0 END,parent LIMIT {SHOWN}"
        );
        for row in context.own.take().await?.fetch(params.query(sql)).await? {
            counts.errors.push(get(&row, 0)?);
        }
    }
    Ok(counts)
}

/// What is to be told of the answers that stand: a doubt stays until its answer is read anew, in
/// whichever run.
pub(crate) async fn told(context: &Context, fetch: &str) -> Result<AnswersTold, StoreError> {
    let mut params = context.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT CAST(count(doubt) AS BIGINT),CAST(coalesce(sum(copies),0) AS BIGINT),(SELECT doubt FROM hayloft_fan_out \
               WHERE \"fetch\"=$1 AND doubt IS NOT NULL ORDER BY parent LIMIT 1) FROM hayloft_fan_out WHERE \"fetch\"=$1";
    let rows = context.own.take().await?.fetch(params.query(sql)).await?;
    let Some(row) = rows.first() else {
        return Ok(AnswersTold::default());
    };
    Ok(AnswersTold {
        doubts: get::<i64>(row, 0)?.unsigned_abs(),
        copies: get::<i64>(row, 1)?.unsigned_abs(),
        doubt: get(row, 2)?,
    })
}

/// Forgets the requests of fields that the definition has no more: should one come back, its links
/// are not there. Not for a former definition: the newer one, compatible with it, may have them.
pub(crate) async fn forget_others(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let catalog = &tx.context.catalog;
    let names: Vec<String> = catalog.fetch_ids().map(|id| catalog.fetch_name(id)).collect();
    let params = tx.params();
    let known = tx
        .all(params, "SELECT DISTINCT \"fetch\" FROM hayloft_fan_out".to_owned())
        .await?;
    for row in &known {
        let name: String = get(row, 0)?;
        if names.contains(&name) {
            continue;
        }
        let mut params = tx.params();
        params.add(name.clone())?;
        tx.run(params, "DELETE FROM hayloft_fan_out WHERE \"fetch\"=$1".to_owned())
            .await?;
        // Only the answer that comes next would take these out, and none comes.
        let mut params = tx.params();
        params.add(name)?;
        let sql = "DELETE FROM hayloft_quarantine WHERE \"fetch\"=$1 AND parent IS NOT NULL";
        tx.run(params, sql.to_owned()).await?;
    }
    Ok(())
}

/// Notes the large answer about a row that a crew takes in hand.
pub(crate) async fn answering(
    context: &Context,
    fetch: &str,
    owner: &str,
    row: i64,
    place: &str,
) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(owner.to_owned())?;
    params.add(row)?;
    params.add(place.to_owned())?;
    let sql = "UPDATE hayloft_fan_out SET working=$4 WHERE \"fetch\"=$1 AND owner=$2 AND parent=$3 AND state='claimed'";
    tx.run(params, sql.to_owned()).await?;
    tx.commit().await
}

/// Sets requests aside whose crew has gone with a large answer in hand: claimed ones that satisfy a
/// condition. They count as failed.
pub(crate) async fn set_requests_aside(
    tx: &mut Transaction<'_>,
    fetch: &str,
    condition: &str,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = format!(
        "SELECT parent,working,ended_processes FROM hayloft_fan_out WHERE \"fetch\"=$1 AND state='claimed' AND working IS NOT NULL \
         AND {condition} ORDER BY parent{}",
        // What is locked is just being committed, so whoever has it lives.
        tx.context.dialect.skip_locked()
    );
    for found in tx.all(params, sql).await? {
        let (row, place, ended): (i64, String, i64) = (get(&found, 0)?, get(&found, 1)?, get(&found, 2)?);
        let wait = fetches::wait_after(ended + 1);
        let error = format!(
            "{place}: a process ended while it was at work on the answer, which may be why; the request is set aside for {wait:?}, and \
             made by the next run after that; `hayloft harvest {fetch}` makes it at once"
        );
        tracing::warn!(fetch, "{error}");
        let mut params = tx.params();
        params.add(fetch.to_owned())?;
        params.add(row)?;
        params.add(ended + 1)?;
        params.add(error)?;
        let sql = format!(
            "UPDATE hayloft_fan_out SET state='failed',error=$4,ended_processes=$3,aside_until={},working=NULL,owner=NULL,until=NULL,\
             next_at=NULL WHERE \"fetch\"=$1 AND parent=$2",
            // Failed, so that the run can end without it; set aside, so that the next one does not
            // begin with it.
            tx.context.now(wait.as_secs().cast_signed())
        );
        tx.run(params, sql).await?;
    }
    Ok(())
}

/// A condition on a request `s`: it is not left alone, or a person has begun the run.
pub(crate) fn may_be_made(context: &Context, run: &str) -> String {
    format!(
        "(s.aside_until IS NULL OR s.aside_until<={} OR EXISTS(SELECT 1 FROM hayloft_run AS by_hand WHERE by_hand.id={run} AND \
         by_hand.reason='hand'))",
        context.now(0)
    )
}

/// The owner of the request about a row, which is held until the transaction ends.
pub(crate) async fn owner(tx: &mut Transaction<'_>, fetch: &str, parent: i64) -> Result<Option<String>, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    params.add(parent)?;
    let lock = tx.context.dialect.for_update();
    let sql = format!("SELECT owner FROM hayloft_fan_out WHERE \"fetch\"=$1 AND parent=$2{lock}");
    let rows = tx.all(params, sql).await?;
    rows.first().map_or(Ok(None), |row| get(row, 0))
}

/// Forgets all requests of a fetch.
pub(crate) async fn forget_all(tx: &mut Transaction<'_>, fetch: &str) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "DELETE FROM hayloft_fan_out WHERE \"fetch\"=$1".to_owned();
    tx.run(params, sql).await.map(|_| ())
}
