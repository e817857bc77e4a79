//! Harvesting: from sources to the store, once or on a schedule. Knows HTTP, files, jq and time;
//! knows no SQL and no GraphQL.
//!
//! The way of the data: [`schedule`] starts a [`run`]; `fetch` (the only module that calls out)
//! gets a page; `work` has it read (`format`), selects and shapes its records on a thread of its
//! own; `load` commits it; the store's bus announces it.

mod access;
mod ahead;
mod allocation;
mod allowance;
mod buffer;
pub(crate) mod cassette;
mod charset;
mod ending;
mod environment;
mod error;
mod extent;
mod fetch;
mod field_fetch;
mod format;
mod get;
mod glob;
mod groups;
mod html;
mod index_size;
mod inner;
mod json;
mod keys;
mod leaf;
mod lease;
mod ledger;
mod limits;
mod load;
mod mend;
mod outcome;
mod pace;
mod packed;
mod page;
mod pager;
mod parts;
mod past;
pub(crate) mod preview;
mod progress;
mod refusal;
mod replayed;
mod report;
mod request;
mod run;
mod schedule;
mod secrets;
mod select;
mod settings;
mod shape;
mod signs;
mod slots;
mod spool;
mod stage;
#[cfg(test)]
mod tests;
mod text;
mod turn;
mod unreadable;
mod witness;
mod work;

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    catalog::{Catalog, Chore, Valid},
    layout::Layout,
    store::{Reason, StartRun, Store, StoreError},
};

pub(crate) use error::HarvestError;
pub(crate) use progress::{Committed, Progress, RunReport, Silent};
pub(crate) use replayed::replayed;
pub(crate) use report::{counted, did};
pub(crate) use settings::HarvestSettings;

use allocation::Allocations;
use inner::{Inner, sources};
use ledger::Ledger;
use limits::JOIN_SILENT;

/// Harvests a catalog's fetches into a store; cloning gives another handle to the same one.
#[derive(Clone)]
pub(crate) struct Harvester {
    inner: Arc<Inner>,
}

impl Harvester {
    /// Checks everything that can be checked before the first request: `$env` names, sources'
    /// addresses and headers.
    pub(crate) fn new(
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        store: Store,
        settings: HarvestSettings,
    ) -> Result<Harvester, HarvestError> {
        Harvester::with_ledger(catalog, &layout, Arc::new(store), settings)
    }

    fn with_ledger(
        catalog: Arc<Valid<Catalog>>,
        layout: &Layout,
        ledger: Arc<dyn Ledger>,
        settings: HarvestSettings,
    ) -> Result<Harvester, HarvestError> {
        let inner = Inner::new(catalog, layout, ledger, settings)?;
        Ok(Harvester { inner: Arc::new(inner) })
    }

    /// Checks a definition's addresses without a store, for `check`: the same errors as
    /// [`Harvester::new`].
    pub(crate) fn check(catalog: &Valid<Catalog>, settings: &HarvestSettings) -> Result<(), HarvestError> {
        sources(catalog, settings, &Arc::new(Allocations::new())).map(|_| ())
    }

    /// Harvests one fetch now, or computes the groups of one type, and waits for its end. A page
    /// that fails ends the run as failed, in the report.
    ///
    /// Cancelling ends the run as interrupted after the commit under way. A run by hand is always a
    /// whole one: it never goes on where an interrupted one stopped.
    pub(crate) async fn run(
        &self,
        chore: impl Into<Chore>,
        reason: Reason,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<RunReport, HarvestError> {
        let (inner, chore) = (&self.inner, chore.into());
        tokio::select! {
            () = self.join(reason == Reason::Hand, progress) => {}
            // Then there is never a place to be had.
            () = inner.ledger.replaced() => return Err(StoreError::Replaced.into()),
        }
        let claim = run::claim(inner, chore);
        let start = StartRun {
            fetch: claim.fetch,
            entity: claim.entity,
            slot: inner.ledger.now().await?,
            reason,
            resume: claim.resume.filter(|_| reason != Reason::Hand),
        };
        let Some(run) = inner.ledger.start_run(&start).await? else {
            return Err(HarvestError::Busy(start.fetch));
        };
        let report = run::execute(inner, chore, run, progress, cancel).await?;
        report::log_end(&report, None);
        Ok(report)
    }

    /// Harvests what is due, again and again, until cancelled; then the runs under way are
    /// interrupted and waited for.
    pub(crate) async fn serve(&self, cancel: &CancellationToken) {
        // Beside other processes, nothing is asked for before they have made room.
        tokio::select! {
            () = self.join(false, &Silent) => {}
            () = cancel.cancelled() => return,
        }
        tokio::join!(
            schedule::serve(&self.inner, cancel),
            field_fetch::help::serve(&self.inner, cancel)
        );
    }

    /// Takes its part of the sources, and waits until the other processes have made room.
    async fn join(&self, by_hand: bool, progress: &dyn Progress) {
        let inner = &self.inner;
        inner.attending.get_or_init(|| {
            let attend = allocation::attend(Arc::clone(&inner.ledger), Arc::clone(&inner.allocations), by_hand);
            AbortOnDropHandle::new(tokio::spawn(attend))
        });
        if tokio::time::timeout(JOIN_SILENT, inner.allocations.ready())
            .await
            .is_err()
        {
            progress.message("waits until the other processes have made room at the sources");
            inner.allocations.ready().await;
        }
    }
}
