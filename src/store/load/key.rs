//! The key of a row that is to be written, where it lies: compared, hashed, bound. Knows the
//! columns of keys; no SQL.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
};

use crate::{
    catalog::EntityId,
    layout::EntityTables,
    store::{db::rows::Rows, error::StoreError},
    value::{Row, Value},
};

use super::{
    batch::{Batch, Item},
    mixed::{Mixed, Seed},
};

/// The key of an item, compared where it lies.
pub(crate) struct KeyOf<'r> {
    row: &'r Row,
    columns: &'r [usize],
    position: Option<i64>,
}

impl<'r> KeyOf<'r> {
    pub(crate) fn new(tables: &'r EntityTables, item: Item<'r>) -> KeyOf<'r> {
        KeyOf {
            row: item.row,
            columns: &tables.table.key,
            position: tables.positional.then_some(item.position),
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &'r Value> {
        let row = self.row;
        self.columns.iter().filter_map(|at| row.values.get(*at))
    }

    /// The same for equal keys, whoever asks.
    pub(crate) fn hash64(&self) -> u64 {
        let mut hasher = Mixed::default();
        self.hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn bind(&self, rows: &mut Rows<'r>) -> Result<(), StoreError> {
        self.values().try_for_each(|value| rows.value(value))?;
        self.position.map_or(Ok(()), |position| rows.int(position))
    }
}

impl PartialEq for KeyOf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position && self.values().eq(other.values())
    }
}

impl Eq for KeyOf<'_> {}

impl Hash for KeyOf<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.position.hash(state);
        self.values().for_each(|value| value.hash_key(state));
    }
}

/// Items whose keys differ, the last of equal ones kept, and how many were dropped.
pub(crate) fn distinct<'r>(batch: &Batch<'r>, entity: EntityId, items: Vec<Item<'r>>) -> (Vec<Item<'r>>, u64) {
    let tables = batch.tables(entity);
    let mut places: HashMap<KeyOf<'r>, usize, Seed> = HashMap::with_capacity_and_hasher(items.len(), Seed::random());
    let mut out: Vec<Item<'r>> = Vec::with_capacity(items.len());
    let mut repeated = 0;
    for item in items {
        match places.entry(KeyOf::new(tables, item)) {
            Entry::Occupied(place) => {
                repeated += 1;
                if let Some(older) = out.get_mut(*place.get()) {
                    *older = item;
                }
            }
            Entry::Vacant(place) => {
                place.insert(out.len());
                out.push(item);
            }
        }
    }
    (out, repeated)
}
