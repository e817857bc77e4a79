//! `hayloft harvest`.

use std::time::Instant;

use clap::Args;

use crate::{
    app::{self, Loaded},
    catalog::FetchId,
    config::{DatabaseSetting, DefinitionSetting, Environment},
    harvest::{Harvester, RunReport},
    store::{Access, Reason, RunState},
};

use super::{Failure, progress::Bars, text};

/// Harvests once, now, and says what came of it
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hayloft harvest --schema my.graphql\n  hayloft harvest Item --schema my.graphql")]
pub struct Harvest {
    /// The type to harvest [default: every type with a @fetch]
    #[arg(value_name = "TYPE")]
    name: Option<String>,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,
}

impl Harvest {
    pub async fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let fetches = self.fetches(&loaded)?;
        let url = self.database.or_beside(&self.definition.schema);
        let store = loaded.open(&url, Access::Write).await?;
        let result = match loaded.harvester(&store, Environment::of_process()) {
            Ok(harvester) => run_all(&harvester, &loaded, &fetches).await,
            Err(failure) => Err(failure),
        };
        store.close().await;
        result
    }

    /// The fetches that were asked for.
    fn fetches(&self, loaded: &Loaded) -> Result<Vec<FetchId>, Failure> {
        let catalog = &loaded.catalog;
        let Some(name) = &self.name else {
            return Ok(catalog.entities.iter().filter_map(|entity| entity.fetch).collect());
        };
        let entity = catalog.entities.iter().find(|entity| entity.name == *name);
        match entity.map(|entity| entity.fetch) {
            Some(Some(fetch)) => Ok(vec![fetch]),
            Some(None) => Err(Failure::setup(format!(
                "error: {name} has no @fetch of its own: its rows come with those of another type"
            ))),
            None => Err(Failure::setup(format!(
                "error: the definition has no type {name}; it has {}",
                catalog
                    .entities
                    .iter()
                    .filter(|entity| entity.fetch.is_some())
                    .map(|entity| entity.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }
}

async fn run_all(harvester: &Harvester, loaded: &Loaded, fetches: &[FetchId]) -> Result<(), Failure> {
    let shutdown = app::shutdown_on_signals()?;
    let started = Instant::now();
    let mut reports = Vec::new();
    for fetch in fetches {
        if shutdown.is_cancelled() {
            break;
        }
        let entity = loaded.catalog.fetch(*fetch).entity;
        let bars = Bars::new(&loaded.catalog.entity(entity).name);
        let report = harvester.run(*fetch, Reason::Hand, &bars, &shutdown).await;
        bars.finish();
        reports.push(report.map_err(|error| Failure::work(format!("error: {error}")))?);
    }
    text::print(&summary(&reports, started.elapsed()))?;
    let failed = reports
        .iter()
        .filter(|report| report.summary.state != RunState::Complete)
        .count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::work(format!(
            "{} did not finish; what is stored stays as it was",
            text::count(failed as u64, "fetch")
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
        (RunState::Complete, _) => "complete".to_owned(),
        (_, Some(error)) => format!("failed: {error}"),
        (_, None) => "interrupted".to_owned(),
    }
}
