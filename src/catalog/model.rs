//! The types of the catalog. Plain data; positions ([`EntityId`], [`FieldId`]) instead of names.

use crate::value::{Language, Scalar};

use super::{
    fetch::{Fetch, Source},
    ids::{EntityId, EnumId, FetchId, FieldId, SourceId, ValueId},
    jq::Filter,
    rollup::{Groups, Rollup},
};

/// A checked `T`; only this module makes one.
#[derive(Clone, Debug)]
pub struct Valid<T>(pub(super) T);

impl<T> std::ops::Deref for Valid<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
impl<T> Valid<T> {
    /// For tests of what comes after the catalog, which need not write a definition.
    pub(crate) fn trusted(value: T) -> Valid<T> {
        Valid(value)
    }
}

/// Everything a definition says.
#[derive(Debug, Default)]
pub struct Catalog {
    pub sources: Vec<Source>,
    pub entities: Vec<Entity>,
    pub values: Vec<ValueType>,
    pub enums: Vec<EnumType>,
    pub fetches: Vec<Fetch>,
    /// A hash of the definition's text: what was stored under another one is not trusted to be
    /// unchanged.
    pub fingerprint: String,
}

/// A type with a key: it has a table.
#[derive(Debug)]
pub struct Entity {
    /// The name in SDL: `QuestItem`.
    pub name: String,
    /// The name that it had before (`@was`).
    pub was: Option<String>,
    pub description: Option<String>,
    pub names: Names,
    /// The fields of the key, in the order in which they were declared. A nested type's begins with
    /// its owner reference; of a nested type without `@id` it is that alone, and `positional` is
    /// set.
    pub key: Vec<FieldId>,
    /// A nested type without an `@id` of its own: its rows are told apart by their position in the
    /// owner's list.
    pub positional: bool,
    pub fields: Vec<Field>,
    /// Parts of what the fields hold, whose positions follow those of the fields.
    pub derived: Vec<Derived>,
    /// Those of several fields (`@index(fields:)` on the type).
    pub indexes: Vec<FieldsIndex>,
    /// Set for a nested type.
    pub owner: Option<Owner>,
    /// The scan that fills the table, if one is declared.
    pub fetch: Option<FetchId>,
    /// Whose groups its rows are (`@rollup` on the type); nothing else fills it.
    pub groups: Option<Groups>,
    /// Past versions of its rows are kept (`@history` on it, or on what it is nested in).
    pub history: bool,
}

/// The names derived from an entity's name.
#[derive(Clone, Debug)]
pub struct Names {
    /// `quest_item`: the table.
    pub table: String,
    /// `questItem`: the root field for one.
    pub single: String,
    /// `questItems`: the root field for many.
    pub many: String,
    /// `questItemBy`: the root field for one by any unique field.
    pub by: String,
    /// `questItemsConnection`: the root field for many in pages.
    pub connection: String,
    /// `itemsGrouped`
    pub grouped: String,
    /// `itemHistory`: the root field for the versions of one row.
    pub history: String,
}

/// An index of several fields, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldsIndex {
    pub fields: Vec<IndexedField>,
}

/// A part of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedField {
    pub field: FieldId,
    pub descending: bool,
}

/// Where a nested type's rows live.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub entity: EntityId,
    /// The owner's `@nested` field.
    pub field: FieldId,
    /// The nested type's own reference to its owner; a hidden field when the definition declares
    /// none.
    pub parent: FieldId,
}

/// A field of an entity.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// The name that it had before (`@was`).
    pub was: Option<String>,
    pub description: Option<String>,
    /// The reason given by `@deprecated`.
    pub deprecated: Option<String>,
    pub kind: FieldKind,
    /// `!`: for leaves and values, a record without it is refused.
    pub required: bool,
    /// How to take the value from a record. Unused for inverses and owner references.
    pub selection: Selection,
    pub unique: bool,
    pub indexed: bool,
    /// Its words are searched (`@search`).
    pub searched: bool,
    /// The language of which other forms of these are found.
    pub language: Option<Language>,
    /// False for a hidden owner reference, and for `@private`.
    pub served: bool,
    /// The requests that fill it, one per row (`@fetch` on the field); records do not.
    pub fetch: Option<FetchId>,
    /// What it is computed of (`@rollup`); nothing else fills it.
    pub rollup: Option<Rollup>,
}

