//! Rows whose key comes several times in one run: found, and those that are known for it left for
//! the run's end. Knows what came before in the run; no SQL.

use crate::{
    catalog::EntityId,
    store::{error::StoreError, types::Group},
    value::Key,
};

use super::{
    batch::{Batch, Item},
    before::Before,
    find::Found,
    key::KeyOf,
};

/// The rows among these that came before in the run, on this page or an earlier one.
pub(crate) fn copied(found: &[Option<Found>], before: &Before<'_>) -> Vec<i64> {
    let rows = found.iter().flatten().map(|found| found.row);
    rows.filter(|row| before.came(*row)).collect()
}

/// Rows to be written now, and those that wait for their last copy, with their numbers.
pub(crate) struct Split<'r> {
    pub items: Vec<Item<'r>>,
    pub found: Vec<Option<Found>>,
    pub held: Vec<(Item<'r>, i64)>,
}

/// Takes out what came several times in the last run: written one after the other its values would
/// change each time, and readers would see all of them.
pub(crate) fn split<'r>(items: Vec<Item<'r>>, found: Vec<Option<Found>>, before: &Before<'_>) -> Split<'r> {
    let waits = |found: &Option<Found>| found.is_some_and(|found| before.repeats(found.row));
    let waiting = items.iter().zip(&found).filter(|(_, found)| waits(found));
    if !before.any_repeats() || !before.later().has_room(waiting.map(|(item, _)| item.row)) {
        return Split {
            items,
            found,
            held: Vec::new(),
        };
    }
    let mut split = Split {
        items: Vec::with_capacity(items.len()),
        found: Vec::with_capacity(items.len()),
        held: Vec::new(),
    };
    for (item, found) in items.into_iter().zip(found) {
        match found {
            Some(old) if before.repeats(old.row) => split.held.push((item, old.row)),
            found => {
                split.items.push(item);
                split.found.push(found);
            }
        }
    }
    split
}

/// Names a key that came twice.
pub(crate) fn twice(
    batch: &Batch<'_>,
    entity: EntityId,
    group: &Group,
    items: &[Item<'_>],
    found: &[Option<Found>],
    before: &Before<'_>,
) -> StoreError {
    let tables = batch.tables(entity);
    let mut keys = std::collections::HashSet::with_capacity(group.rows.len());
    let inside = group.rows.iter().map(|row| Item { row, position: 0 });
    let mut inside = inside.filter(|item| !keys.insert(KeyOf::new(tables, *item)));
    let across = || {
        let pairs = items.iter().zip(found);
        let mut again = pairs.filter(|(_, found)| found.is_some_and(|found| before.came(found.row)));
        again.next().map(|(item, _)| *item)
    };
    let key = inside
        .next()
        .or_else(across)
        .map(|item| Key(batch.key_of(entity, item)));
    StoreError::Refused(format!(
        "the key {} came more than once in one run, which `repeats: FAIL` forbids; look at what the upstream lists, or choose \
         LAST or MERGE",
        key.map_or_else(String::new, |key| format!("\"{key}\""))
    ))
}
