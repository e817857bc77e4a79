//! The types whose rows can change an answer. Knows where fields lead; no row.

use std::collections::BTreeSet;

use super::{
    read::Order,
    roots::Read,
    visit::{To, Visitor, visit_read},
};
use crate::catalog::{Catalog, EntityId, FieldId};

impl Read {
    /// Every entity whose rows can change the answer.
    pub(crate) fn entities(&self, catalog: &Catalog) -> BTreeSet<EntityId> {
        let mut entities = Entities {
            catalog,
            at: Vec::new(),
            found: BTreeSet::new(),
        };
        visit_read(self, &mut entities);
        entities.found
    }
}

struct Entities<'c> {
    catalog: &'c Catalog,
    /// The types on the way to what is looked at; none behind a field that leads nowhere.
    at: Vec<Option<EntityId>>,
    found: BTreeSet<EntityId>,
}

impl Entities<'_> {
    fn behind(&mut self, entity: EntityId, field: FieldId) -> Option<EntityId> {
        let target = self.catalog.entity_behind(entity, field);
        self.found.extend(target);
        target
    }
}

impl Visitor for Entities<'_> {
    fn enter(&mut self, to: To) {
        let entity = match to {
            // The owner of a join table changes when its links do.
            To::Rows(entity) => {
                self.found.insert(entity);
                Some(entity)
            }
            To::Behind(field) => self.at.last().copied().flatten().and_then(|at| self.behind(at, field)),
        };
        self.at.push(entity);
    }

    fn leave(&mut self) {
        self.at.pop();
    }

    fn order(&mut self, order: &Order) {
        let mut at = self.at.last().copied().flatten();
        for field in order.path.iter().chain([&order.field]) {
            at = at.and_then(|entity| self.behind(entity, *field));
        }
    }
}
