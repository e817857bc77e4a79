//! Values that are parts of what a field holds: the members of a value object, or of each item of a
//! list of them, the key that a link holds, the number of rows that a field leads to. Knows the
//! catalog; knows no column and no SQL.
//!
//! Each has a position behind those of the fields, so that whoever filters, orders and computes by
//! fields does the same by these.

use super::{
    Catalog, Derived, Entity, EntityId, Field, FieldId, FieldKind, Leaf, List, NODE_ID, PartOf, Selection, ValueField,
    ValueFieldKind, ValueId,
};
use crate::value::Scalar;

/// Members of one value, with those of the values in it: each is a possible part of filters, orders
/// and totals of every field that holds one.
pub(crate) const MEMBERS_MAX: usize = 1_000;

/// What the name of an item of a list has behind that of the list.
pub(crate) const ITEM: &str = "[]";

impl Entity {
    fn derived_ids(&self) -> impl Iterator<Item = (FieldId, &Derived)> {
        let first = self.fields.len();
        let ids = self.derived.iter().enumerate();
        ids.map(move |(at, derived)| (FieldId((first + at) as u32), derived))
    }

    /// A part by its name: `position.lat`, `requiredFor.count`.
    pub(crate) fn part_named(&self, name: &str) -> Option<FieldId> {
        let mut found = self.derived_ids();
        found.find(|(_, derived)| derived.field.name == name).map(|(id, _)| id)
    }

    /// What the API shows of a row: fields, each followed by the parts of the key that it holds.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (FieldId, &Field)> {
        self.field_ids().flat_map(|id| {
            let keys = self.derived_ids();
            let keys = keys.filter(move |(_, part)| part.base == id && matches!(part.part, PartOf::Key(_)));
            let own = std::iter::once((id, self.field(id)));
            let all = own.chain(keys.map(|(id, derived)| (id, &derived.field)));
            all.filter(|(_, field)| field.served)
        })
    }

    /// The one of these that has a name.
    pub(crate) fn shown_named(&self, name: &str) -> Option<FieldId> {
        let own = self.field_named(name).filter(|id| self.field(*id).served);
        own.or_else(|| {
            let is_shown = |part: &Derived| part.field.served && part.field.name == name;
            let mut found = self.derived_ids();
            found.find(|(_, part)| is_shown(part)).map(|(id, _)| id)
        })
    }
}

impl Catalog {
    /// Finds the parts of all fields; the catalog has no fault.
    pub(super) fn derive(&mut self) {
        let all: Vec<Vec<Derived>> = self.entities.iter().map(|entity| self.parts_of(entity)).collect();
        for (entity, derived) in self.entities.iter_mut().zip(all) {
            entity.derived = derived;
        }
    }

    fn parts_of(&self, entity: &Entity) -> Vec<Derived> {
        let mut found = Vec::new();
        for id in entity.field_ids() {
            let field = entity.field(id);
            match &field.kind {
                FieldKind::Value { value, list } => {
                    let of = Of {
                        base: id,
                        list: None,
                        field,
                        way: &[],
                    };
                    let mut parts = Parts {
                        catalog: self,
                        first: entity.fields.len(),
                        found: &mut found,
                    };
                    parts.value(*value, list.as_ref(), id, &of);
                }
                FieldKind::Reference { .. } => self.keys_of(entity, id, &mut found),
                kind if kind.is_to_many() => found.push(count_of(id, field)),
                _ => {}
            }
        }
        found
    }

    /// The parts of the key that a link holds. A field of the definition goes before one of their
    /// names, and so does the row's own id; of two of the same name the first.
    fn keys_of(&self, entity: &Entity, base: FieldId, found: &mut Vec<Derived>) {
        let field = entity.field(base);
        let is_key = entity.key.contains(&base);
        let leaves = self.named_leaves(entity, base).into_iter().enumerate();
        let keys = leaves.map(|(at, (name, leaf, served))| {
            let known = |name: &str| found.iter().any(|known| known.field.name == *name);
            let is_free = entity.field_named(&name).is_none() && !known(&name) && name != NODE_ID;
            Derived {
                field: Field {
                    required: field.required || is_key,
                    served: field.served && served && is_free,
                    deprecated: field.deprecated.clone(),
                    description: Some(format!(
                        "The key that `{}` holds, whether its row is there or not.",
                        field.name
                    )),
                    ..plain(name, FieldKind::Leaf { leaf, list: None })
                },
                base,
                part: PartOf::Key(at),
            }
        });
        let keys: Vec<Derived> = keys.collect();
        found.extend(keys);
    }

