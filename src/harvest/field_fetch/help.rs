//! Help for runs that other processes hold: their requests are for whoever has hands free. Knows
//! open runs; ends none.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Crew, Ended};
use crate::{
    harvest::{inner::Inner, progress::Silent},
    store::{OpenFieldFetch, StoreError},
};

/// How often it is looked for runs to help that nobody was heard to tell of: short against a run
/// that is worth helping, and one small statement.
const LOOK: Duration = Duration::from_millis(500);
/// After help that came to nothing, as when this process cannot reach the upstream.
const REST: Duration = Duration::from_secs(30);

/// Helps wherever requests are due, until cancelled.
pub(in crate::harvest) async fn serve(inner: &Arc<Inner>, cancel: &CancellationToken) {
    if inner.catalog.fetches.iter().all(|fetch| fetch.field_fetch.is_none()) {
        return;
    }
    let mut helpers = JoinSet::new();
    while !cancel.is_cancelled() {
        match inner.ledger.open_field_fetches().await {
            Ok(open) => {
                for open in open.into_iter().filter(|open| inner.helped.is_new(open.run.id)) {
                    helpers.spawn(help(Arc::clone(inner), open, cancel.clone()));
                }
            }
            Err(error) => tracing::warn!(%error, "it cannot be seen whether other processes need help"),
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(LOOK) => {}
            () = inner.ledger.work() => {}
        }
        while helpers.try_join_next().is_some() {}
    }
    while helpers.join_next().await.is_some() {}
}

async fn help(inner: Arc<Inner>, open: OpenFieldFetch, cancel: CancellationToken) {
    let _at_work = inner.helped.begin(open.run.id);
    let stop = cancel.child_token();
    let _guard = stop.clone().drop_guard();
    tracing::debug!(
        fetch = open.run.fetch,
        run = open.run.id,
        "helps a run of another process"
    );
    let crew = Crew::new(&inner, open.fetch, &open.run);
    let worked = crew.work(None, &Silent, &stop).await;
    if let (Some(note), _) = crew.clashes() {
        tracing::warn!(fetch = open.run.fetch, "{}: {note}", open.run.fetch);
    }
    match worked {
        // The process that holds the run has ended it, or lost it.
        Ok(Ended::Done | Ended::Stopped) | Err(StoreError::Fenced | StoreError::Replaced) => return,
        Ok(Ended::Broken(fault)) => {
            let fault = inner.masked(inner.catalog.fetch(open.fetch), &fault);
            tracing::warn!(%fault, "this process cannot help a run of another one");
        }
        Err(error) => tracing::warn!(%error, "this process cannot help a run of another one"),
    }
    tokio::select! {
        () = cancel.cancelled() => {}
        () = tokio::time::sleep(REST) => {}
    }
}
