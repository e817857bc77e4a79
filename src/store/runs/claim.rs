//! How runs begin: the turn of a fetch, waiting slots claimed, interrupted runs resumed or closed. Knows states and fences.
//!
//! Whoever decides about the runs of a fetch first takes its turn: a lock on one row until the transaction ends. So what a
//! decision was made from is still so when it is written, on any database and with any number of processes.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::{
    commit::{self, Trace},
    context::Context,
    db::{
        failpoint,
        pool::{Line, get},
    },
    error::StoreError,
    in_force,
    state::{row_set, run_memory::RunMemory},
    system::{
        clock, fetches, run_seen,
        runs::{self, LEASE_SECONDS, SUMMARY, SUMMARY_COLUMNS},
    },
    tx::Transaction,
    types::{Checkpoint, Claim, Due, Hold, RESUME_MAX, Reason, Run, StartRun},
};

/// Microseconds after a slot that may be taken when it is tried again; each try takes the next one, so the first is free.
const SLOT_TRIES: i64 = 16;

/// Starts a run in a slot of its own.
pub async fn start(inner: &Context, start: &StartRun) -> Result<Option<Run>, StoreError> {
    let mut work = in_force::begin(inner).await?;
    let turn = fetches::turn(&mut work, &start.fetch).await?;
    let asked = Asked {
        fetch: &start.fetch,
        turn,
        resume: start.resume,
        by_hand: start.reason == Reason::Hand,
    };
    let due = Due {
        slot: start.slot,
        reason: start.reason,
    };
    let begun = match settle(&mut work, &asked).await? {
        Settled::Held => None,
        Settled::Resumed(begun) => Some(*begun),
        Settled::Closed(_) | Settled::Nothing => match queue(&mut work, &start.fetch, due).await? {
            Some(id) => begin(&mut work, &asked, Some(id)).await?,
            None => None,
        },
    };
    let era = commit(work, &asked, begun.is_some()).await?;
    Ok(begun.map(|begun| begun.run(inner, era, start.fetch.clone(), start.entity)))
}

/// Starts the next run of a fetch: goes on with an interrupted one, or takes the oldest slot that waits.
pub async fn claim(inner: &Context, claim: &Claim) -> Result<Option<Run>, StoreError> {
    let mut work = in_force::begin(inner).await?;
    let turn = fetches::turn(&mut work, &claim.fetch).await?;
    let asked = Asked {
        fetch: &claim.fetch,
        turn,
        resume: claim.resume,
        by_hand: false,
    };
    let begun = match settle(&mut work, &asked).await? {
        Settled::Held => None,
        Settled::Resumed(begun) => Some(*begun),
        Settled::Nothing => begin(&mut work, &asked, None).await?,
        Settled::Closed(slot) => {
            // What that run was for is still to be done.
            if !claim.newer_covers || !is_waiting(&mut work, &claim.fetch).await? {
                queue_again(&mut work, &claim.fetch, slot).await?;
            }
            begin(&mut work, &asked, None).await?
        }
    };
    let era = commit(work, &asked, begun.is_some()).await?;
    Ok(begun.map(|begun| begun.run(inner, era, claim.fetch.clone(), claim.entity)))
}

/// Gives the era that the run is of.
async fn commit(work: Transaction<'_>, asked: &Asked<'_>, begun: bool) -> Result<u64, StoreError> {
    let era = work.era;
    let trace = match begun {
        true => Trace::Claimed(asked.fetch, asked.turn),
        false => Trace::Again,
    };
    failpoint::point("claim::before");
    commit::commit(work, trace).await?;
    failpoint::point("claim::after");
    Ok(era)
}

/// Who asks for a run.
struct Asked<'a> {
    fetch: &'a str,
    turn: i64,
    resume: Option<u64>,
    by_hand: bool,
}

/// A run that was claimed, once the transaction is committed.
struct Begun {
    id: i64,
    fence: i64,
    checkpoint: Option<Checkpoint>,
    memory: RunMemory,
}

impl Begun {
    fn run(self, inner: &Context, era: u64, fetch: String, entity: crate::catalog::EntityId) -> Run {
        let run = Run {
            id: self.id,
            fetch,
            entity,
            fence: self.fence,
            era,
            checkpoint: self.checkpoint,
        };
        inner.runs.remember(&run, self.memory);
        run
    }
}

/// What became of the newest run.
enum Settled {
    /// It goes on in other hands, or is left alone for now.
    Held,
    Resumed(Box<Begun>),
    /// It was interrupted in this slot and is now closed.
    Closed(DateTime<Utc>),
    /// It had ended, or there was none.
    Nothing,
}

