//! Which requests of a `@fetch` on a field are still to be made, and who makes them. Knows `hayloft_fan_out` and the rows
//! asked about; the answers are written by `commit`.
//!
//! A run plans its requests in one statement. Then this and any other process of the database claim them in batches, each
//! for a short time that is renewed while the process lives, until none is left.

use crate::{
    catalog::{Each, FetchId, When},
    layout::{HASH_COLUMN, ROW_COLUMN},
    store::{
        commit::{self, Trace},
        context::{self, Context},
        db::{
            dialect::scalar_of,
            failpoint,
            params::Kind,
            pool::{Line, get},
        },
        error::StoreError,
        in_force,
        system::{field_requests, quarantine, runs},
        tx::{self, Transaction},
        types::{OpenFanOut, Parent, RequestState, Run},
    },
};

use super::brought;

/// Notes which requests this run is to make: those that an earlier run left, and those that the fetch's `when` asks for.
pub(crate) async fn plan(context: &Context, run: &Run, fetch: FetchId) -> Result<u64, StoreError> {
    let mut tx = in_force::begin(context).await?;
    runs::check_fence(&mut tx, run).await?;
    // Whoever had them has ended: no other run of the fetch goes on.
    field_requests::set_requests_aside(&mut tx, &run.fetch, "1=1").await?;
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_fan_out SET run=$2,state='due',tries=0,next_at=NULL,owner=NULL,until=NULL \
               WHERE \"fetch\"=$1 AND state IN ('due','claimed')";
    let left = tx.run(params, sql.to_owned()).await?;
    quarantine::forget_refused(&mut tx, run, fetch).await?;
    plan_new(&mut tx, run, fetch, left > 0).await?;
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_fan_out WHERE \"fetch\"=$1 AND state='due'";
    let lines = tx.all(params, sql.to_owned()).await?;
    let due: i64 = lines.first().map_or(Ok(0), |line| get(line, 0))?;
    if due > 0 {
        commit::tell_of_work(&mut tx).await?;
    }
    failpoint::point("fan_out::planned");
    tx.commit().await?;
    Ok(due.unsigned_abs())
}

async fn plan_new(tx: &mut Transaction<'_>, run: &Run, fetch: FetchId, resumes: bool) -> Result<(), StoreError> {
    let each = context::each(tx.context, fetch)?;
    let (row, hash) = (tx.quote(ROW_COLUMN), tx.quote(HASH_COLUMN));
    let changed = format!("s.hash IS NULL OR s.hash<>p.{hash} OR s.signature IS NULL OR s.signature<>$3");
    let rule = match each.when {
        // An answer that was read in another way is none to this request.
        When::New => "s.hash IS NULL OR s.signature IS NULL OR s.signature<>$3".to_owned(),
        // A run that was cut short is brought to its end before all begins again.
        When::Always if resumes => changed,
        When::Always => "s.hash IS NULL OR s.hash IS NOT NULL".to_owned(),
        When::Changed => changed,
    };
    let sql = format!(
        "INSERT INTO hayloft_fan_out(\"fetch\",parent,state,run) \
         SELECT $1,p.{row},'due',$2 FROM {} AS p LEFT JOIN hayloft_fan_out AS s ON s.fetch=$1 AND s.parent=p.{row} \
         WHERE (s.state IS NULL OR s.state<>'due') AND ({rule}) AND $3 IS NOT NULL AND {} \
         ON CONFLICT(\"fetch\",parent) DO UPDATE SET state='due',run=excluded.run,tries=0,next_at=NULL",
        tx.quote(&tx.tables(each.parent).table.name),
        field_requests::may_be_made(tx.context, "$2"),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(tx.context.catalog.signature(fetch))?;
    tx.run(params, sql).await?;
    Ok(())
}

/// Takes some of a run's requests for `owner`. None: all are done, in other hands, or wait to be tried again.
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
            field_requests::forget_orphans(&mut tx, run, fetch, owner).await?;
        }
        if !parents.is_empty() {
            break parents;
        }
    };
    let parents = vouching(&mut tx, run, parents).await?;
    let trace = match parents.first() {
        Some(first) => Trace::Asked(run, owner, first.row),
        None => Trace::Again,
    };
    commit::commit(tx, trace).await?;
    failpoint::point("fan_out::claimed");
    Ok(parents)
}

/// Forgets how to know those answers again that may not vouch for their rows any more: they are read in full.
async fn vouching(tx: &mut Transaction<'_>, run: &Run, mut parents: Vec<Parent>) -> Result<Vec<Parent>, StoreError> {
    let known = parents.iter().filter(|parent| parent.before.is_some());
    let known: Vec<i64> = known.map(|parent| parent.row).collect();
    let vouched = brought::vouched(tx, run, &known).await?;
    for parent in parents.iter_mut().filter(|parent| !vouched.contains_key(&parent.row)) {
        parent.before = None;
    }
    Ok(parents)
}

