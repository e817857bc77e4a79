//! Which layout a database has: applies the steps to the definition's, or says why not. Knows
//! layouts; no rows.

use std::{sync::Arc, time::Duration};

use crate::{
    layout::{Layout, steps::Steps},
    store::{
        context::Context,
        db::{
            dialect::Dialect,
            open_error,
            pool::{ResultRow, get},
            readers::Readers,
        },
        error::{self, StoreError, failed},
        system::{
            change_log, fetch_signatures, field_requests,
            layouts::{self, RECORDED},
            migrations, row_numbers,
        },
        tx::Transaction,
        types::{DefinitionStatus, LayoutPlan, PlannedStep},
    },
};

use super::{
    count::{self, Asks},
    index, indexes,
    migration::Migration,
    perform, reshape,
};

/// Steps that an error lists before it only counts.
const LISTED_MAX: usize = 20;
/// Former layouts that are looked at, newest first.
const FORMER_MAX: usize = 100;
/// How long it may take to count what steps touch, beside whoever reads and writes: minutes for the
/// largest tables.
const COUNT_MAX: Duration = Duration::from_secs(3_600);
/// Beginnings, when the database ends a transaction because it stood in the way of another one.
const ATTEMPTS: usize = 5;

/// Refuses a database that is someone else's, or a newer Hayloft's, before anything is written to
/// it.
pub(crate) async fn refuse_foreign(context: &Context) -> Result<(), StoreError> {
    let names = context.params().query(context.dialect.table_names());
    let rows = context.writer()?.fetch_all(names).await;
    let rows = rows.map_err(|error| open_error::cannot_open(&context.place, error))?;
    check_ours(context, &rows)?;
    if rows.is_empty() {
        return Ok(());
    }
    let versions = context
        .writer()?
        .fetch_all(context.params().query(migrations::VERSIONS))
        .await;
    migrations::refuse_newer(&context.place, &versions.map_err(failed)?)
}

fn check_ours(context: &Context, tables: &[ResultRow]) -> Result<(), StoreError> {
    if !tables.is_empty() && !names_table(tables, migrations::TABLE)? {
        return Err(StoreError::Unusable(format!(
            "{} holds tables that Hayloft did not make; give another --database",
            context.place
        )));
    }
    Ok(())
}

