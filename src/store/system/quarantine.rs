//! `hayloft_quarantine`: records that were refused, as far as they are kept. Knows that table; not
//! why a record is refused.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    catalog::FetchId,
    layout::ROW_COLUMN,
    store::{
        bulk::delete_where,
        context::{self, Context},
        db::{
            params::{Kind, Params},
            pool::{ResultRow, get},
        },
        error::StoreError,
        tx::Transaction,
        types::{QuarantineFilter, QuarantineRuns, Quarantined, Refused, Run},
    },
    value::Value,
};

use super::{
    clock,
    entities::{self, quarantine},
};

/// Forgets refused records of answers about rows that a changed definition has removed.
pub(crate) async fn forget_refused(tx: &mut Transaction<'_>, run: &Run, fetch: FetchId) -> Result<(), StoreError> {
    let each = context::field_fetch(tx.context, fetch)?;
    let sql = format!(
        "DELETE FROM hayloft_quarantine WHERE \"fetch\"=$1 AND parent IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE p.{}=hayloft_quarantine.parent)",
        tx.quote(&tx.tables(each.parent).table.name),
        tx.quote(ROW_COLUMN),
    );
    let mut params = tx.params();
    params.add(run.fetch.clone())?;
    tx.run(params, sql).await.map(|_| ())
}

/// Forgets what earlier answers about these rows had that was refused.
pub(crate) async fn forget_of(tx: &mut Transaction<'_>, fetch: &str, parents: &[i64]) -> Result<(), StoreError> {
    let name = Value::Text(fetch.to_owned());
    let of: Vec<Vec<Value>> = parents.iter().map(|row| vec![name.clone(), Value::Int(*row)]).collect();
    let columns = [("fetch", Kind::Text), ("parent", Kind::Int)];
    delete_where(tx, "hayloft_quarantine", &columns, &of).await
}

pub(crate) async fn forget(tx: &mut Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(id)?;
    tx.run(params, "DELETE FROM hayloft_quarantine WHERE id=$1".to_owned())
        .await?;
    Ok(())
}

/// The number of the new entry.
pub(crate) async fn insert_refused(tx: &mut Transaction<'_>, run: &Run, refused: &Refused) -> Result<i64, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    params.add(run.fetch.clone())?;
    params.add(refused.key.clone())?;
    params.add(refused.reason.clone())?;
    params.add(refused.record.clone())?;
    let now = tx.context.dialect.now(0);
    let sql = format!(
        "INSERT INTO hayloft_quarantine(run,\"fetch\",row_key,reason,record,at) VALUES ($1,$2,$3,$4,$5,{now}) RETURNING id"
    );
    tx.all(params, sql).await?.first().map_or(Ok(0), |row| get(row, 0))
}

/// Notes which request brought the refused records of a page, from the first of them on.
pub(crate) async fn name_refused(
    tx: &mut Transaction<'_>,
    run: &Run,
    first: i64,
    request: &str,
) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(request.to_owned())?;
    params.add(first)?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET request=$1 WHERE id>=$2 AND run=$3";
    tx.run(params, sql.to_owned()).await?;
    Ok(())
}

pub(crate) async fn newest(context: &Context, fetch: &str, limit: u32) -> Result<Vec<Refused>, StoreError> {
    let select = quarantine::Entity::find()
        .filter(quarantine::Column::Fetch.eq(fetch))
        .order_by_desc(quarantine::Column::Id)
        .limit(u64::from(limit));
    let refused = |row: quarantine::Model| Refused {
        key: row.row_key,
        id: None,
        reason: row.reason,
        record: row.record,
    };
    Ok(entities::all(context, select).await?.into_iter().map(refused).collect())
}

