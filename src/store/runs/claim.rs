//! How runs begin: the turn of a fetch, waiting slots claimed, interrupted runs resumed or closed.
//! Knows states and fences.
//!
//! Whoever decides about the runs of a fetch first takes its turn: a lock on one row until the
//! transaction ends. So what a decision was made from is still so when it is written, on any
//! database and with any number of processes.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::{
    commit::{self, Evidence},
    context::Context,
    db::failpoint,
    error::StoreError,
    in_force,
    state::run_memory::RunMemory,
    system::{
        fetches, run_seen,
        runs::{self, Newest},
    },
    tx::Transaction,
    types::{Checkpoint, Claim, Due, Hold, Reason, Run, StartRun},
};

/// Microseconds after a slot that may be taken when it is tried again; each try takes the next one,
/// so the first is free.
const SLOT_TRIES: i64 = 16;

/// Starts a run in a slot of its own.
pub(crate) async fn start(context: &Context, start: &StartRun) -> Result<Option<Run>, StoreError> {
    let mut tx = in_force::begin(context).await?;
    // Before anything is looked at: what is decided below must still be so at the commit.
    let turn = fetches::turn(&mut tx, &start.fetch).await?;
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
    let begun = match settle(&mut tx, &asked).await? {
        Settled::LeftAlone => None,
        Settled::Resumed(begun) => Some(*begun),
        // A slot of its own. Where it is there already, somebody else has queued or run it, and a
        // second run of it would do the same work again.
        Settled::Closed(_) | Settled::Nothing => match runs::queue(&mut tx, &start.fetch, due).await? {
            Some(id) => begin(&mut tx, &asked, Some(id)).await?,
            None => None,
        },
    };
    let generation = commit(tx, &asked, begun.is_some()).await?;
    Ok(begun.map(|begun| begun.run(context, generation, start.fetch.clone(), start.entity)))
}

/// Starts the next run of a fetch: goes on with an interrupted one, or takes the oldest slot that
/// waits.
pub(crate) async fn claim(context: &Context, claim: &Claim) -> Result<Option<Run>, StoreError> {
    let mut tx = in_force::begin(context).await?;
    // As in `start`: two processes that see the same free run must not both resume it.
    let turn = fetches::turn(&mut tx, &claim.fetch).await?;
    let asked = Asked {
        fetch: &claim.fetch,
        turn,
        resume: claim.resume,
        by_hand: false,
    };
    let begun = match settle(&mut tx, &asked).await? {
        Settled::LeftAlone => None,
        Settled::Resumed(begun) => Some(*begun),
        Settled::Nothing => begin(&mut tx, &asked, None).await?,
        Settled::Closed(slot) => {
            // What that run was for is still to be done.
            if !claim.newer_covers || !runs::is_waiting(&mut tx, &claim.fetch).await? {
                queue_again(&mut tx, &claim.fetch, slot).await?;
            }
            begin(&mut tx, &asked, None).await?
        }
    };
    let generation = commit(tx, &asked, begun.is_some()).await?;
    Ok(begun.map(|begun| begun.run(context, generation, claim.fetch.clone(), claim.entity)))
}

/// Gives the generation that the run is of.
async fn commit(tx: Transaction<'_>, asked: &Asked<'_>, begun: bool) -> Result<u64, StoreError> {
    // Of the transaction, not of now: should the database be another one meanwhile, the run is one
    // of the place where it was claimed, and its writes are refused at the new one.
    let generation = tx.generation;
    let evidence = match begun {
        true => Evidence::Claimed(asked.fetch, asked.turn),
        // A claim that found nothing may be made again. One that took a run may not: the second try
        // would find that run with nobody at work on it, and take it for one that was interrupted.
        false => Evidence::None,
    };
    failpoint::point("claim::before");
    commit::commit(tx, evidence).await?;
    failpoint::point("claim::after");
    Ok(generation)
}

/// Who asks for a run.
struct Asked<'a> {
    pub(crate) fetch: &'a str,
    pub(crate) turn: i64,
    pub(crate) resume: Option<u64>,
    pub(crate) by_hand: bool,
}

/// A run that was claimed, once the transaction is committed.
struct Begun {
    pub(crate) id: i64,
    pub(crate) fence: i64,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) memory: RunMemory,
}

impl Begun {
    pub(crate) fn run(
        self,
        context: &Context,
        generation: u64,
        fetch: String,
        entity: crate::catalog::EntityId,
    ) -> Run {
        let run = Run {
            id: self.id,
            fetch,
            entity,
            fence: self.fence,
            generation,
            checkpoint: self.checkpoint,
        };
        // From here on `hold` takes the run for one that this process works at, so not before the
        // commit.
        context.runs.remember(&run, self.memory);
        run
    }
}

