//! Tests of the harvest against a scripted upstream on loopback and a ledger in memory.

mod ahead;
mod answers;
mod auth;
mod bodies;
mod broken;
mod cassettes;
mod catalogs;
mod ends;
mod farm;
mod faults;
mod field_fetch;
mod formats;
mod keep;
mod large;
pub(super) mod memory;
mod mirror;
mod paging;
mod parts;
mod post;
mod preview;
mod remembered;
mod repeats;
mod safety;
mod schedules;
mod secrets;
mod shapes;
mod signs;
mod simulation;
mod upstream;

use std::{path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;

use self::memory::Memory;
use super::{HarvestSettings, Harvester, RunReport, Silent};
use crate::{
    catalog::{Catalog, FetchId, Valid},
    layout::Layout,
    store::Reason,
};

fn harvester(catalog: Catalog, ledger: &Arc<Memory>, folder: PathBuf) -> Harvester {
    let catalog = Arc::new(Valid::trusted(catalog));
    let layout = Layout::of(&catalog);
    let settings = HarvestSettings {
        definition_dir: folder,
        ..HarvestSettings::default()
    };
    Harvester::with_ledger(catalog, &layout, ledger.clone(), settings).expect("harvester")
}

async fn run(harvester: &Harvester) -> RunReport {
    let cancel = CancellationToken::new();
    let run = harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel);
    run.await.expect("a recorded run")
}
