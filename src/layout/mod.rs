//! Tables, columns and indexes for a catalog. Knows names and kinds; knows no SQL and no database.
//!
//! One table per entity, snake_case; a reference is its target's leaves; to-many references are a join table with a
//! position. Column order is the contract between `harvest` (which fills [`crate::value::Row`]) and `store`.

use crate::{
    catalog::{Catalog, Entity, EntityId, FieldId, FieldKind, Leaf, Valid},
    value::Scalar,
};

pub use crate::catalog::snake_case;

/// Columns of every entity's table beside the data: a row number that never changes or returns, and the row's hash.
pub const ROW_COLUMN: &str = "_row";
pub const HASH_COLUMN: &str = "_hash";
/// The place in the owner's (or the upstream's) list: on nested tables and join tables.
pub const POSITION_COLUMN: &str = "_position";

/// The tables of a whole catalog, by [`EntityId`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    pub entities: Vec<EntityTables>,
}

/// What one entity needs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EntityTables {
    pub table: Table,
    /// One per `Links` field, in field order.
    pub joins: Vec<JoinTable>,
    /// One per `Nested` field, in field order.
    pub nested: Vec<NestedTable>,
    /// Whether rows carry [`POSITION_COLUMN`]: the entity is nested.
    pub positioned: bool,
    /// Whether the position is the last part of the key.
    #[serde(default)]
    pub positional: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Table {
    pub name: String,
    /// The data columns, in field order.
    pub columns: Vec<Column>,
    /// Positions of the key's columns. A positional nested table's key ends with [`POSITION_COLUMN`], which is not among them.
    pub key: Vec<usize>,
    /// Further unique column sets.
    pub unique: Vec<Vec<usize>>,
    /// Plain indexes: `@index` fields, and every reference that the key does not already lead with.
    pub indexes: Vec<Vec<usize>>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    pub name: String,
    pub field: FieldId,
    pub kind: ColumnKind,
    pub nullable: bool,
}

/// What a column holds; the dialect chooses the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ColumnKind {
    Scalar(Scalar),
    /// The name of an enum's value.
    Enum,
    /// Lists and value objects: JSON text whose leaves are in wire form.
    Document,
}

/// The links of one `Links` field: owner's key, position, target's leaves. A dangling target is allowed.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JoinTable {
    pub name: String,
    pub field: FieldId,
    pub target: EntityId,
    /// Named `owner_…`, in the order of the owner's key leaves.
    pub owner: Vec<Column>,
    /// Named `target_…`, in the order of the target's `by` leaves.
    pub targets: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NestedTable {
    pub field: FieldId,
    pub child: EntityId,
}

impl Layout {
    /// Lays out a catalog. Cannot fail: what could is refused by `catalog::build`.
    pub fn of(catalog: &Valid<Catalog>) -> Layout {
        Layout {
            entities: catalog.entity_ids().map(|id| entity_tables(catalog, id)).collect(),
        }
    }

    pub fn entity(&self, id: EntityId) -> &EntityTables {
        &self.entities[id.index()]
    }
}

impl EntityTables {
    /// The positions of a field's columns in [`Table::columns`]: one for most, none for to-many fields.
    pub fn columns_of(&self, field: FieldId) -> Vec<usize> {
        self.table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.field == field)
            .map(|(position, _)| position)
            .collect()
    }

    /// The join table of a `Links` field.
    pub fn join_of(&self, field: FieldId) -> Option<&JoinTable> {
        self.joins.iter().find(|join| join.field == field)
    }
}

