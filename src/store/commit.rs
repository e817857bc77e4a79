//! The end of a transaction: its change log, the notice to other processes, the commit, and one
//! whose answer was lost, which is asked about and never guessed. Knows what each kind of
//! transaction leaves behind; no rows of a definition.
//!
//! A transaction that did not happen begins again, so a connection that is cut for a moment fails
//! no run. It goes on for as long as a lease does: after that another process may have the run, and
//! the fence says so.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    catalog::{EntityId, Part},
    change::{Changed, Commit},
};

use super::{
    context::Context,
    db::{
        failpoint,
        retry::{AWAY_MAX, pause},
    },
    error::StoreError,
    system::{
        change_log::{self, Changes},
        fetches, field_requests, row_numbers, run_seen, runs, versions,
    },
    tx::Transaction,
    types::Run,
};

/// Lets the other processes know of a commit if it happens; the last step of its transaction.
pub(crate) async fn tell(tx: &mut Transaction<'_>, head: i64) -> Result<(), StoreError> {
    // Nobody listens to a database that one process has for itself.
    match tx.context.is_alone() {
        true => Ok(()),
        false => notify(tx, head.to_string()).await,
    }
}

/// Lets the other processes know that there is work that they may help with, or that a process
/// waits for them; the last step of its transaction.
pub(crate) async fn tell_of_work(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    // No number: there is nothing to read in the change log.
    notify(tx, String::new()).await
}

async fn notify(tx: &mut Transaction<'_>, payload: String) -> Result<(), StoreError> {
    let context = tx.context;
    if let (Some(sql), false) = (context.dialect.announce(), context.heard.mute.load(Ordering::Relaxed)) {
        let mut params = tx.params();
        params.add(payload)?;
        tx.run(params, sql.to_owned()).await?;
    }
    Ok(())
}

/// By what a transaction is known to have happened.
#[derive(Clone, Copy)]
pub(crate) enum Evidence<'a> {
    /// By nothing, and none is needed: run again it finds what it did, and does nothing twice.
    None,
    /// The part of what a run has seen that it stored.
    Part(&'a Run, i64),
    /// The run has ended.
    Ended(&'a Run),
    /// This process has the run that began with this turn of the fetch.
    Claimed(&'a str, i64),
    /// This owner has the request about a row.
    Asked(&'a Run, &'a str, i64),
}

/// Commits. `Conflict` says that nothing of the transaction happened, though it was committed once:
/// it may begin again.
pub(crate) async fn commit(tx: Transaction<'_>, evidence: Evidence<'_>) -> Result<(), StoreError> {
    let (context, generation) = (tx.context, tx.generation);
    match (tx.commit().await, evidence) {
        (
            Err(StoreError::Unreachable),
            Evidence::Part(..) | Evidence::Ended(_) | Evidence::Claimed(..) | Evidence::Asked(..),
        ) => {}
        // Any other error is an answer: nothing happened. And what leaves no evidence may just be
        // run again.
        (done, _) => return done,
    }
    tracing::info!("the answer to a commit was lost; the database is asked whether it happened");
    // Not longer than a lease: then another process may have the run, and its fence decides.
    let since = std::time::Instant::now();
    let mut tries = 1;
    loop {
        match happened(context, generation, evidence).await {
            Ok(true) => return Ok(()),
            // It never will: whoever could still have committed it held the lock that was waited
            // for.
            Ok(false) => return Err(StoreError::Conflict),
            Err(StoreError::Unreachable | StoreError::Crowded | StoreError::Conflict) if since.elapsed() < AWAY_MAX => {
                pause(tries).await;
            }
            Err(error) => return Err(error),
        }
        tries += 1;
    }
}

/// Whether the evidence is there. The transaction may still be under way in a session that has not
/// noticed the cut: it holds the row that is locked here first, so it is waited for.
async fn happened(context: &Context, generation: u64, evidence: Evidence<'_>) -> Result<bool, StoreError> {
    let mut tx = Transaction::begin(context).await?;
    // Another place: what happened at the old one says nothing here.
    if tx.generation != generation {
        return Ok(false);
    }
    match evidence {
        Evidence::None => Ok(false),
        Evidence::Part(run, part) => {
            runs::claim::lock(&mut tx, run).await?;
            run_seen::is_there(&mut tx, run, part).await
        }
        Evidence::Ended(run) => {
            runs::claim::lock(&mut tx, run).await?;
            runs::claim::has_ended(&mut tx, run).await
        }
        Evidence::Claimed(fetch, turn) => {
            fetches::lock(&mut tx, fetch).await?;
            runs::claim::is_claimed(&mut tx, fetch, turn).await
        }
        Evidence::Asked(run, owner, parent) => {
            // One of a batch speaks for all: they were claimed by one statement. The owner's name
            // is a random one, so that no earlier claim can be taken for this.
            let now = field_requests::owner(&mut tx, &run.fetch, parent).await?;
            Ok(now.as_deref() == Some(owner))
        }
    }
}

/// What a transaction did to rows.
#[derive(Default)]
pub(crate) struct Done {
    /// Those that changed.
    pub changes: Changes,
    /// What of them.
    pub parts: BTreeSet<Part>,
}

/// Writes the change log, whose numbers are taken as the last step, and commits.
pub(crate) async fn finish(
    mut tx: Transaction<'_>,
    done: Done,
    run: &Run,
    evidence: Evidence<'_>,
) -> Result<Option<Commit>, StoreError> {
    // With the rows that have these numbers, or after a cut others would get the same ones.
    row_numbers::keep(&mut tx).await?;
    let Done { changes, parts } = done;
    let counts: Vec<(EntityId, u64)> = changes
        .iter()
        .map(|((_, entity, _), keys)| (*entity, keys.len() as u64))
        .collect();
    // As late as can be: whoever takes numbers of the log holds its head until the commit, and all
    // other writers wait for it.
    let logged = change_log::append(&mut tx, run, changes).await?;
    if let Some(logged) = &logged {
        versions::write(&mut tx, &parts, logged).await?;
        tell(&mut tx, logged.head).await?;
    }
    failpoint::point("commit::before");
    let (context, generation) = (tx.context, tx.generation);
    // Unless its end is noted below, whoever wants to know how new something is has to look.
    let noting = context.versions.noting();
    if let Err(error) = commit(tx, evidence).await {
        // Known not to have happened, it leaves nothing that anybody would have to look for.
        if error.is_answer() {
            noting.left();
        }
        return Err(error);
    }
    match &logged {
        Some(logged) => {
            let names = parts.iter().map(|part| versions::name(&context.catalog, *part));
            noting.committed((logged.after, logged.head), names);
            context.guard.saw(generation, logged.head);
        }
        None => noting.left(),
    }
    failpoint::point("commit::after");
    // After the commit as well: statistics are made anew by what really changed.
    context.changed.note(&counts);
    Ok(logged.map(|logged| Commit {
        head: logged.head,
        changed: Changed::Parts(Arc::new(parts)),
    }))
}

/// Tells the listeners of a commit that changed something.
pub(crate) fn announce(context: &Context, commit: Option<Commit>) {
    if let Some(commit) = commit {
        context.bus.announce(commit);
    }
}