fn names_table(rows: &[ResultRow], name: &str) -> Result<bool, StoreError> {
    for row in rows {
        if get::<&str>(row, 0)? == name {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the database has, and what lies between that and the definition.
struct Found {
    stored: Layout,
    steps: Steps,
    /// The definition is one that the database has left behind by compatible steps.
    former: bool,
    /// The same of one that is not compatible.
    left_behind: bool,
    /// The record says the same as the definition, also where no table differs.
    recorded: bool,
}

impl Found {
    /// The same with what the record says and the database lost: indexes that keep values unique.
    fn beside(mut self, layout: &Layout, dialect: &dyn Dialect, there: &[index::Found]) -> Found {
        if index::forget_missing(dialect, &mut self.stored, there) {
            self.steps = Steps::between(&self.stored, layout);
        }
        self
    }
}

/// Compares the records, newest first, with the definition's layout.
fn find(layout: &Layout, records: &[String], dialect: &dyn Dialect) -> Result<Found, StoreError> {
    let stored = match records.first() {
        Some(newest) => layouts::parse(newest)?,
        None => Layout { entities: Vec::new() },
    };
    let own = layouts::to_json(layout)?;
    let steps = Steps::between(&stored, layout);
    let is_own = |record: &String| layouts::is_text_of(record, &own);
    let earlier = !steps.is_empty() && records.iter().skip(1).take(FORMER_MAX).any(is_own);
    let mut former = false;
    if earlier {
        former = DefinitionStatus::after(&Steps::between(layout, &stored), dialect.keeps_items())
            == DefinitionStatus::InForce;
    }
    Ok(Found {
        left_behind: earlier && !former,
        steps,
        former,
        recorded: records.first().is_some_and(is_own),
        stored,
    })
}

/// Who wants to know that the commit comes next.
pub(crate) type Committing<'a> = &'a (dyn Fn() + Send + Sync);

/// Brings the tables to the definition's layout, in one transaction.
pub(crate) async fn apply(context: &Context, destructive: bool, committing: Committing<'_>) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match apply_once(context, destructive, committing).await {
            Err(error) if attempt < ATTEMPTS && error.is_conflict() => {
                tracing::warn!(attempt, "the layout's steps met another transaction; they begin again");
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn apply_once(context: &Context, destructive: bool, committing: Committing<'_>) -> Result<(), StoreError> {
    let mut tx = Transaction::begin(context).await?;
    // One process applies; another that starts at the same time waits here, and finds it done.
    layouts::lock(&mut tx).await?;
    change_log::begin(&mut tx).await?;
    let rows = tx.all(tx.params(), format!("{RECORDED} LIMIT {FORMER_MAX}")).await?;
    let records: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    let found = find(&context.layout, &records, context.dialect)?;
    index::come_over(&mut tx, &found.stored).await?;
    // Who allows it goes back to it; otherwise what came since stays, unserved.
    if found.former && !destructive {
        tracing::info!(
            "the database has a newer layout than this definition, which is compatible with it; `hayloft plan` says more"
        );
        return commit(tx, layouts::newest(&rows)?, committing).await;
    }
    let there = index::there(&mut tx).await?;
    let found = found.beside(&context.layout, context.dialect, &there);
    if !found.steps.is_empty() {
        for statement in context.dialect.before_migration() {
            tx.run(tx.params(), (*statement).to_owned()).await?;
        }
        let planned = count::count(&mut tx, context.dialect, &found.steps).await?;
        if !destructive && planned.iter().any(PlannedStep::is_lossy) {
            return Err(StoreError::LayoutDiffers(refusal(&planned)));
        }
        let migration = Migration {
            stored: &found.stored,
            new: &context.layout,
            steps: &found.steps,
            planned: &planned,
        };
        perform::perform(&mut tx, &migration).await?;
        // Steps may write rows.
        row_numbers::all_written(&mut tx).await?;
        tell(&planned, records.is_empty());
    } else {
        index::restore(&mut tx, &context.layout, &there).await?;
    }
    let record = match found.recorded {
        true => layouts::newest(&rows)?,
        false => layouts::record(&mut tx).await?,
    };
    field_requests::forget_others(&mut tx).await?;
    fetch_signatures::put_in_force(&mut tx).await?;
    commit(tx, record, committing).await
}

/// Commits what leaves this definition in force under the newest record.
async fn commit(tx: Transaction<'_>, record: i64, committing: Committing<'_>) -> Result<(), StoreError> {
    let context = tx.context;
    committing();
    context.seen.applying(record);
    tx.commit().await?;
    context.seen.applied(record);
    Ok(())
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
        "the definition changed, and data would be lost:\n{}\n`hayloft plan` shows all steps; a start with --allow-destructive does them; \
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
pub(crate) async fn check(context: &Context) -> Result<(), StoreError> {
    let Some(records) = records(context).await? else {
        return Err(StoreError::Unusable(format!(
            "{} holds no harvested data yet; `hayloft serve` or `hayloft harvest` fills it",
            context.place
        )));
    };
    let found = find(&context.layout, &records, context.dialect)?;
    if found.steps.is_empty() || found.former {
        return Ok(());
    }
    let planned: Vec<PlannedStep> = found.steps.steps.iter().cloned().map(PlannedStep::uncounted).collect();
    let steps: Vec<&PlannedStep> = planned.iter().collect();
    if found.left_behind {
        return Err(StoreError::LayoutDiffers(format!(
            "the database has a newer definition in force, which this one is not compatible with: give the newer one with --schema. \
             `hayloft serve` and `hayloft harvest` would go back to this one:\n{}",
            listed(&steps)
        )));
    }
    Err(StoreError::LayoutDiffers(format!(
        "the definition changed, and the database does not follow yet:\n{}\n`hayloft plan` says more; `hayloft serve` and \
         `hayloft harvest` do the steps that lose nothing by themselves, the others with --allow-destructive",
        listed(&steps)
    )))
}

/// The recorded layouts, newest first; `None` when there is no database of ours yet.
async fn records(context: &Context) -> Result<Option<Vec<String>>, StoreError> {
    let names = context.params().query(context.dialect.table_names());
    let rows = context.own.take().await?.run(names).await?;
    let rows = rows.map_err(|error| match error::is_lost(&error) {
        // Of a handle that has long been open.
        true => failed(error),
        false => open_error::cannot_open(&context.place, error),
    })?;
    check_ours(context, &rows)?;
    if !names_table(&rows, layouts::TABLE)? {
        return Ok(None);
    }
    let versions = context
        .own
        .take()
        .await?
        .fetch(context.params().query(migrations::VERSIONS));
    migrations::refuse_newer(&context.place, &versions.await?)?;
    let reader = context.own.take().await?;
    let sql = format!("{RECORDED} LIMIT {FORMER_MAX}");
    let rows = reader.fetch(context.params().query(sql)).await?;
    let records: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    Ok((!records.is_empty()).then_some(records))
}

/// The steps that opening for writing with this layout would do.
pub(crate) async fn plan(context: &Context, layout: &Layout) -> Result<LayoutPlan, StoreError> {
    let records = records(context).await?.unwrap_or_default();
    let there = index::found(&indexes::there(context).await?)?;
    let found = find(layout, &records, context.dialect)?;
    let waiting = waiting(context.dialect, layout, &found, &there);
    let found = match found.former {
        true => found,
        false => found.beside(layout, context.dialect, &there),
    };
    let mut steps = count_beside(context, &found.steps).await?;
    for planned in &mut steps {
        planned.holds_up = reshape::holds_up(context.dialect, &found.stored, layout, &found.steps, &planned.step);
    }
    Ok(LayoutPlan {
        steps,
        former: found.former,
        indexes: waiting,
        rereads: Vec::new(),
    })
}

/// Counts on a connection of its own: the readers have others to serve, and a limit for them.
async fn count_beside(context: &Context, steps: &Steps) -> Result<Vec<PlannedStep>, StoreError> {
    let readers = context.own.apart(COUNT_MAX);
    let mut asks = OnReader {
        context,
        readers: &readers,
    };
    let counted = count::count(&mut asks, context.dialect, steps).await;
    readers.close().await;
    counted
}

/// Indexes that both layouts have and the database has not yet.
fn waiting(dialect: &dyn Dialect, layout: &Layout, found: &Found, there: &[index::Found]) -> Vec<String> {
    let stored = index::waiting(dialect, &found.stored, there);
    let mut waiting = index::waiting(dialect, layout, there);
    waiting.retain(|name| stored.contains(name));
    waiting
}

/// The same for the definition of this handle, with the fetches that no step says anything of and
/// that are read in another way now.
pub(crate) async fn plan_own(context: &Context) -> Result<LayoutPlan, StoreError> {
    let mut plan = plan(context, &context.layout).await?;
    let names = context.params().query(context.dialect.table_names());
    let rows = context.own.take().await?.fetch(names).await?;
    // A database that an earlier version made has noted nothing of that.
    if names_table(&rows, fetch_signatures::TABLE)? {
        let told = |fetch: &String| plan.refilled().any(|told| told == fetch);
        plan.rereads = fetch_signatures::changed(context)
            .await?
            .into_iter()
            .filter(|fetch| !told(fetch))
            .collect();
    }
    Ok(plan)
}

/// Whether this layout can be applied without losing anything.
pub(crate) async fn accepts(context: &Context, layout: &Layout) -> Result<(), StoreError> {
    let plan = plan(context, layout).await?;
    match plan.is_lossy() {
        true => Err(StoreError::LayoutDiffers(refusal(&plan.steps))),
        false => Ok(()),
    }
}

/// The plan for a database that is not there yet: everything is new.
pub(crate) fn plan_of_new(layout: &Layout) -> LayoutPlan {
    let steps = Steps::between(&Layout { entities: Vec::new() }, layout);
    LayoutPlan {
        steps: steps.steps.into_iter().map(PlannedStep::uncounted).collect(),
        former: false,
        indexes: Vec::new(),
        rereads: Vec::new(),
    }
}

/// Counts beside a writer.
struct OnReader<'a> {
    context: &'a Context,
    readers: &'a Arc<Readers>,
}

impl Asks for OnReader<'_> {
    async fn number(&mut self, sql: String) -> Result<i64, StoreError> {
        let reader = self.readers.take().await?;
        let rows = reader.fetch(self.context.params().query(sql)).await?;
        rows.first().map_or(Ok(0), |row| get(row, 0))
    }
}

impl Asks for Transaction<'_> {
    async fn number(&mut self, sql: String) -> Result<i64, StoreError> {
        let rows = self.all(self.params(), sql).await?;
        rows.first().map_or(Ok(0), |row| get(row, 0))
    }
}
