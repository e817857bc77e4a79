//! Which requests of a field fetch are still to be made, and who makes them. Knows the
//! order of that, and what a request is made of; the answers are written by `commit`.
//!
//! A run plans its requests in one statement. Then this and any other process of the database claim
//! them in batches, each for a short time that is renewed while the process lives, until none is
//! left.

use crate::{
    catalog::{FetchId, FieldFetch},
    store::{
        commit::{self, Evidence},
        context::{self, Context},
        db::{
            dialect::scalar_of,
            failpoint,
            params::Kind,
            pool::{ResultRow, get},
        },
        error::StoreError,
        in_force,
        system::{
            field_requests::{self, plan as requests},
            quarantine, runs,
        },
        tx::{self, Transaction},
        types::{OpenFieldFetch, Parent, RequestState, Run},
    },
};

use super::brought;

/// Notes which requests this run is to make: those that an earlier run left, and those that the
/// fetch's `when` asks for.
pub(crate) async fn plan(context: &Context, run: &Run, fetch: FetchId) -> Result<u64, StoreError> {
    let mut tx = in_force::begin(context).await?;
    // Who has lost the run must not plan for it: its successor has planned already.
    runs::check_fence(&mut tx, run).await?;
    // Whoever had them has ended: no other run of the fetch goes on.
    field_requests::set_requests_aside(&mut tx, &run.fetch, "1=1").await?;
    let left = requests::take_over(&mut tx, run).await?;
    quarantine::forget_refused(&mut tx, run, fetch).await?;
    requests::add(&mut tx, run, fetch, left > 0).await?;
    let due = requests::due(&mut tx, &run.fetch).await?;
    if due > 0 {
        // Other processes look for work now and then by themselves, too; told, they begin at once.
        commit::tell_of_work(&mut tx).await?;
    }
    failpoint::point("field_fetch::planned");
    tx.commit().await?;
    Ok(due)
}

/// Takes some of a run's requests for `owner`. None: all are done, in other hands, or wait to be
/// tried again.
pub(crate) async fn claim(
    context: &Context,
    run: &Run,
    fetch: FetchId,
    owner: &str,
    limit: u32,
) -> Result<Vec<Parent>, StoreError> {
    let mut tx = in_force::begin_load(context).await?;
    if tx.generation != run.generation {
        return Err(StoreError::Fenced);
    }
    // Each further round has taken away what stood in its way.
    let parents = loop {
        let rows = take_due(&mut tx, run, owner, limit).await?;
        let parents = match rows.is_empty() {
            true => break Vec::new(),
            false => parents(&mut tx, run, fetch, owner, &rows).await?,
        };
        if parents.len() < rows.len() {
            // Left as they are, they would be claimed again and again, and the run would never end.
            field_requests::forget_orphans(&mut tx, run, fetch, owner).await?;
        }
        if !parents.is_empty() {
            break parents;
        }
    };
    let parents = vouching(&mut tx, run, parents).await?;
    let evidence = match parents.first() {
        // Made again instead, a claim whose answer was lost would take others. The first ones would
        // be renewed with them and made by nobody, and the run would not end.
        Some(first) => Evidence::Asked(run, owner, first.row),
        None => Evidence::None,
    };
    commit::commit(tx, evidence).await?;
    failpoint::point("field_fetch::claimed");
    Ok(parents)
}

/// Forgets how to know those answers again that may not vouch for their rows any more: they are
/// read in full.
async fn vouching(tx: &mut Transaction<'_>, run: &Run, mut parents: Vec<Parent>) -> Result<Vec<Parent>, StoreError> {
    let known = parents.iter().filter(|parent| parent.before.is_some());
    let known: Vec<i64> = known.map(|parent| parent.row).collect();
    let vouched = brought::vouched(tx, run, &known).await?;
    for parent in parents.iter_mut().filter(|parent| !vouched.contains_key(&parent.row)) {
        parent.before = None;
    }
    Ok(parents)
}