/// Resumes or closes the newest run of the fetch if nobody has it in hand.
async fn settle(work: &mut Transaction<'_>, asked: &Asked<'_>) -> Result<Settled, StoreError> {
    let Some(newest) = newest(work, asked.fetch).await? else {
        return Ok(Settled::Nothing);
    };
    match newest.hold {
        Hold::Ended => return Ok(Settled::Nothing),
        Hold::Held => return Ok(Settled::Held),
        Hold::Free => {}
    }
    let aside = fetches::is_aside(work, asked.fetch, newest.id, newest.working.as_deref()).await?;
    if aside && !asked.by_hand {
        return Ok(Settled::Held);
    }
    let worth = |done: &Checkpoint| asked.resume.is_some_and(|least| done.pages >= least);
    let same = newest.definition == work.inner.catalog.fingerprint;
    if let (true, true, Some(checkpoint)) = (same, newest.fresh, newest.checkpoint.clone().filter(worth)) {
        let begun = resume(work, asked, &newest, checkpoint).await?;
        return Ok(Settled::Resumed(Box::new(begun)));
    }
    close(work, newest.id).await?;
    Ok(Settled::Closed(newest.slot))
}

/// The run of a fetch that began last, as far as taking it over needs it.
struct Newest {
    id: i64,
    slot: DateTime<Utc>,
    hold: Hold,
    fence: i64,
    definition: String,
    /// Young enough to be gone on with.
    fresh: bool,
    checkpoint: Option<Checkpoint>,
    part: i64,
    /// The large page that it had in hand.
    working: Option<String>,
}

async fn newest(work: &mut Transaction<'_>, fetch: &str) -> Result<Option<Newest>, StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let oldest = -i64::try_from(RESUME_MAX.as_secs()).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {SUMMARY},{},fence,definition,heartbeat_at>={},checkpoint,checkpoint_pages,checkpoint_rows,checkpoint_part,working \
         FROM hayloft_run WHERE \"fetch\"=$1 AND state<>'queued' ORDER BY turn DESC,id DESC LIMIT 1{}",
        runs::lease_over(work.inner),
        work.inner.now(oldest),
        work.inner.dialect.for_update()
    );
    let rows = work.all(params, sql).await?;
    rows.first().map(|row| read_newest(work.inner, row)).transpose()
}

fn read_newest(inner: &Context, row: &Line) -> Result<Newest, StoreError> {
    let run = runs::summary(row)?;
    let (over, fence): (bool, i64) = (get(row, SUMMARY_COLUMNS)?, get(row, SUMMARY_COLUMNS + 1)?);
    let next: Option<String> = get(row, SUMMARY_COLUMNS + 4)?;
    let (pages, rows): (i64, i64) = (get(row, SUMMARY_COLUMNS + 5)?, get(row, SUMMARY_COLUMNS + 6)?);
    Ok(Newest {
        id: run.id,
        slot: run.slot,
        hold: runs::hold(inner, &run, fence, over),
        fence,
        definition: get(row, SUMMARY_COLUMNS + 2)?,
        fresh: get(row, SUMMARY_COLUMNS + 3)?,
        checkpoint: next.map(|next| Checkpoint {
            next,
            pages: pages.unsigned_abs(),
            rows: rows.unsigned_abs(),
        }),
        part: get(row, SUMMARY_COLUMNS + 7)?,
        working: get(row, SUMMARY_COLUMNS + 8)?,
    })
}

/// Puts a slot into the ledger; `None` when it is there already.
pub async fn queue(work: &mut Transaction<'_>, fetch: &str, due: Due) -> Result<Option<i64>, StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    params.add(clock::slot_text(due.slot))?;
    params.add(due.reason.name())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let now = work.inner.now(0);
    let sql = format!(
        "INSERT INTO hayloft_run(\"fetch\",slot,reason,definition,state,fence,started_at,heartbeat_at,lease_until) \
         VALUES ($1,$2,$3,$4,'queued',0,{now},{now},{now}) ON CONFLICT(\"fetch\",slot) DO NOTHING RETURNING id"
    );
    let rows = work.all(params, sql).await?;
    failpoint::point("claim::queued");
    rows.first().map(|row| get(row, 0)).transpose()
}

/// The same once more, in the first free slot after the one that was tried: it comes before all newer ones, and counts for none
/// of them.
async fn queue_again(work: &mut Transaction<'_>, fetch: &str, tried: DateTime<Utc>) -> Result<(), StoreError> {
    for step in 1..=SLOT_TRIES {
        let due = Due {
            slot: tried + TimeDelta::microseconds(step),
            reason: Reason::Start,
        };
        if queue(work, fetch, due).await?.is_some() {
            return Ok(());
        }
    }
    Err(StoreError::Refused(format!(
        "the slots of {fetch} after {tried} are all taken; start it by hand: hayloft harvest"
    )))
}

