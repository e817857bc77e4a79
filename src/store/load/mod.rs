//! One transaction per page group: rows that differ, rows seen, change log, quarantine, request state, checkpoint.
//! Knows the order of the steps; the SQL of tables is in `work` and `write`.

mod batch;
pub(super) mod seen;
mod work;
mod write;

use std::sync::Arc;

use crate::{
    catalog::{EntityId, Missing},
    change::Commit,
    layout::ROW_COLUMN,
    value::Key,
};

use super::{
    Inner,
    bind::{Params, get},
    dialect::Dialect,
    failed,
    ledger::{LEASE_SECONDS, RunMemory},
    types::{Checkpoint, Group, GroupOutcome, Refused, RequestState, Run, StoreError},
};
use seen::RowSet;
use work::{Fate, Item, Work, distinct};

/// Rows deleted by one round of statements.
const DELETE_CHUNK: usize = 5_000;
/// Entries that the change log keeps; who is further behind reads everything again.
const LOG_KEPT: i64 = 1_000_000;

/// Commits a group. An error ends the run; what was seen is only what was committed.
pub(super) async fn commit_group(inner: &Inner, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
    let memory = inner.memory(run)?;
    let mut memory = memory.lock().await;
    let mut work = Work::begin(inner).await?;
    check_fence(&mut work, run).await?;
    let mut written = write_rows(&mut work, run, &group, &memory.seen).await?;
    memory.part += 1;
    memory.unfit |= written.unfit;
    memory.page_rows.extend(&written.rows);
    if !written.rows.is_empty() {
        insert_seen(&mut work, run, memory.part, &mut written.rows).await?;
    }
    let stored = std::mem::take(&mut work.refused);
    for record in group.refused.iter().chain(&stored) {
        let number = insert_refused(&mut work, run, record).await?;
        memory.page_refused.get_or_insert(number);
    }
    end_page(&mut work, run, &group, &mut memory).await?;
    let refused = written.refused + (group.refused.len() + stored.len()) as u64;
    update_run(&mut work, run, &group, &written.outcome, refused, memory.part).await?;
    let commit = finish(work, run).await?;
    announce(inner, commit);
    Ok(written.outcome)
}

/// What a group wrote or found.
struct Written {
    outcome: GroupOutcome,
    /// Every stored row that the group stands for.
    rows: Vec<i64>,
    /// The database refused a row.
    unfit: bool,
    /// Records of an unchanged page that were refused when it was read.
    refused: u64,
}

/// Writes what differs and collects what was seen; `seen` is what earlier pages of the run brought.
async fn write_rows(work: &mut Work<'_>, run: &Run, group: &Group, seen: &RowSet) -> Result<Written, StoreError> {
    let items: Vec<Item<'_>> = group.rows.iter().map(|row| Item { row, position: 0 }).collect();
    let (items, _) = distinct(work, run.entity, items);
    let mut outcome = GroupOutcome::default();
    let mut rows = Vec::with_capacity(items.len());
    let mut unfit = false;
    let mut refused = 0;
    for fate in work.upsert(run.entity, &items, false).await? {
        match fate {
            Fate::New(_) => outcome.new += 1,
            Fate::Changed(_) => outcome.changed += 1,
            Fate::Same(_) => outcome.same += 1,
            Fate::Refused(_) => unfit = true,
        }
        rows.extend(fate.row());
    }
    if let Some(request) = &group.unchanged {
        let (kept, still) = unchanged(work, run, request).await?;
        refused = still;
        outcome.same += kept.len() as u64;
        rows.extend(kept);
    }
    rows.extend(stays(work, run, &group.refused).await?);
    // What comes twice on one page is the upstream's own way: the page is of one moment.
    outcome.repeated = rows.iter().filter(|row| seen.contains(**row)).count() as u64;
    Ok(Written {
        outcome,
        rows,
        unfit,
        refused,
    })
}