/// Claims requests that are due, else those that failed last time, else those whose owner has gone.
/// Rows that fail for ever come after all others, or they would stand in their way in each run.
async fn take_due(tx: &mut Transaction<'_>, run: &Run, owner: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
    let now = tx.context.now(0);
    let due = format!("state='due' AND (next_at IS NULL OR next_at<={now})");
    for which in [format!("{due} AND error IS NULL"), due] {
        let rows = field_requests::take(tx, run, owner, limit, &which).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    // Before they are taken over: a large answer may be what ended the process that had it.
    field_requests::set_requests_aside(tx, &run.fetch, &format!("until<{now}")).await?;
    let over = format!("state='claimed' AND until<{now}");
    field_requests::take(tx, run, owner, limit, &over).await
}

/// What requests are made of: the rows' keys, the values that paths name, and what is remembered of
/// earlier answers.
async fn parents(
    tx: &mut Transaction<'_>,
    run: &Run,
    fetch: FetchId,
    owner: &str,
    rows: &[i64],
) -> Result<Vec<Parent>, StoreError> {
    let each = context::field_fetch(tx.context, fetch)?;
    let tables = tx.tables(each.parent);
    let this: Vec<usize> = each.this.iter().flat_map(|field| tables.columns_of(*field)).collect();
    let this_columns = this.iter().filter_map(|at| tables.table.columns.get(*at));
    let keys = tx.key_names(each.parent).into_iter().zip(tx.key_kinds(each.parent));
    let this_columns = this_columns.map(|column| (column.name.as_str(), Kind::of(column.kind)));
    let columns: Vec<(&str, Kind)> = keys.chain(this_columns).collect();
    let columns = tx.context.dialect.read_names("p", &columns);
    let claimed = requests::claimed(tx, run, each.parent, owner, rows, &columns).await?;
    let signature = tx.context.catalog.signature(fetch);
    let mut found = Vec::with_capacity(claimed.len());
    for row in claimed {
        // Between the least and the greatest may lie some that this process claimed before.
        if rows.contains(&get(&row, 0)?) {
            found.push(parent(tx, each, &this, &row, &signature)?);
        }
    }
    Ok(found)
}

fn parent(
    tx: &Transaction<'_>,
    each: &FieldFetch,
    this: &[usize],
    row: &ResultRow,
    signature: &str,
) -> Result<Parent, StoreError> {
    let known: Option<String> = get(row, 3)?;
    let request: Option<String> = get(row, 4)?;
    // Read by another definition, an unchanged answer would leave rows as that one made them.
    let before = request.filter(|_| known.as_deref() == Some(signature));
    let before = before
        .map(|request| {
            Ok::<_, StoreError>(RequestState {
                request,
                etag: get(row, 5)?,
                last_modified: get(row, 6)?,
                body_hash: get(row, 7)?,
                page: String::new(),
                rows: 0,
            })
        })
        .transpose()?;
    let key = tx.read_key(each.parent, row, requests::VALUES)?;
    let tables = tx.tables(each.parent);
    let kinds = this
        .iter()
        .filter_map(|at| tables.table.columns.get(*at))
        .map(|column| column.kind);
    let values = kinds.enumerate().map(|(at, kind)| {
        let scalar = scalar_of(kind);
        let value = tx::read_value(row, requests::VALUES + key.len() + at, scalar)?;
        Ok((scalar, value))
    });
    Ok(Parent {
        this: values.collect::<Result<_, StoreError>>()?,
        key,
        row: get(row, 0)?,
        hash: get(row, 1)?,
        tries: u32::try_from(get::<i64>(row, 2)?).unwrap_or(u32::MAX),
        before,
    })
}

/// The runs of this definition, in whichever process, that have requests to give away.
pub(crate) async fn open(context: &Context) -> Result<Vec<OpenFieldFetch>, StoreError> {
    // Where nobody else can write, there is nobody to help.
    if context.dialect.skip_locked().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    // Before the question: should the database change in between, the runs found are refused later
    // rather than taken for those of the new place.
    let generation = context.guard.generation();
    for (id, name, fence) in runs::claim::with_requests(context).await? {
        let named = |id: &FetchId| context.catalog.fetch_name(*id) == name;
        let Some(fetch) = context.catalog.fetch_ids().find(named) else {
            continue;
        };
        let run = Run {
            id,
            fetch: name,
            entity: context.catalog.fetch(fetch).entity,
            fence,
            generation,
            checkpoint: None,
        };
        found.push(OpenFieldFetch { fetch, run });
    }
    Ok(found)
}
