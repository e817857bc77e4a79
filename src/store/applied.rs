//! Which layout a database has: applies the steps to the definition's, or says why not. Knows the record of layouts; no rows.

use crate::layout::{
    Layout,
    steps::{Change, Steps},
};

use super::{
    Inner,
    bind::{Line, get},
    load::Writing,
    migrate::{self, Asks, Migration},
    open,
    plan::{LayoutPlan, PlannedStep},
    reading,
    types::StoreError,
};

/// Steps that an error lists before it only counts.
const LISTED_MAX: usize = 20;
/// Former layouts that are looked at, newest first.
const FORMER_MAX: usize = 100;
/// Beginnings, when the database ends a transaction because it stood in the way of another one.
const ATTEMPTS: usize = 5;

/// The record's table and the newest record.
const RECORDED: &str = "SELECT layout FROM hayloft_applied_layout ORDER BY id DESC";

/// Refuses a database that is someone else's before anything is written to it.
pub(super) async fn refuse_foreign(inner: &Inner) -> Result<(), StoreError> {
    let names = inner.params().query(inner.dialect.table_names());
    let lines = inner.writer()?.fetch_all(names).await;
    let lines = lines.map_err(|error| open::cannot_open(&inner.place, error))?;
    if !lines.is_empty() && !names_table(&lines, "hayloft_migration")? {
        return Err(StoreError::Unusable(format!(
            "{} holds tables that Hayloft did not make; give another --database",
            inner.place
        )));
    }
    Ok(())
}

