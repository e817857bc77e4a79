//! What `harvest`, `approve`, `reject` and `replay` share: the way to the process that has the
//! database, and what is shown. Knows a terminal; leaves the work to `app::operate`.

use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::{
        self, Loaded,
        control::{self, EVENTS},
        operate::{Event, Operator, Order},
        terminal::plain,
    },
    config::{
        DatabaseSetting, DatabaseUrl, DefinitionSetting, DestructiveSetting, Environment, FilterSetting,
        RetentionSetting, StatementSetting, TapeSetting,
    },
    harvest::{HarvestSettings, RunReport, cassette::Tape},
    store::{RunState, Store},
};

use super::{Failure, progress::Bars, text};

/// How the database is opened when no process has it.
#[derive(Args, Debug)]
pub(super) struct OperateSettings {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    #[command(flatten)]
    filters: FilterSetting,

    #[command(flatten)]
    retention: RetentionSetting,

    #[command(flatten)]
    destructive: DestructiveSetting,
}

impl OperateSettings {
    /// Has an order done by the process that serves the SQLite database, or else by this one, and
    /// shows what happens.
    pub(super) async fn perform(self, order: Order) -> Result<(), Failure> {
        self.perform_with(order, &TapeSetting::default()).await
    }

    /// The same with answers that are kept, or come from a folder: those of this process, and not
    /// of one that serves.
    pub(super) async fn perform_with(self, order: Order, tape: &TapeSetting) -> Result<(), Failure> {
        let usual = tape.record.is_none() && tape.replay.replay.is_none();
        let tape = app::tape(tape.record.as_deref(), tape.replay.replay.as_deref())?;
        let loaded = Loaded::read(&self.definition.schema)?;
        let url = self.database.or_beside(&self.definition.schema);
        let stop = app::shutdown_on_signals()?.stop;
        let (events, waiting) = mpsc::channel(EVENTS);
        let asked = async {
            let definition = &loaded.catalog.fingerprint;
            let there = match &url {
                DatabaseUrl::Sqlite(path) if usual => control::call(path, definition, &order, &events, &stop).await,
                DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => None,
            };
            let done = match there {
                Some(done) => done,
                None => self.here(&loaded, &url, tape, &order, &events, &stop).await,
            };
            drop(events);
            done
        };
        let (done, shown) = tokio::join!(asked, show(waiting));
        shown?;
        done
    }

    async fn here(
        &self,
        loaded: &Loaded,
        url: &DatabaseUrl,
        tape: Tape,
        order: &Order,
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let store = loaded.open(url, app::access(self.destructive), self.statements).await?;
        store.keep_changes(app::retention(&self.retention));
        let settings = loaded.reading(Environment::of_process(), self.filters, tape);
        let result = with(loaded, &store, settings, order, events, stop).await;
        store.close().await;
        result
    }
}

/// The order, and then the indexes that are too large to be built before anybody reads.
async fn with(
    loaded: &Loaded,
    store: &Store,
    settings: HarvestSettings,
    order: &Order,
    events: &mpsc::Sender<Event>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let operator = Operator {
        catalog: loaded.catalog.clone(),
        store: store.clone(),
        harvester: loaded.taped(store, settings)?,
        stop: stop.clone(),
        begun: TaskTracker::new(),
    };
    let done = operator.perform(order, events, stop).await;
    let built = stop.run_until_cancelled(store.finish_indexes()).await;
    done?;
    Ok(built.unwrap_or(Ok(()))?)
}

/// Shows what happens until all has, and a table of the runs at the end.
async fn show(mut events: mpsc::Receiver<Event>) -> Result<(), Failure> {
    let started = Instant::now();
    let mut bars = Bars::new();
    // In the order in which they began.
    let mut names = Vec::new();
    let mut reports = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            Event::Begins(name) => {
                bars.begin(&name);
                names.push(name);
            }
            Event::Committed(name, done) => bars.committed(&name, &done),
            Event::Message(name, text) => bars.message(&name, &text),
            Event::Ran(report) => {
                bars.end(&report.summary.fetch);
                reports.push(*report);
            }
            Event::Busy(name, told) => {
                bars.end(&name);
                eprintln!("{}", plain(&told));
            }
            Event::Told(told) => text::print(&format!("{told}\n"))?,
        }
    }
    bars.finish();
    reports.sort_by_key(|report| names.iter().position(|name| *name == report.summary.fetch));
    match names.is_empty() {
        false => text::print(&summary(&reports, started.elapsed())),
        true => Ok(()),
    }
}

/// The table that ends a harvest.
fn summary(reports: &[RunReport], elapsed: Duration) -> String {
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
        (RunState::Complete, _) => ended(report),
        (_, Some(error)) => format!("failed: {error}; {}", crate::harvest::did(run)),
        (_, None) => "interrupted".to_owned(),
    }
}

/// `complete`, and what else is to be said; a run that may not have seen all is not called so.
fn ended(report: &RunReport) -> String {
    let run = &report.summary;
    let begin = match &run.told.doubt {
        Some(doubt) => format!("in doubt: {doubt}"),
        None => "complete".to_owned(),
    };
    let held = (run.held > 0).then(|| {
        let (held, name) = (text::count(run.held, "row"), &run.fetch);
        format!("{held} held from deletion, more than maxMissing allows: `hayloft approve {name}` deletes them")
    });
    let failed = report.failed_requests();
    let failed = failed.map(|failed| format!("{failed}: see `hayloft status`"));
    let left_out = (run.left_out > 0).then(|| format!("{} left out by keep", text::grouped(run.left_out)));
    let told = [Some(begin), held, failed, left_out].into_iter().flatten();
    told.chain(run.told.notes.iter().cloned())
        .collect::<Vec<_>>()
        .join("; ")
}
