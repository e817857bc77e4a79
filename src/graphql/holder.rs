//! What has fields by which one filters, orders and computes: rows of a type, or a value object
//! that a row holds. Knows the catalog; no text of a schema.

use std::{borrow::Cow, collections::BTreeSet};

use crate::catalog::{Catalog, EntityId, EnumId, Field, FieldKind, Leaf, ValueId};

/// A type with a key, or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Rows(EntityId),
    Value(ValueId),
}

impl Holder {
    pub(super) fn name(self, catalog: &Catalog) -> &str {
        match self {
            Holder::Rows(id) => &catalog.entity(id).name,
            Holder::Value(id) => &catalog.value(id).name,
        }
    }

    /// The fields that the API shows, with the keys that links hold.
    pub(super) fn fields(self, catalog: &Catalog) -> Vec<Cow<'_, Field>> {
        match self {
            Holder::Rows(id) => {
                let shown = catalog.entity(id).shown();
                shown.map(|(_, field)| Cow::Borrowed(field)).collect()
            }
            Holder::Value(id) => {
                let fields = catalog.value(id).fields.iter();
                fields.map(|field| Cow::Owned(field.as_field())).collect()
            }
        }
    }

    /// All types with a key, and the values that rows hold one of.
    pub(super) fn all(catalog: &Catalog) -> Vec<Holder> {
        Holder::held(catalog, false)
    }

    /// The same with the values that rows hold in lists: what is filtered by its members.
    pub(super) fn filtered(catalog: &Catalog) -> Vec<Holder> {
        Holder::held(catalog, true)
    }

    fn held(catalog: &Catalog, in_lists: bool) -> Vec<Holder> {
        let mut values = BTreeSet::new();
        let mut open: Vec<Holder> = catalog.entity_ids().map(Holder::Rows).collect();
        let mut all = open.clone();
        while let Some(next) = open.pop() {
            for field in next.fields(catalog) {
                if let FieldKind::Value { value, list } = &field.kind
                    && (in_lists || list.is_none())
                    && values.insert(*value)
                {
                    open.push(Holder::Value(*value));
                }
            }
        }
        all.extend(values.into_iter().map(Holder::Value));
        all
    }

    /// The values and enums that the API shows somewhere, be it in lists.
    pub(super) fn shown(catalog: &Catalog) -> (BTreeSet<ValueId>, BTreeSet<EnumId>) {
        let (mut values, mut enums) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<Holder> = catalog.entity_ids().map(Holder::Rows).collect();
        while let Some(next) = open.pop() {
            for field in next.fields(catalog) {
                match field.kind {
                    FieldKind::Value { value, .. } if values.insert(value) => open.push(Holder::Value(value)),
                    FieldKind::Leaf {
                        leaf: Leaf::Enum(id), ..
                    } => {
                        enums.insert(id);
                    }
                    _ => {}
                }
            }
        }
        (values, enums)
    }
}