pub(crate) async fn list(
    context: &Context,
    filter: &QuarantineFilter,
    after: i64,
    limit: u32,
) -> Result<Vec<Quarantined>, StoreError> {
    let mut asked = Asked {
        params: context.params(),
        count: 2,
        conditions: String::new(),
    };
    asked.params.add(after)?;
    asked.params.add(i64::from(limit))?;
    asked.text("q.\"fetch\"=$", filter.fetch.as_deref())?;
    asked.text("q.row_key=$", filter.key.as_deref())?;
    let part = filter
        .reason
        .as_deref()
        .map(|part| format!("%{}%", escaped(&part.to_lowercase())));
    asked.text("lower(q.reason) LIKE $", part.as_deref())?;
    if part.is_some() {
        asked.conditions.push_str(" ESCAPE '\\'");
    }
    match filter.runs {
        QuarantineRuns::All => {}
        QuarantineRuns::One(run) => {
            asked.count += 1;
            asked.params.add(run)?;
            asked.conditions.push_str(&format!(" AND q.run=${}", asked.count));
        }
        QuarantineRuns::Last => asked.conditions.push_str(
            " AND (q.\"fetch\" LIKE '%.%' OR q.run=(SELECT id FROM hayloft_run AS newest \
             WHERE newest.\"fetch\"=q.\"fetch\" AND newest.state<>'queued' ORDER BY turn DESC,id DESC LIMIT 1))",
        ),
    }
    let sql = format!(
        "SELECT q.id,q.run,q.\"fetch\",q.row_key,q.reason,q.record,q.request,q.at FROM hayloft_quarantine AS q \
         WHERE q.id>$1{} ORDER BY q.id LIMIT $2",
        asked.conditions
    );
    let rows = context.own.take().await?.fetch(asked.params.query(sql)).await?;
    rows.iter().map(quarantined).collect()
}

/// Parameters with the conditions that use them.
struct Asked {
    params: Params,
    count: usize,
    conditions: String,
}

impl Asked {
    /// A condition that ends where the number of its parameter follows; none for what was not asked
    /// for.
    fn text(&mut self, condition: &str, value: Option<&str>) -> Result<(), StoreError> {
        if let Some(value) = value {
            self.count += 1;
            self.params.add(value.to_owned())?;
            self.conditions.push_str(&format!(" AND {condition}{}", self.count));
        }
        Ok(())
    }
}

/// The signs that mean something in a pattern of `LIKE`.
fn escaped(part: &str) -> String {
    part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn quarantined(row: &ResultRow) -> Result<Quarantined, StoreError> {
    Ok(Quarantined {
        id: get(row, 0)?,
        run: get(row, 1)?,
        fetch: get(row, 2)?,
        key: get(row, 3)?,
        reason: get(row, 4)?,
        record: get(row, 5)?,
        request: get(row, 6)?,
        at: clock::instant(&get::<String>(row, 7)?)?,
    })
}

/// The key and the reason of the first record that was refused of a run.
pub(crate) async fn first_of(
    tx: &mut Transaction<'_>,
    run: &Run,
) -> Result<Option<(Option<String>, String)>, StoreError> {
    let mut params = tx.params();
    params.add(run.id)?;
    let sql = "SELECT row_key,reason FROM hayloft_quarantine WHERE run=$1 ORDER BY id LIMIT 1";
    let rows = tx.all(params, sql.to_owned()).await?;
    rows.first().map(|row| Ok((get(row, 0)?, get(row, 1)?))).transpose()
}

/// Notes which row an entry's answer was about.
pub(crate) async fn name_parent(tx: &mut Transaction<'_>, id: i64, parent: Option<i64>) -> Result<(), StoreError> {
    let mut params = tx.params();
    params.add(parent)?;
    params.add(id)?;
    let sql = "UPDATE hayloft_quarantine SET parent=$1 WHERE id=$2";
    tx.run(params, sql.to_owned()).await.map(|_| ())
}

pub(crate) async fn count(tx: &mut Transaction<'_>, fetch: &str) -> Result<u64, StoreError> {
    let mut params = tx.params();
    params.add(fetch.to_owned())?;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_quarantine WHERE \"fetch\"=$1".to_owned();
    let count: i64 = tx.all(params, sql).await?.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(count.unsigned_abs())
}