async fn is_waiting(work: &mut Transaction<'_>, fetch: &str) -> Result<bool, StoreError> {
    let mut params = work.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT id FROM hayloft_run WHERE \"fetch\"=$1 AND state='queued' LIMIT 1".to_owned();
    Ok(!work.all(params, sql).await?.is_empty())
}

/// Claims a slot that waits, the oldest unless `only` names one. Nothing runs while another run of the fetch does: its turn
/// is ours, and the index over running runs would refuse it.
async fn begin(work: &mut Transaction<'_>, asked: &Asked<'_>, only: Option<i64>) -> Result<Option<Begun>, StoreError> {
    let mut params = work.params();
    params.add(asked.fetch.to_owned())?;
    params.add(asked.turn)?;
    params.add(work.inner.process.to_string())?;
    params.add(work.inner.catalog.fingerprint.clone())?;
    let mut which = "\"fetch\"=$1 AND state='queued'".to_owned();
    if let Some(id) = only {
        params.add(id)?;
        which.push_str(" AND id=$5");
    }
    let (now, lease) = (work.inner.now(0), work.inner.now(LEASE_SECONDS));
    let sql = format!(
        "UPDATE hayloft_run SET state='running',fence=fence+1,turn=$2,owner=$3,definition=$4,\
         started_at={now},heartbeat_at={now},lease_until={lease} WHERE id=(SELECT id FROM hayloft_run \
         WHERE {which} AND NOT EXISTS (SELECT 1 FROM hayloft_run AS other WHERE other.fetch=$1 AND other.state='running') \
         ORDER BY slot LIMIT 1{}) RETURNING id,fence",
        work.inner.dialect.skip_locked()
    );
    let rows = work.all(params, sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let repeating = runs::repeating(work, asked.fetch).await?;
    Ok(Some(Begun {
        id: get(row, 0)?,
        fence: get(row, 1)?,
        checkpoint: None,
        memory: RunMemory {
            repeating,
            ..RunMemory::default()
        },
    }))
}

async fn resume(
    work: &mut Transaction<'_>,
    asked: &Asked<'_>,
    newest: &Newest,
    checkpoint: Checkpoint,
) -> Result<Begun, StoreError> {
    let mut params = work.params();
    params.add(newest.id)?;
    params.add(asked.turn)?;
    params.add(work.inner.process.to_string())?;
    let sql = format!(
        "UPDATE hayloft_run SET state='running',fence=fence+1,turn=$2,owner=$3,error=NULL,finished_at=NULL,\
         heartbeat_at={},lease_until={} WHERE id=$1",
        work.inner.now(0),
        work.inner.now(LEASE_SECONDS)
    );
    work.run(params, sql).await?;
    Ok(Begun {
        id: newest.id,
        fence: newest.fence + 1,
        checkpoint: Some(checkpoint),
        memory: RunMemory {
            repeating: runs::repeating(work, asked.fetch).await?,
            ..seen_before(work, newest).await?
        },
    })
}

/// What the interrupted run had seen up to its checkpoint; what it saw of the page after that will be read again.
async fn seen_before(work: &mut Transaction<'_>, newest: &Newest) -> Result<RunMemory, StoreError> {
    let mut params = work.params();
    params.add(newest.id)?;
    params.add(newest.part)?;
    let sql = "DELETE FROM hayloft_run_seen WHERE run=$1 AND part>$2".to_owned();
    work.run(params, sql).await?;
    let mut params = work.params();
    params.add(newest.id)?;
    let sql = "SELECT rows FROM hayloft_run_seen WHERE run=$1".to_owned();
    let mut memory = RunMemory {
        part: newest.part,
        ..RunMemory::default()
    };
    for part in &work.all(params, sql).await? {
        let rows = row_set::unpack(&get::<Vec<u8>>(part, 0)?);
        let rows = rows.ok_or_else(|| StoreError::Refused("the stored rows of a run are damaged".to_owned()))?;
        rows.into_iter().for_each(|row| {
            memory.seen.insert(row);
        });
    }
    Ok(memory)
}

/// Ends an interrupted run for good.
async fn close(work: &mut Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(id)?;
    let now = work.inner.now(0);
    let sql = format!("UPDATE hayloft_run SET state='interrupted',finished_at=coalesce(finished_at,{now}) WHERE id=$1");
    work.run(params, sql).await?;
    run_seen::forget(work, id).await
}