/// A part of what a field holds.
#[derive(Debug)]
pub struct Derived {
    /// As if it were a field. Its name is the way to it, `position.lat`, or that under which the
    /// API shows it.
    pub field: Field,
    /// The field of the row.
    pub base: FieldId,
    pub part: PartOf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartOf {
    /// A member of a value object, by the names on the way to it.
    Member(Vec<String>),
    /// An item of the list of values in a field, or in a part of one; or a member of it, by the
    /// names on the way there.
    Item { list: FieldId, way: Vec<String> },
    /// A part of the key that a link holds, by its number.
    Key(usize),
    /// How many rows the field leads to.
    Count,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// A scalar or enum, or a list of them (a JSON column).
    Leaf { leaf: Leaf, list: Option<List> },
    /// A value object, or a list of them (a JSON column).
    Value { value: ValueId, list: Option<List> },
    /// A link to one row of `target`, kept here as the values of its `by` fields (its key, or one
    /// `@unique` field).
    Reference { target: EntityId, by: Vec<FieldId> },
    /// Links to many rows of `target`, kept in a join table in the upstream's order.
    Links { target: EntityId, by: Vec<FieldId> },
    /// The other direction of `field` of `source`, which is a `Reference` or `Links`.
    Inverse {
        source: EntityId,
        field: FieldId,
        many: bool,
    },
    /// Child rows owned by this row.
    Nested { child: EntityId },
    /// All rows that the field `of` leads to over one step or more, of the same type, each once. A
    /// read that meets one further away than `max_depth` steps is refused.
    Closure {
        entity: EntityId,
        of: FieldId,
        max_depth: Option<u32>,
    },
}

impl FieldKind {
    /// The entity on the other side, for the kinds that lead to one.
    pub fn target(&self) -> Option<EntityId> {
        match self {
            FieldKind::Reference { target, .. } | FieldKind::Links { target, .. } => Some(*target),
            FieldKind::Inverse { source, .. } => Some(*source),
            FieldKind::Nested { child } => Some(*child),
            FieldKind::Closure { entity, .. } => Some(*entity),
            FieldKind::Leaf { .. } | FieldKind::Value { .. } => None,
        }
    }

    /// Whether a record has a list there.
    pub fn is_list(&self) -> bool {
        match self {
            FieldKind::Leaf { list, .. } | FieldKind::Value { list, .. } => list.is_some(),
            FieldKind::Links { .. } | FieldKind::Nested { .. } => true,
            FieldKind::Reference { .. } | FieldKind::Inverse { .. } | FieldKind::Closure { .. } => false,
        }
    }

    /// Whether it leads to rows over any number of steps.
    pub fn is_closure(&self) -> bool {
        matches!(self, FieldKind::Closure { .. })
    }

    /// Whether it leads to a list of rows.
    pub fn is_to_many(&self) -> bool {
        matches!(
            self,
            FieldKind::Links { .. }
                | FieldKind::Nested { .. }
                | FieldKind::Inverse { many: true, .. }
                | FieldKind::Closure { .. }
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    Scalar(Scalar),
    Enum(EnumId),
}

/// Marks a list; `item_required` for `[String!]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    pub item_required: bool,
}

/// How a value is taken from a record.
#[derive(Clone, Debug)]
pub enum Selection {
    /// The first of these keys that the record has; a record with none of them gives null.
    Names(Vec<String>),
    /// The outputs of a jq filter.
    Jq(Filter),
}

/// An object type without a key: stored inside its owner as JSON, its leaves in wire form under
/// their served names.
#[derive(Debug)]
pub struct ValueType {
    pub name: String,
    pub description: Option<String>,
    pub fields: Vec<ValueField>,
}

/// A field of a value type.
#[derive(Debug)]
pub struct ValueField {
    pub name: String,
    pub description: Option<String>,
    pub deprecated: Option<String>,
    pub kind: ValueFieldKind,
    pub required: bool,
    pub selection: Selection,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ValueFieldKind {
    Leaf { leaf: Leaf, list: Option<List> },
    Value { value: ValueId, list: Option<List> },
}

/// An enum; a record may hold a value's name or one of its aliases.
#[derive(Debug)]
pub struct EnumType {
    pub name: String,
    pub description: Option<String>,
    pub values: Vec<EnumValue>,
}

#[derive(Debug)]
pub struct EnumValue {
    pub name: String,
    pub description: Option<String>,
    pub deprecated: Option<String>,
    /// From `@alias(options:)`.
    pub aliases: Vec<String>,
}

impl EnumType {
    /// The value that an upstream's text names, by its own name or an alias.
    pub fn value_of(&self, text: &str) -> Option<&EnumValue> {
        self.values
            .iter()
            .find(|value| value.name == text || value.aliases.iter().any(|alias| alias == text))
    }
}

impl Catalog {
    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.index()]
    }