fn entity_tables(catalog: &Catalog, id: EntityId) -> EntityTables {
    let entity = catalog.entity(id);
    let columns: Vec<Column> = entity
        .field_ids()
        .flat_map(|field| field_columns(catalog, entity, field))
        .collect();
    let positions = |field: FieldId| {
        let owned = columns.iter().enumerate();
        owned
            .filter(move |(_, column)| column.field == field)
            .map(|(position, _)| position)
            .collect::<Vec<_>>()
    };
    let key: Vec<usize> = entity.key.iter().flat_map(|field| positions(*field)).collect();
    let mut unique = Vec::new();
    let mut indexes = Vec::new();
    for field in entity.field_ids() {
        let set = positions(field);
        let is_reference = matches!(entity.field(field).kind, FieldKind::Reference { .. });
        if set.is_empty() || set == key {
            continue;
        }
        if entity.field(field).unique {
            unique.push(set);
        } else if is_reference && !key.starts_with(&set) {
            // The rows behind an inverse come in the order of their key, which the index then has already.
            let rest = key.iter().filter(|column| !set.contains(column));
            indexes.push(set.iter().chain(rest).copied().collect());
        } else if entity.field(field).indexed && !key.starts_with(&set) {
            indexes.push(set);
        }
    }
    EntityTables {
        joins: joins(catalog, id),
        nested: nested(entity),
        positioned: entity.owner.is_some(),
        positional: entity.positional,
        table: Table {
            name: entity.names.table.clone(),
            columns,
            key,
            unique,
            indexes,
        },
    }
}

fn field_columns(catalog: &Catalog, entity: &Entity, id: FieldId) -> Vec<Column> {
    let field = entity.field(id);
    let name = snake_case(&field.name);
    // Key columns are never null even when the reference that they hold may dangle.
    let nullable = !field.required && !entity.key.contains(&id);
    let column = |name: String, kind| Column {
        name,
        field: id,
        kind,
        nullable,
    };
    match &field.kind {
        FieldKind::Leaf { list: Some(_), .. } | FieldKind::Value { .. } => {
            vec![column(name, ColumnKind::Document)]
        }
        FieldKind::Leaf { leaf, list: None } => vec![column(name, leaf_kind(*leaf))],
        FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &name)
            .into_iter()
            .map(|(name, kind)| column(name, kind))
            .collect(),
        FieldKind::Links { .. } | FieldKind::Inverse { .. } | FieldKind::Nested { .. } => Vec::new(),
    }
}

/// Names and kinds of the columns that hold `by` of `target` under a prefix: `giver_slug`, `quest_id`.
fn leaf_columns(catalog: &Catalog, target: EntityId, by: &[FieldId], prefix: &str) -> Vec<(String, ColumnKind)> {
    let entity = catalog.entity(target);
    by.iter()
        .flat_map(|id| {
            let field = entity.field(*id);
            let name = format!("{prefix}_{}", snake_case(&field.name));
            match &field.kind {
                FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &name),
                FieldKind::Leaf { leaf, .. } => vec![(name, leaf_kind(*leaf))],
                _ => Vec::new(),
            }
        })
        .collect()
}

fn leaf_kind(leaf: Leaf) -> ColumnKind {
    match leaf {
        Leaf::Scalar(scalar) => ColumnKind::Scalar(scalar),
        Leaf::Enum(_) => ColumnKind::Enum,
    }
}

fn joins(catalog: &Catalog, owner: EntityId) -> Vec<JoinTable> {
    let entity = catalog.entity(owner);
    let fields = entity.field_ids();
    fields
        .filter_map(|id| match &entity.field(id).kind {
            FieldKind::Links { target, by } => Some(JoinTable {
                name: format!("{}_{}", entity.names.table, snake_case(&entity.field(id).name)),
                field: id,
                target: *target,
                owner: join_columns(catalog, owner, &entity.key, "owner", id),
                targets: join_columns(catalog, *target, by, "target", id),
            }),
            _ => None,
        })
        .collect()
}

fn join_columns(catalog: &Catalog, entity: EntityId, by: &[FieldId], prefix: &str, field: FieldId) -> Vec<Column> {
    leaf_columns(catalog, entity, by, prefix)
        .into_iter()
        .map(|(name, kind)| Column {
            name,
            field,
            kind,
            nullable: false,
        })
        .collect()
}

fn nested(entity: &Entity) -> Vec<NestedTable> {
    let fields = entity.field_ids();
    fields
        .filter_map(|field| match entity.field(field).kind {
            FieldKind::Nested { child } => Some(NestedTable { field, child }),
            _ => None,
        })
        .collect()
}