/// Claims requests that are due, else those that failed last time, else those whose owner has gone. Rows that fail for ever come
/// after all others, or they would stand in their way in each run.
async fn take_due(tx: &mut Transaction<'_>, run: &Run, owner: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
    let now = tx.context.now(0);
    let due = format!("state='due' AND (next_at IS NULL OR next_at<={now})");
    for which in [format!("{due} AND error IS NULL"), due] {
        let rows = field_requests::take(tx, run, owner, limit, &which).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    field_requests::set_requests_aside(tx, &run.fetch, &format!("until<{now}")).await?;
    let over = format!("state='claimed' AND until<{now}");
    field_requests::take(tx, run, owner, limit, &over).await
}

/// What requests are made of: the rows' keys, the values that paths name, and what is remembered of earlier answers.
async fn parents(
    tx: &mut Transaction<'_>,
    run: &Run,
    fetch: FetchId,
    owner: &str,
    rows: &[i64],
) -> Result<Vec<Parent>, StoreError> {
    let each = context::each(tx.context, fetch)?;
    let tables = tx.tables(each.parent);
    let this: Vec<usize> = each.this.iter().flat_map(|field| tables.columns_of(*field)).collect();
    let this_columns = this.iter().filter_map(|at| tables.table.columns.get(*at));
    let keys = tx.key_names(each.parent).into_iter().zip(tx.key_kinds(each.parent));
    let this_columns = this_columns.map(|column| (column.name.as_str(), Kind::of(column.kind)));
    let columns: Vec<(&str, Kind)> = keys.chain(this_columns).collect();
    let columns = tx.context.dialect.read_names("p", &columns);
    let sql = format!(
        "SELECT p.{row},p.{},s.tries,s.signature,s.request,s.etag,s.last_modified,s.body_hash,{columns} \
         FROM hayloft_fan_out AS s JOIN {} AS p ON p.{row}=s.parent \
         WHERE s.fetch=$1 AND s.owner=$2 AND s.state='claimed' AND s.parent>=$3 AND s.parent<=$4",
        tx.quote(HASH_COLUMN),
        tx.quote(&tables.table.name),
        row = tx.quote(ROW_COLUMN),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    params.add(owner.to_owned())?;
    params.add(rows.iter().min().copied().unwrap_or_default())?;
    params.add(rows.iter().max().copied().unwrap_or_default())?;
    let signature = tx.context.catalog.signature(fetch);
    let mut found = Vec::with_capacity(rows.len());
    for line in tx.all(params, sql).await? {
        // Between the least and the greatest may lie some that this process claimed before.
        if rows.contains(&get(&line, 0)?) {
            found.push(parent(tx, each, &this, &line, &signature)?);
        }
    }
    Ok(found)
}

fn parent(
    tx: &Transaction<'_>,
    each: &Each,
    this: &[usize],
    line: &Line,
    signature: &str,
) -> Result<Parent, StoreError> {
    const VALUES: usize = 8;
    let known: Option<String> = get(line, 3)?;
    let request: Option<String> = get(line, 4)?;
    let before = request.filter(|_| known.as_deref() == Some(signature));
    let before = before
        .map(|request| {
            Ok::<_, StoreError>(RequestState {
                request,
                etag: get(line, 5)?,
                last_modified: get(line, 6)?,
                body_hash: get(line, 7)?,
                page: String::new(),
                rows: 0,
            })
        })
        .transpose()?;
    let key = tx.read_key(each.parent, line, VALUES)?;
    let tables = tx.tables(each.parent);
    let kinds = this
        .iter()
        .filter_map(|at| tables.table.columns.get(*at))
        .map(|column| column.kind);
    let values = kinds.enumerate().map(|(at, kind)| {
        let scalar = scalar_of(kind);
        let value = tx::read_value(line, VALUES + key.len() + at, scalar)?;
        Ok((scalar, value))
    });
    Ok(Parent {
        this: values.collect::<Result<_, StoreError>>()?,
        key,
        row: get(line, 0)?,
        hash: get(line, 1)?,
        tries: u32::try_from(get::<i64>(line, 2)?).unwrap_or(u32::MAX),
        before,
    })
}

/// The runs of this definition, in whichever process, that have requests to give away.
pub(crate) async fn open(context: &Context) -> Result<Vec<OpenFanOut>, StoreError> {
    // Where nobody else can write, there is nobody to help.
    if context.dialect.skip_locked().is_empty() {
        return Ok(Vec::new());
    }
    let mut params = context.params();
    params.add(context.catalog.fingerprint.clone())?;
    let sql = "SELECT r.id,r.fetch,r.fence FROM hayloft_run AS r WHERE r.state='running' AND r.definition=$1 AND \
               EXISTS(SELECT 1 FROM hayloft_fan_out AS s WHERE s.fetch=r.fetch AND s.state='due' AND s.run=r.id)";
    let mut found = Vec::new();
    let generation = context.guard.generation();
    for line in context.own.take().await?.fetch(params.query(sql)).await? {
        let name: String = get(&line, 1)?;
        let named = |id: &FetchId| context.catalog.fetch_name(*id) == name;
        let Some(fetch) = context.catalog.fetch_ids().find(named) else {
            continue;
        };
        let run = Run {
            id: get(&line, 0)?,
            fetch: name,
            entity: context.catalog.fetch(fetch).entity,
            fence: get(&line, 2)?,
            generation,
            checkpoint: None,
        };
        found.push(OpenFanOut { fetch, run });
    }
    Ok(found)
}
