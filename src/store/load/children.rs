//! Rows nested in others: brought to what their owners say. Knows the tables of a type and of what
//! is nested in it.

use std::collections::HashSet;

use crate::{
    catalog::EntityId,
    layout::{HASH_COLUMN, ROW_COLUMN},
    store::{
        db::{params::Kind, rows::Rows},
        error::StoreError,
        types::UpsertOutcome,
    },
    value::{Key, Row, Value},
};

use super::{
    batch::{Batch, Item},
    delete,
    find::open_hash,
    key::distinct,
};

/// Brings the children of written rows to what the rows say: missing ones deleted, then differing
/// ones written, so that a unique value which one gives up is free for another. Owners of a refused
/// child stay open; those that were open and have all their children now become changed ones.
pub(crate) async fn children(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    outcomes: &mut [UpsertOutcome],
) -> Result<(), StoreError> {
    let mut open: HashSet<i64> = HashSet::new();
    for at in 0..batch.tables(entity).nested.len() {
        // A part of a row that does not have the list leaves it alone; such parts come one by one.
        if items.iter().all(|item| item.row.lacks_children(at)) {
            continue;
        }
        list(batch, entity, at, items, outcomes, &mut open).await?;
    }
    let mut turned = Vec::new();
    for outcome in outcomes.iter_mut() {
        match *outcome {
            UpsertOutcome::New(row) | UpsertOutcome::Changed(row) if open.contains(&row) => turned.push(row),
            UpsertOutcome::Open(row) if !open.contains(&row) => {
                turned.push(row);
                *outcome = UpsertOutcome::Changed(row);
            }
            _ => {}
        }
    }
    batch.open.extend(open.into_iter().map(|row| (entity, row)));
    turn(batch, entity, &turned).await
}

/// Turns the hashes of rows into those of open ones, and back.
async fn turn(batch: &mut Batch<'_>, entity: EntityId, turned: &[i64]) -> Result<(), StoreError> {
    let hash = batch.quote(HASH_COLUMN);
    let head = format!(
        "UPDATE {} SET {hash}={} WHERE {} IN (",
        batch.quote(&batch.tables(entity).table.name),
        open_hash(&hash),
        batch.quote(ROW_COLUMN)
    );
    let mut from = 0;
    for size in batch.context.dialect.row_sizes(turned.len(), 1) {
        let mut rows = Rows::new(batch.params(), &[Kind::Int], size);
        turned.iter().skip(from).take(size).try_for_each(|row| rows.int(*row))?;
        from += size;
        let sql = format!("{head}{})", batch.rows(&[Kind::Int], size));
        batch.run(rows.bind()?, sql).await?;
    }
    Ok(())
}

/// The children of one field; gives the numbers of the owners that one of them was refused to.
async fn list(
    batch: &mut Batch<'_>,
    entity: EntityId,
    at: usize,
    items: &[Item<'_>],
    outcomes: &[UpsertOutcome],
    open: &mut HashSet<i64>,
) -> Result<(), StoreError> {
    let Some(child) = batch.tables(entity).nested.get(at).map(|nested| nested.child) else {
        return Ok(());
    };
    let looked_at = |outcome: &UpsertOutcome| {
        matches!(
            outcome,
            UpsertOutcome::New(_) | UpsertOutcome::Changed(_) | UpsertOutcome::Open(_)
        )
    };
    let owners: Vec<(&Item<'_>, &UpsertOutcome)> = items
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| looked_at(outcome))
        .collect();
    let mut all: Vec<Item<'_>> = Vec::new();
    for (owner, _) in &owners {
        let placed = owner.row.children_of(at);
        all.extend(placed.map(|(position, row)| Item {
            row,
            position: position as i64,
        }));
    }
    let (rows, repeated) = distinct(batch, child, all);
    if repeated > 0 {
        let name = &batch.context.catalog.entity(child).name;
        tracing::warn!(entity = %name, repeated, "nested rows with the same key inside one owner: the last one is kept");
    }
    batch.fits(child, &rows)?;
    let before = owners
        .iter()
        .filter(|(_, outcome)| !matches!(outcome, UpsertOutcome::New(_)));
    batch.before_children(entity, before.filter_map(|(_, outcome)| outcome.row()));
    let stored: Vec<&Item<'_>> = owners
        .iter()
        .filter(|(_, outcome)| !matches!(outcome, UpsertOutcome::New(_)))
        .map(|(owner, _)| *owner)
        .collect();
    let found = match stored.is_empty() {
        true => vec![None; rows.len()],
        false => {
            let found = batch.find(child, &rows).await?;
            let there: HashSet<i64> = found.iter().flatten().map(|found| found.row).collect();
            let stay = Stay::of(batch, entity, at, &stored);
            let owners: Vec<Vec<Value>> = stored.iter().map(|owner| batch.key_of(entity, **owner)).collect();
            let mut gone = delete::owned(batch, child, &owners).await?;
            gone.retain(|(row, key)| !there.contains(row) && !stay.has(key));
            delete::delete(batch, child, gone).await?;
            found
        }
    };
    let written = batch.put(child, &rows, found).await?;
    let refused = rows
        .iter()
        .zip(written)
        .filter(|(_, outcome)| !batch.is_whole(child, *outcome));
    let refused: HashSet<*const Row> = refused.map(|(item, _)| std::ptr::from_ref(item.row)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    for (owner, outcome) in owners {
        let mut rows = owner.row.children.get(at).into_iter().flatten();
        if rows.any(|row| refused.contains(&std::ptr::from_ref(row))) {
            open.extend(outcome.row());
        }
    }
    Ok(())
}

/// Stored children that stay although they are not among the written ones: the last good versions
/// of refused ones.
#[derive(Default)]
struct Stay {
    keys: HashSet<Key>,
    /// Owners of a refused child that may be any of theirs.
    owners: HashSet<Key>,
    /// Values of an owner's key, with which those of its children begin.
    width: usize,
}

impl Stay {
    fn of(batch: &Batch<'_>, entity: EntityId, at: usize, owners: &[&Item<'_>]) -> Stay {
        let mut stay = Stay::default();
        let nested = batch.tables(entity).nested.get(at);
        let positional = nested.is_some_and(|nested| batch.tables(nested.child).positional);
        for owner in owners {
            for kept in owner.row.kept_of(at) {
                let mut key = batch.key_of(entity, **owner);
                stay.width = key.len();
                match &kept.key {
                    Some(whole) => stay.keys.insert(whole.clone()),
                    None if positional => {
                        key.push(Value::Int(kept.position as i64));
                        stay.keys.insert(Key(key))
                    }
                    None => stay.owners.insert(Key(key)),
                };
            }
        }
        stay
    }

    fn has(&self, key: &[Value]) -> bool {
        if self.keys.is_empty() && self.owners.is_empty() {
            return false;
        }
        let owner = key.get(..self.width).unwrap_or_default();
        self.keys.contains(&Key(key.to_vec())) || self.owners.contains(&Key(owner.to_vec()))
    }
}