/// What became of the newest run.
enum Settled {
    /// It goes on in other hands, or is left alone for now.
    LeftAlone,
    Resumed(Box<Begun>),
    /// It was interrupted in this slot and is now closed.
    Closed(DateTime<Utc>),
    /// It had ended, or there was none.
    Nothing,
}

/// Resumes or closes the newest run of the fetch if nobody has it in hand.
async fn settle(tx: &mut Transaction<'_>, asked: &Asked<'_>) -> Result<Settled, StoreError> {
    let Some(newest) = runs::newest(tx, asked.fetch).await? else {
        return Ok(Settled::Nothing);
    };
    match newest.hold {
        Hold::Ended => return Ok(Settled::Nothing),
        // Its process lives, as far as anybody knows. Were it not so, the lease ends by itself.
        Hold::Leased => return Ok(Settled::LeftAlone),
        Hold::Free => {}
    }
    // A page that took its process down would take the next one down, too, were it fetched at once.
    let aside = fetches::is_aside(tx, asked.fetch, newest.id, newest.working.as_deref()).await?;
    if aside && !asked.by_hand {
        return Ok(Settled::LeftAlone);
    }
    // With few pages behind it, to read them again costs less than a run that may not judge
    // absence.
    let worth = |done: &Checkpoint| asked.resume.is_some_and(|least| done.pages >= least);
    // Under another definition the rows seen so far are read in another way: the rest beside them
    // would be neither the old nor the new.
    let same = newest.definition == tx.context.catalog.fingerprint;
    if let (true, true, Some(checkpoint)) = (same, newest.fresh, newest.checkpoint.clone().filter(worth)) {
        let begun = resume(tx, asked, &newest, checkpoint).await?;
        return Ok(Settled::Resumed(Box::new(begun)));
    }
    // For good: left open, the next claim would find it once more, and queue its slot again.
    runs::claim::close(tx, newest.id).await?;
    Ok(Settled::Closed(newest.slot))
}

/// The same once more, in the first free slot after the one that was tried: it comes before all
/// newer ones, and counts for none of them.
async fn queue_again(tx: &mut Transaction<'_>, fetch: &str, tried: DateTime<Utc>) -> Result<(), StoreError> {
    // A slot is known by its time, and that of the closed run is taken by it.
    for step in 1..=SLOT_TRIES {
        let due = Due {
            slot: tried + TimeDelta::microseconds(step),
            reason: Reason::Start,
        };
        if runs::queue(tx, fetch, due).await?.is_some() {
            return Ok(());
        }
    }
    Err(StoreError::Refused(format!(
        "the slots of {fetch} after {tried} are all taken; start it by hand: hayloft harvest"
    )))
}

/// Claims a slot that waits, the oldest unless `only` names one.
async fn begin(tx: &mut Transaction<'_>, asked: &Asked<'_>, only: Option<i64>) -> Result<Option<Begun>, StoreError> {
    let Some((id, fence)) = runs::claim::take(tx, asked.fetch, asked.turn, only).await? else {
        return Ok(None);
    };
    // Known before the first page: a page that holds one copy of such a row cannot vouch for it,
    // because another page may hold the next.
    let repeating = runs::repeating(tx, asked.fetch).await?;
    Ok(Some(Begun {
        id,
        fence,
        checkpoint: None,
        memory: RunMemory {
            repeating,
            ..RunMemory::default()
        },
    }))
}

async fn resume(
    tx: &mut Transaction<'_>,
    asked: &Asked<'_>,
    newest: &Newest,
    checkpoint: Checkpoint,
) -> Result<Begun, StoreError> {
    Ok(Begun {
        id: newest.id,
        fence: runs::claim::resume(tx, newest, asked.turn).await?,
        checkpoint: Some(checkpoint),
        memory: RunMemory {
            repeating: runs::repeating(tx, asked.fetch).await?,
            ..seen_before(tx, newest).await?
        },
    })
}

/// What the interrupted run had seen up to its checkpoint; what it saw of the page after that will
/// be read again.
async fn seen_before(tx: &mut Transaction<'_>, newest: &Newest) -> Result<RunMemory, StoreError> {
    // Kept, rows that the page has no more would count as seen, and would not be missed.
    run_seen::forget_after(tx, newest.id, newest.part).await?;
    let mut memory = RunMemory {
        part: newest.part,
        ..RunMemory::default()
    };
    for row in run_seen::rows(tx, newest.id).await? {
        memory.seen.insert(row);
    }
    Ok(memory)
}
