//! `hayloft harvest`.

use std::time::Instant;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, Loaded},
    catalog::{Catalog, FetchId},
    config::{DatabaseSetting, DefinitionSetting, DestructiveSetting, Environment, RetentionSetting, StatementSetting},
    harvest::{HarvestError, Harvester, RunReport},
    store::{Reason, RunState, Store},
};

use super::{Failure, progress::Bars, text};

/// Harvests once, now, and says what came of it
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hayloft harvest --schema my.graphql\n  hayloft harvest Item --schema my.graphql")]
pub struct Harvest {
    /// The type or field to harvest, such as Item or Item.recipes [default: everything with a @fetch]
    #[arg(value_name = "TYPE")]
    name: Option<String>,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    #[command(flatten)]
    retention: RetentionSetting,

    #[command(flatten)]
    destructive: DestructiveSetting,
}

impl Harvest {
    pub async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let fetches = self.fetches(&loaded)?;
        let url = self.database.or_beside(&self.definition.schema);
        let store = loaded
            .open(&url, app::access(self.destructive), self.statements)
            .await?;
        store.keep_changes(app::retention(&self.retention));
        let result = match loaded.harvester(&store, Environment::of_process()) {
            Ok(harvester) => work(&harvester, &loaded, &fetches, &store).await,
            Err(failure) => Err(failure),
        };
        store.close().await;
        result
    }

    /// The fetches that were asked for.
    fn fetches(&self, loaded: &Loaded) -> Result<Vec<FetchId>, Failure> {
        let catalog = &loaded.catalog;
        let Some(name) = &self.name else {
            return Ok(in_order(catalog));
        };
        if let Some(fetch) = catalog.fetch_ids().find(|id| catalog.fetch_name(*id) == *name) {
            return Ok(vec![fetch]);
        }
        if catalog.entity_named(name).is_some() {
            return Err(Failure::setup(format!(
                "error: {name} has no @fetch of its own: its rows come with those of another type"
            )));
        }
        let names: Vec<String> = catalog.fetch_ids().map(|id| catalog.fetch_name(id)).collect();
        Err(Failure::setup(format!(
            "error: the definition has no type {name}; it has {}",
            names.join(", ")
        )))
    }
}

/// All fetches; those of fields after those that fill the rows they ask about.
fn in_order(catalog: &Catalog) -> Vec<FetchId> {
    let mut left: Vec<FetchId> = catalog.fetch_ids().collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let after = |id: &FetchId| catalog.fetch(*id).each.iter().flat_map(|each| &each.after);
        let ready = left
            .iter()
            .position(|id| after(id).all(|other| other == id || !left.contains(other)));
        // Fetches on a schedule may follow each other: any of them can begin.
        ordered.push(left.remove(ready.unwrap_or(0)));
    }
    ordered
}

/// The runs, and then the indexes that are too large to be built before anybody reads.
async fn work(harvester: &Harvester, loaded: &Loaded, fetches: &[FetchId], store: &Store) -> Result<(), Failure> {
    let shutdown = app::shutdown_on_signals()?;
    let ran = run_all(harvester, loaded, fetches, &shutdown).await;
    let built = shutdown.run_until_cancelled(store.finish_indexes()).await;
    ran?;
    Ok(built.unwrap_or(Ok(()))?)
}

async fn run_all(
    harvester: &Harvester,
    loaded: &Loaded,
    fetches: &[FetchId],
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut reports = Vec::new();
    let mut busy = 0;
    for fetch in fetches {
        if shutdown.is_cancelled() {
            break;
        }
        let bars = Bars::new(&loaded.catalog.fetch_name(*fetch));
        let report = harvester.run(*fetch, Reason::Hand, &bars, shutdown).await;
        bars.finish();
        match report {
            Ok(report) => reports.push(report),
            // A serving process has that one in hand; the others are still asked for.
            Err(error @ HarvestError::Busy(_)) => {
                eprintln!("{error}");
                busy += 1;
            }
            Err(error) => return Err(Failure::work(format!("error: {error}"))),
        }
    }
    text::print(&summary(&reports, started.elapsed()))?;
    let failed = reports
        .iter()
        .filter(|report| report.summary.state != RunState::Complete)
        .count();
    match failed + busy {
        0 => Ok(()),
        _ => Err(Failure::work(format!(
            "{} did not finish; what is stored stays as it was",
            text::count((failed + busy) as u64, "fetch")
        ))),
    }
}

/// The table that ends a harvest.
fn summary(reports: &[RunReport], elapsed: std::time::Duration) -> String {
    let head = [
        "type", "pages", "new", "changed", "same", "gone", "refused", "bytes", "time", "outcome",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for report in reports {
        let run = &report.summary;
        let counts = [run.pages, run.new, run.changed, run.same, run.gone, run.refused];
        let mut row = vec![run.fetch.clone()];
        row.extend(counts.map(text::grouped));
        row.push(text::bytes(run.bytes));
        row.push(text::duration(report.elapsed));
        row.push(outcome(report));
        rows.push(row);
    }
    let total: u64 = reports
        .iter()
        .map(|report| report.summary.new + report.summary.changed + report.summary.same)
        .sum();
    format!(
        "{}{} in {}\n",
        text::table(&rows),
        text::count(total, "row"),
        text::duration(elapsed)
    )
}

fn outcome(report: &RunReport) -> String {
    let run = &report.summary;
    match (run.state, &run.error) {
        (RunState::Complete, _) if run.held > 0 => format!(
            "complete; {} held from deletion: more than maxMissing allows",
            text::count(run.held, "row")
        ),
        (RunState::Complete, _) => match report.failed_requests() {
            Some(failed) => format!("complete; {failed}: see `hayloft status`"),
            None => "complete".to_owned(),
        },
        (_, Some(error)) => format!("failed: {error}"),
        (_, None) => "interrupted".to_owned(),
    }
}