    pub fn entity_ids(&self) -> impl Iterator<Item = EntityId> {
        (0..self.entities.len() as u32).map(EntityId)
    }

    pub fn entity_named(&self, name: &str) -> Option<EntityId> {
        self.entity_ids().find(|id| self.entity(*id).name == name)
    }

    pub fn value(&self, id: ValueId) -> &ValueType {
        &self.values[id.index()]
    }

    pub fn enumeration(&self, id: EnumId) -> &EnumType {
        &self.enums[id.index()]
    }

    pub fn source(&self, id: SourceId) -> &Source {
        &self.sources[id.index()]
    }

    pub fn fetch(&self, id: FetchId) -> &Fetch {
        &self.fetches[id.index()]
    }

    pub fn fetch_ids(&self) -> impl Iterator<Item = FetchId> + use<> {
        (0..self.fetches.len() as u32).map(FetchId)
    }

    /// A fetch is named as what it stands on: `Item`, `Item.recipes`.
    pub fn fetch_name(&self, id: FetchId) -> String {
        let fetch = self.fetch(id);
        match &fetch.field_fetch {
            None => self.entity(fetch.entity).name.clone(),
            Some(each) => {
                let parent = self.entity(each.parent);
                format!("{}.{}", parent.name, parent.field(each.field).name)
            }
        }
    }

    /// The leaves that make up `fields` of an entity: a reference among them counts as the leaves
    /// it holds.
    ///
    /// Recursion ends because the catalog builder refuses keys that contain themselves.
    pub fn leaves_of(&self, entity: EntityId, fields: &[FieldId]) -> Vec<Leaf> {
        let entity = self.entity(entity);
        fields
            .iter()
            .flat_map(|field| match &entity.field(*field).kind {
                FieldKind::Leaf { leaf, .. } => vec![*leaf],
                FieldKind::Reference { target, by } => self.leaves_of(*target, by),
                _ => Vec::new(),
            })
            .collect()
    }
}

impl Field {
    /// Whether the records of its type say it: not what requests of its own bring, nor what is
    /// computed, nor what follows from other fields.
    pub fn is_recorded(&self) -> bool {
        let follows = matches!(self.kind, FieldKind::Closure { .. });
        self.fetch.is_none() && self.rollup.is_none() && !follows
    }
}

impl Entity {
    /// The field at a position, or what is derived from one.
    pub fn field(&self, id: FieldId) -> &Field {
        match self.derived(id) {
            Some(derived) => &derived.field,
            None => &self.fields[id.index()],
        }
    }

    /// What is behind a position that is no field's.
    pub(crate) fn derived(&self, id: FieldId) -> Option<&Derived> {
        self.derived.get(id.index().checked_sub(self.fields.len())?)
    }

    /// The field that holds what stands at a position: mostly the one at it.
    pub(crate) fn base(&self, id: FieldId) -> FieldId {
        self.derived(id).map_or(id, |derived| derived.base)
    }

    pub fn field_ids(&self) -> impl Iterator<Item = FieldId> + use<> {
        (0..self.fields.len() as u32).map(FieldId)
    }

    pub fn field_named(&self, name: &str) -> Option<FieldId> {
        self.field_ids().find(|id| self.field(*id).name == name)
    }
}