    /// The leaves that a field holds: of a link, those of the key over there, named after both
    /// (`questId`), and whether all that they are named after is served.
    pub(crate) fn named_leaves(&self, entity: &Entity, id: FieldId) -> Vec<(String, Leaf, bool)> {
        let field = entity.field(id);
        match &field.kind {
            FieldKind::Leaf { leaf, .. } => vec![(field.name.clone(), *leaf, field.served)],
            FieldKind::Reference { target, by } => {
                let target = self.entity(*target);
                let inner = by.iter().flat_map(|id| self.named_leaves(target, *id));
                inner
                    .map(|(name, leaf, served)| {
                        let name = format!("{}{}", field.name, capitalised(&name));
                        (name, leaf, served && field.served)
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// How many members a value has with those of the values in it, or some more than may be.
    pub(super) fn members_in(&self, value: ValueId) -> usize {
        let mut found = 0;
        for field in &self.value(value).fields {
            found += 1;
            if let ValueFieldKind::Value { value, .. } = field.kind {
                found += self.members_in(value);
            }
            // Two members of the same type in each of twenty values are a million.
            if found > MEMBERS_MAX {
                break;
            }
        }
        found
    }

    /// The type that rows are of behind a part: of a count.
    pub(crate) fn entity_behind(&self, entity: EntityId, field: FieldId) -> Option<EntityId> {
        let entity = self.entity(entity);
        match entity.derived(field).map(|derived| &derived.part) {
            Some(PartOf::Count) => entity.field(entity.base(field)).kind.target(),
            Some(PartOf::Member(_) | PartOf::Item { .. } | PartOf::Key(_)) => None,
            None => entity.field(field).kind.target(),
        }
    }
}

/// What holds a value: a field, or a part of one.
struct Of<'f> {
    base: FieldId,
    /// The list whose item it is, or is in.
    list: Option<FieldId>,
    field: &'f Field,
    /// From the field, or from the item.
    way: &'f [String],
}

/// Finds the parts of a field that holds values.
struct Parts<'c, 'f> {
    catalog: &'c Catalog,
    /// The position of the first part.
    first: usize,
    found: &'f mut Vec<Derived>,
}

impl Parts<'_, '_> {
    /// Those of a value, or of each item of a list, which stands at this position.
    fn value(&mut self, value: ValueId, list: Option<&List>, at: FieldId, of: &Of<'_>) {
        let Some(list) = list else {
            return self.members(value, of);
        };
        let name = format!("{}{ITEM}", of.field.name);
        let kind = FieldKind::Value { value, list: None };
        let item = Field {
            required: list.item_required,
            served: of.field.served,
            ..plain(name, kind)
        };
        self.found.push(Derived {
            field: item.clone(),
            base: of.base,
            part: PartOf::Item {
                list: at,
                way: Vec::new(),
            },
        });
        let of = Of {
            base: of.base,
            list: Some(at),
            field: &item,
            way: &[],
        };
        self.members(value, &of);
    }

    /// The members of a value, each before those of the value that it is.
    fn members(&mut self, value: ValueId, of: &Of<'_>) {
        let catalog = self.catalog;
        for member in &catalog.value(value).fields {
            let way: Vec<String> = of.way.iter().chain([&member.name]).cloned().collect();
            let field = member.as_field();
            let name = format!("{}.{}", of.field.name, member.name);
            let field = Field {
                name: name.clone(),
                required: of.field.required && field.required,
                served: of.field.served,
                ..field
            };
            let at = FieldId((self.first + self.found.len()) as u32);
            let inner = match &field.kind {
                FieldKind::Value { value, list } => Some((*value, *list, stand_in(name, &field))),
                _ => None,
            };
            self.found.push(Derived {
                field,
                base: of.base,
                part: match of.list {
                    None => PartOf::Member(way.clone()),
                    Some(list) => PartOf::Item { list, way: way.clone() },
                },
            });
            if let Some((value, list, field)) = inner {
                let of = Of {
                    field: &field,
                    way: &way,
                    ..*of
                };
                self.value(value, list.as_ref(), at, &of);
            }
        }
    }
}

fn count_of(base: FieldId, field: &Field) -> Derived {
    let leaf = Leaf::Scalar(Scalar::Int);
    Derived {
        field: Field {
            required: true,
            served: field.served,
            ..plain(format!("{}.count", field.name), FieldKind::Leaf { leaf, list: None })
        },
        base,
        part: PartOf::Count,
    }
}

fn stand_in(name: String, field: &Field) -> Field {
    Field {
        required: field.required,
        served: field.served,
        ..plain(name, field.kind.clone())
    }
}

/// A field of which nothing else is said.
fn plain(name: String, kind: FieldKind) -> Field {
    Field {
        name,
        was: None,
        description: None,
        deprecated: None,
        kind,
        required: false,
        selection: Selection::Names(Vec::new()),
        unique: false,
        indexed: false,
        searched: false,
        language: None,
        rollup: None,
        served: true,
        fetch: None,
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

impl ValueField {
    /// The same as a row's field would be.
    pub(crate) fn as_field(&self) -> Field {
        let kind = match self.kind {
            ValueFieldKind::Leaf { leaf, list } => FieldKind::Leaf { leaf, list },
            ValueFieldKind::Value { value, list } => FieldKind::Value { value, list },
        };
        Field {
            description: self.description.clone(),
            deprecated: self.deprecated.clone(),
            required: self.required,
            ..plain(self.name.clone(), kind)
        }
    }
}
