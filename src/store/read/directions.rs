//! Which way an index that rows may be gone through by has a column. Knows indexes; no rows, and no
//! statement.
//!
//! PostgreSQL takes an index for an order only where both say the same of nulls, even where there
//! are none. An index has them last, whether it begins with the lowest or the highest values; gone
//! through from its end, first.

use crate::{
    catalog::{EntityId, FieldId},
    layout::{ColumnKind, Index, IndexKind},
    query::{Direction, Nulls, Order},
};

use super::compiler::Compiler;

/// How indexes have a column: from its lowest values, or from its highest.
#[derive(Clone, Copy, Default)]
struct Found {
    lowest: bool,
    highest: bool,
}

impl Found {
    fn is_from_end(self) -> Option<bool> {
        match (self.lowest, self.highest) {
            (false, false) => None,
            // Of both, the one whose nulls need no word.
            (lowest, _) => Some(!lowest),
        }
    }
}

impl Compiler<'_> {
    /// Whether the index by which rows are found in the order of a field begins with the highest
    /// values, where that makes a difference. Rows that another row leads to are found by an index
    /// that begins with what leads to them.
    pub(crate) fn is_from_end(&self, entity: EntityId, field: FieldId, led: bool) -> bool {
        let (first, later) = self.found(entity, field);
        let found = match led {
            true => [later.is_from_end(), first.is_from_end()],
            false => [first.is_from_end(), later.is_from_end()],
        };
        found.into_iter().flatten().next().unwrap_or(false)
    }

    /// What the term of an order says of nulls where a column has none.
    pub(crate) fn nulls_of_none(&self, entity: EntityId, order: &Order, led: bool) -> &'static str {
        let from_end = order.own().is_some_and(|field| self.is_from_end(entity, field, led));
        nulls_as_index(from_end, order.direction == Direction::Descending)
    }

    /// Whether an index begins with what rows are ordered by, but has nulls at its other end.
    pub(crate) fn nulls_elsewhere(&self, entity: EntityId, order: &Order) -> bool {
        let Some(field) = order.own() else {
            return false;
        };
        let (first, _) = self.found(entity, field);
        let descending = order.direction == Direction::Descending;
        // From its lowest values on, and from its highest: nulls stand last in either.
        let has = |descending: bool| match descending {
            true => first.highest,
            false => first.lowest,
        };
        let as_asked = match order.nulls {
            Nulls::Last => has(descending),
            Nulls::First => has(!descending),
        };
        (first.lowest || first.highest) && !as_asked
    }

    /// How the indexes that begin with a field's column have it, and those that have it later.
    fn found(&self, entity: EntityId, field: FieldId) -> (Found, Found) {
        let (mut first, mut later) = (Found::default(), Found::default());
        let table = &self.laid(entity).table;
        let mut columns = table.columns.iter();
        // An enum is ordered by its places, which no index has.
        let Some(at) = columns.position(|column| column.field == field && column.kind != ColumnKind::Enum) else {
            return (first, later);
        };
        if self.dialect.nulls_last().is_empty() {
            return (first, later);
        }
        let key = Index::of(IndexKind::Key, table.key.clone());
        for index in table.indexes.iter().chain([&key]) {
            let Some(place) = index.columns.iter().position(|column| *column == at) else {
                continue;
            };
            let found = if place == 0 { &mut first } else { &mut later };
            match index.kind {
                IndexKind::List(_) | IndexKind::Search | IndexKind::Targets => {}
                _ if index.descending.contains(&at) => found.highest = true,
                _ => found.lowest = true,
            }
        }
        (first, later)
    }
}

/// What the term of an order says of nulls, where there are none and an index has them last.
pub(crate) fn nulls_as_index(from_end: bool, descending: bool) -> &'static str {
    match (from_end, descending) {
        (false, _) => "",
        (true, true) => " NULLS LAST",
        (true, false) => " NULLS FIRST",
    }
}
