//! Links that lead nowhere, counted on demand. Only reads; knows which columns hold a link.

use std::time::{Duration, Instant};

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    layout::Column,
    store::{context::Context, db::pool::get, error::StoreError, in_force},
};

/// A field and how many of its links lead to no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dangling {
    pub entity: EntityId,
    pub field: FieldId,
    pub target: EntityId,
    /// `None`: it could not be counted in time.
    pub links: Option<u64>,
}

pub(crate) async fn all(context: &Context, time: Duration) -> Result<Vec<Dangling>, StoreError> {
    let until = Instant::now() + time;
    let mut found = Vec::new();
    for (dangling, sql) in links(context) {
        let links = match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => count(context, sql, left).await?,
            _ => None,
        };
        if links != Some(0) {
            found.push(Dangling { links, ..dangling });
        }
    }
    Ok(found)
}

/// What a statement counts; none where that takes too long.
pub(super) async fn count(context: &Context, sql: String, time: Duration) -> Result<Option<u64>, StoreError> {
    let readers = context.readers.apart(time);
    let counted = match readers.take().await {
        Ok(reader) => in_force::read(context, reader, context.params().query(sql)).await,
        Err(error) => Err(error),
    };
    readers.close().await;
    match counted {
        Ok(rows) => {
            let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
            Ok(Some(count.unsigned_abs()))
        }
        Err(StoreError::Timeout(_) | StoreError::Waited(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every field whose links may dangle, with the statement that counts them. The link to an owner
/// never does.
fn links(context: &Context) -> Vec<(Dangling, String)> {
    let mut all = Vec::new();
    for id in context.catalog.entity_ids() {
        let (entity, tables) = (context.catalog.entity(id), context.layout.entity(id));
        let parent = entity.owner.map(|owner| owner.parent);
        for field in entity.field_ids().filter(|field| Some(*field) != parent) {
            let (from, own, target, by): (_, Vec<&Column>, _, _) = match &entity.field(field).kind {
                FieldKind::Reference { target, by } => {
                    let columns = tables.columns_of(field);
                    let own = columns.iter().filter_map(|at| tables.table.columns.get(*at)).collect();
                    (&tables.table.name, own, *target, by)
                }
                FieldKind::Links { target, by } => match tables.join_of(field) {
                    Some(join) => (&join.name, join.targets.iter().collect(), *target, by),
                    None => continue,
                },
                _ => continue,
            };
            let dangling = Dangling {
                entity: id,
                field,
                target,
                links: None,
            };
            all.push((dangling, statement(context, from, &own, target, by)));
        }
    }
    all
}

fn statement(context: &Context, from: &str, own: &[&Column], target: EntityId, by: &[FieldId]) -> String {
    let tables = context.layout.entity(target);
    let theirs = by.iter().flat_map(|field| tables.columns_of(*field));
    let theirs = theirs.filter_map(|at| tables.table.columns.get(at));
    let quote = |name: &str| context.dialect.quote(name);
    let links = own
        .iter()
        .map(|column| format!("own.{} IS NOT NULL", quote(&column.name)));
    let meet = own
        .iter()
        .zip(theirs)
        .map(|(own, far)| format!("far.{}=own.{}", quote(&far.name), quote(&own.name)));
    format!(
        "SELECT CAST(count(*) AS BIGINT) FROM {} AS own WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS far WHERE {})",
        quote(from),
        links.collect::<Vec<_>>().join(" AND "),
        quote(&tables.table.name),
        meet.collect::<Vec<_>>().join(" AND ")
    )
}