/// At the end of a page: what is remembered of its request.
async fn end_page(work: &mut Work<'_>, run: &Run, group: &Group, memory: &mut RunMemory) -> Result<(), StoreError> {
    if let Some(request) = &group.request {
        // A page with a refused row is read again in full: the value that stood in its way may be free by then.
        if memory.unfit {
            forget(work, run, &request.request).await?;
        } else {
            remember(work, run, request, &mut memory.page_rows).await?;
        }
        if let Some(first) = memory.page_refused.take() {
            name_refused(work, run, first, &request.request).await?;
        }
    }
    if group.request.is_some() || group.checkpoint.is_some() {
        memory.end_page();
        memory.page_refused = None;
        memory.unfit = false;
    }
    Ok(())
}

/// Refuses the writes of a run that was taken over or has ended.
pub(super) async fn check_fence(work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    params.add(run.fence)?;
    let sql = "SELECT 1 FROM hayloft_run WHERE id=?1 AND fence=?2 AND state='running'".to_owned();
    if work.all(params, sql).await?.is_empty() {
        return Err(StoreError::Fenced);
    }
    Ok(())
}

/// The stored rows that refused records stand for: their last good versions, which are not absent.
async fn stays(work: &mut Work<'_>, run: &Run, refused: &[Refused]) -> Result<Vec<i64>, StoreError> {
    let keys: Vec<&Key> = refused.iter().filter_map(|refused| refused.id.as_ref()).collect();
    work.rows_of(run.entity, &keys).await
}

/// The rows that an unchanged request brought when it was last read, and how many of its records were refused then: they
/// are refused still, and go over to this run.
async fn unchanged(work: &mut Work<'_>, run: &Run, request: &str) -> Result<(Vec<i64>, u64), StoreError> {
    let mut params = Params::default();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET run=?3 WHERE fetch=?1 AND request=?2 AND run=\
               (SELECT run FROM hayloft_request_state WHERE fetch=?1 AND request=?2)";
    let refused = work.run(params, sql.to_owned()).await?;
    let mut params = Params::default();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_request_state SET run=?4 WHERE fetch=?1 AND request=?2 AND definition=?3 RETURNING seen";
    let rows = work.all(params, sql.to_owned()).await?;
    let Some(row) = rows.first() else {
        return Err(StoreError::Refused(
            "an unchanged page is not known from an earlier run; read it again in full".to_owned(),
        ));
    };
    let bytes: Vec<u8> = get(row, 0)?;
    let rows =
        seen::unpack(&bytes).ok_or_else(|| StoreError::Refused("a stored request state is damaged".to_owned()))?;
    Ok((rows, refused))
}

async fn insert_seen(work: &mut Work<'_>, run: &Run, part: i64, rows: &mut Vec<i64>) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    params.add(part)?;
    params.add(seen::pack(rows))?;
    work.run(
        params,
        "INSERT INTO hayloft_run_seen(run,part,rows) VALUES (?,?,?)".to_owned(),
    )
    .await?;
    Ok(())
}

