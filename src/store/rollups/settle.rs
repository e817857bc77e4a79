//! Rollups brought to what they are: those of rows that a transaction has touched, or all. Knows
//! the columns that hold them; tells which rows changed, and notes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, EntityId, FieldId, Part},
    layout::ROW_COLUMN,
    store::{db::failpoint, error::StoreError, tx::Transaction},
    value::Value,
};

use super::{
    anew::{Which, compute},
    bring,
    computed::{Computed, all},
    groups,
    lists::for_rows,
    touched::{Alike, At, Touched},
};

/// What rollups became.
#[derive(Default)]
pub(crate) struct Settled {
    /// Those of which a row has another value than before.
    pub fields: Vec<(EntityId, FieldId)>,
    /// The keys of rows that were there before and have another value now, in their order.
    pub keys: Vec<(EntityId, Vec<Vec<Value>>)>,
    /// The keys of rows for groups that have rows now, and of those that have none any more.
    pub new: Vec<(EntityId, Vec<Vec<Value>>)>,
    pub gone: Vec<(EntityId, Vec<Vec<Value>>)>,
}

/// Computes what the rows have now that were touched; `parts` is what the transaction changed.
pub(crate) async fn settle(
    tx: &mut Transaction<'_>,
    touched: Touched<'_>,
    parts: &BTreeSet<Part>,
) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let Touched { mut alike, mut new } = touched;
    alike.retain(Alike::is_met);
    // All rows for groups are there before anything is counted for them.
    for alike in &alike {
        if let Some(group) = alike.groups_by(&tx.context.catalog, parts) {
            let added = groups::add_missing(tx, group, Some(&alike.in_order())).await?;
            if !added.is_empty() {
                settled.new.push((group, keys(tx, group, &added).await?));
                new.entry(group).or_default().extend(added);
            }
        }
    }
    for alike in &mut alike {
        let rows = alike.in_order();
        // What a rollup does not go by has not changed it.
        match alike.goes_by(&tx.context.catalog, parts) {
            true => {
                alike.count(tx, &rows, At::End).await?;
                alike.find_named(tx).await?;
            }
            false => alike.parents.lost.clear(),
        }
    }
    failpoint::point("rollups::counted");
    let mut changed: BTreeMap<EntityId, BTreeSet<i64>> = BTreeMap::new();
    let mut left: Vec<(EntityId, Vec<i64>)> = Vec::new();
    for alike in &alike {
        if let Some(group) = alike.one().filter(|one| one.groups().is_some()) {
            left.push((group.parent, alike.parents.lost.keys().copied().collect()));
        }
        for (computed, rows) in bring::bring(tx, alike, parts).await? {
            // What nobody is shown changes no row that anybody could ask for.
            if !rows.is_empty() && !computed.is_kept_for_another() {
                settled.fields.push((computed.parent, computed.field));
                changed.entry(computed.parent).or_default().extend(rows);
            }
        }
    }
    failpoint::point("rollups::written");
    for (group, rows) in left {
        let gone = groups::drop_empty(tx, group, &rows).await?;
        if !gone.is_empty() {
            settled.gone.push((group, gone));
        }
    }
    for (entity, rows) in changed {
        let new = new.get(&entity);
        let rows = rows.into_iter().filter(|row| new.is_none_or(|new| !new.contains(row)));
        let rows: Vec<i64> = rows.collect();
        if !rows.is_empty() {
            let keys = keys(tx, entity, &rows).await?;
            settled.keys.extend((!keys.is_empty()).then_some((entity, keys)));
        }
    }
    Ok(settled)
}

/// Computes all rollups of all rows; those of groups that are computed now and then where `timed`
/// says so.
pub(crate) async fn all_anew(
    tx: &mut Transaction<'_>,
    timed: impl Fn(EntityId) -> bool + Send,
) -> Result<(), StoreError> {
    let catalog = &tx.context.catalog;
    let wanted = |entity: EntityId| !catalog.is_timed(entity) || timed(entity);
    for entity in catalog.entity_ids().filter(|entity| wanted(*entity)) {
        if catalog.entity(entity).groups.is_some() {
            groups::all_anew(tx, entity).await?;
        }
    }
    for computed in all(catalog).into_iter().filter(|computed| wanted(computed.parent)) {
        compute(tx, &computed, Which::All).await?;
    }
    Ok(())
}

/// Computes the groups of a type that is computed now and then.
pub(crate) async fn groups_anew(tx: &mut Transaction<'_>, group: EntityId) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    let gone = groups::drop_gone(tx, group).await?;
    failpoint::point("groups::gone");
    let new = groups::add_missing(tx, group, None).await?;
    failpoint::point("groups::added");
    let mut changed = BTreeSet::new();
    let of_it = all(&tx.context.catalog).into_iter();
    for computed in of_it.filter(|computed| computed.parent == group) {
        let rows = compute(tx, &computed, Which::AllTold).await?;
        if !rows.is_empty() {
            settled.fields.push((group, computed.field));
            changed.extend(rows);
        }
    }
    failpoint::point("groups::computed");
    for row in &new {
        changed.remove(row);
    }
    let changed: Vec<i64> = changed.into_iter().collect();
    let changed = keys(tx, group, &changed).await?;
    let new = keys(tx, group, &new).await?;
    for (all, kept) in [
        (changed, &mut settled.keys),
        (new, &mut settled.new),
        (gone, &mut settled.gone),
    ] {
        kept.extend((!all.is_empty()).then_some((group, all)));
    }
    Ok(settled)
}

impl Alike<'_> {
    /// The type whose rows stand for the groups of the rows that were written, where what tells
    /// those apart may have changed.
    fn groups_by(&self, catalog: &Catalog, parts: &BTreeSet<Part>) -> Option<EntityId> {
        let counts = |computed: &&Computed<'_>| {
            let groups = computed.groups();
            groups.is_some_and(|groups| groups.count == computed.field)
        };
        let count = self.rollups.iter().find(counts)?;
        let is_met = !self.rows.is_empty() && !count.goes_by(catalog).is_disjoint(parts);
        is_met.then_some(count.parent)
    }
}

/// The keys of rows, in their order.
pub(super) async fn keys(
    tx: &mut Transaction<'_>,
    entity: EntityId,
    rows: &[i64],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let key = tx.key_columns(entity);
    let order = tx.context.dialect.names(&tx.key_names(entity));
    let (table, row) = (tx.quote(&tx.tables(entity).table.name), tx.quote(ROW_COLUMN));
    let statement = |list: &str| format!("SELECT {key} FROM {table} WHERE {row} IN ({list}) ORDER BY {order}");
    let found = for_rows(tx, &[], rows, statement).await?;
    found.iter().map(|line| tx.read_key(entity, line, 0)).collect()
}
