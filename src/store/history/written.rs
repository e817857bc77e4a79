//! Which rows a transaction has written, of types whose past is kept. Notes them, and changes none.
//!
//! More may be noted than was written: what became of a row is asked at the end, so what a
//! savepoint took back, or what is in the end as it was before, makes no version.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, EntityId},
    store::types::UpsertOutcome,
};

/// Rows of such types, by their numbers.
#[derive(Default)]
pub(crate) struct Written {
    /// Those that were there before, or may have been.
    pub(super) stored: BTreeMap<EntityId, BTreeSet<i64>>,
    /// Spans of numbers of new ones, each with its first and last: a load adds row after row.
    pub(super) new: BTreeMap<EntityId, Vec<(i64, i64)>>,
}

impl Written {
    pub(crate) fn stored(&mut self, catalog: &Catalog, entity: EntityId, rows: impl Iterator<Item = i64>) {
        if catalog.entity(entity).history {
            self.stored.entry(entity).or_default().extend(rows);
        }
    }

    pub(crate) fn added(&mut self, catalog: &Catalog, entity: EntityId, outcomes: &[UpsertOutcome]) {
        if !catalog.entity(entity).history {
            return;
        }
        let spans = self.new.entry(entity).or_default();
        for outcome in outcomes {
            let UpsertOutcome::New(row) = outcome else { continue };
            match spans.last_mut() {
                Some((_, last)) if *last + 1 == *row => *last = *row,
                _ => spans.push((*row, *row)),
            }
        }
    }

    /// The spans of numbers of new rows, none of which meets another: what a savepoint took back
    /// may have been written again.
    pub(super) fn spans(&self, entity: EntityId) -> Vec<(i64, i64)> {
        let mut all = self.new.get(&entity).cloned().unwrap_or_default();
        all.sort_unstable();
        let mut apart: Vec<(i64, i64)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match apart.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => apart.push((first, last)),
            }
        }
        apart
    }

    /// The types of which rows were noted: nested ones before those that they are nested in.
    pub(super) fn types(&self, catalog: &Catalog) -> Vec<EntityId> {
        let all: BTreeSet<EntityId> = self.stored.keys().chain(self.new.keys()).copied().collect();
        innermost_first(catalog, all.into_iter().collect())
    }
}

/// Types in an order in which nested ones stand before their owners.
pub(super) fn innermost_first(catalog: &Catalog, mut types: Vec<EntityId>) -> Vec<EntityId> {
    let depth = |entity: &EntityId| {
        let owner = |entity: &EntityId| catalog.entity(*entity).owner.map(|owner| owner.entity);
        std::iter::successors(Some(*entity), owner).count()
    };
    types.sort_by_key(|entity| (std::cmp::Reverse(depth(entity)), *entity));
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_do_not_meet() {
        let mut written = Written::default();
        written
            .new
            .insert(EntityId(1), vec![(7, 9), (3, 4), (5, 5), (8, 12), (20, 20)]);
        assert_eq!(written.spans(EntityId(1)), [(3, 5), (7, 12), (20, 20)]);
        assert!(written.spans(EntityId(2)).is_empty());
    }
}