fn names_table(lines: &[Line], name: &str) -> Result<bool, StoreError> {
    for line in lines {
        if get::<&str>(line, 0)? == name {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the database has, and what lies between that and the definition.
struct Found {
    stored: Layout,
    steps: Steps,
    /// The definition is one that the database has left behind by steps that leave room for it.
    former: bool,
    /// The record says the same as the definition, also where no table differs.
    recorded: bool,
}

fn parse(text: &str) -> Result<Layout, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Database(Box::new(error)))
}

fn to_json(layout: &Layout) -> Result<String, StoreError> {
    serde_json::to_string(layout).map_err(|error| StoreError::Database(Box::new(error)))
}

/// Compares the records, newest first, with the definition's layout.
fn find(layout: &Layout, records: &[String]) -> Result<Found, StoreError> {
    let stored = match records.first() {
        Some(newest) => parse(newest)?,
        None => Layout { entities: Vec::new() },
    };
    let own = to_json(layout)?;
    let steps = Steps::between(&stored, layout);
    let mut former = false;
    if !steps.is_empty() && records.iter().skip(1).take(FORMER_MAX).any(|record| *record == own) {
        former = leaves_room(&Steps::between(layout, &stored));
    }
    Ok(Found {
        steps,
        former,
        recorded: records.first() == Some(&own),
        stored,
    })
}

/// Whether who does not know of these steps can go on: what is new may stay empty, and nothing that he knows has changed.
/// Links and nested rows that he does not know of would be left behind when he deletes a row.
fn leaves_room(since: &Steps) -> bool {
    let harmless = |change: &Change, is_nested: bool| match change {
        Change::NewType => !is_nested,
        Change::NewField { required } => !required,
        Change::NewIndex | Change::RemovedIndex => true,
        _ => false,
    };
    since
        .steps
        .iter()
        .all(|step| harmless(&step.change, step.refill.is_some() && step.change == Change::NewType))
}

/// Brings the tables to the definition's layout, in one transaction.
pub(super) async fn apply(inner: &Inner, destructive: bool) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match apply_once(inner, destructive).await {
            Err(error) if attempt < ATTEMPTS && error.is_conflict() => {
                tracing::warn!(attempt, "the layout's steps met another transaction; they begin again");
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn apply_once(inner: &Inner, destructive: bool) -> Result<(), StoreError> {
    let mut work = Writing::begin(inner).await?;
    // One process applies; another that starts at the same time waits here, and finds it done.
    let sql = format!(
        "SELECT one FROM hayloft_layout_lock WHERE one=1{}",
        inner.dialect.for_update()
    );
    work.all(work.params(), sql).await?;
    let epoch = inner.dialect.epoch();
    let head = format!("INSERT INTO hayloft_feed_head(one,epoch,seq) VALUES (1,{epoch},0) ON CONFLICT DO NOTHING");
    work.run(work.params(), head).await?;
    let lines = work
        .all(work.params(), format!("{RECORDED} LIMIT {FORMER_MAX}"))
        .await?;
    let records: Vec<String> = lines.iter().map(|line| get(line, 0)).collect::<Result<_, _>>()?;
    let found = find(&inner.layout, &records)?;
    // Who allows it goes back to it; otherwise what came since stays, unserved.
    if found.former && !destructive {
        tracing::info!(
            "the database has a newer layout than this definition, which leaves room for it; `hayloft plan` says more"
        );
        return work.commit().await;
    }
    if !found.steps.is_empty() {
        for statement in inner.dialect.before_migration() {
            work.run(work.params(), (*statement).to_owned()).await?;
        }
        let planned = migrate::count(&mut work, inner.dialect, &found.steps).await?;
        if !destructive && planned.iter().any(PlannedStep::is_lossy) {
            return Err(StoreError::LayoutDiffers(refusal(&planned)));
        }
        let migration = Migration {
            stored: &found.stored,
            new: &inner.layout,
            steps: &found.steps,
            planned: &planned,
        };
        migrate::perform(&mut work, &migration).await?;
        tell(&planned, records.is_empty());
    }
    if !found.recorded {
        record(&mut work).await?;
    }
    reading::put_in_force(&mut work).await?;
    work.commit().await
}

async fn record(work: &mut Writing<'_>) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(work.inner.catalog.fingerprint.clone())?;
    params.add(to_json(&work.inner.layout)?)?;
    let now = work.inner.now(0);
    let sql = format!("INSERT INTO hayloft_applied_layout(definition,layout,at) VALUES ($1,$2,{now})");
    work.run(params, sql).await.map(|_| ())
}

/// What is done is told, a line a step; of a new database it goes without saying.
fn tell(planned: &[PlannedStep], first: bool) {
    if !first {
        for step in planned {
            tracing::info!("{}", step.words());
        }
    }
}

fn refusal(planned: &[PlannedStep]) -> String {
    let lossy: Vec<&PlannedStep> = planned.iter().filter(|step| step.is_lossy()).collect();
    format!(
        "the definition changed, and data would be lost:\n{}\n`hayloft plan` shows all steps; --allow-destructive does them; \
         @was(name:) keeps the data of what was only renamed",
        listed(&lossy)
    )
}

fn listed(steps: &[&PlannedStep]) -> String {
    let mut lines: Vec<String> = steps
        .iter()
        .take(LISTED_MAX)
        .map(|step| format!("  {}", step.words()))
        .collect();
    if steps.len() > LISTED_MAX {
        lines.push(format!("  and {} more", steps.len() - LISTED_MAX));
    }
    lines.join("\n")
}

/// Checks a database that is only read.
pub(super) async fn check(inner: &Inner) -> Result<(), StoreError> {
    let Some(records) = records(inner).await? else {
        return Err(StoreError::Unusable(format!(
            "{} holds no harvested data yet; `hayloft serve` or `hayloft harvest` fills it",
            inner.place
        )));
    };
    let found = find(&inner.layout, &records)?;
    if found.steps.is_empty() || found.former {
        return Ok(());
    }
    let planned: Vec<PlannedStep> = found.steps.steps.iter().cloned().map(PlannedStep::uncounted).collect();
    let steps: Vec<&PlannedStep> = planned.iter().collect();
    Err(StoreError::LayoutDiffers(format!(
        "the definition changed, and the database does not follow yet:\n{}\n`hayloft plan` says more; `hayloft serve` and \
         `hayloft harvest` do these steps",
        listed(&steps)
    )))
}

/// The recorded layouts, newest first; `None` when there is no database of ours yet.
async fn records(inner: &Inner) -> Result<Option<Vec<String>>, StoreError> {
    let names = inner.params().query(inner.dialect.table_names());
    let lines = inner.own.take().await?.run(names).await?;
    let lines = lines.map_err(|error| open::cannot_open(&inner.place, error))?;
    if !names_table(&lines, "hayloft_applied_layout")? {
        return Ok(None);
    }
    let reader = inner.own.take().await?;
    let sql = format!("{RECORDED} LIMIT {FORMER_MAX}");
    let lines = reader.fetch(inner.params().query(sql)).await?;
    let records: Vec<String> = lines.iter().map(|line| get(line, 0)).collect::<Result<_, _>>()?;
    Ok((!records.is_empty()).then_some(records))
}

/// The steps that opening for writing with this layout would do.
pub(super) async fn plan(inner: &Inner, layout: &Layout) -> Result<LayoutPlan, StoreError> {
    let records = records(inner).await?.unwrap_or_default();
    let found = find(layout, &records)?;
    Ok(LayoutPlan {
        steps: migrate::count(&mut OnReader(inner), inner.dialect, &found.steps).await?,
        former: found.former,
        rereads: Vec::new(),
    })
}

/// The same for the definition of this handle, with the fetches that no step says anything of and that are read in another
/// way now.
pub(super) async fn plan_own(inner: &Inner) -> Result<LayoutPlan, StoreError> {
    let mut plan = plan(inner, &inner.layout).await?;
    let names = inner.params().query(inner.dialect.table_names());
    let lines = inner.own.take().await?.fetch(names).await?;
    // A database that an earlier version made has noted nothing of that.
    if names_table(&lines, "hayloft_reading")? {
        let told = |fetch: &String| plan.refilled().any(|told| told == fetch);
        plan.rereads = reading::changed(inner)
            .await?
            .into_iter()
            .filter(|fetch| !told(fetch))
            .collect();
    }
    Ok(plan)
}

/// Whether this layout can be applied without losing anything.
pub(super) async fn accepts(inner: &Inner, layout: &Layout) -> Result<(), StoreError> {
    let plan = plan(inner, layout).await?;
    match plan.is_lossy() {
        true => Err(StoreError::LayoutDiffers(refusal(&plan.steps))),
        false => Ok(()),
    }
}

/// The plan for a database that is not there yet: everything is new.
pub(super) fn plan_of_new(layout: &Layout) -> LayoutPlan {
    let steps = Steps::between(&Layout { entities: Vec::new() }, layout);
    LayoutPlan {
        steps: steps.steps.into_iter().map(PlannedStep::uncounted).collect(),
        former: false,
        rereads: Vec::new(),
    }
}

/// Counts beside a writer.
struct OnReader<'a>(&'a Inner);

impl Asks for OnReader<'_> {
    async fn number(&mut self, sql: String) -> Result<i64, StoreError> {
        let reader = self.0.own.take().await?;
        let lines = reader.fetch(self.0.params().query(sql)).await?;
        lines.first().map_or(Ok(0), |line| get(line, 0))
    }
}

impl Asks for Writing<'_> {
    async fn number(&mut self, sql: String) -> Result<i64, StoreError> {
        let lines = self.all(self.params(), sql).await?;
        lines.first().map_or(Ok(0), |line| get(line, 0))
    }
}
