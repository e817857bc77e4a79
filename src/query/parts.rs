//! What a read goes by: the parts of types that can change its answer. Knows where fields lead; no
//! row.
//!
//! Each kind of part is named here, so that a new one is not forgotten: what is not among the parts
//! of a read can change, and its answer is taken for good.

use std::collections::BTreeSet;

use super::{
    filter::Filter,
    read::{Order, Output, OutputValue},
    roots::{Read, RootValue},
    visit::{To, Visitor, visit_read},
};
use crate::catalog::{Catalog, EntityId, FieldId, FieldKind, Part, PartOf};

impl Read {
    /// Every part whose change can change the answer.
    pub(crate) fn parts(&self, catalog: &Catalog) -> BTreeSet<Part> {
        let mut parts = Parts {
            catalog,
            at: Vec::new(),
            found: BTreeSet::new(),
        };
        visit_read(self, &mut parts);
        // A version begins with a change of any field, also of one that is not asked for.
        for root in &self.roots {
            if let RootValue::Versions(versions) = &root.value {
                parts.all_of(versions.select.entity);
            }
        }
        parts.found
    }

    /// Whether the answer stays the same until one of its parts changes. What is said of harvests
    /// does not: they begin and end without a change, and time goes by.
    pub(crate) fn is_lasting(&self) -> bool {
        self.roots.iter().all(|root| match &root.value {
            RootValue::One(_)
            | RootValue::Many(_)
            | RootValue::Connection(_)
            | RootValue::Grouped(_)
            | RootValue::Past(_)
            | RootValue::Versions(_)
            | RootValue::Json(_) => true,
            RootValue::Freshness(_) => false,
        })
    }
}

struct Parts<'c> {
    catalog: &'c Catalog,
    /// The types on the way to what is looked at; none behind a field that leads nowhere.
    at: Vec<Option<EntityId>>,
    found: BTreeSet<Part>,
}

impl Parts<'_> {
    fn here(&self) -> Option<EntityId> {
        self.at.last().copied().flatten()
    }

    /// Everything that belongs to the rows of a type.
    fn all_of(&mut self, entity: EntityId) {
        let catalog = self.catalog;
        self.found.insert(Part::rows(entity));
        for field in catalog.entity(entity).field_ids() {
            self.found.insert(Part::field(entity, field));
            if let FieldKind::Nested { child } = catalog.entity(entity).field(field).kind {
                self.all_of(child);
            }
        }
    }

    fn fields(&mut self, entity: EntityId, fields: &[FieldId]) {
        self.found
            .extend(fields.iter().map(|field| Part::field(entity, *field)));
    }

    /// The field of a row, and what makes it lead where it does; the type that it leads to.
    fn follow(&mut self, entity: EntityId, field: FieldId) -> Option<EntityId> {
        let catalog = self.catalog;
        let own = catalog.entity(entity);
        if let Some(derived) = own.derived(field) {
            // A number of rows changes with what leads to them; any other part with what holds it.
            match derived.part {
                PartOf::Count => {
                    self.follow(entity, derived.base);
                }
                PartOf::Member(_) | PartOf::Item { .. } | PartOf::Key(_) => {
                    self.found.insert(Part::field(entity, derived.base));
                }
            }
            return None;
        }
        match &own.field(field).kind {
            FieldKind::Leaf { .. } | FieldKind::Value { .. } => {
                self.found.insert(Part::field(entity, field));
                None
            }
            FieldKind::Reference { target, by } | FieldKind::Links { target, by } => {
                self.found.insert(Part::field(entity, field));
                self.found.insert(Part::rows(*target));
                self.fields(*target, by);
                Some(*target)
            }
            FieldKind::Inverse {
                source, field: back, ..
            } => {
                self.found.insert(Part::rows(*source));
                self.follow(*source, *back);
                Some(*source)
            }
            FieldKind::Nested { child } => {
                self.found.insert(Part::rows(*child));
                let owner = catalog.entity(*child).owner.as_ref();
                self.found.extend(owner.map(|owner| Part::field(*child, owner.parent)));
                Some(*child)
            }
            // Each of its steps goes by what one does.
            FieldKind::Closure { entity, of, .. } => {
                self.found.insert(Part::rows(*entity));
                self.follow(*entity, *of)
            }
        }
    }

    fn follow_here(&mut self, field: FieldId) -> Option<EntityId> {
        self.here().and_then(|entity| self.follow(entity, field))
    }
}

impl Visitor for Parts<'_> {
    fn enter(&mut self, to: To) {
        let entity = match to {
            To::Rows(entity) => {
                self.found.insert(Part::rows(entity));
                // It ends every order, and stands in cursors: equal keys may be other texts.
                self.fields(entity, &self.catalog.entity(entity).key);
                Some(entity)
            }
            To::Behind(field) => self.follow_here(field),
        };
        self.at.push(entity);
    }

    fn leave(&mut self) {
        self.at.pop();
    }

    fn output(&mut self, output: &Output) {
        match &output.value {
            OutputValue::NodeId(_) => {
                if let Some(entity) = self.here() {
                    self.fields(entity, &self.catalog.entity(entity).key);
                }
            }
            OutputValue::Matches(matches) => {
                if let Some(entity) = self.here() {
                    self.fields(entity, &matches.fields);
                }
            }
            value => {
                value.field().and_then(|field| self.follow_here(field));
            }
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Key { fields, .. } | Filter::Search { fields, .. } => {
                if let Some(entity) = self.here() {
                    self.fields(entity, fields);
                }
            }
            filter => {
                filter.field().and_then(|field| self.follow_here(field));
            }
        }
    }

    fn order(&mut self, order: &Order) {
        let mut at = self.here();
        for field in order.path.iter().chain([&order.field]) {
            at = at.and_then(|entity| self.follow(entity, *field));
        }
    }
}