async fn remember(work: &mut Work<'_>, run: &Run, state: &RequestState, rows: &mut Vec<i64>) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.fetch.clone())?;
    params.add(state.request.clone())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    params.add(run.id)?;
    params.add(state.etag.clone())?;
    params.add(state.last_modified.clone())?;
    params.add(state.body_hash.clone())?;
    params.add(state.page.clone())?;
    params.add(state.rows.cast_signed())?;
    params.add(seen::pack(rows))?;
    let sql = "INSERT OR REPLACE INTO hayloft_request_state\
               (fetch,request,definition,run,etag,last_modified,body_hash,page,rows,seen) VALUES (?,?,?,?,?,?,?,?,?,?)";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

async fn forget(work: &mut Work<'_>, run: &Run, request: &str) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.fetch.clone())?;
    params.add(request.to_owned())?;
    work.run(
        params,
        "DELETE FROM hayloft_request_state WHERE fetch=? AND request=?".to_owned(),
    )
    .await?;
    Ok(())
}

/// The number of the new entry.
async fn insert_refused(work: &mut Work<'_>, run: &Run, refused: &Refused) -> Result<i64, StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    params.add(run.fetch.clone())?;
    params.add(refused.key.clone())?;
    params.add(refused.reason.clone())?;
    params.add(refused.record.clone())?;
    let now = work.inner.dialect.now(0);
    let sql = format!(
        "INSERT INTO hayloft_quarantine(run,fetch,row_key,reason,record,at) VALUES (?,?,?,?,?,{now}) RETURNING id"
    );
    work.all(params, sql).await?.first().map_or(Ok(0), |row| get(row, 0))
}

/// Notes which request brought the refused records of a page, from the first of them on.
async fn name_refused(work: &mut Work<'_>, run: &Run, first: i64, request: &str) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(request.to_owned())?;
    params.add(first)?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET request=? WHERE id>=? AND run=?";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

async fn update_run(
    work: &mut Work<'_>,
    run: &Run,
    group: &Group,
    outcome: &GroupOutcome,
    refused: u64,
    part: i64,
) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    for count in [
        group.pages,
        group.bytes,
        outcome.new,
        outcome.changed,
        outcome.same,
        refused,
    ] {
        params.add(count.cast_signed())?;
    }
    let mut sql = format!(
        "UPDATE hayloft_run SET pages=pages+?2,bytes=bytes+?3,new_rows=new_rows+?4,changed_rows=changed_rows+?5,\
         same_rows=same_rows+?6,refused_rows=refused_rows+?7,heartbeat_at={},lease_until={}",
        work.inner.dialect.now(0),
        work.inner.dialect.now(LEASE_SECONDS)
    );
    if let Some(Checkpoint { next, pages, rows }) = &group.checkpoint {
        params.add(next.clone())?;
        params.add(pages.cast_signed())?;
        params.add(rows.cast_signed())?;
        params.add(part)?;
        sql.push_str(",checkpoint=?8,checkpoint_pages=?9,checkpoint_rows=?10,checkpoint_part=?11");
    }
    sql.push_str(" WHERE id=?1");
    work.run(params, sql).await?;
    Ok(())
}

/// Writes the change log, whose numbers are taken as the last step, and commits.
pub(super) async fn finish(mut work: Work<'_>, run: &Run) -> Result<Option<Commit>, StoreError> {
    let entities = work.touched();
    let changes = std::mem::take(&mut work.changes);
    let count: usize = changes.values().map(Vec::len).sum();
    let mut head = 0;
    if count > 0 {
        let mut params = Params::default();
        params.add(count as i64)?;
        let sql = "UPDATE hayloft_feed_head SET seq=seq+?1 WHERE one=1 RETURNING seq".to_owned();
        head = work.all(params, sql).await?.first().map_or(Ok(0), |row| get(row, 0))?;
        let mut seq = head - count as i64;
        for ((entity, op), keys) in changes {
            let name = work.inner.catalog.entity(entity).name.clone();
            let mut keys = keys.into_iter();
            for size in batch::sizes(keys.len(), 1, &work.inner.dialect) {
                let mut params = Params::with_capacity(size + 4);
                params.add(seq)?;
                params.add(name.clone())?;
                params.add(op.name())?;
                params.add(run.id)?;
                keys.by_ref().take(size).try_for_each(|key| params.add(key))?;
                work.run(params, log_sql(size, &work.inner.dialect)).await?;
                seq += size as i64;
            }
        }
    }
    work.tx.commit().await.map_err(failed)?;
    Ok((count > 0).then(|| Commit {
        head,
        entities: Arc::new(entities),
    }))
}

/// What the entries share stands once; numbered parameters would be looked up by name, one by one, at every binding.
fn log_sql(size: usize, dialect: &dyn Dialect) -> String {
    format!(
        "WITH all_of(seq,type,op,run,at) AS MATERIALIZED (VALUES (?,?,?,?,{})),one(n,row_key) AS (VALUES {}) \
         INSERT INTO hayloft_change_log(seq,type,row_key,op,run,at) \
         SELECT all_of.seq+1+one.n,all_of.type,one.row_key,all_of.op,all_of.run,all_of.at FROM all_of CROSS JOIN one",
        dialect.now(0),
        batch::values(size, 1, true)
    )
}

/// Tells the listeners of a commit that changed something.
pub(super) fn announce(inner: &Inner, commit: Option<Commit>) {
    if let Some(commit) = commit {
        inner.bus.announce(commit);
    }
}

/// What a complete run deleted, or holds back.
#[derive(Default)]
pub(super) struct Absent {
    pub gone: u64,
    pub held: u64,
}

/// Deletes the rows that a complete run did not see, unless they are too many.
pub(super) async fn absent(
    work: &mut Work<'_>,
    run: &Run,
    memory: &RunMemory,
    missing: Missing,
    missing_max: f64,
) -> Result<Absent, StoreError> {
    if missing == Missing::Keep {
        return Ok(Absent::default());
    }
    let stored = count(work, run.entity).await?;
    // What was seen is stored, so the rest is what was not seen.
    let unseen = stored.saturating_sub(memory.seen.len());
    if unseen == 0 {
        return Ok(Absent::default());
    }
    // Rows that this run added are no part of what was stored before it.
    let before = stored.saturating_sub(added(work, run).await?);
    let allowed = match memory.seen.len() {
        _ if missing_max <= 0.0 => 0,
        // An upstream that answers with nothing at all is more likely broken than empty.
        0 if missing_max < 1.0 => 0,
        _ => ((before as f64 * missing_max).floor() as u64).max(1),
    };
    if unseen > allowed {
        return Ok(Absent { gone: 0, held: unseen });
    }
    let mut gone = 0;
    let mut after = i64::MIN;
    loop {
        let (rows, last) = unseen_after(work, run.entity, memory, after).await?;
        gone += rows.len() as u64;
        write::delete(work, run.entity, rows).await?;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    Ok(Absent { gone, held: 0 })
}

async fn count(work: &mut Work<'_>, entity: EntityId) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM {}", work.quote(&work.tables(entity).table.name));
    let rows = work.all(Params::default(), sql).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(count.unsigned_abs())
}

async fn added(work: &mut Work<'_>, run: &Run) -> Result<u64, StoreError> {
    let mut params = Params::default();
    params.add(run.id)?;
    let rows = work
        .all(params, "SELECT new_rows FROM hayloft_run WHERE id=?".to_owned())
        .await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(count.unsigned_abs())
}

type Keyed = Vec<(i64, Vec<crate::value::Value>)>;

/// The unseen among the next rows of the table, and the last row looked at.
async fn unseen_after(
    work: &mut Work<'_>,
    entity: EntityId,
    memory: &RunMemory,
    after: i64,
) -> Result<(Keyed, Option<i64>), StoreError> {
    let row = work.quote(ROW_COLUMN);
    let key = batch::names(&work.inner.dialect, work.key_names(entity));
    let table = work.quote(&work.tables(entity).table.name);
    let mut params = Params::default();
    params.add(after)?;
    let sql = format!("SELECT {row},{key} FROM {table} WHERE {row}>? ORDER BY {row} LIMIT {DELETE_CHUNK}");
    let mut unseen = Vec::new();
    let mut last = None;
    for line in work.all(params, sql).await? {
        let row: i64 = get(&line, 0)?;
        last = Some(row);
        if !memory.seen.contains(row) {
            unseen.push((row, work.read_key(entity, &line, 1)?));
        }
    }
    Ok((unseen, last))
}

/// Forgets the pages that a complete run did not visit: they may list rows that are gone now, which their validators would
/// hide, and pages that are never asked for again would pile up.
pub(super) async fn forget_unvisited(work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
    let mut params = Params::default();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    work.run(
        params,
        "DELETE FROM hayloft_request_state WHERE fetch=? AND run<>?".to_owned(),
    )
    .await?;
    Ok(())
}

/// Cuts the change log to its bound.
pub(super) async fn prune_log(work: &mut Work<'_>) -> Result<(), StoreError> {
    let sql =
        format!("DELETE FROM hayloft_change_log WHERE seq<=(SELECT seq FROM hayloft_feed_head WHERE one=1)-{LOG_KEPT}");
    work.run(Params::default(), sql).await?;
    Ok(())
}

pub(super) use work::Work as Writing;
